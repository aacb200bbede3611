//! Every message arrives, whatever was negotiated; and no received bytes do harm.

use proptest::collection::vec;
use proptest::prelude::*;
use stentor::Deflate;
use stentor::Message;
use stentor::protocol::Event;

use super::{Unzip, Zip, config, ready};
use crate::properties::always_the_same;
use crate::support::{Driven, masked};

/// Messages that repeat themselves and each other, as those of people do.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"the quick brown fox ".to_vec()),
        Just(b"\0\0\0\0\0\0\0\0".to_vec()),
        vec(any::<u8>(), 0..40),
    ];
    vec((word, 1..60_usize), 0..6).prop_map(|words| {
        let words = words.iter().map(|(word, times)| word.repeat(*times));
        words.collect::<Vec<_>>().concat()
    })
}

fn agreement() -> impl Strategy<Value = (Deflate, u8)> {
    (any::<bool>(), any::<bool>(), 1..=9_u8, 9..=15_u8).prop_map(|(send, receive, level, bits)| {
        let deflate = Deflate::new().threshold(0).level(level);
        (deflate.send_takeover(send).receive_takeover(receive), bits)
    })
}

fn agreed(deflate: Deflate, bits: u8) -> (Driven, bool) {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let driven = ready(&offer, &config(deflate));
    (driven, deflate == deflate.receive_takeover(true))
}

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn what_is_said_comes_through(
        (deflate, bits) in agreement(),
        messages in vec(message(), 1..8),
        cut in 1..500_usize,
    ) {
        let (mut driven, keeps_context) = agreed(deflate, bits);
        let (mut zip, mut unzip) = (Zip::new(15), Unzip::new(bits));
        for message in messages {
            let zipped = match keeps_context {
                true => zip.message(&message),
                false => zip.alone(&message),
            };
            let mut pieces = zipped.chunks(cut).peekable();
            let mut first = 0x42;
            while let Some(piece) = pieces.next() {
                let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
                driven.receive(&masked(first | fin, piece));
                first = 0;
            }
            let message = Message::from(message);
            prop_assert_eq!(&driven.events, &[Event::Message(message.clone())]);
            let output = driven.echo().output.clone();
            let header = if output[1] < 126 { 2 } else { 4 };
            prop_assert!(output[1] < 127);
            let payload = &output[header..];
            let received = match output[0] {
                0xc2 if deflate == deflate.send_takeover(true) => unzip.message(payload),
                0xc2 => Unzip::new(bits).message(payload),
                first => {
                    prop_assert_eq!(first, 0x82);
                    payload.to_vec()
                }
            };
            prop_assert_eq!(received, message.into_data());
            driven.forget();
        }
    }

    #[test]
    fn whatever_is_received_the_limit_holds(
        (deflate, bits) in agreement(),
        frames in vec((any::<bool>(), any::<bool>(), vec(any::<u8>(), 0..300)), 1..10),
        spoilt in any::<prop::sample::Index>(),
    ) {
        let mut config = config(deflate);
        config.limits.message = 1000;
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let mut driven = ready(&offer, &config);
        for (fin, valid, payload) in frames {
            let mut zipped = match valid {
                true => Zip::new(9).alone(&payload),
                false => payload,
            };
            if !valid && !zipped.is_empty() {
                let at = spoilt.index(zipped.len());
                zipped[at] = zipped[at].wrapping_add(1);
            }
            driven.receive(&masked(if fin { 0xc2 } else { 0x42 }, &zipped));
            for event in &driven.events {
                if let Event::Message(message) = event {
                    prop_assert!(message.len() <= 1000);
                }
            }
        }
    }
}
