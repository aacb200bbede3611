//! The answer of an engine to a mistake.

use std::fmt;

use stentor::protocol::{Closed, Event};

use super::bench::Lab;
use crate::engine;
use crate::note::{Side, Verdict};
use crate::rule::Rule;

/// The moment before a mistake.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// How many bytes the engine had sent that answers.
    pub sent: usize,
    /// How many events there were.
    pub events: usize,
}

/// How an engine has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// No answer: it skips the bytes, or waits for more.
    Nothing,
    /// It delivers a message to its program.
    Message,
    /// It answers a ping, and takes the message around it.
    Pong,
    /// It completes the handshake.
    Open,
    /// It takes the close for a right one, and answers with its own.
    Answered,
    /// It sends a close frame with this code, and closes the TCP connection.
    Close(u16),
    /// It closes the TCP connection, and sends no close frame.
    Tcp,
    /// It rejects the request with this status.
    Status(u16),
    /// A client does not accept the response: it closes the TCP connection.
    Declined,
    /// It takes the end of the connection for a close.
    Ended,
    /// It reports code 1006: a connection that has ended without a close.
    Lost,
}

impl Answer {
    /// Reads the answer of this side out of a session.
    pub fn of(lab: &Lab, by: Side, before: Mark) -> Answer {
        let events = || {
            let late = lab.events().iter().skip(before.events);
            late.filter(|(side, _)| *side == by)
        };
        let written = lab.sent(by).get(before.sent..).unwrap_or_default();
        let find = |wanted: fn(&Event) -> bool| events().any(|(_, event)| wanted(event));
        if find(|event| matches!(event, Event::Rejected(_))) {
            return Answer::Status(status(lab.sent(by)));
        }
        if find(|event| matches!(event, Event::Declined(_))) {
            return Answer::Declined;
        }
        if let Some(closed) = closed(lab, by) {
            return match (&closed.protocol_error, written) {
                (None, []) if closed.clean => Answer::Ended,
                (None, []) => Answer::Lost,
                (None, _) => Answer::Answered,
                (Some(_), written) => code(written).map_or(Answer::Tcp, Answer::Close),
            };
        }
        if find(|event| matches!(event, Event::Ping(_))) {
            return Answer::Pong;
        }
        if find(|event| matches!(event, Event::Message(_))) {
            return Answer::Message;
        }
        match find(|event| matches!(event, Event::Open)) {
            true => Answer::Open,
            false => Answer::Nothing,
        }
    }

    /// The name of the answer, such as `close:1002`.
    pub fn id(self) -> String {
        match self {
            Answer::Nothing => "nothing".to_owned(),
            Answer::Message => "message".to_owned(),
            Answer::Pong => "pong".to_owned(),
            Answer::Open => "open".to_owned(),
            Answer::Answered => "answered".to_owned(),
            Answer::Close(code) => format!("close:{code}"),
            Answer::Tcp => "tcp".to_owned(),
            Answer::Status(status) => format!("status:{status}"),
            Answer::Declined => "declined".to_owned(),
            Answer::Ended => "ended".to_owned(),
            Answer::Lost => "lost".to_owned(),
        }
    }
}

/// The rule that the engine names; otherwise the first one that the explainer finds broken, or decided, in what the
/// other side has sent.
pub(super) fn rule(lab: &Lab, by: Side, sent_before: usize) -> Option<(&'static Rule, String)> {
    let named = lab.events().iter().rev().find_map(|(side, event)| {
        let rule = match event {
            _ if *side != by => None,
            Event::Closed(closed) => closed
                .protocol_error
                .as_ref()
                .and_then(engine::protocol_error),
            Event::Rejected(rejection) => engine::rejection(rejection).rules().first().copied(),
            Event::Declined(error) => engine::handshake_error(error).rules().first().copied(),
            _ => None,
        };
        rule.map(|rule| rule.id)
    });
    let notes = lab.notes();
    let late = notes
        .iter()
        .filter(|note| note.from == by.other() && note.bytes.end > sent_before as u64);
    let verdicts: Vec<_> = late.flat_map(|note| &note.verdicts).collect();
    let broken = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Broken(rule, words) if named.is_none_or(|id| id == rule.id) => {
            Some((*rule, words.clone()))
        }
        _ => None,
    });
    let choice = || {
        verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Choice(rule, words) => Some((*rule, words.clone())),
            _ => None,
        })
    };
    let alone = || {
        let rule = crate::rule::all().find(|rule| Some(rule.id) == named)?;
        Some((rule, String::new()))
    };
    broken.or_else(alone).or_else(choice)
}

fn closed(lab: &Lab, by: Side) -> Option<&Closed> {
    lab.events().iter().find_map(|(side, event)| match event {
        Event::Closed(closed) if *side == by => Some(closed),
        _ => None,
    })
}

/// The status of a response, as it was written.
fn status(written: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(written);
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.unwrap_or_default()
}

/// The code of the close frame that was written, without or with a mask.
fn code(written: &[u8]) -> Option<u16> {
    match written {
        [0x88, 2..=125, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        [0x88, 0x82..=0xfd, k0, k1, _, _, high, low, ..] => {
            Some(u16::from_be_bytes([high ^ k0, low ^ k1]))
        }
        _ => None,
    }
}

/// One sentence without its subject.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Nothing => {
                f.write_str("gives no answer: it skips the bytes, or waits for more")
            }
            Answer::Message => f.write_str("accepts the message"),
            Answer::Pong => f.write_str("sends a pong, and accepts the message"),
            Answer::Open => f.write_str("completes the handshake"),
            Answer::Answered => f.write_str("accepts the close, and answers with its own"),
            Answer::Close(code) => {
                write!(
                    f,
                    "sends a close frame with {code}, and closes the TCP connection"
                )
            }
            Answer::Tcp => f.write_str("closes the TCP connection without a close frame"),
            Answer::Status(status) => write!(f, "rejects the request with status {status}"),
            Answer::Declined => f.write_str("fails the handshake, and closes the TCP connection"),
            Answer::Ended => f.write_str("reports a clean close"),
            Answer::Lost => f.write_str("reports code 1006: the connection was lost"),
        }
    }
}
