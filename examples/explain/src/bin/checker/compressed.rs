//! A connection with permessage-deflate: compressed messages out, replies judged.

use crate::diagnoses::compression as d;
use crate::diagnosis::Diagnosis;
use crate::exchange;
use crate::guess::deflate::{Inflater, TAIL};
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{Reading, Talk};
use crate::wire::{self, Frame, opcode};

/// RSV1 among the three reserved bits.
pub(crate) const RSV1: u8 = 4;

/// An open connection on which compression was agreed.
#[derive(Debug)]
pub(crate) struct Compressed {
    inflater: Inflater,
    /// The value of the response's header.
    pub(crate) agreed: String,
    /// The server forgets its context after each message.
    server_forgets: bool,
    /// The client, which is the checker, must forget its context after each message.
    pub(crate) client_forgets: bool,
}

impl Compressed {
    /// Opens a connection with this offer. `None` if the server declines, which is always allowed.
    pub(crate) fn open(talk: &mut Talk, offer: &str) -> Check<Option<Compressed>> {
        let mut request = talk.new_request();
        request.set("Sec-WebSocket-Extensions", offer);
        talk.open_with(request)?;
        let head = talk.head.as_ref();
        let agreed = head.and_then(|head| head.values("Sec-WebSocket-Extensions").next());
        let Some(agreed) = agreed.filter(|value| value.starts_with("permessage-deflate")) else {
            talk.skipped = Some("the server declines compression");
            return Ok(None);
        };
        Ok(Some(Compressed {
            inflater: Inflater::new(),
            agreed: agreed.to_owned(),
            server_forgets: agreed.contains("server_no_context_takeover"),
            client_forgets: agreed.contains("client_no_context_takeover"),
        }))
    }

    /// Sends frames, and expects this text back. `otherwise` is the diagnosis for a server that does not
    /// send it back.
    pub(crate) fn exchange(
        &mut self,
        talk: &mut Talk,
        frames: Vec<Frame>,
        text: &[u8],
        otherwise: &'static Diagnosis,
    ) -> Check {
        let masked: Vec<Frame> = frames
            .into_iter()
            .map(|frame| frame.masked(talk.random.mask()))
            .collect();
        talk.send(&masked.iter().flat_map(Frame::encode).collect::<Vec<_>>());
        let mut raw = Vec::new();
        let found = self.reply(talk, text, &mut raw);
        let Err((diagnosis, words)) = found else {
            return Ok(());
        };
        let failure = Failure::diagnosed(diagnosis.unwrap_or(otherwise), "");
        let mut failure = failure.expected(format!(
            "the text {:?}, compressed or not",
            wire::printable(text, 40)
        ));
        for frame in &masked {
            failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
        }
        failure.received(Shown::bytes(raw, words)).fail()
    }

    /// Reads a message. The error has the mistake, if it shows, and a description of the bytes.
    fn reply(
        &mut self,
        talk: &mut Talk,
        text: &[u8],
        raw: &mut Vec<u8>,
    ) -> Result<(), (Option<&'static Diagnosis>, String)> {
        let mut message: Option<Frame> = None;
        let until = talk.deadline();
        loop {
            let frame = match talk.read_frame_until(until) {
                Reading::Frame(frame, bytes) => {
                    raw.extend_from_slice(&bytes);
                    frame
                }
                Reading::Incomplete(bytes, missing) => {
                    raw.extend_from_slice(&bytes);
                    return Err((None, missing.words().to_owned()));
                }
            };
            if frame.opcode == opcode::CLOSE {
                return Err((None, exchange::close_words(&frame)));
            }
            let is_first = matches!(frame.opcode, opcode::TEXT | opcode::BINARY);
            if frame.rsv & RSV1 != 0 && !is_first {
                return Err((Some(&d::RSV1_CONTINUATION), frame.words()));
            }
            if frame.mask.is_some() || frame.rsv & !RSV1 != 0 {
                return Err((None, frame.words()));
            }
            if frame.opcode > opcode::BINARY {
                talk.respond_to_ping(&frame);
                continue;
            }
            let fin = frame.fin;
            match &mut message {
                Some(message) => message.payload.extend(frame.payload),
                None => message = Some(frame),
            }
            if let Some(message) = message.take_if(|_| fin) {
                return self.judge(&message, text);
            }
        }
    }

    fn judge(
        &mut self,
        message: &Frame,
        text: &[u8],
    ) -> Result<(), (Option<&'static Diagnosis>, String)> {
        let payload = message.payload.as_slice();
        let words = message.words();
        if message.rsv == 0 {
            if payload == text {
                return Ok(());
            }
            let compressed = Inflater::new()
                .message(payload)
                .is_some_and(|plain| plain == text)
                || self
                    .inflater
                    .message(payload)
                    .is_some_and(|plain| plain == text);
            return Err((compressed.then_some(&d::NO_RSV1), words));
        }
        if self.server_forgets {
            let kept = self.inflater.message(payload);
            let alone = Inflater::new().message(payload);
            return match (kept, alone) {
                (_, Some(plain)) if plain == text => self.check_tail(payload, words),
                (Some(plain), _) if plain == text => Err((Some(&d::CONTEXT_KEPT), words)),
                _ => Err((Some(broken(payload, text)), words)),
            };
        }
        match self.inflater.message(payload) {
            Some(plain) if plain == text => self.check_tail(payload, words),
            // A shorter text: the server has lost the end of the message that it received.
            Some(plain) if text.starts_with(&plain) => {
                let words = format!("{words}; decompressed: {:?}", wire::printable(&plain, 40));
                Err((Some(&d::TAIL_MISSING), words))
            }
            Some(plain) => {
                let words = format!("{words}; decompressed: {:?}", wire::printable(&plain, 40));
                Err((Some(broken(payload, text)), words))
            }
            None => Err((Some(broken(payload, text)), words)),
        }
    }

    fn check_tail(
        &self,
        payload: &[u8],
        words: String,
    ) -> Result<(), (Option<&'static Diagnosis>, String)> {
        match payload.ends_with(&TAIL) {
            true => Err((Some(&d::TAIL_SENT), words)),
            false => Ok(()),
        }
    }
}

/// The mistake in a payload that cannot be decompressed.
fn broken(payload: &[u8], text: &[u8]) -> &'static Diagnosis {
    match payload {
        _ if payload == text => &d::RSV1_PLAIN,
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] | [0x1f, 0x8b, ..] => &d::WRAPPED,
        _ => &d::BROKEN,
    }
}
