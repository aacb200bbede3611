//! Messages there and back in every version: fragmented anywhere, with control frames in between.

use std::sync::Arc;

use crate::driven::Call;
use crate::frames::ready;
use crate::ways::alike;
use crate::wire::{Frame, close_frame};
use arbitrary::Arbitrary;
use stentor::protocol::framing::Framing;
use stentor::protocol::{CloseFrame, Config, Event};
use stentor::{Message, Version};

#[derive(Debug, Arbitrary)]
pub struct Talk {
    version: u8,
    cuts: u32,
    key: [u8; 4],
    said: Vec<Said>,
}

#[derive(Debug, Arbitrary)]
struct Said {
    text: bool,
    /// The number of repetitions of the payload: lengths have three forms.
    times: u16,
    /// The positions at which the message is cut into fragments.
    cuts: Vec<u16>,
    /// The frame in front of each fragment: none, a ping or a pong.
    between: Vec<u8>,
    payload: Vec<u8>,
}

/// The most bytes of all messages: enough for a length of 64 bits, and no more, to save time.
const MOST: usize = 70_000;

pub fn judge(talk: &Talk) {
    let version = Version::ALL[usize::from(talk.version) % Version::ALL.len()];
    let mut left = MOST;
    let mut messages = Vec::new();
    let (mut wire, mut expected) = (Vec::new(), Vec::new());
    for said in &talk.said {
        let message = said.message(version, left);
        left -= message.len();
        match version.framing() {
            Framing::Hixie => hixie(&message, &mut wire),
            Framing::Hybi => said.hybi(&message, talk.key, &mut wire, &mut expected),
        }
        expected.push(Event::Message(message.clone()));
        messages.push(message);
    }
    wire.extend(close_frame(version));

    let config = Arc::new(Config::default());
    let driven = alike(wire.len(), talk.cuts, |way| {
        let mut driven = ready(version, &config);
        way.cut(&wire, |piece, reading| driven.receive(piece, reading));
        driven.call(&Call::EndOfStream);
        driven
    });
    let mut events: Vec<Event> = driven.events().cloned().collect();
    assert!(matches!(events.pop(), Some(Event::Closed(closed)) if closed.clean));
    assert_eq!(events, expected);

    // Back: the server writes the messages that it is given.
    let mut driven = ready(version, &config);
    for message in &messages {
        driven.call(&Call::Send(message.clone()));
        if let (true, Some(said)) = (version.has_ping(), talk.said.first()) {
            driven.call(&Call::Ping(said.payload.clone()));
        }
    }
    driven.call(&Call::Close(Some(CloseFrame {
        code: 4000.into(),
        reason: "done".to_owned(),
    })));
    let mut rest = driven.output.as_slice();
    for message in &messages {
        match version.framing() {
            Framing::Hixie => {
                let mut frame = Vec::new();
                hixie(message, &mut frame);
                rest = rest.strip_prefix(frame.as_slice()).expect("the message");
            }
            Framing::Hybi => {
                let first = if message.is_binary() { 0x82 } else { 0x81 };
                assert_eq!(Frame::unmasked(&mut rest), frame(first, message.as_bytes()));
                match talk.said.first() {
                    Some(Said { payload, .. }) if payload.len() <= 125 => {
                        assert_eq!(Frame::unmasked(&mut rest), frame(0x89, payload));
                    }
                    _ => {}
                }
            }
        }
    }
    match version {
        Version::Draft75 => {}
        Version::Draft76 => assert_eq!(rest, [0xff, 0x00]),
        _ => {
            assert_eq!(Frame::unmasked(&mut rest), frame(0x88, b"\x0f\xa0done"));
            assert_eq!(rest, b"");
        }
    }
}

impl Said {
    fn message(&self, version: Version, most: usize) -> Message {
        let times = match self.times {
            large @ 60_000.. => large - 60_000,
            small => small % 4,
        };
        let payload = &self.payload;
        let times = usize::from(times).min(most / (3 * payload.len()).max(1));
        if self.text || !version.has_binary() {
            Message::from(String::from_utf8_lossy(payload).repeat(times))
        } else {
            Message::from(payload.repeat(times))
        }
    }

    /// Returns the message in fragments, with the control frames in front of them.
    fn hybi(&self, message: &Message, key: [u8; 4], wire: &mut Vec<u8>, events: &mut Vec<Event>) {
        let bytes = message.as_bytes();
        let mut cuts: Vec<usize> = self
            .cuts
            .iter()
            .map(|cut| usize::from(*cut) % (bytes.len() + 1))
            .collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut opcode = if message.is_binary() { 2 } else { 1 };
        let mut done = 0;
        for (at, cut) in cuts.iter().enumerate() {
            match self
                .between
                .get(at)
                .map(|between| (between % 3, between / 3))
            {
                Some((1, len)) => {
                    let ping = vec![b'?'; len.into()];
                    frame(0x89, &ping).masked(key, wire);
                    events.push(Event::Ping(ping));
                }
                Some((2, len)) => {
                    let pong = vec![b'!'; len.into()];
                    frame(0x8a, &pong).masked(key, wire);
                    events.push(Event::Pong(pong));
                }
                _ => {}
            }
            let fin = if at + 1 == cuts.len() { 0x80 } else { 0 };
            frame(fin | opcode, &bytes[done..*cut]).masked(key, wire);
            (opcode, done) = (0, *cut);
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Frame {
    Frame {
        first,
        payload: payload.to_vec(),
    }
}

fn hixie(message: &Message, wire: &mut Vec<u8>) {
    wire.push(0x00);
    wire.extend(message.as_bytes());
    wire.push(0xff);
}
