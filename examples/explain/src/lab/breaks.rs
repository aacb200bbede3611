//! Mistakes that are made on purpose.

use stentor::Version;

use super::action::{Action, Amount};
use super::answer::Answer;
use super::bench::{Lab, Setup};
use super::frames::{hybi, with_length};
use super::seed;
use crate::note::Side;
use crate::rule::Rule;
use crate::rules::frames as rules;

/// A mistake, made by one side so that the engine of the other side answers it.
#[derive(Debug)]
pub struct Break {
    /// A stable name.
    pub id: &'static str,
    /// A few words for a button.
    pub title: &'static str,
    /// One sentence: the bytes that are sent.
    pub says: &'static str,
    kind: Kind,
}

/// Why a version, or a side, cannot make a mistake.
pub type Unsuitable = &'static str;

/// Where a mistake is made.
#[derive(Debug)]
enum Kind {
    /// In the frames: these bytes are sent after the handshake.
    Frames(fn(Place) -> Result<Vec<u8>, Unsuitable>),
    /// In the request of the client.
    Request(fn(Version, &str) -> Result<String, Unsuitable>),
    /// In the response of the server. For draft-76, also in the sixteen bytes after it.
    Response(fn(Version, &str) -> Result<String, Unsuitable>),
    /// The TCP connection is closed after the handshake.
    End,
}

/// The version, and the side that makes the mistake.
#[derive(Debug, Clone, Copy)]
struct Place {
    version: Version,
    from: Side,
}

const NO_MASKS: Unsuitable = "This version has no masks.";
const NO_FRAGMENTS: Unsuitable = "This version has no fragments.";
const NO_PING: Unsuitable = "This version has no ping.";
const NO_CODES: Unsuitable = "A close has no code in this version.";
const NO_NUMBER: Unsuitable = "This version has no number in its request.";
const NO_PROOF: Unsuitable = "In this version, the server proves nothing.";

/// A side cannot make the mistakes of the other one.
const ONLY_CLIENT: Unsuitable = "Only a client sends a request.";
const ONLY_SERVER: Unsuitable = "Only a server sends a response.";

impl Break {
    /// All mistakes, in the order of a conversation.
    pub const ALL: &'static [Break] = ALL;

    /// Returns the mistake with this name.
    pub fn of(id: &str) -> Option<&'static Break> {
        ALL.iter().find(|one| one.id == id)
    }

    /// The rule that allows it, and the reason in one sentence, if it is no mistake in any version.
    pub(super) fn allowed(&self) -> Option<(&'static Rule, &'static str)> {
        match self.id {
            "cut-character" => Some((
                &rules::TEXT_UTF8,
                "No, this is allowed: a frame may end inside a character, and the next frame completes it.",
            )),
            "ping-inside" => Some((
                &rules::NESTED,
                "No, this is allowed: a control frame may stand between two fragments of a message.",
            )),
            _ => None,
        }
    }

    /// Answers that are plausible, right or wrong.
    pub(super) fn plausible(&self) -> &'static [Answer] {
        match self.kind {
            Kind::Frames(_) => &[
                Answer::Nothing,
                Answer::Message,
                Answer::Close(1002),
                Answer::Tcp,
            ],
            Kind::Request(_) => &[Answer::Nothing, Answer::Open, Answer::Status(400)],
            Kind::Response(_) => &[Answer::Nothing, Answer::Open, Answer::Declined],
            Kind::End => &[Answer::Nothing, Answer::Ended, Answer::Lost],
        }
    }

    /// Returns the actions of a session in which this side makes the mistake, and the other one answers.
    ///
    /// # Errors
    ///
    /// One sentence, if the version or the side cannot make it.
    pub fn actions(&self, setup: Setup, from: Side) -> Result<Vec<Action>, Unsuitable> {
        let version = setup.version;
        let crafted = match &self.kind {
            Kind::Frames(make) => {
                // The engines' own keys are those of the seed itself.
                seed::begin(!setup.seed);
                Action::Raw(from, make(Place { version, from })?)
            }
            Kind::End => Action::End(from),
            Kind::Request(edit) => {
                if from == Side::Server {
                    return Err(ONLY_CLIENT);
                }
                let lab = Lab::new(setup);
                let bytes = edited(lab.unread(from), |head| edit(version, head))?;
                return Ok(vec![Action::Replace(from, bytes), Action::Run]);
            }
            Kind::Response(edit) => {
                if from == Side::Client {
                    return Err(ONLY_SERVER);
                }
                let read = Action::Read(Side::Client, Amount::All);
                let mut lab = Lab::new(setup);
                // The request is there from the start, so it can be read.
                let _ = lab.perform(&read);
                let bytes = edited(lab.unread(from), |head| edit(version, head))?;
                return Ok(vec![read, Action::Replace(from, bytes), Action::Run]);
            }
        };
        Ok(vec![Action::Run, crafted, Action::Run])
    }
}

/// The same bytes with another header block. The bytes after it are kept; a header block that ends in bytes of its
/// own, after the blank line, replaces as many of them.
fn edited(
    bytes: &[u8],
    edit: impl FnOnce(&str) -> Result<String, Unsuitable>,
) -> Result<Vec<u8>, Unsuitable> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 4));
    let mut edited = edit(&String::from_utf8_lossy(head))?.into_bytes();
    let own = edited.windows(4).position(|four| four == b"\r\n\r\n");
    let own = own.map_or(0, |at| edited.len() - at - 4);
    edited.extend(rest.get(own..).unwrap_or_default());
    Ok(edited)
}

impl Place {
    fn is_hixie(self) -> bool {
        self.version.wire_number().is_none()
    }

    /// The mask that this side must use: another one for each frame.
    fn mask(self) -> Option<[u8; 4]> {
        (self.from == Side::Client && !self.is_hixie()).then(key)
    }

    /// A frame that is right but for its first byte or its payload.
    fn frame(self, first: u8, payload: &[u8]) -> Vec<u8> {
        hybi(first, payload, self.mask())
    }

    /// Such a frame, in the versions that have fragments, pings and codes.
    fn new_frame(
        self,
        reason: Unsuitable,
        first: u8,
        payload: &[u8],
    ) -> Result<Vec<u8>, Unsuitable> {
        match self.is_hixie() {
            true => Err(reason),
            false => Ok(self.frame(first, payload)),
        }
    }
}

const ALL: &[Break] = &[
    Break {
        id: "no-upgrade",
        title: "No Upgrade header",
        says: "The client's request lacks the header Upgrade.",
        kind: Kind::Request(|_, head| Ok(without(head, "Upgrade"))),
    },
    Break {
        id: "line-ends",
        title: "LF for CR LF",
        says: "The lines of the request end in LF alone.",
        kind: Kind::Request(|_, head| Ok(head.replace("\r\n", "\n"))),
    },
    Break {
        id: "version-9",
        title: "Version 9",
        says: "The request asks for version 9, which no browser has shipped.",
        kind: Kind::Request(|version, head| {
            let number = version.wire_number().ok_or(NO_NUMBER)?;
            let line = |number: u8| format!("Sec-WebSocket-Version: {number}\r\n");
            Ok(head.replace(&line(number), &line(9)))
        }),
    },
    Break {
        id: "short-key",
        title: "A key that is no key",
        says: "The key is \"c2hvcnQ=\": 5 bytes in Base64, where 16 are required. In draft-76, key 1 has no space.",
        kind: Kind::Request(|version, head| match version {
            Version::Draft75 => Err("This version has no key."),
            Version::Draft76 => Ok(with_value(head, "Sec-WebSocket-Key1", "4146546015")),
            _ => Ok(with_value(head, "Sec-WebSocket-Key", "c2hvcnQ=")),
        }),
    },
    Break {
        id: "wrong-accept",
        title: "Wrong accept value",
        says: "The server sends Base64 of the key itself, without the fixed text and SHA-1. In draft-76: sixteen zeros.",
        kind: Kind::Response(|version, head| match version {
            Version::Draft75 => Err(NO_PROOF),
            Version::Draft76 => Ok(format!("{head}0000000000000000")),
            _ => Ok(with_value(
                head,
                "Sec-WebSocket-Accept",
                "ZEdobElITmhiWEJzWlNCdWIyNWpaUT09",
            )),
        }),
    },
    Break {
        id: "status-200",
        title: "Status 200",
        says: "The server answers the request with 200 and an empty page.",
        kind: Kind::Response(|_, head| {
            let rest = head.split_once("\r\n").map_or("", |(_, rest)| rest);
            Ok(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{rest}"))
        }),
    },
    Break {
        id: "not-offered",
        title: "Extension not offered",
        says: "The server's response agrees on permessage-deflate, which the client has not offered.",
        kind: Kind::Response(|_, head| {
            let line = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
            Ok(format!(
                "{}{line}",
                head.strip_suffix("\r\n").unwrap_or(head)
            ))
        }),
    },
    Break {
        id: "mask",
        title: "Mask the wrong way round",
        says: "A client sends \"Hello\" without a mask, or a server sends it with one.",
        kind: Kind::Frames(|place| match (place.is_hixie(), place.from) {
            (true, _) => Err(NO_MASKS),
            (_, Side::Client) => Ok(hybi(0x81, b"Hello", None)),
            (_, Side::Server) => Ok(hybi(0x81, b"Hello", Some(key()))),
        }),
    },
    Break {
        id: "rsv1",
        title: "RSV1 is set",
        says: "The first byte is c1: the bit RSV1 is set, and no extension was agreed on.",
        kind: Kind::Frames(|place| Ok(place.frame(0xc1, b"Hello"))),
    },
    Break {
        id: "opcode-3",
        title: "Opcode 3",
        says: "The first byte is 83: FIN, and opcode 3, which has no meaning.",
        kind: Kind::Frames(|place| Ok(place.frame(0x83, b"Hello"))),
    },
    Break {
        id: "long-form",
        title: "Length in the wrong form",
        says: "The length 5 is written in 16 bits, although it fits into 7. In the old drafts: a digit 0 before it.",
        kind: Kind::Frames(|place| match place.is_hixie() {
            true => Ok(b"\x80\x80\x05Hello".to_vec()),
            false => Ok(with_length(0x81, 126, &[0, 5], b"Hello", place.mask())),
        }),
    },
    Break {
        id: "top-bit",
        title: "Length with its top bit set",
        says: "A length in 64 bits begins with the byte 80: its first bit must be 0.",
        kind: Kind::Frames(|place| match place.is_hixie() {
            true => Err("This version has no length in 64 bits."),
            false => Ok(with_length(
                0x82,
                127,
                &[0x80, 0, 0, 0, 0, 0, 0, 5],
                b"Hello",
                place.mask(),
            )),
        }),
    },
    Break {
        id: "too-large",
        title: "2 MiB announced",
        says: "A header announces a binary message of 2 MiB. Both engines take 1 MiB at most.",
        kind: Kind::Frames(|place| match place.is_hixie() {
            true => Ok(b"\x80\x81\x80\x80\x00".to_vec()),
            false => Ok(with_length(
                0x82,
                127,
                &[0, 0, 0, 0, 0, 0x20, 0, 0],
                b"",
                place.mask(),
            )),
        }),
    },
    Break {
        id: "bad-utf8",
        title: "Text that is not UTF-8",
        says: "A text message has the bytes c3 28: the first one needs another one after it.",
        kind: Kind::Frames(|place| match place.is_hixie() {
            true => Ok(b"\x00a\xc3\x28z\xff".to_vec()),
            false => Ok(place.frame(0x81, b"a\xc3\x28z")),
        }),
    },
    Break {
        id: "cut-character",
        title: "Character cut by a fragment",
        says: "A text message comes in two frames, and \"\u{fc}\" (c3 bc) is cut between them. Is it a mistake at all?",
        kind: Kind::Frames(|place| {
            let first = place.new_frame(NO_FRAGMENTS, 0x01, b"gr\xc3")?;
            Ok([first, place.frame(0x80, b"\xbcn")].concat())
        }),
    },
    Break {
        id: "ping-126",
        title: "Ping of 126 bytes",
        says: "A ping has a payload of 126 bytes.",
        kind: Kind::Frames(|place| place.new_frame(NO_PING, 0x89, &[b'x'; 126])),
    },
    Break {
        id: "ping-pieces",
        title: "Ping in pieces",
        says: "The first byte is 09: a ping without FIN, as if more of it were to come.",
        kind: Kind::Frames(|place| place.new_frame(NO_PING, 0x09, b"Hel")),
    },
    Break {
        id: "ping-inside",
        title: "Ping inside a message",
        says: "A ping stands between two fragments of one message. Is it a mistake at all?",
        kind: Kind::Frames(|place| {
            let first = place.new_frame(NO_FRAGMENTS, 0x01, b"Hel")?;
            Ok([first, place.frame(0x89, b"abc"), place.frame(0x80, b"lo")].concat())
        }),
    },
    Break {
        id: "continuation",
        title: "Continuation of nothing",
        says: "The first byte is 80: a continuation, although no message has begun.",
        kind: Kind::Frames(|place| place.new_frame(NO_FRAGMENTS, 0x80, b"lo")),
    },
    Break {
        id: "nested",
        title: "Message in a message",
        says: "A message begins while the one before it is not finished.",
        kind: Kind::Frames(|place| {
            let first = place.new_frame(NO_FRAGMENTS, 0x01, b"Hel")?;
            Ok([first, place.frame(0x81, b"lo")].concat())
        }),
    },
    Break {
        id: "close-1-byte",
        title: "Close of 1 byte",
        says: "A close frame has one byte. A code takes two.",
        kind: Kind::Frames(|place| place.new_frame(NO_CODES, 0x88, &[0x03])),
    },
    Break {
        id: "close-1005",
        title: "Close with 1005",
        says: "A close frame has the code 1005, which means that a close frame had no code.",
        kind: Kind::Frames(|place| place.new_frame(NO_CODES, 0x88, &1005_u16.to_be_bytes())),
    },
    Break {
        id: "close-1004",
        title: "Close with 1004",
        says: "A close frame has the code 1004: too large in versions 7 and 8, reserved since.",
        kind: Kind::Frames(|place| place.new_frame(NO_CODES, 0x88, &1004_u16.to_be_bytes())),
    },
    Break {
        id: "close-swapped",
        title: "Close code in the other byte order",
        says: "A close frame has the bytes e8 03: 1000 with its bytes exchanged, which reads 59395.",
        kind: Kind::Frames(|place| place.new_frame(NO_CODES, 0x88, &[0xe8, 0x03])),
    },
    Break {
        id: "ff-00",
        title: "The close of draft-76",
        says: "The bytes ff 00 are sent, in every version.",
        kind: Kind::Frames(|_| Ok(vec![0xff, 0x00])),
    },
    Break {
        id: "no-frame",
        title: "Text without a frame",
        says: "The five letters \"hello\" are sent as they are.",
        kind: Kind::Frames(|_| Ok(b"hello".to_vec())),
    },
    Break {
        id: "http",
        title: "HTTP after the handshake",
        says: "An HTTP header is written onto the open connection.",
        kind: Kind::Frames(|_| Ok(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
    },
    Break {
        id: "tcp",
        title: "Close TCP without a close frame",
        says: "The TCP connection is closed, and no close frame was sent.",
        kind: Kind::End,
    },
];

/// The next masking key of the sequence.
fn key() -> [u8; 4] {
    let mut key = [0; 4];
    seed::fill(&mut key);
    key
}

/// The header block without this header.
fn without(head: &str, name: &str) -> String {
    let lines = head.split_inclusive("\r\n");
    lines.filter(|line| !is_header(line, name)).collect()
}

/// The header block with another value of this header.
fn with_value(head: &str, name: &str, value: &str) -> String {
    let lines = head.split_inclusive("\r\n");
    lines
        .map(|line| match is_header(line, name) {
            true => format!("{name}: {value}\r\n"),
            false => line.to_owned(),
        })
        .collect()
}

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(own, _)| own.eq_ignore_ascii_case(name))
}
