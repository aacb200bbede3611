//! Contexts that outlive a message, and those that must not.

use stentor::Deflate;
use stentor::Message;
use stentor::protocol::{Event, ProtocolError};

use super::{TAIL, Unzip, Zip, config, noise, ready, words};
use crate::support::{Driven, masked};

fn deflate(send: bool, receive: bool) -> Deflate {
    let deflate = Deflate::new().threshold(0);
    deflate.send_takeover(send).receive_takeover(receive)
}

fn offer(parameters: &[&str]) -> String {
    let parameters = parameters.iter().map(|parameter| format!("; {parameter}"));
    ["permessage-deflate".to_owned()]
        .into_iter()
        .chain(parameters)
        .collect()
}

/// Returns the payload of a compressed frame of less than 64 KiB; `None` if it is not compressed.
fn payload(frame: &[u8]) -> Option<&[u8]> {
    assert!([0x81, 0x82, 0xc1, 0xc2].contains(&frame[0]), "{frame:x?}");
    let header = if frame[1] < 126 { 2 } else { 4 };
    (frame[0] & 0x40 != 0).then(|| &frame[header..])
}

/// Messages of many sizes, similar and different.
fn messages() -> Vec<Vec<u8>> {
    let mut messages = vec![Vec::new(), b"x".to_vec()];
    for number in 0..20 {
        messages.push(words(number % 3, 10 + 150 * number).into());
    }
    messages.push(noise(5000));
    messages.push(words(1, 40_000).into());
    messages.push(noise(5000));
    messages.push(Vec::new());
    messages.push(words(2, 100).into());
    messages
}

/// Sends each message to the connection as the peer compresses it.
fn say(driven: &mut Driven, mut compress: impl FnMut(&[u8]) -> Vec<u8>) {
    for message in messages() {
        driven.receive(&masked(0xc2, &compress(&message)));
        let expected = [Event::Message(Message::from(message))];
        assert!(driven.events == expected, "{:?}", driven.events.last());
        driven.forget();
    }
}

/// Inflates, as the peer, all messages that the connection sends.
fn hear(driven: &mut Driven, mut inflate: impl FnMut(&[u8]) -> Vec<u8>) {
    for message in messages() {
        driven
            .connection
            .send(&Message::from(message.clone()))
            .unwrap();
        match payload(&driven.drain().output) {
            Some(payload) => assert!(inflate(payload) == message),
            None => assert!(driven.output.ends_with(&message)),
        }
        driven.forget();
    }
}

#[test]
fn every_agreement_on_contexts_and_windows_is_kept_in_both_directions() {
    for (send, receive) in [(false, false), (false, true), (true, false), (true, true)] {
        for bits in 9..=15 {
            let window = format!("server_max_window_bits={bits}");
            let bound = format!("client_max_window_bits={bits}");
            let config = config(deflate(send, receive));
            let mut driven = ready(&offer(&[&window, &bound]), &config);
            let mut zip = Zip::new(bits);
            say(&mut driven, |message| match receive {
                true => zip.message(message),
                false => zip.alone(message),
            });
            let mut unzip = Unzip::new(bits);
            hear(&mut driven, |payload| match send {
                true => unzip.message(payload),
                false => Unzip::new(bits).message(payload),
            });
        }
    }
}

#[test]
fn a_context_that_is_taken_over_makes_messages_smaller() {
    let sent = |send| {
        let mut driven = ready("permessage-deflate", &config(deflate(send, false)));
        for number in 0..20 {
            driven.connection.send(&words(number, 300).into()).unwrap();
        }
        driven.drain().output.len()
    };
    let (with, without) = (sent(true), sent(false));
    assert!(with * 2 < without, "{with} and {without} bytes");
}

#[test]
fn a_peer_that_uses_a_context_that_it_must_not_is_refused() {
    for receive in [false, true] {
        let mut driven = ready("permessage-deflate", &config(deflate(false, receive)));
        // RFC 7692 §7.2.3.2.
        let twice = [
            masked(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
            masked(0x81, b"not in the window"),
            masked(0xc1, b"\xf2\x00\x11\x00\x00"),
        ];
        driven.receive(&twice.concat());
        if receive {
            assert_eq!(driven.texts(), ["Hello", "not in the window", "Hello"]);
        } else {
            let protocol_error = Some(ProtocolError::InvalidCompression);
            assert_eq!(driven.closed().protocol_error, protocol_error);
        }
    }
}

#[test]
fn a_window_is_as_long_as_agreed_and_no_longer() {
    let remembering = deflate(false, true).receive_window(10);
    for (gap, fits) in [(1000, true), (1024, true), (1030, false), (2000, false)] {
        let offer = offer(&["client_max_window_bits"]);
        let mut driven = ready(&offer, &config(remembering));
        // Text that occurs again later, and then noise up to the distance.
        let mut zip = Zip::new(15);
        let needle = words(1, 60);
        let first = [needle.as_bytes(), &noise(gap - needle.len())].concat();
        driven.receive(&masked(0xc2, &zip.message(&first)));
        let zipped = zip.message(needle.as_bytes());
        assert!(zipped.len() < needle.len() / 2, "it refers to nothing");
        driven.receive(&masked(0xc2, &zipped));
        match driven.is_closed() {
            true => assert!(!fits, "{gap}"),
            false => assert!(fits, "{gap}"),
        }
    }
}

#[test]
fn final_blocks_do_not_end_the_context() {
    let mut driven = ready("permessage-deflate", &config(deflate(false, true)));
    for payload in [
        &b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"[..],
        b"\xf2\x00\x11\x00\x00",
        b"\xf3\x00\x11\x00\x00",
        b"\xf3\x00\x11\x00",
        b"\xf2\x00\x11\x00\x00",
    ] {
        driven.receive(&masked(0xc1, payload));
    }
    assert_eq!(driven.texts(), ["Hello"; 5]);
}

#[test]
fn fragments_that_are_flushed_one_by_one_share_their_context() {
    let mut driven = ready("permessage-deflate", &config(deflate(false, true)));
    for round in 0..3 {
        let mut zip = Zip::new(15);
        let parts = [words(1, 500), words(2, 500), words(1, 500)];
        let [first, second, third] = [0, 1, 2].map(|part| zip.message(parts[part].as_bytes()));
        driven.receive(&masked(0x41, &[&first[..], &TAIL].concat()));
        driven.receive(&masked(0x00, &[&second[..], &TAIL].concat()));
        driven.receive(&masked(0x80, &third));
        assert_eq!(driven.texts().len(), round + 1);
        assert_eq!(driven.texts()[round], parts.concat());
    }
}

#[test]
fn a_client_that_requests_a_window_of_8_bits_gets_plain_messages() {
    let offer = offer(&["server_max_window_bits=8"]);
    let mut driven = ready(&offer, &config(deflate(true, true)));
    hear(&mut driven, |_| panic!("it is compressed"));
    say(&mut driven, |message| Zip::new(9).alone(message));
}

#[test]
fn a_message_that_does_not_shrink_is_sent_uncompressed() {
    let mut driven = ready("permessage-deflate", &config(Deflate::new()));
    for message in [words(1, 255).into_bytes(), noise(1000), Vec::new()] {
        driven
            .connection
            .send(&Message::from(message.clone()))
            .unwrap();
        assert_eq!(payload(&driven.drain().output), None);
        assert!(driven.output.ends_with(&message));
        driven.forget();
    }
    driven.connection.send(&words(1, 256).into()).unwrap();
    assert!(payload(&driven.drain().output).is_some());
}
