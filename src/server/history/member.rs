//! Members of rooms: their keys, their public ids, and the lists of them.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::position::Position;
use super::publication::Publication;

/// The secret key of a member: 128 random bits. The program creates one for a client that has none, sends it to
/// that client only, and reads it from the client when it comes back. Connections with the same key are one
/// member.
///
/// The text has 32 lower-case hexadecimal digits. A client that knows a key can enter rooms as its member:
/// so `Debug` does not show it, and other clients see the [`MemberId`] instead.
///
/// ```
/// use stentor::server::MemberKey;
///
/// let key = MemberKey::new()?;
/// let again: MemberKey = key.to_string().parse()?;
/// assert_eq!(again.id(), key.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberKey([u8; 16]);

/// The public id of a member: 24 lower-case hexadecimal digits, computed from its [`MemberKey`]. It is the same in
/// all rooms and after a restart of the server, and does not disclose the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId([u8; 12]);

/// The error for text that is not a [`MemberKey`]. It does not contain the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMemberKey(());

/// The error for text that is not a [`MemberId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidMemberId(());

/// A member that enters a room with [`Client::enter`](crate::Client::enter).
///
/// The publications are the entries of the room's history by which the other clients learn that the member
/// has joined or left. Give both, or the clients learn that only from the next list of members.
///
/// ```
/// use stentor::server::{Member, MemberKey, Publication};
///
/// fn member(key: MemberKey, name: &str) -> Member {
///     let id = key.id();
///     let entry = |kind| {
///         let before = format!(r#"{{"type":"{kind}","member":"{id}","id":""#);
///         Publication::around(before, r#""}"#)
///     };
///     Member::new(key).meta(name).joined(entry("joined")).left(entry("left"))
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "pass it to `Client::enter`"]
pub struct Member {
    pub(crate) key: MemberKey,
    pub(crate) id: MemberId,
    pub(crate) meta: Arc<str>,
    pub(crate) joined: Option<Publication>,
    pub(crate) left: Option<Publication>,
}

/// A member of a room, as other clients may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "presence")]
pub struct Present {
    /// The public id.
    pub id: MemberId,
    /// The metadata, as the member has last entered the room.
    pub meta: Arc<str>,
}

/// The members of a room at one position of its history, as
/// [`ServerHandle::present`](crate::ServerHandle::present) returns them. With the entries behind that position
/// applied, the list is right at any later time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "presence")]
pub struct Roll {
    /// The announced members, in the order of their ids.
    pub members: Vec<Present>,
    /// The number of members that are not announced, since the room had
    /// [`max_announced`](super::History::max_announced) members when they entered.
    pub unannounced: usize,
    /// The position at which the list is true.
    pub at: Position,
}

/// The members of a room, as the hub passes them on: several threads may share the list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// In no order.
    pub(crate) members: Arc<[Present]>,
    pub(crate) unannounced: usize,
}

/// The most bytes of a member's metadata.
pub(crate) const LONGEST_META: usize = 1024;

/// The most bytes of a publication about a member.
pub(crate) const LARGEST: usize = 4096;

/// Hashed before a key, so that an id is the hash of nothing else.
const PREFIX: &str = "stentor member ";

impl MemberKey {
    /// Creates a key that nobody can guess.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new() -> io::Result<MemberKey> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(MemberKey(key))
    }

    /// Returns the public id of the member with this key.
    #[must_use]
    pub fn id(self) -> MemberId {
        let mut sha1 = Sha1::new();
        sha1.update(PREFIX);
        sha1.update(self.to_string());
        let hash = sha1.finalize();
        let mut id = [0; 12];
        for (to, from) in id.iter_mut().zip(hash) {
            *to = from;
        }
        MemberId(id)
    }
}

impl Member {
    /// Creates a member with empty metadata and without publications.
    pub fn new(key: MemberKey) -> Member {
        Member {
            key,
            id: key.id(),
            meta: Arc::default(),
            joined: None,
            left: None,
        }
    }

    /// Sets the metadata that the list of members shows, such as a name or JSON: at most 1 KiB.
    pub fn meta(self, meta: impl Into<Arc<str>>) -> Member {
        let meta = meta.into();
        Member { meta, ..self }
    }

    /// Sets the entry by which the room learns that the member has joined: at most 4 KiB. If the member is in the
    /// room already and enters it again with other metadata, this entry is published as its update.
    pub fn joined(self, publication: impl Into<Publication>) -> Member {
        let joined = Some(publication.into());
        Member { joined, ..self }
    }

    /// Sets the entry by which the room learns that the member has left: at most 4 KiB. It is stored until then.
    /// The entry of the member's latest connection counts.
    pub fn left(self, publication: impl Into<Publication>) -> Member {
        let left = Some(publication.into());
        Member { left, ..self }
    }

    /// Returns the bytes that the member holds while it waits for the hub.
    pub(crate) fn weight(&self) -> usize {
        let len =
            |publication: &Option<Publication>| publication.as_ref().map_or(0, Publication::len);
        self.meta.len() + len(&self.joined) + len(&self.left)
    }
}

impl Listed {
    /// Returns the list, sorted: on the thread that has requested it, not on the hub's.
    pub(crate) fn sorted(&self) -> Vec<Present> {
        let mut members = self.members.to_vec();
        members.sort_unstable_by_key(|present| present.id);
        members
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberKey(redacted)")
    }
}

impl FromStr for MemberKey {
    type Err = InvalidMemberKey;

    /// Reads a key exactly as `Display` writes it.
    fn from_str(text: &str) -> Result<MemberKey, InvalidMemberKey> {
        read_hex(text).map(MemberKey).ok_or(InvalidMemberKey(()))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberId({self})")
    }
}

impl FromStr for MemberId {
    type Err = InvalidMemberId;

    /// Reads an id exactly as `Display` writes it.
    fn from_str(text: &str) -> Result<MemberId, InvalidMemberId> {
        read_hex(text).map(MemberId).ok_or(InvalidMemberId(()))
    }
}

impl fmt::Display for InvalidMemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the key of a member: it has 32 lower-case hexadecimal digits")
    }
}

impl fmt::Display for InvalidMemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a member: it has 24 lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidMemberKey {}

impl std::error::Error for InvalidMemberId {}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly two lower-case digits for each byte.
fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, two) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = 16 * digit(two[0])? + digit(two[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{MemberId, MemberKey};

    #[test]
    fn a_key_is_read_only_as_it_is_written() {
        let key = MemberKey([0xab; 16]);
        let text = "ab".repeat(16);
        assert_eq!(key.to_string(), text);
        assert_eq!(text.parse(), Ok(key));
        let long = "a".repeat(10 * 1024 * 1024);
        let wrong = [
            "",
            "a",
            &text[..31],
            &text[..30],
            &format!("{text}0"),
            &format!(" {text}"),
            &format!("{}\n", &text[..31]),
            &format!("{}\0", &text[..31]),
            &format!("0x{}", &text[..30]),
            &format!("+{}", &text[..31]),
            &text.to_uppercase(),
            &"g".repeat(32),
            &"\u{e4}".repeat(16),
            "{ababababababababababababababab}",
            long.as_str(),
        ];
        for text in wrong {
            assert!(text.parse::<MemberKey>().is_err(), "{:.40}", text);
            assert!(text.parse::<MemberId>().is_err(), "{:.40}", text);
        }
    }

    #[test]
    fn an_id_is_a_part_of_the_hash_of_its_key() {
        let key = MemberKey([0; 16]);
        let id = key.id();
        assert_eq!(id.to_string().parse(), Ok(id));
        // printf 'stentor member 00000000000000000000000000000000' | sha1sum | head -c 24
        assert_eq!(id.to_string(), "d4e21c63b6c84ec764da3f5d");
        assert_ne!(MemberKey([1; 16]).id(), id);
    }

    #[test]
    fn two_keys_differ_and_are_not_in_the_log() {
        let keys = [MemberKey::new(), MemberKey::new()].map(Result::ok);
        assert!(keys[0].is_some() && keys[0] != keys[1]);
        let text = format!("{keys:?}");
        assert_eq!(text.matches("MemberKey(redacted)").count(), 2);
        let key = keys[0].map(|key| key.to_string()).unwrap_or_default();
        assert!(!text.contains(&key));
    }
}
