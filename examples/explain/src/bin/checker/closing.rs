//! The end of a conversation: the close frame of the peer, and the end of its TCP connection.

use crate::diagnoses::closing as d;
use crate::diagnosis::Diagnosis;
use crate::exchange::{self, Exchange};
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{End, Missing, Reading, Talk};
use crate::wire::{self, Frame, opcode, xor};

/// Frames that are read while a close frame is awaited.
const MAX_FRAMES: usize = 1024;

/// A closing handshake that the checker starts.
#[derive(Debug)]
pub(crate) struct Closing {
    /// The frames that are sent: one of them is the close frame.
    pub(crate) sent: Vec<Frame>,
    /// Messages that may come before the close frame: a server may also close at once.
    pub(crate) before: Vec<Frame>,
    /// Any code will do: the server may take the close frame for an error.
    pub(crate) any_code: bool,
    /// The diagnosis if no close frame comes, and the connection stays open.
    pub(crate) silent: &'static Diagnosis,
}

impl Closing {
    /// Sends only this close frame.
    pub(crate) fn new(close: Frame) -> Closing {
        Closing {
            sent: vec![close],
            before: Vec::new(),
            any_code: false,
            silent: &d::NO_CLOSE,
        }
    }

    /// Sends the frames with one write, and judges the close frame that comes back.
    pub(crate) fn play(mut self, talk: &mut Talk) -> Check {
        for frame in &mut self.sent {
            frame.mask = Some(talk.random.mask());
        }
        let bytes: Vec<u8> = self.sent.iter().flat_map(Frame::encode).collect();
        talk.send(&bytes);
        let mut raw = Vec::new();
        let mut messages: Vec<Frame> = Vec::new();
        let mut current = None;
        // Each message before the close frame may take as long as the close frame.
        let messages_before = u32::try_from(self.before.len()).unwrap_or(0);
        let until = talk.deadline() + talk.timeout() * messages_before;
        for _ in 0..MAX_FRAMES {
            match talk.read_frame_until(until) {
                Reading::Frame(frame, bytes) if frame.opcode == opcode::CLOSE => {
                    let at = raw.len();
                    raw.extend_from_slice(&bytes);
                    if !self.before.starts_with(&messages) {
                        return self.wrong_messages(&messages, raw);
                    }
                    return self.judge(&frame, raw, at);
                }
                Reading::Frame(frame, bytes) => {
                    raw.extend_from_slice(&bytes);
                    let is_control = matches!(frame.opcode, opcode::PING | opcode::PONG);
                    if !is_control {
                        messages.extend(joined(&mut current, frame));
                    }
                    // A message that was made of the close frame.
                    if messages.len() > self.before.len() {
                        return self.wrong_messages(&messages, raw);
                    }
                }
                Reading::Incomplete(bytes, missing) => {
                    raw.extend_from_slice(&bytes);
                    let as_expected =
                        messages == self.before && current.is_none() && bytes.is_empty();
                    return self.no_close(talk, raw, missing, as_expected);
                }
            }
        }
        self.failure(
            Failure::diagnosed(&crate::diagnoses::frames::FLOOD, ""),
            raw,
            "",
        )
        .fail()
    }

    /// Judges the close frame of the peer, which begins at this place of the received bytes.
    fn judge(&self, frame: &Frame, raw: Vec<u8>, at: usize) -> Check {
        let sent = self.sent.iter().find(|sent| sent.opcode == opcode::CLOSE);
        let sent = sent.filter(|_| !self.any_code);
        let Some((diagnosis, words)) = wrong_close(frame, sent) else {
            return Ok(());
        };
        let shown = exchange::close_words(frame);
        let failure = Failure::diagnosed(diagnosis, words);
        let column = (at + 2).min(raw.len().saturating_sub(1));
        let len = frame.payload.len().clamp(1, 2);
        self.failure(failure, raw, &shown)
            .caret(column, len, "")
            .fail()
    }

    fn wrong_messages(&self, messages: &[Frame], raw: Vec<u8>) -> Check {
        let close = self.sent.iter().find(|frame| frame.opcode == opcode::CLOSE);
        let close = close.map_or(&[][..], |frame| &frame.payload);
        let sent = |frame: &Frame| self.sent.iter().any(|sent| sent.payload == frame.payload);
        let mut pairs = messages
            .iter()
            .zip(self.before.iter().map(Some).chain([None]));
        let wrong = pairs.find(|(found, right)| Some(*found) != *right);
        let diagnosis = match wrong.map(|(found, _)| found) {
            Some(extra) if extra.payload == close && extra.mask.is_none() => &d::AS_MESSAGE,
            Some(extra) if extra.mask.is_none() && sent(extra) => &d::AFTER_CLOSE,
            Some(_) => {
                let failure =
                    Failure::unnamed(d::NO_CLOSE.rule, "A frame came that is no close frame.");
                return self.failure(failure, raw, "").fail();
            }
            None => &d::NO_CLOSE,
        };
        self.failure(Failure::diagnosed(diagnosis, ""), raw, "")
            .fail()
    }

    /// `as_expected`: only the messages before the close frame came.
    fn no_close(
        &self,
        talk: &mut Talk,
        raw: Vec<u8>,
        missing: Missing,
        as_expected: bool,
    ) -> Check {
        let diagnosis = match missing {
            Missing::Ended(End::Reset) => &d::RESET,
            Missing::Ended(_) => &d::CLOSE_TCP_ONLY,
            Missing::Silence => self.silent,
        };
        // Bytes that are no close frame may show another mistake.
        let mut exchange = Exchange::new(self.sent.clone(), self.before.clone());
        exchange.writes = vec![self.sent.iter().flat_map(Frame::encode).collect()];
        exchange.received = raw.clone();
        exchange.missing = Some(missing);
        let _ = talk.rest_until_silence();
        let seen = crate::guess::frames::diagnose(&exchange).filter(|_| !as_expected);
        let (diagnosis, words) = seen.unwrap_or((diagnosis, String::new()));
        self.failure(Failure::diagnosed(diagnosis, words), raw, missing.words())
            .fail()
    }

    fn failure(&self, mut failure: Failure, raw: Vec<u8>, words: &str) -> Failure {
        for frame in &self.sent {
            failure = failure.sent(Shown::bytes(frame.encode(), exchange::description(frame)));
        }
        let close = self.sent.iter().find(|frame| frame.opcode == opcode::CLOSE);
        let code = close.and_then(|close| close.payload.first_chunk::<2>());
        let expected = match code {
            None => "88 00 (a close frame without a code)".to_owned(),
            Some(code) => format!(
                "88 02 {} (a close frame with the same code, {})",
                wire::hex(code),
                u16::from_be_bytes(*code)
            ),
        };
        failure
            .received(Shown::bytes(raw, words))
            .expected(expected)
    }
}

/// Joins the fragments of a message, and returns it with the last one. A frame that is no right fragment comes back
/// as it is.
fn joined(current: &mut Option<Frame>, frame: Frame) -> Option<Frame> {
    let is_plain = frame.rsv == 0 && frame.mask.is_none() && frame.form.is_none();
    match (current.as_mut(), frame.opcode) {
        (Some(message), opcode::CONTINUATION) if is_plain => {
            message.payload.extend(frame.payload);
            message.fin = frame.fin;
        }
        (None, opcode::TEXT | opcode::BINARY) if is_plain => *current = Some(frame),
        _ => return Some(frame),
    }
    current.take_if(|message| message.fin)
}

/// Reads up to the close frame, whatever comes before it. Another case judges the frames.
pub(crate) fn skip_to_close(talk: &mut Talk) {
    let until = talk.deadline();
    while let Reading::Frame(frame, _) = talk.read_frame_until(until) {
        if frame.opcode == opcode::CLOSE {
            return;
        }
    }
}

/// Waits until the peer closes the TCP connection.
pub(crate) fn tcp_end(talk: &mut Talk, sent: &Frame) -> Check {
    let (bytes, missing) = talk.closed();
    let diagnosis = match missing {
        Missing::Ended(End::Closed) if wire::is_keepalive(&bytes) => return Ok(()),
        Missing::Ended(End::Closed | End::Flood) => &d::AFTER_CLOSE,
        Missing::Ended(End::Reset) => &d::RESET,
        Missing::Silence => &d::TCP_OPEN,
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::bytes(sent.encode(), exchange::description(sent)))
        .received(Shown::line("(the close frame of your server)"))
        .received(Shown::bytes(bytes, missing.words()))
        .expected("the server closes the TCP connection")
        .fail()
}

/// The mistake in a close frame that a server has sent. `sent` is the frame that it responds to.
pub(crate) fn wrong_close(
    frame: &Frame,
    sent: Option<&Frame>,
) -> Option<(&'static Diagnosis, String)> {
    if frame.mask.is_some() {
        return Some((&crate::diagnoses::frames::MASKED, String::new()));
    }
    if frame.payload.len() > 125 {
        let words = format!("It has {} bytes.", frame.payload.len());
        return Some((&d::LONG_REASON, words));
    }
    let (code, reason) = match frame.payload.as_slice() {
        [] => return None,
        [byte] => return Some((&d::ONE_BYTE, half_code(*byte, sent))),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if is_valid(code) {
        if std::str::from_utf8(reason).is_err() {
            return Some((&d::REASON, String::new()));
        }
        let is_error = matches!(code, 1002 | 1003 | 1007..=1011);
        let same = sent.is_some_and(|sent| sent.payload.starts_with(&code.to_be_bytes()));
        let sent_close = sent.is_some_and(|sent| sent.opcode == opcode::CLOSE);
        return (is_error && sent_close && !same)
            .then(|| (&d::AS_ERROR, exchange::close_words(frame)));
    }
    Some(invalid_code(code, frame, sent))
}

/// The code of which only one byte was sent, in words.
fn half_code(byte: u8, sent: Option<&Frame>) -> String {
    let received = sent.and_then(|sent| sent.payload.first_chunk::<2>());
    let codes = received.map(|code| u16::from_be_bytes(*code));
    for code in codes.into_iter().chain([1000, 1002, 1007]) {
        let [high, low] = code.to_be_bytes();
        if byte == low {
            return format!("{low:02x} is only the low byte of {code}.");
        }
        if byte == high {
            return format!("{high:02x} is only the high byte of {code}.");
        }
    }
    String::new()
}

/// The cause of a code that must not be sent.
fn invalid_code(code: u16, frame: &Frame, sent: Option<&Frame>) -> (&'static Diagnosis, String) {
    let body = &frame.payload;
    let masked = sent.and_then(|sent| {
        let mut masked = sent.payload.clone();
        xor(&mut masked, sent.mask?, 0);
        Some(masked)
    });
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits >= 4 {
        let words = format!(
            "The body begins with the text {:?}.",
            wire::printable(body, 8)
        );
        return (&d::TEXT_CODE, words);
    }
    if masked.is_some_and(|masked| masked.len() >= 2 && body.starts_with(&masked[..2])) {
        return (&d::MASKED_CODE, format!("A client reads the code {code}."));
    }
    if matches!(code, 1005 | 1006 | 1015) {
        return (&d::RESERVED_CODE, format!("The code is {code}."));
    }
    if is_valid(code.swap_bytes()) {
        let words = format!("A client reads {code}; you mean {}.", code.swap_bytes());
        return (&d::ENDIAN, words);
    }
    if code == 0 && body.len() == 4 {
        return (&d::FOUR_BYTES, String::new());
    }
    (&d::INVALID_CODE, format!("The code is {code}."))
}

/// Whether a code may be sent (RFC 6455, section 7.4, and the registry).
pub(crate) fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
