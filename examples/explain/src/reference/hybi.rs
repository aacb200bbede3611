//! Versions 7, 8 and RFC 6455 (RFC 6455 §5, §7.4).

use stentor::protocol::{Event, Initiator, Limits, Role};
use stentor::{CloseCode, Message, Version};

use super::{Account, End, xor};

pub(super) fn read((version, role): (Version, Role), bytes: &[u8], limits: &Limits) -> Account {
    let mut reader = Reader {
        version,
        role,
        limits,
        events: Vec::new(),
        output: Vec::new(),
        message: None,
    };
    let mut rest = bytes;
    let end = loop {
        match reader.frame(&mut rest) {
            Ok(()) => {}
            Err(Stop::Incomplete) => break End::disconnected(),
            Err(Stop::Broken(code)) => {
                reader.write(0x88, &code.to_be_bytes());
                break End::new(code, Initiator::Us, false);
            }
            Err(Stop::Goodbye(end)) => break end,
        }
    };
    Account {
        events: reader.events,
        end,
        output: reader.output,
    }
}

struct Reader<'a> {
    version: Version,
    role: Role,
    limits: &'a Limits,
    events: Vec<Event>,
    output: Vec<u8>,
    /// The unfinished message: whether it is text, its bytes, and its fragments.
    message: Option<(bool, Vec<u8>, usize)>,
}

enum Stop {
    Incomplete,
    Broken(u16),
    Goodbye(End),
}

const PROTOCOL_ERROR: Stop = Stop::Broken(1002);

/// The header of a frame that keeps the rules.
struct Header {
    fin: bool,
    opcode: u8,
    len: u64,
    key: [u8; 4],
}

impl Reader<'_> {
    fn frame(&mut self, bytes: &mut &[u8]) -> Result<(), Stop> {
        let header = self.header(bytes)?;
        let here = usize::try_from(header.len).map_or(bytes.len(), |len| len.min(bytes.len()));
        let (payload, behind) = bytes.split_at(here);
        let (payload, complete) = (xor(payload, header.key), here as u64 == header.len);
        *bytes = behind;
        if header.opcode >= 8 {
            return match complete {
                true => self.control(header.opcode, payload),
                false => Err(Stop::Incomplete),
            };
        }
        let begun = (header.opcode == 1, Vec::new(), 0);
        let (text, message, fragments) = self.message.get_or_insert(begun);
        message.extend(payload);
        *fragments += 1;
        let last = header.fin && complete;
        if *text
            && let Err(error) = std::str::from_utf8(message)
            && (last || error.error_len().is_some())
        {
            return Err(Stop::Broken(self.bad_text()));
        }
        if !complete {
            return Err(Stop::Incomplete);
        }
        if last && let Some((text, message, _)) = self.message.take() {
            self.events.push(Event::Message(match text {
                // Checked above: nothing is replaced.
                true => Message::from(String::from_utf8_lossy(&message).into_owned()),
                false => Message::from(message),
            }));
        }
        Ok(())
    }

    /// Takes a header from the front of `bytes`.
    fn header(&self, bytes: &mut &[u8]) -> Result<Header, Stop> {
        let (&[first, second], rest) = bytes.split_first_chunk().ok_or(Stop::Incomplete)?;
        let (fin, opcode, short) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        let known = matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10);
        let fits = match opcode {
            0 => self.message.is_some(),
            1 | 2 => self.message.is_none(),
            _ => fin && short <= 125,
        };
        // A server requires masks; a client accepts none.
        let masked = second & 0x80 != 0;
        if first & 0x70 != 0 || masked != (self.role == Role::Server) || !known || !fits {
            return Err(PROTOCOL_ERROR);
        }
        let (len, rest) = self.length(short, rest)?;
        let (so_far, fragments) = match &self.message {
            Some((_, bytes, fragments)) => (bytes.len(), *fragments),
            None => (0, 0),
        };
        let too_large = so_far as u64 + len > self.limits.message as u64;
        if opcode < 8 && (too_large || fragments > 0 && fragments >= self.limits.fragments) {
            return Err(Stop::Broken(match self.version {
                Version::Rfc6455 => 1009,
                _ => 1004,
            }));
        }
        let (key, rest) = match masked {
            true => rest.split_first_chunk().ok_or(Stop::Incomplete)?,
            false => (&[0; 4], rest),
        };
        *bytes = rest;
        Ok(Header {
            fin,
            opcode,
            len,
            key: *key,
        })
    }

    /// Reads a length, of which the first seven bits are `short`; returns the bytes after it too.
    fn length<'a>(&self, short: u8, rest: &'a [u8]) -> Result<(u64, &'a [u8]), Stop> {
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => return Ok((u64::from(short), rest)),
        };
        let (bytes, rest) = rest.split_at_checked(extra).ok_or(Stop::Incomplete)?;
        let len = bytes
            .iter()
            .fold(0, |len, byte| len << 8 | u64::from(*byte));
        let shortest = match len {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        if len >= 1 << 63 || (extra != shortest && self.version == Version::Rfc6455) {
            return Err(PROTOCOL_ERROR);
        }
        Ok((len, rest))
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Result<(), Stop> {
        match opcode {
            9 => {
                self.write(0x8a, &payload);
                self.events.push(Event::Ping(payload));
                Ok(())
            }
            10 => {
                self.events.push(Event::Pong(payload));
                Ok(())
            }
            _ => Err(self.close(&payload)),
        }
    }

    fn close(&mut self, payload: &[u8]) -> Stop {
        let mut end = End::new(1005, Initiator::Peer, true);
        if let [high, low, reason @ ..] = payload {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = match code {
                1004 => self.version != Version::Rfc6455,
                1000..=1003 | 1007..=1014 | 3000..=4999 => true,
                _ => false,
            };
            if !allowed {
                return PROTOCOL_ERROR;
            }
            let Ok(reason) = std::str::from_utf8(reason) else {
                return Stop::Broken(self.bad_text());
            };
            end.code = CloseCode::new(code);
            end.reason = reason.to_owned();
            self.write(0x88, &[*high, *low]);
        } else if payload.is_empty() {
            self.write(0x88, &[]);
        } else {
            return PROTOCOL_ERROR;
        }
        Stop::Goodbye(end)
    }

    /// A short frame; a client's mask is all zeros.
    fn write(&mut self, first: u8, payload: &[u8]) {
        match self.role {
            Role::Server => self.output.extend([first, short(payload)]),
            Role::Client => {
                let second = 0x80 | short(payload);
                self.output.extend([first, second, 0, 0, 0, 0]);
            }
        }
        self.output.extend(payload);
    }

    fn bad_text(&self) -> u16 {
        match self.version {
            Version::Hybi07 => 1003,
            _ => 1007,
        }
    }
}

/// Returns the length byte of a short frame.
fn short(payload: &[u8]) -> u8 {
    u8::try_from(payload.len()).unwrap_or(u8::MAX)
}
