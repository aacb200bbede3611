//! The names of keys and of channels in Redis.

use std::fmt::Write as _;

/// The version of the format of everything that is stored: a part of each name. Servers with different versions do
/// not share rooms.
pub(crate) const FORMAT: u32 = 1;

/// The names of one application: applications with different namespaces can share a Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// `namespace:1:`, escaped.
    prefix: String,
}

/// A number that each process chooses at random when it starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MachineId(pub(crate) u64);

impl Keys {
    pub(crate) fn new(namespace: &str) -> Keys {
        let mut prefix = String::new();
        escape(namespace, &mut prefix);
        let _ = write!(prefix, ":{FORMAT}:");
        Keys { prefix }
    }

    /// Returns the channel on which the entries of a room are notified.
    pub(crate) fn channel(&self, room: &str) -> String {
        self.room(room, "new")
    }

    /// Returns the room of a channel, or `None` if the channel is not one of these.
    pub(crate) fn room_of_channel(&self, channel: &[u8]) -> Option<String> {
        let _ = channel;
        None
    }

    /// Returns the channel on which a server checks that its subscriptions work.
    pub(crate) fn probe(&self, machine: MachineId) -> String {
        format!("{}probe:{machine}", self.prefix)
    }

    pub(super) fn log(&self, room: &str) -> String {
        self.room(room, "log")
    }

    fn room(&self, room: &str, kind: &str) -> String {
        let mut key = String::with_capacity(self.prefix.len() + room.len() + 10);
        key.push_str(&self.prefix);
        key.push_str("room:{");
        escape(room, &mut key);
        key.push_str("}:");
        key.push_str(kind);
        key
    }
}

fn escape(name: &str, into: &mut String) {
    into.push_str(name);
}

impl std::fmt::Display for MachineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::fmt::Debug for MachineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MachineId({self})")
    }
}
