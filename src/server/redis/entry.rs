//! The entries of a room's log, as they come from notifications and from pages.

use super::Position;
use super::header::{Header, ReadHeader};
use super::wire::Reply;

/// An entry of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Position,
    /// For the first entry of an epoch: the newest position of the epoch before, if Redis has one.
    pub(crate) before: Option<Position>,
    /// The time of Redis, in milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Known(Header, Vec<u8>),
    /// The notification lacks the payload, which is large: read the log.
    Absent,
    /// The entry is of a newer version: it has a position, and is skipped.
    Skip,
}

/// The newest position of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) at: Position,
    /// The newest position of the epoch before, if Redis has one.
    pub(crate) before: Option<Position>,
}

/// Reads a notification: the entries of one batch, or of a part of it, in order. `None` if it is none.
///
/// Each entry is a line with its position, the length of its head, and that of its payload, or `-` if the payload is
/// not there; then the head, and the payload.
pub(crate) fn notification(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (line, behind) = line(rest)?;
        let mut words = line.split(' ');
        let at = words.next()?.parse().ok()?;
        let head = words.next()?.parse().ok()?;
        let payload = words.next()?;
        let (head, behind) = behind.split_at_checked(head)?;
        let (payload, behind) = match payload {
            "-" => (None, behind),
            len => {
                let (payload, behind) = behind.split_at_checked(len.parse().ok()?)?;
                (Some(payload), behind)
            }
        };
        if words.next().is_some() {
            return None;
        }
        entries.push(entry(at, head, payload));
        rest = behind;
    }
    Some(entries).filter(|entries| !entries.is_empty())
}

/// Reads a notification that all servers forget the entries up to a position.
pub(crate) fn forgotten(bytes: &[u8]) -> Option<Position> {
    let (line, rest) = line(bytes)?;
    let position = line.strip_prefix("forget ")?;
    position.parse().ok().filter(|_| rest.is_empty())
}

/// Reads the entries of a page: for each the position, the head, and the payload.
pub(crate) fn page(items: &[Reply]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(items.len() / 3);
    for parts in items.chunks(3) {
        let [at, Reply::Bulk(head), Reply::Bulk(payload)] = parts else {
            return None;
        };
        entries.push(entry(at.position()?, head, Some(payload)));
    }
    Some(entries)
}

/// Reads an entry. Its head is a line with the newest position of the epoch before, or `-`; the bytes of all entries
/// before; and the time; then comes the header. Another one has written an entry that has no such head.
fn entry(at: Position, head: &[u8], payload: Option<&[u8]>) -> Entry {
    let parts = || {
        let (line, header) = line(head)?;
        let mut words = line.split(' ');
        let before = match words.next()? {
            "-" => None,
            before => Some(before.parse().ok()?),
        };
        let time = words.nth(1)?.parse().ok()?;
        Some((before, time, header))
    };
    let Some((before, time, header)) = parts() else {
        return Entry {
            at,
            before: None,
            time: 0,
            body: Body::Skip,
        };
    };
    let body = match (Header::read(header), payload) {
        (ReadHeader::Skip, _) => Body::Skip,
        (ReadHeader::Known(_), None) => Body::Absent,
        (ReadHeader::Known(header), Some(payload)) => Body::Known(header, payload.to_vec()),
    };
    Entry {
        at,
        before,
        time,
        body,
    }
}

/// Splits bytes behind their first line, which is short.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let start = &bytes[..bytes.len().min(LONGEST_LINE)];
    let end = memchr::memchr(b'\n', start)?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((line, &bytes[end + 1..]))
}

/// A position has at most 41 bytes, and a number 20.
const LONGEST_LINE: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::header::{Header, Payload};
    use super::super::keys::MachineId;
    use super::{Body, Entry, Position, Reply, notification, page};

    fn head(line: &str) -> (Header, Vec<u8>) {
        let header = Header::message(MachineId(1), 2, Payload::Text);
        let mut bytes = line.as_bytes().to_vec();
        header.encode(&mut bytes);
        (header, bytes)
    }

    #[test]
    fn a_notification_has_the_entries_of_a_batch() {
        let (header, first) = head("4-9 0 1700\n");
        let (_, second) = head("- 70 1701\n");
        let mut bytes = format!("5-1 {} 2\n", first.len()).into_bytes();
        bytes.extend_from_slice(&first);
        bytes.extend_from_slice(b"hi");
        bytes.extend_from_slice(format!("5-2 {} -\n", second.len()).as_bytes());
        bytes.extend_from_slice(&second);
        bytes.extend_from_slice(b"5-3 3 0\nxyz");
        let expected = [
            Entry {
                at: Position::new(5, 1),
                before: Some(Position::new(4, 9)),
                time: 1700,
                body: Body::Known(header, b"hi".to_vec()),
            },
            Entry {
                at: Position::new(5, 2),
                before: None,
                time: 1701,
                body: Body::Absent,
            },
            Entry {
                at: Position::new(5, 3),
                before: None,
                time: 0,
                body: Body::Skip,
            },
        ];
        assert_eq!(notification(&bytes).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn other_notifications_are_none() {
        let others: [&[u8]; 9] = [
            b"",
            b"hello",
            b"5-1 0\n",
            b"5-1 0 0 0\n",
            b"5-1 1 0\n",
            b"5-1 0 1\n",
            b"x 0 0\n",
            b"5-1 99999999999999999999 0\n",
            &[b'1'; 200],
        ];
        for bytes in others {
            assert_eq!(notification(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_page_has_three_items_for_each_entry() {
        let (header, head) = head("- 0 1\n");
        let items = ["5-1".into(), head, b"hi".to_vec()].map(Reply::Bulk);
        let entries = page(&items).unwrap_or_default();
        assert_eq!(entries[0].body, Body::Known(header, b"hi".to_vec()));
        assert_eq!(page(&items[..2]), None);
        assert_eq!(page(&[Reply::Nil, Reply::Nil, Reply::Nil]), None);
        assert_eq!(page(&[]), Some(Vec::new()));
    }
}
