//! The names of keys and of channels in Redis.
//!
//! ```text
//! namespace:1:room:{lobby}:log                 what is kept of a room: see `Kind`
//! namespace:1:room:{lobby}:new                 the channel of the room's notifications
//! namespace:1:probe:{00112233…}                the channel by which a server checks its subscriptions
//! ```
//!
//! In a cluster, the text in braces decides on the node: so all keys of a room would be on the same one.

use std::fmt;

/// The version of the format of everything that is stored: a part of each name. Servers with different versions
/// share no rooms.
pub(crate) const FORMAT: u32 = 1;

/// The names of one application: applications with different namespaces can share a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The namespace, escaped, and the version of the format.
    prefix: String,
}

/// A number that each process chooses at random when it starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MachineId(pub(crate) u64);

/// The keys of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The stream of entries.
    Log,
    /// A hash: the epoch, the number, and what else the log's script remembers.
    State,
    /// A string for each server: its newest entry, with the position.
    Writer(MachineId),
}

/// The escaped name of the room without a name: empty braces would not decide on a node.
const NAMELESS: &str = "%";

impl Keys {
    pub(crate) fn new(namespace: &str) -> Keys {
        let prefix = format!("{}:{FORMAT}:", escape(namespace));
        Keys { prefix }
    }

    /// Returns the channel on which the entries of a room are notified.
    pub(crate) fn channel(&self, room: &str) -> String {
        self.of_room(room, "new")
    }

    /// Returns the room of a channel, or `None` if it is none of these.
    pub(crate) fn room_of_channel(&self, channel: &[u8]) -> Option<String> {
        let channel = std::str::from_utf8(channel).ok()?;
        let rest = channel.strip_prefix(&self.prefix)?.strip_prefix("room:{")?;
        unescape(rest.strip_suffix("}:new")?)
    }

    /// Returns the channel on which a server checks that its subscriptions work.
    pub(crate) fn probe(&self, machine: MachineId) -> String {
        format!("{}probe:{{{machine}}}", self.prefix)
    }

    pub(super) fn key(&self, room: &str, kind: Kind) -> String {
        match kind {
            Kind::Log => self.of_room(room, "log"),
            Kind::State => self.of_room(room, "state"),
            Kind::Writer(machine) => self.of_room(room, &format!("writer:{machine}")),
        }
    }

    fn of_room(&self, room: &str, kind: &str) -> String {
        let name = escape(room);
        let name = if name.is_empty() { NAMELESS } else { &name };
        format!("{}room:{{{name}}}:{kind}", self.prefix)
    }
}

/// Escapes braces, NUL, and the percent sign itself.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            '{' => escaped.push_str("%7B"),
            '}' => escaped.push_str("%7D"),
            '\0' => escaped.push_str("%00"),
            '%' => escaped.push_str("%25"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Reverses [`escape`]; `None` for text that it does not write.
fn unescape(name: &str) -> Option<String> {
    if name == NAMELESS {
        return Some(String::new());
    }
    let mut parts = name.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let char = match part.get(..2)? {
            "7B" => '{',
            "7D" => '}',
            "00" => '\0',
            "25" => '%',
            _ => return None,
        };
        plain.push(char);
        plain.push_str(&part[2..]);
    }
    Some(plain).filter(|_| !name.is_empty() && !name.contains(['{', '}', '\0']))
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineId({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Keys, Kind, MachineId};

    const ROOMS: [&str; 12] = [
        "", "%", "%25", "lobby", "{lobby}", "}:new", "a{", "a}", "\0", "%00", "\u{e4} x", "a:log",
    ];

    #[test]
    fn every_name_comes_back_from_its_channel_and_has_one_pair_of_braces() {
        let keys = Keys::new("my{chat}:\0");
        let mut channels = BTreeSet::new();
        for room in ROOMS {
            let channel = keys.channel(room);
            assert_eq!(
                keys.room_of_channel(channel.as_bytes()).as_deref(),
                Some(room)
            );
            for key in [&channel, &keys.key(room, Kind::Log)] {
                assert_eq!(key.matches('{').count(), 1, "{key}");
                assert_eq!(key.matches('}').count(), 1, "{key}");
                assert!(!key.contains("{}") && !key.contains('\0'), "{key}");
            }
            assert!(channels.insert(channel));
        }
    }

    #[test]
    fn other_channels_have_no_room() {
        let keys = Keys::new("chat");
        let others: [&[u8]; 9] = [
            b"",
            b"chat:1:room:{a}:log",
            b"chat:2:room:{a}:new",
            b"other:1:room:{a}:new",
            b"chat:1:room:{}:new",
            b"chat:1:room:{%2}:new",
            b"chat:1:room:{%7b}:new",
            b"chat:1:room:{a{b}:new",
            b"chat:1:room:{\xff}:new",
        ];
        for channel in others {
            assert_eq!(keys.room_of_channel(channel), None);
        }
    }

    #[test]
    fn a_machine_is_a_part_of_its_own_names() {
        let machine = MachineId(0xab);
        assert_eq!(machine.to_string(), "00000000000000ab");
        let keys = Keys::new("chat");
        assert_eq!(keys.probe(machine), "chat:1:probe:{00000000000000ab}");
        let key = keys.key("lobby", Kind::Writer(machine));
        assert_eq!(key, "chat:1:room:{lobby}:writer:00000000000000ab");
    }
}
