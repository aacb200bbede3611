//! Finds the end of a reply of RESP2 before it is decoded, and checks that it is within limits.

use std::fmt;

/// The limits of one reply. Redis is trusted with the messages, but not with the memory of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The most bytes of a line, without its type and its end: a status, an error, a number.
    pub(crate) line: usize,
    /// The most bytes of a bulk string.
    pub(crate) bulk: usize,
    /// The most items of all arrays of the reply together.
    pub(crate) items: usize,
    /// The most bytes of the whole reply.
    pub(crate) reply: usize,
}

/// The most arrays that can be nested in each other. The answers of the scripts have two levels.
pub(crate) const DEPTH: usize = 4;

/// The search for the end of a reply, which remembers its place while the reply arrives in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    bounds: Bounds,
    /// The beginning of the next item.
    at: usize,
    /// The bytes of that item that have no end of a line.
    searched: usize,
    /// The end of the bulk string whose length was read last, without its CR LF.
    bulk: Option<usize>,
    /// The items that are missing in each open array, the outermost first.
    open: [usize; DEPTH],
    depth: usize,
    /// The items of all arrays so far.
    items: usize,
}

/// The reason why bytes are not a reply, or not one within the limits. The connection is of no use then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanFault {
    /// An item begins with this byte.
    Kind(u8),
    /// A number or a length is not one.
    Number,
    /// A line or a bulk string does not end with CR LF.
    End,
    LongLine(usize),
    LargeBulk(u64, usize),
    ManyItems(u64, usize),
    Deep,
    LargeReply(usize),
}

impl Scan {
    pub(crate) fn new(bounds: Bounds) -> Scan {
        Scan {
            bounds,
            at: 0,
            searched: 0,
            bulk: None,
            open: [0; DEPTH],
            depth: 0,
            items: 0,
        }
    }

    /// Returns the length of the reply with which `bytes` begin, or `None` if it is incomplete. The next call must get
    /// the same bytes and more; those that were checked are not read again. After the end of a reply, the next one
    /// needs a new scan.
    ///
    /// # Errors
    /// If the bytes are not a reply, or not one within the limits.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, ScanFault> {
        loop {
            let is_whole = match self.bulk {
                Some(end) => {
                    let Some(mark) = bytes.get(end..end + 2) else {
                        return Ok(None);
                    };
                    if mark != b"\r\n" {
                        return Err(ScanFault::End);
                    }
                    self.bulk = None;
                    self.at = end + 2;
                    self.end_item()
                }
                None => match self.line(bytes.get(self.at..).unwrap_or_default())? {
                    Some(line) => self.item(line)?,
                    None => return Ok(None),
                },
            };
            if is_whole {
                return Ok(Some(self.at));
            }
        }
    }

    /// Returns the line with which an item begins, with its type and without its end, and goes behind it.
    fn line<'a>(&mut self, rest: &'a [u8]) -> Result<Option<&'a [u8]>, ScanFault> {
        let Some(&kind) = rest.first() else {
            return Ok(None);
        };
        if !b"+-:$*".contains(&kind) {
            return Err(ScanFault::Kind(kind));
        }
        let end = memchr::memchr(b'\n', rest.get(self.searched..).unwrap_or_default());
        let end = end.map(|end| self.searched + end);
        // The type, the text, CR LF.
        if end.unwrap_or(rest.len()) >= self.bounds.line + 3 {
            return Err(ScanFault::LongLine(self.bounds.line));
        }
        let Some(end) = end else {
            self.searched = rest.len();
            return Ok(None);
        };
        self.searched = 0;
        self.at += end + 1;
        if self.at > self.bounds.reply {
            return Err(ScanFault::LargeReply(self.bounds.reply));
        }
        match rest.get(..end - 1) {
            Some(line) if !line.is_empty() && rest[end - 1] == b'\r' => Ok(Some(line)),
            _ => Err(ScanFault::End),
        }
    }

    /// Goes on behind the line of an item; returns whether the reply is whole.
    fn item(&mut self, line: &[u8]) -> Result<bool, ScanFault> {
        let (kind, text) = (line[0], &line[1..]);
        match kind {
            b':' => {
                let digits = text.strip_prefix(b"-").unwrap_or(text);
                let number = number(digits).ok_or(ScanFault::Number)?;
                if number > i64::MAX as u64 {
                    return Err(ScanFault::Number);
                }
                Ok(self.end_item())
            }
            b'$' | b'*' if text == b"-1" => Ok(self.end_item()),
            b'$' => {
                let limit = self.bounds.bulk;
                let len = number(text).ok_or(ScanFault::Number)?;
                let small = usize::try_from(len).ok().filter(|len| *len <= limit);
                let end = self.at + small.ok_or(ScanFault::LargeBulk(len, limit))?;
                if end + 2 > self.bounds.reply {
                    return Err(ScanFault::LargeReply(self.bounds.reply));
                }
                self.bulk = Some(end);
                Ok(false)
            }
            b'*' => {
                let limit = self.bounds.items;
                let count = number(text).ok_or(ScanFault::Number)?;
                let fits = |count: &usize| *count <= limit - self.items;
                let few = usize::try_from(count).ok().filter(fits);
                let few = few.ok_or(ScanFault::ManyItems(count, limit))?;
                self.items += few;
                if few == 0 {
                    return Ok(self.end_item());
                }
                let place = self.open.get_mut(self.depth).ok_or(ScanFault::Deep)?;
                *place = few;
                self.depth += 1;
                Ok(false)
            }
            _ => Ok(self.end_item()),
        }
    }

    /// Ends an item, and the arrays of which it is the last; returns whether the reply is whole.
    fn end_item(&mut self) -> bool {
        while self.depth > 0 {
            let missing = &mut self.open[self.depth - 1];
            *missing -= 1;
            if *missing > 0 {
                return false;
            }
            self.depth -= 1;
        }
        true
    }
}

/// Reads digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}

impl fmt::Display for ScanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanFault::Kind(byte) => write!(
                f,
                "an item of a reply begins with the byte 0x{byte:02x}: this is not the protocol of Redis (RESP2)"
            ),
            ScanFault::Number => f.write_str("a number in a reply is not one"),
            ScanFault::End => f.write_str("a part of a reply does not end with CR LF"),
            ScanFault::LongLine(limit) => {
                write!(f, "a line of a reply has more than {limit} bytes")
            }
            ScanFault::LargeBulk(len, limit) => {
                write!(
                    f,
                    "a string of {len} bytes in a reply: the limit is {limit}"
                )
            }
            ScanFault::ManyItems(count, limit) => {
                write!(f, "{count} items in a reply: the limit is {limit}")
            }
            ScanFault::Deep => write!(f, "more than {DEPTH} nested arrays in a reply"),
            ScanFault::LargeReply(limit) => write!(f, "a reply of more than {limit} bytes"),
        }
    }
}

impl std::error::Error for ScanFault {}

#[cfg(test)]
mod tests {
    use super::{Bounds, DEPTH, Scan, ScanFault};

    const BOUNDS: Bounds = Bounds {
        line: 20,
        bulk: 100,
        items: 10,
        reply: 300,
    };

    fn scan(bytes: &[u8]) -> Result<Option<usize>, ScanFault> {
        Scan::new(BOUNDS).advance(bytes)
    }

    /// The same, byte by byte.
    fn scan_slowly(bytes: &[u8]) -> Result<Option<usize>, ScanFault> {
        let mut scan = Scan::new(BOUNDS);
        for len in 0..bytes.len() {
            if let Some(found) = scan.advance(&bytes[..len])? {
                return Ok(Some(found));
            }
        }
        scan.advance(bytes)
    }

    #[test]
    fn the_end_of_a_reply_is_found_whole_in_pieces_and_with_more_behind_it() {
        let replies: [&[u8]; 11] = [
            b"+OK\r\n",
            b"+\r\n",
            b"-ERR no\r\n",
            b":-9223372036854775807\r\n",
            b"$0\r\n\r\n",
            b"$-1\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*3\r\n*2\r\n:1\r\n$1\r\nx\r\n*0\r\n$-1\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n",
        ];
        for reply in replies {
            for len in 0..reply.len() {
                assert_eq!(scan(&reply[..len]), Ok(None), "{}", reply.escape_ascii());
            }
            let more = [reply, b"+next\r\n"].concat();
            assert_eq!(scan(&more), Ok(Some(reply.len())));
            assert_eq!(scan_slowly(&more), Ok(Some(reply.len())));
        }
    }

    #[test]
    fn anything_else_is_a_fault_with_a_text() {
        let long = [b"+", &[b'a'; 21][..], b"\r\n"].concat();
        let many = [b"*10\r\n".as_slice(), &b"*1\r\n".repeat(2)].concat();
        let parts = [
            b"*9\r\n",
            &[b"$90\r\n", &[0; 90][..], b"\r\n"].concat().repeat(4)[..],
        ]
        .concat();
        let faults: [(&[u8], ScanFault); 20] = [
            (b"?", ScanFault::Kind(b'?')),
            (b"\r\n", ScanFault::Kind(b'\r')),
            (b"%1\r\n", ScanFault::Kind(b'%')),
            (b":1x\r\n", ScanFault::Number),
            (b":\r\n", ScanFault::Number),
            (b":+1\r\n", ScanFault::Number),
            (b":9223372036854775808\r\n", ScanFault::Number),
            (b"$\r\n", ScanFault::Number),
            (b"$-2\r\n", ScanFault::Number),
            (b"*-0\r\n", ScanFault::Number),
            (b"+a\nb\r\n", ScanFault::End),
            (b"+\n", ScanFault::End),
            (b"$1\r\nab\r\n", ScanFault::End),
            (&long, ScanFault::LongLine(20)),
            (&long[..23], ScanFault::LongLine(20)),
            (b"$101\r\n", ScanFault::LargeBulk(101, 100)),
            (
                b"$18446744073709551615\r\n",
                ScanFault::LargeBulk(u64::MAX, 100),
            ),
            (b"*11\r\n", ScanFault::ManyItems(11, 10)),
            (&many, ScanFault::ManyItems(1, 10)),
            (&parts, ScanFault::LargeReply(300)),
        ];
        for (bytes, fault) in faults {
            assert_eq!(scan(bytes), Err(fault), "{}", bytes.escape_ascii());
            assert_eq!(scan_slowly(bytes), Err(fault), "{}", bytes.escape_ascii());
            assert!(fault.to_string().len() > 10);
        }
        assert_eq!(scan(b"$100\r\n"), Ok(None));
    }

    #[test]
    fn a_hundred_thousand_nested_arrays_are_a_fault() {
        let bytes = b"*1\r\n".repeat(100_000);
        assert_eq!(scan(&bytes), Err(ScanFault::Deep));
        assert_eq!(scan(&bytes[..4 * DEPTH]), Ok(None));
    }

    #[test]
    fn a_large_reply_in_small_pieces_is_read_once() {
        let bounds = Bounds {
            line: 1 << 20,
            bulk: 1 << 20,
            items: 100_000,
            reply: 1 << 22,
        };
        let items = b"$5\r\nhello\r\n".repeat(50_000);
        let reply = [b"*50001\r\n", &items[..], b"+", &[b'x'; 500_000], b"\r\n"].concat();
        let mut scan = Scan::new(bounds);
        let began = std::time::Instant::now();
        for len in (0..reply.len()).step_by(3) {
            assert_eq!(scan.advance(&reply[..len]), Ok(None));
        }
        assert_eq!(scan.advance(&reply), Ok(Some(reply.len())));
        // A scan that reads all bytes again for each piece needs minutes.
        assert!(began.elapsed().as_secs() < 10);
    }
}
