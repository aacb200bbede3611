//! Messages there and back, and those that are above a limit.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::sample::Index;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Event, ProtocolError};

use super::always_the_same;
use super::said::{messages, versions};
use super::stream::{in_fragments, pieces, read_by_a_client, received};
use crate::support::{Driven, Head, masked_with, text};

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn every_message_arrives_in_any_fragments(
        version in versions(),
        key in any::<[u8; 4]>(),
        said in vec((messages(), vec(any::<Index>(), 0..4), any::<bool>()), 1..4),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (message, fragments, pinged) in said {
            if version.framing() == Framing::Hixie {
                let word = String::from_utf8_lossy(message.as_bytes()).into_owned();
                bytes.extend(text(version, &word));
                expected.push(Event::Message(word.into()));
                continue;
            }
            let payloads = pieces(message.as_bytes(), &fragments);
            for (at, payload) in payloads.iter().enumerate() {
                let opcode = if at > 0 { 0 } else if message.is_binary() { 2 } else { 1 };
                let fin = if at + 1 == payloads.len() { 0x80 } else { 0 };
                if pinged {
                    bytes.extend(masked_with(key, 0x89, b"between"));
                    expected.push(Event::Ping(b"between".to_vec()));
                }
                bytes.extend(masked_with(key, fin | opcode, payload));
            }
            expected.push(Event::Message(message));
        }
        let mut driven = Driven::ready(version);
        for piece in pieces(&bytes, &cuts) {
            driven.receive(piece);
        }
        assert_eq!(driven.events, expected);
    }

    #[test]
    fn a_client_reads_the_messages_that_were_sent(
        version in versions(),
        said in vec(messages(), 0..4),
        ping in vec(any::<u8>(), 0..130),
    ) {
        let mut driven = Driven::ready(version);
        let mut expected = Vec::new();
        for message in said {
            let carried = version.has_binary() || !message.is_binary();
            assert_eq!(driven.connection.send(&message).is_ok(), carried);
            if carried {
                let opcode = if message.is_binary() { 2 } else { 1 };
                expected.push((opcode, message.into_data()));
            }
            let carried = version.has_ping() && ping.len() <= 125;
            assert_eq!(driven.connection.ping(&ping).is_ok(), carried);
            if carried {
                expected.push((9, ping.clone()));
            }
        }
        driven.drain();
        assert_eq!(read_by_a_client(version, &driven.output), expected);
    }

    #[test]
    fn a_message_above_a_limit_never_arrives(
        version in versions(),
        limit in 0..300_usize,
        fragments in 1..5_usize,
        lens in vec(vec(0..120_usize, 1..6), 1..4),
    ) {
        let mut config = Config::default();
        config.limits.message = limit;
        config.limits.fragments = fragments;
        let (mut bytes, mut expected, mut why) = (Vec::new(), Vec::new(), None);
        for lens in &lens {
            let len = lens.iter().sum();
            bytes.extend(match version.framing() {
                Framing::Hixie => text(version, &"x".repeat(len)),
                Framing::Hybi => in_fragments(lens),
            });
            let counted = version.framing() == Framing::Hybi;
            let before: usize = lens.iter().take(fragments).sum();
            why = match () {
                () if counted && before <= limit && lens.len() > fragments => {
                    let next = lens[..=fragments].iter().sum::<usize>();
                    // Of the frame that is too many, the size is checked first.
                    Some(if next > limit {
                        ProtocolError::MessageTooLarge(limit)
                    } else {
                        ProtocolError::TooManyFragments(fragments)
                    })
                }
                () if len > limit => Some(ProtocolError::MessageTooLarge(limit)),
                () => None,
            };
            if why.is_some() {
                break;
            }
            expected.push("x".repeat(len));
        }
        let driven = received(&config, &[&Head::of(version).bytes(), &bytes]);
        assert_eq!(driven.texts(), expected);
        assert_eq!(driven.closed().protocol_error, why);
        let last = why.and_then(|why| {
            let (code, words) = (why.close_code(version)?.get(), why.to_string());
            let body = [&code.to_be_bytes()[..], words.as_bytes()].concat();
            Some([&[0x88, body.len() as u8][..], &body].concat())
        });
        assert!(driven.output.ends_with(&last.unwrap_or_default()));
    }
}
