//! Random bytes, and valid bytes with a few changed: nothing panics, everything ends, and no output
//! grows beyond the input. The seeds are fixed, so a failure can be repeated.

use stentor::protocol::{CloseFrame, Config, Ending, Event};
use stentor::{CloseCode, Message, Version};

use crate::support::{Driven, HandshakeResponse, Head, bye, close_frame, masked, text};

/// Marsaglia's xorshift: enough to be unpredictable to the code under test.
struct Random(u64);

impl Random {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() >> 11) as usize % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        // Half of them from the bytes that are significant somewhere.
        const LOADED: &[u8] = b"\x00\xff\x80\x81\x82\x88\x89\x8a\xfe\x7f\x01\r\n :,GET/";
        (0..len)
            .map(|_| match self.roll() >> 32 & 1 {
                0 => LOADED[self.below(LOADED.len())],
                _ => (self.roll() >> 32) as u8,
            })
            .collect()
    }

    /// Changes, drops, doubles or swaps a few bytes.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] = (self.roll() >> 32) as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, bytes[at]),
                4 => bytes.truncate(at),
                _ => {
                    let more = self.bytes(3);
                    bytes.splice(at..at, more);
                }
            }
        }
    }
}

/// Receives the bytes in pieces of random sizes, with an application that calls at random, and
/// compares the output with the input.
fn survive(mut driven: Driven, bytes: &[u8], random: &mut Random) {
    let mut meddled = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
        driven.receive(piece);
        rest = behind;
        // Whether it is allowed at this point does not matter here; a result is enough.
        let before = driven.output.len();
        let _ = match random.below(12) {
            0 => driven.connection.send(&Message::from("meddling")),
            1 => driven.connection.send(&Message::from(&b"meddling"[..])),
            2 => driven.connection.ping(b"meddling"),
            3 => driven.connection.close(None),
            4 => driven.connection.close(Some(CloseFrame {
                code: CloseCode::new(random.roll() as u16),
                reason: String::new(),
            })),
            _ => Ok(()),
        };
        driven.drain();
        meddled += driven.output.len() - before;
    }
    driven.end();

    // Ended, and permanently.
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    let (events, output) = (driven.events.len(), driven.output.len());
    driven.receive(bytes).end();
    assert_eq!((driven.events.len(), driven.output.len()), (events, output));

    // Three times for invalid text that is replaced.
    let delivered: usize = driven.events.iter().map(payload).sum();
    assert!(delivered <= 3 * bytes.len());
    assert!(events <= bytes.len() + 4);
    // A 101 or a rejection, a pong for each ping, and a close frame. A response repeats parts of
    // the request once, and escaped.
    assert!(output <= 4 * bytes.len() + meddled + 1000);
    if driven.output.starts_with(b"HTTP/1.1 ") {
        let answer = HandshakeResponse::read(&driven.output);
        if answer.status() != 101 {
            answer.assert_last();
        }
    }
}

fn payload(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.len(),
        Event::Ping(bytes) | Event::Pong(bytes) => bytes.len(),
        Event::Closed(closed) => closed.reason.len(),
        _ => 0,
    }
}

/// All kinds of frames of a version, each valid by itself.
fn frames(version: Version) -> Vec<Vec<u8>> {
    let mut frames = vec![text(version, ""), text(version, "Hellö"), bye(version)];
    match version {
        Version::Draft75 | Version::Draft76 => {
            frames.extend(
                [&b"\x80\x03\xff\x00\xff"[..], b"\x80\x81\x00", b"\x42x\xff"].map(Vec::from),
            );
        }
        _ => {
            frames.extend([masked(0x01, b"Hel"), masked(0x00, b"l"), masked(0x80, b"o")]);
            frames.extend([
                masked(0x89, b"ping"),
                masked(0x8a, b"pong"),
                close_frame(1000, b"bye"),
            ]);
            frames.push(masked(0x82, &[b'x'; 200]));
        }
    }
    frames
}

#[test]
fn random_bytes_are_survived_as_a_request() {
    let mut random = Random(0x5eed);
    for _ in 0..1000 {
        let len = random.below(400);
        let bytes = random.bytes(len);
        survive(Driven::new(&Config::default()), &bytes, &mut random);
    }
}

#[test]
fn random_bytes_are_survived_as_frames() {
    let mut random = Random(0xf00d);
    for version in Version::ALL {
        for _ in 0..400 {
            let len = random.below(200);
            let bytes = random.bytes(len);
            survive(Driven::ready(version), &bytes, &mut random);
        }
    }
}

#[test]
fn spoilt_handshakes_are_survived() {
    let mut random = Random(0xbad);
    for version in Version::ALL {
        for _ in 0..800 {
            let mut bytes = Head::of(version)
                .with("X-Long", "x".repeat(random.below(50)))
                .bytes();
            random.mutate(&mut bytes);
            bytes.extend(text(version, "behind"));
            survive(Driven::new(&Config::default()), &bytes, &mut random);
        }
    }
}

#[test]
fn spoilt_frames_are_survived() {
    let mut random = Random(0xcafe);
    for version in Version::ALL {
        let frames = frames(version);
        for round in 0..1200 {
            let mut config = Config::default();
            config.limits.message = 1 << random.below(12);
            config.limits.fragments = 1 + random.below(4);
            config.fail_on_unknown_frames = round % 2 == 0;
            config.fail_on_invalid_hixie_text = round % 3 == 0;
            let mut bytes = Vec::new();
            for _ in 0..1 + random.below(6) {
                bytes.extend(&frames[random.below(frames.len())]);
            }
            random.mutate(&mut bytes);
            survive(Driven::ready_with(version, &config), &bytes, &mut random);
        }
    }
}

/// A stream must be read in the same way however it is cut, whatever it contains.
#[test]
fn spoilt_frames_are_read_alike_however_they_are_cut() {
    let mut random = Random(0xa11ce);
    for version in Version::ALL {
        let frames = frames(version);
        for _ in 0..400 {
            let mut bytes = Vec::new();
            for _ in 0..1 + random.below(5) {
                bytes.extend(&frames[random.below(frames.len())]);
            }
            random.mutate(&mut bytes);
            let mut whole = Driven::ready(version);
            whole.receive(&bytes).end();
            let mut bytewise = Driven::ready(version);
            bytewise.receive_bytewise(&bytes).end();
            assert_eq!(whole.events, bytewise.events, "{version}: {bytes:x?}");
            assert_eq!(whole.output, bytewise.output, "{version}: {bytes:x?}");
        }
    }
}
