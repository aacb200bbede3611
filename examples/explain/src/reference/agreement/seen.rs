//! Reads messages and control frames out of notes.

use stentor::Message;
use stentor::protocol::Event;

use crate::note::{Note, Part, Value};
use crate::rules::frames as rules;
use crate::step::Step;

/// The most text that a note has.
const SHOWN: usize = 16 * 1024;

/// An event, as far as the notes have its bytes.
#[derive(Debug)]
pub(super) enum Seen {
    Text(String),
    /// The length, and the first bytes.
    Binary(u64, Vec<u8>),
    Ping(u64, Vec<u8>),
    Pong(u64, Vec<u8>),
    /// The code, or 1005, and the reason.
    Close(u16, String),
}

/// Puts messages together.
#[derive(Default)]
pub(super) struct Reader {
    message: Option<Unfinished>,
}

struct Unfinished {
    is_text: bool,
    is_packed: bool,
    text: String,
    /// A part of the text is not shown as a whole.
    is_cut: bool,
    len: u64,
    first: Vec<u8>,
}

impl Reader {
    /// Reads a frame with its parts. Returns the event that comes of it.
    pub(super) fn read(&mut self, unit: &[Note]) -> Option<Seen> {
        let (frame, parts) = unit.split_first()?;
        let Value::Name(name) = frame.value else {
            return None;
        };
        let part = |part| parts.iter().find(|note| note.part == part);
        if frame.part == Part::HixieFrame {
            return match name {
                "close" => Some(Seen::Close(1005, String::new())),
                "text" => match (part(Part::TextEnd), &part(Part::Text)?.value) {
                    (Some(_), Value::Text(text)) => Some(Seen::Text(text.clone())),
                    _ => None,
                },
                _ => None,
            };
        }
        let is_complete = super::broken(unit).all(|rule| rule != &rules::STREAM_COMPLETE);
        if frame.part != Part::Frame || !is_complete {
            return None;
        }
        if name == "close" {
            return Some(close(part(Part::CloseCode), part(Part::CloseReason)));
        }
        let payload = part(Part::Payload)?;
        let len = payload.bytes.end - payload.bytes.start;
        let first = bytes(&payload.value);
        let set = |name| part(name).is_some_and(|note| note.value == Value::Flag(true));
        match name {
            "ping" => return Some(Seen::Ping(len, first)),
            "pong" => return Some(Seen::Pong(len, first)),
            "continuation" => {}
            _ => self.message = Some(Unfinished::new(name == "text", set(Part::Rsv1))),
        }
        self.message.as_mut()?.add(payload, len, first);
        let message = self.message.take_if(|_| set(Part::Fin))?;
        message.end(payload)
    }
}

impl Unfinished {
    fn new(is_text: bool, is_packed: bool) -> Unfinished {
        Unfinished {
            is_text,
            is_packed,
            text: String::new(),
            is_cut: false,
            len: 0,
            first: Vec::new(),
        }
    }

    fn add(&mut self, payload: &Note, len: u64, first: Vec<u8>) {
        if let Value::Text(text) = &payload.value
            && !self.is_cut
        {
            self.text.push_str(text);
            self.is_cut = text.len() >= SHOWN;
        }
        let follows = match self.is_packed {
            true => self.first.is_empty(),
            false => self.first.len() as u64 == self.len,
        };
        if follows {
            self.first.extend(first);
        }
        self.len += len;
    }

    fn end(self, payload: &Note) -> Option<Seen> {
        let inflated = payload.steps.iter().find_map(|step| match step {
            Step::Inflate { plain, .. } => Some(*plain),
            _ => None,
        });
        let len = if self.is_packed { inflated? } else { self.len };
        Some(match self.is_text {
            true => Seen::Text(self.text),
            false => Seen::Binary(len, self.first),
        })
    }
}

impl Seen {
    /// Whether this is the event, as far as it is known.
    pub(super) fn is(&self, event: &Event) -> bool {
        let same = |len: &u64, first: &[u8], bytes: &[u8]| {
            *len == bytes.len() as u64
                && bytes.starts_with(first)
                && first.len() >= bytes.len().min(1)
        };
        match (self, event) {
            (Seen::Text(text), Event::Message(Message::Text(message))) => {
                let message: &str = message.as_ref();
                message == text || text.len() >= SHOWN && message.starts_with(text)
            }
            (Seen::Binary(len, first), Event::Message(Message::Binary(message))) => {
                same(len, first, message.as_bytes())
            }
            (Seen::Ping(len, first), Event::Ping(payload))
            | (Seen::Pong(len, first), Event::Pong(payload)) => same(len, first, payload),
            _ => false,
        }
    }
}

fn close(code: Option<&Note>, reason: Option<&Note>) -> Seen {
    let code = match code.map(|note| &note.value) {
        Some(Value::Number(code)) => u16::try_from(*code).unwrap_or_default(),
        _ => 1005,
    };
    match reason.map(|note| &note.value) {
        Some(Value::Text(reason)) => Seen::Close(code, reason.clone()),
        _ => Seen::Close(code, String::new()),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        _ => Vec::new(),
    }
}
