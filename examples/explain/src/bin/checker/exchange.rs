//! An exchange of frames: some are sent, certain ones must come back, and a difference is explained.

use crate::diagnoses::frames as d;
use crate::diagnosis::Diagnosis;
use crate::guess::frames::{self as guess, Prediction};
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{End, Missing, Reading, Talk};
use crate::wire::{self, Frame, Parsed, opcode};

/// Parts that are shown of the sent frames.
const MAX_SHOWN: usize = 4;

/// A peer that sends so many bytes behind a wrong frame does not end.
const MAX_REST: usize = 1 << 20;

/// The frames of an exchange, and all that came back.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The frames that were sent, with their masks.
    pub(crate) sent: Vec<Frame>,
    /// The writes; the peer has probably received each with a read of its own.
    pub(crate) writes: Vec<Vec<u8>>,
    /// The frames that a right server sends. Messages may also come in fragments.
    pub(crate) expected: Vec<Frame>,
    /// Wrong servers of this case, beside those that are always considered.
    pub(crate) predictions: Vec<Prediction>,
    /// The diagnosis if no prediction fits.
    fallback: Option<&'static Diagnosis>,
    /// The diagnosis if nothing comes at all, and the connection stays open.
    silent: Option<&'static Diagnosis>,
    /// The diagnosis if the connection ends before the first byte.
    ended: Option<&'static Diagnosis>,
    /// After the expected frames the peer must be quiet for a moment.
    quiet: bool,
    /// A control frame that must not come.
    forbidden: Option<Frame>,
    /// A silent peer is sent more bytes, to find out how many it waits for.
    probe: bool,
    rule: &'static str,
    /// The mistake that a probe has found.
    probed_for: Option<(&'static Diagnosis, String)>,
    /// All bytes that came back.
    pub(crate) received: Vec<u8>,
    /// The reason why no more came.
    pub(crate) missing: Option<Missing>,
    /// Pings of the server, and its pongs if no ping was sent.
    skipped: usize,
    /// The place of the first frame that is wrong.
    pub(crate) wrong_at: usize,
    /// The message that was expected instead of the wrong one.
    pub(crate) awaited: Option<Frame>,
    /// The rule that the wrong frame breaks, in words.
    wrong: String,
}

/// How the bytes of an exchange are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delivery<'a> {
    /// With one write.
    Together,
    /// With several writes, cut at these places.
    Cut(&'a [usize]),
    /// One byte with each write.
    ByteByByte,
}

impl Exchange {
    /// An exchange that sends these frames and expects those.
    pub(crate) fn new(send: Vec<Frame>, expected: Vec<Frame>) -> Exchange {
        Exchange {
            sent: send,
            writes: Vec::new(),
            expected,
            predictions: Vec::new(),
            fallback: None,
            silent: None,
            ended: None,
            forbidden: None,
            quiet: false,
            probe: false,
            rule: "RFC 6455 §5.2",
            probed_for: None,
            received: Vec::new(),
            missing: None,
            skipped: 0,
            wrong_at: 0,
            awaited: None,
            wrong: String::new(),
        }
    }

    /// One message that must come back.
    pub(crate) fn echo(message: Frame) -> Exchange {
        Exchange::new(vec![message.clone()], vec![message])
    }

    /// Adds a wrong server: it sends these frames.
    pub(crate) fn predict(
        mut self,
        diagnosis: &'static Diagnosis,
        words: &str,
        frames: &[Frame],
    ) -> Exchange {
        self.predictions
            .push(Prediction::new(diagnosis, words, frames));
        self
    }

    /// The diagnosis for all that is not recognized.
    pub(crate) fn otherwise(mut self, diagnosis: &'static Diagnosis) -> Exchange {
        self.fallback = Some(diagnosis);
        self
    }

    /// The diagnosis for a peer that sends nothing and keeps the connection open.
    pub(crate) fn if_silent(mut self, diagnosis: &'static Diagnosis) -> Exchange {
        self.silent = Some(diagnosis);
        self
    }

    /// The diagnosis for a peer that ends the connection without a byte.
    pub(crate) fn if_ended(mut self, diagnosis: &'static Diagnosis) -> Exchange {
        self.ended = Some(diagnosis);
        self
    }

    /// The rule that the exchange is about.
    pub(crate) fn rule(mut self, rule: &'static str) -> Exchange {
        self.rule = rule;
        self
    }

    /// Nothing may come after the expected frames, at least for a moment.
    pub(crate) fn then_quiet(mut self) -> Exchange {
        self.quiet = true;
        self
    }

    /// This control frame must not come before the expected frames.
    pub(crate) fn never(mut self, frame: Frame) -> Exchange {
        self.forbidden = Some(frame);
        self
    }

    /// A silent peer is sent more bytes: the number that it waits for names the length that it has read.
    pub(crate) fn probed(mut self) -> Exchange {
        self.probe = true;
        self
    }

    /// Plays the exchange on an open connection.
    pub(crate) fn play(mut self, talk: &mut Talk, delivery: Delivery<'_>) -> Check {
        for frame in &mut self.sent {
            if frame.mask.is_none() {
                frame.mask = Some(talk.random.mask());
            }
        }
        let bytes = guess::encode(&self.sent);
        let cuts: Vec<usize> = match delivery {
            Delivery::Together => Vec::new(),
            Delivery::Cut(cuts) => cuts.to_vec(),
            Delivery::ByteByByte => (1..bytes.len()).collect(),
        };
        self.writes = talk.send_in_pieces(&bytes, &cuts);
        self.receive(talk)
    }

    /// Receives and judges the frames.
    fn receive(mut self, talk: &mut Talk) -> Check {
        let mut left = Expected::new(&self.expected);
        // Each expected frame has a deadline, however many others come.
        let (mut until, mut waits) = (talk.deadline(), left.len());
        while left.len() > 0 {
            if left.len() < waits {
                (until, waits) = (talk.deadline(), left.len());
            }
            match talk.read_frame_until(until) {
                Reading::Frame(frame, raw) => {
                    self.wrong_at = self.received.len();
                    if self.forbidden.as_ref() == Some(&frame) {
                        self.received.extend_from_slice(&raw);
                        "This frame needs no response.".clone_into(&mut self.wrong);
                        return self.explain(talk);
                    }
                    if left.skips(&frame) {
                        talk.respond_to_ping(&frame);
                        self.skipped += 1;
                        continue;
                    }
                    self.received.extend_from_slice(&raw);
                    if let Err(wrong) = left.receive(frame) {
                        self.wrong = wrong;
                        self.awaited = left.awaited;
                        return self.explain(talk);
                    }
                }
                Reading::Incomplete(_, missing) => {
                    self.wrong_at = self.received.len();
                    self.missing = Some(missing);
                    self.wrong = left.wrong_pong;
                    return self.explain(talk);
                }
            }
        }
        if self.quiet {
            self.wrong_at = self.received.len();
            let (rest, _) = talk.rest_until_silence();
            if !wire::is_keepalive(&rest) {
                self.received.extend(rest);
                "More came than expected.".clone_into(&mut self.wrong);
                return self.fail();
            }
        }
        Ok(())
    }

    fn explain(mut self, talk: &mut Talk) -> Check {
        let (rest, missing) = talk.rest_until_silence();
        let rest_len = rest.len();
        let expects_pong = self
            .expected
            .iter()
            .any(|frame| frame.opcode == opcode::PONG);
        if expects_pong || !wire::is_keepalive(&rest) {
            self.received.extend(rest);
        }
        if missing == Missing::Ended(End::Flood) || rest_len > MAX_REST {
            self.missing = Some(Missing::Ended(End::Flood));
        }
        self.missing.get_or_insert(missing);
        if self.probe && self.received.is_empty() && self.missing == Some(Missing::Silence) {
            self.probed_for = guess::probe(&self.writes, talk);
        }
        if self.probed_for.is_none() && guess::diagnose(&self).is_none() {
            self.probed_for = self.second_look(talk);
        }
        self.fail()
    }

    /// A server that has read wrong bytes finds no UTF-8 in them and closes. The same frame with the opcode of
    /// binary messages lets it send these bytes back.
    fn second_look(&self, talk: &mut Talk) -> Option<(&'static Diagnosis, String)> {
        let [sent] = self.sent.as_slice() else {
            return None;
        };
        if sent.opcode != opcode::TEXT
            || self.missing == Some(Missing::Silence) && self.received.is_empty()
        {
            return None;
        }
        let as_binary = |frame: &Frame| Frame {
            opcode: opcode::BINARY,
            ..frame.clone()
        };
        let mut again = Exchange::echo(as_binary(&self.expected[0]));
        again.sent = vec![as_binary(sent)];
        talk.open().ok()?;
        let ends = self.writes.iter().scan(0, |at, write| {
            *at += write.len();
            Some(*at)
        });
        let cuts: Vec<usize> = ends.collect();
        again.writes = talk.send_in_pieces(&guess::encode(&again.sent), &cuts);
        let (received, missing) = talk.closed();
        again.received = received;
        again.missing = Some(missing);
        guess::diagnose(&again)
    }

    fn fail(self) -> Check {
        let found = self.probed_for.clone();
        let found = found
            .or_else(|| guess::diagnose(&self))
            .or_else(|| self.by_end());
        let mut failure = match found {
            Some((diagnosis, words)) => Failure::diagnosed(diagnosis, words),
            None => Failure::unnamed(self.rule, self.unnamed()),
        };
        for frame in self.sent.iter().take(MAX_SHOWN) {
            failure = failure.sent(Shown::bytes(frame.encode(), description(frame)));
        }
        if self.sent.len() > MAX_SHOWN {
            let more = wire::count(self.sent.len() - MAX_SHOWN, "more frame");
            failure = failure.sent(Shown::line(format!("({more})")));
        }
        let right = guess::encode(&self.expected);
        let words = received_words(&self.received, self.missing);
        if self.skipped > 0 {
            let skipped = wire::count(self.skipped, "ping or pong frame");
            failure =
                failure.received(Shown::line(format!("({skipped}, which a server may send)")));
        }
        failure = failure.received(Shown::bytes(self.received.clone(), words));
        let difference = self
            .received
            .iter()
            .zip(&right)
            .position(|(found, right)| found != right);
        if let Some(at) = difference {
            failure = failure.caret(at, 1, format!("{:02x} is expected here", right[at]));
        } else if self.received.len() > right.len() {
            failure = failure.caret(right.len(), 1, "nothing more is expected");
        }
        let expected: Vec<_> = self.expected.iter().map(expectation).collect();
        failure.expected(expected.join("\n")).fail()
    }

    /// The diagnosis by the end of the stream, where the bytes explain nothing.
    fn by_end(&self) -> Option<(&'static Diagnosis, String)> {
        let by_end = match self.missing {
            Some(Missing::Silence) if self.received.is_empty() => self.silent,
            Some(Missing::Ended(End::Closed | End::Reset)) if self.received.is_empty() => {
                self.ended
            }
            _ => None,
        };
        let general = match self.missing {
            Some(Missing::Silence) if self.received.is_empty() => Some(&d::SILENT),
            Some(Missing::Ended(End::Closed | End::Reset)) if self.received.is_empty() => {
                Some(&d::ENDED)
            }
            Some(Missing::Ended(End::Flood)) => Some(&d::FLOOD),
            _ => None,
        };
        let found = by_end.or(self.fallback).or(general)?;
        Some((found, self.wrong.clone()))
    }

    fn unnamed(&self) -> String {
        let wrong = match self.wrong.as_str() {
            "" => "The bytes are not the expected ones.",
            wrong => wrong,
        };
        format!("{wrong} No mistake that the checker knows explains these bytes.")
    }
}

/// The frames that are still to come.
#[derive(Debug)]
struct Expected {
    messages: std::vec::IntoIter<Frame>,
    controls: Vec<Frame>,
    /// The message of which fragments have come.
    current: Option<Frame>,
    /// The message that was expected last.
    awaited: Option<Frame>,
    /// The difference of a pong from the expected one.
    wrong_pong: String,
}

impl Expected {
    fn new(frames: &[Frame]) -> Expected {
        let is_control = |frame: &Frame| frame.opcode >= opcode::CLOSE;
        let (controls, messages): (Vec<_>, Vec<_>) = frames.iter().cloned().partition(is_control);
        Expected {
            messages: messages.into_iter(),
            controls,
            current: None,
            awaited: None,
            wrong_pong: String::new(),
        }
    }

    /// How many messages and control frames are still to come.
    fn len(&self) -> usize {
        self.messages.len() + self.controls.len()
    }

    /// Whether a frame has nothing to do with the expected ones: a ping that differs from them, or a pong where no
    /// pong is expected.
    fn skips(&self, frame: &Frame) -> bool {
        let mut pongs = self
            .controls
            .iter()
            .filter(|frame| frame.opcode == opcode::PONG);
        let is_other = match frame.opcode {
            // Many servers send empty pings.
            opcode::PING => {
                pongs.all(|pong| pong.payload.is_empty() || pong.payload != frame.payload)
            }
            _ => pongs.next().is_none(),
        };
        is_other && frame.is_keepalive()
    }

    /// Takes a frame; the error says how it differs from the expected ones.
    fn receive(&mut self, frame: Frame) -> Result<(), String> {
        if frame.mask.is_some() {
            return Err("A server must not mask its frames.".to_owned());
        }
        if frame.rsv != 0 {
            return Err(format!(
                "{} is set; it must be 0 without an extension.",
                wire::reserved(frame.rsv)
            ));
        }
        if frame.form.is_some() {
            return Err("The length must have the shortest form.".to_owned());
        }
        match frame.opcode {
            opcode::TEXT | opcode::BINARY | opcode::CONTINUATION => self.data(frame),
            opcode::PING | opcode::PONG | opcode::CLOSE => self.control(frame),
            other => Err(format!("The opcode {other} is reserved.")),
        }
    }

    fn data(&mut self, frame: Frame) -> Result<(), String> {
        let fin = frame.fin;
        let message = match (self.current.take(), frame.opcode) {
            (Some(mut message), opcode::CONTINUATION) => {
                message.payload.extend(frame.payload);
                message
            }
            (None, opcode::CONTINUATION) => {
                return Err("A continuation frame came without the start of a message.".to_owned());
            }
            (Some(_), _) => return Err("A message began inside another message.".to_owned()),
            (None, _) => frame,
        };
        if !fin {
            self.current = Some(message);
            return Ok(());
        }
        let Some(expected) = self.messages.next() else {
            return Err("A message came that the server should not send.".to_owned());
        };
        self.awaited = Some(expected.clone());
        if message.opcode != expected.opcode {
            let (found, right) = (opcode::name(message.opcode), opcode::name(expected.opcode));
            return Err(format!("The message is {found}; it should be {right}."));
        }
        if message.payload != expected.payload {
            let (found, right) = (message.payload.len(), expected.payload.len());
            return Err(format!(
                "The message has another payload ({found} bytes; {right} expected)."
            ));
        }
        Ok(())
    }

    /// Takes a control frame that is not skipped.
    fn control(&mut self, frame: Frame) -> Result<(), String> {
        if !frame.fin || frame.payload.len() > 125 {
            return Err("A control frame must be whole, with at most 125 bytes.".to_owned());
        }
        if let Some(at) = self.controls.iter().position(|expected| *expected == frame) {
            self.controls.remove(at);
            return Ok(());
        }
        let Some(expected) = self.controls.first() else {
            return match frame.opcode {
                opcode::CLOSE => Err(close_words(&frame)),
                _ => Ok(()),
            };
        };
        match (frame.opcode, expected.opcode) {
            (opcode::PING, opcode::PONG) => {
                Err("The server sent a ping; a pong is expected.".to_owned())
            }
            // A server may send pongs that nobody asked for: the right one may follow.
            (opcode::PONG, opcode::PONG) => {
                "The pong has another payload than the ping.".clone_into(&mut self.wrong_pong);
                Ok(())
            }
            (opcode::CLOSE, _) => Err(close_words(&frame)),
            _ => Ok(()),
        }
    }
}

/// A close frame that was not expected, in words.
pub(crate) fn close_words(frame: &Frame) -> String {
    match frame.payload.as_slice() {
        [] => "The server sent a close frame without a code.".to_owned(),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let reason = wire::printable(reason, 60);
            match reason.as_str() {
                "" => format!("The server sent a close frame with code {code}."),
                _ => format!(
                    "The server sent a close frame with code {code} and the reason {reason:?}."
                ),
            }
        }
        [_] => "The server sent a close frame with a body of one byte.".to_owned(),
    }
}

/// Received bytes in words: the frames, or the text without a frame, and how they end.
fn received_words(mut bytes: &[u8], missing: Option<Missing>) -> String {
    let mut words = Vec::new();
    if bytes.len() > 1 && bytes.iter().all(|byte| (0x09..0x7f).contains(byte)) {
        words.push(format!("as text: \"{}\"", wire::printable(bytes, 40)));
        bytes = &[];
    }
    while words.len() < MAX_SHOWN {
        match wire::parse(bytes) {
            Parsed::Frame(frame, len) if frame.rsv == 0 && opcode::is_known(frame.opcode) => {
                words.push(description(&frame));
                bytes = &bytes[len..];
            }
            _ => break,
        }
    }
    words.extend(missing.map(|missing| missing.words().to_owned()));
    words.join("; ")
}

/// A sent frame in words, with the start of its payload.
pub(crate) fn description(frame: &Frame) -> String {
    if let (opcode::CLOSE, [high, low, reason @ ..]) = (frame.opcode, frame.payload.as_slice()) {
        let reason = match reason {
            [] => String::new(),
            reason => format!(" and the reason \"{}\"", wire::printable(reason, 60)),
        };
        return format!(
            "{}: code {}{reason}",
            frame.words(),
            u16::from_be_bytes([*high, *low])
        );
    }
    let shown = match std::str::from_utf8(&frame.payload) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => {
            let start: String = text.chars().take(24).collect();
            let dots = if start.len() < text.len() { "…" } else { "" };
            format!(": \"{start}{dots}\"")
        }
        _ => String::new(),
    };
    format!("{}{shown}", frame.words())
}

/// An expected frame: its first bytes and its meaning.
fn expectation(frame: &Frame) -> String {
    let bytes = frame.encode();
    let shown = wire::hex(&bytes[..bytes.len().min(16)]);
    let dots = if bytes.len() > 16 { " …" } else { "" };
    format!("{shown}{dots} ({})", description(frame))
}
