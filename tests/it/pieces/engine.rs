//! The protocol engine: the pieces of a message are the message, however the stream is cut.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Event, ProtocolError};
use stentor::{Message, Version};

use super::{KIB, MIB, wording};
use crate::properties::always_the_same;
use crate::support::{Driven, HYBI, masked, text};

/// Takes the pieces of one message from the front of the events, and returns it.
fn joined(events: &mut Vec<Event>) -> Option<Message> {
    let mut bytes = Vec::new();
    for at in 0..events.len() {
        match &events[at] {
            Event::Piece(piece) => {
                if piece.is_text {
                    assert!(std::str::from_utf8(&piece.bytes).is_ok(), "{piece:?}");
                }
                bytes.extend_from_slice(&piece.bytes);
                if piece.is_last {
                    assert_eq!(piece.total, bytes.len());
                    let is_text = piece.is_text;
                    events.drain(..=at);
                    return Some(match is_text {
                        true => String::from_utf8(bytes).unwrap().into(),
                        false => bytes.into(),
                    });
                }
                assert_eq!(piece.total, bytes.len());
            }
            Event::Ping(_) => {}
            other => panic!("{other:?} within a message"),
        }
    }
    None
}

/// The stream of a client: one message in fragments, with pings between, and a short message behind it.
fn stream(version: Version, message: &Message, cuts: &[Index]) -> Vec<u8> {
    let bytes = message.as_bytes();
    let mut stream = Vec::new();
    match version.framing() {
        Framing::Hixie => stream.extend(text(version, message.as_text().unwrap())),
        Framing::Hybi => {
            let mut places: Vec<usize> =
                cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.sort_unstable();
            places.push(bytes.len());
            let mut opcode = if message.is_text() { 1 } else { 2 };
            let mut start = 0;
            for (at, end) in places.iter().enumerate() {
                let fin = u8::from(at + 1 == places.len()) << 7;
                stream.extend(masked(fin | opcode, &bytes[start..*end]));
                if at % 3 == 1 && fin == 0 {
                    stream.extend(masked(0x89, b"ping"));
                }
                (opcode, start) = (0, *end);
            }
        }
    }
    stream.extend(text(version, "next"));
    stream
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (0..3000_usize).prop_map(|characters| wording(characters).into()),
        "\\PC{0,50}".prop_map(Message::from),
        vec(any::<u8>(), 0..5000).prop_map(Message::from),
        Just(Message::from("x".repeat(40_000))),
    ]
}

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn pieces_joined_are_the_message(
        message in message(),
        version in prop::sample::select(&Version::ALL),
        fragments in vec(any::<Index>(), 0..6),
        cuts in vec(any::<Index>(), 0..8),
        late in any::<bool>(),
    ) {
        let message = match (version.framing(), message.as_text()) {
            (Framing::Hixie, None) => Message::from("text"),
            _ => message,
        };
        let stream = stream(version, &message, &fragments);
        let mut driven = Driven::ready(version);
        if !late {
            driven.connection.receive_in_pieces(message.len());
        }
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.sort_unstable();
        let mut start = 0;
        for end in places.into_iter().chain([stream.len()]) {
            driven.receive(&stream[start..end]);
            start = end;
            // The start of a message may have come before its rest is requested in pieces.
            if late && driven.events.is_empty() {
                driven.connection.receive_in_pieces(message.len());
                driven.drain();
            }
        }
        if matches!(driven.events.first(), Some(Event::Message(_))) {
            // It came whole, before it was requested in pieces.
            prop_assert!(late);
            prop_assert_eq!(driven.events.remove(0), Event::Message(message));
        } else if late && !driven.events.iter().any(|event| matches!(event, Event::Piece(_))) {
            // A ping came first.
            driven.events.retain(|event| !matches!(event, Event::Ping(_)));
            prop_assert_eq!(driven.events.remove(0), Event::Message(message));
        } else {
            prop_assert_eq!(joined(&mut driven.events), Some(message));
        }
        prop_assert_eq!(driven.events, [Event::Message("next".into())]);
    }
}

#[test]
fn the_first_piece_comes_with_the_header() {
    for version in Version::ALL {
        let mut driven = Driven::ready(version);
        driven.connection.receive_in_pieces(100);
        let stream = text(version, "hello");
        let header = if version.framing() == Framing::Hixie {
            1
        } else {
            6
        };
        driven.receive(&stream[..header]);
        let [Event::Piece(piece)] = &driven.events[..] else {
            panic!("{version}: {:?}", driven.events);
        };
        assert!(piece.is_text && piece.bytes.is_empty() && !piece.is_last);
        driven.receive(&stream[header..]);
        assert_eq!(
            joined(&mut driven.events),
            Some("hello".into()),
            "{version}"
        );
    }
}

#[test]
fn the_limit_of_the_pieces_is_their_own() {
    for version in Version::ALL {
        for (len, fits) in [(2000, true), (2001, false)] {
            let mut config = Config::default();
            config.limits.message = 1000;
            let mut driven = Driven::ready_with(version, &config);
            driven.connection.receive_in_pieces(2000);
            let stream = text(version, &"x".repeat(len));
            stream.chunks(300).for_each(|chunk| {
                if !driven.is_closed() {
                    driven.receive(chunk);
                }
            });
            match fits {
                true => assert_eq!(joined(&mut driven.events).unwrap().len(), len),
                false => assert_eq!(
                    driven.closed().protocol_error,
                    Some(ProtocolError::MessageTooLarge(2000))
                ),
            }
        }
    }
}

/// The start of the message has come under the limit for whole messages.
#[test]
fn the_limit_holds_for_bytes_that_came_before_it_was_set() {
    for version in Version::ALL {
        let mut driven = Driven::ready(version);
        let stream = text(version, &"x".repeat(500));
        driven.receive(&stream[..300]);
        driven.connection.receive_in_pieces(100);
        driven.drain();
        let error = Some(ProtocolError::MessageTooLarge(100));
        assert_eq!(driven.closed().protocol_error, error, "{version}");
    }
}

#[test]
fn invalid_text_fails_as_it_comes() {
    for version in HYBI {
        let mut driven = Driven::ready(version);
        driven.connection.receive_in_pieces(MIB);
        let stream = masked(0x81, &[&b"valid \xe2\x82"[..], &[b'x'; 1000]].concat());
        driven.receive(&stream[..20]);
        let error = Some(ProtocolError::InvalidUtf8);
        assert_eq!(driven.closed().protocol_error, error, "{version}");
        // A text that ends within a character.
        let mut driven = Driven::ready(version);
        driven.connection.receive_in_pieces(MIB);
        driven.receive(&masked(0x01, b"valid \xe2\x82"));
        assert!(!driven.is_closed());
        driven.receive(&masked(0x80, b""));
        assert_eq!(driven.closed().protocol_error, error, "{version}");
    }
}

/// The old drafts replace invalid text, unless they are configured to fail.
#[test]
fn replaced_text_is_the_same_in_pieces() {
    let bytes = b"a\xe2\x82\xac\xe2\x82 \xff \xf0\x9f\x98\x80 \xc3";
    let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0xff).collect();
    let stream = [&[0x00], &bytes[..], &[0xff]].concat();
    let expected = String::from_utf8_lossy(&bytes).into_owned();
    for cut in 1..stream.len() {
        let mut driven = Driven::ready(Version::Draft76);
        driven.connection.receive_in_pieces(bytes.len());
        driven.receive(&stream[..cut]).receive(&stream[cut..]);
        let text: Vec<u8> = driven
            .events
            .iter()
            .flat_map(|event| match event {
                Event::Piece(piece) => piece.bytes.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected, "at {cut}");
    }
}

/// However large the message is, in one frame or in many.
#[test]
fn a_message_in_pieces_takes_constant_memory() {
    const LEN: usize = 64 * MIB;
    const READ: usize = 64 * KIB;
    for (version, fragment) in [
        (Version::Rfc6455, LEN),
        (Version::Rfc6455, 128 * KIB),
        (Version::Draft76, LEN),
    ] {
        let mut driven = Driven::ready(version);
        driven.connection.receive_in_pieces(LEN);
        let (mut total, mut most, mut left) = (0, 0, LEN);
        let zeros = vec![b'x'; READ];
        if version.framing() == Framing::Hixie {
            driven.receive(b"\0");
        }
        while left > 0 {
            let frame = fragment.min(left);
            if version.framing() == Framing::Hybi {
                let opcode = u8::from(left == LEN);
                let fin = u8::from(left == frame) << 7;
                let mut header = vec![fin | opcode, 0x80 | 127];
                header.extend_from_slice(&(frame as u64).to_be_bytes());
                header.extend_from_slice(&[0; 4]);
                driven.receive(&header);
            }
            left -= frame;
            let mut rest = frame;
            while rest > 0 {
                let read = READ.min(rest);
                driven.receive(&zeros[..read]);
                rest -= read;
                most = most.max(driven.connection.held_bytes());
                for event in driven.events.drain(..) {
                    let Event::Piece(piece) = event else {
                        panic!("{event:?}");
                    };
                    most = most.max(piece.bytes.capacity());
                    total += piece.bytes.len();
                }
            }
        }
        assert_eq!(total, LEN, "{version}");
        assert!(most <= 4 * READ, "{version}: {most} bytes");
    }
}
