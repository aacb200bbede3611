//! Compression between a server and its clients: once for all clients that receive the same, and in
//! order.

use std::time::Duration;
use stentor::Version;

use stentor::server::OnRateLimit;
use stentor::{Client, Deflate, HandlerResult, RateLimit, Server};

use super::{TAIL, USUAL, Unzip, Zip, head, noise, server, words};
use crate::support::{Heard, Loopback, Peer, becomes, masked};

/// A client that has negotiated compression.
struct Member {
    peer: Peer,
    unzip: Unzip,
    /// The window that it has requested.
    bits: u8,
    /// Whether messages may refer to earlier ones.
    takeover: bool,
}

impl Member {
    fn open(server: &Loopback, offer: &str) -> Member {
        let head = head(Version::Rfc6455, &[offer]);
        let peer = Peer::open_with(server.address, Version::Rfc6455, &head);
        let answer = peer.answer.header("Sec-WebSocket-Extensions");
        let takeover = !answer
            .expect("an agreement")
            .contains("server_no_context_takeover");
        let asked = offer.split_once("server_max_window_bits=");
        let bits = asked.map_or(15, |(_, bits)| bits.parse().unwrap()).max(9);
        Member {
            peer,
            unzip: Unzip::new(bits),
            bits,
            takeover,
        }
    }

    /// Returns the next message, and whether it was compressed.
    fn hear(&mut self) -> (String, bool) {
        match self.peer.hear() {
            Heard::Text(text) => (text, false),
            Heard::Deflated(1, payload) => {
                if !self.takeover {
                    self.unzip = Unzip::new(self.bits);
                }
                let text = self.unzip.message(&payload);
                (String::from_utf8(text).unwrap(), true)
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Joins the room, and echoes everything.
fn chat(client: &mut Client) -> HandlerResult {
    client.join("room");
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

#[test]
fn a_broadcast_reaches_every_client_in_its_negotiated_form() {
    let server = Loopback::run(server(Deflate::new()), chat);
    let mut plain = server.open_all();
    let offers = [
        USUAL,
        USUAL,
        "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=8",
    ];
    let mut members = offers.map(|offer| Member::open(&server, offer));
    server.wait_for_members("room", plain.len() + members.len());
    for number in 0..10 {
        let text = words(number, 20 + 1000 * number);
        server.handle.room("room").broadcast(&*text);
        for peer in &mut plain {
            peer.expect_text(&text);
        }
        for (member, offer) in members.iter_mut().zip(offers) {
            let expected = text.len() >= 256 && !offer.ends_with("=8");
            assert_eq!(member.hear(), (text.clone(), expected), "{offer}");
        }
    }
    // Repeated text is farther away than some windows reach.
    let once: String = noise(3000)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let text = once.repeat(2);
    server.handle.room("room").broadcast(&*text);
    for peer in &mut plain {
        peer.expect_text(&text);
    }
    for (member, offer) in members.iter_mut().zip(offers) {
        assert!(
            member.hear() == (text.clone(), !offer.ends_with("=8")),
            "{offer}"
        );
    }
    let binary = noise(2000);
    server.handle.room("room").broadcast(&*binary);
    for member in &mut members {
        assert_eq!(member.peer.hear(), Heard::Binary(binary.clone()));
    }
}

#[test]
fn clients_with_the_same_parameters_receive_the_same_bytes() {
    let server = Loopback::run(server(Deflate::new()), chat);
    let mut members = [(); 3].map(|()| Member::open(&server, USUAL).peer);
    server.wait_for_members("room", 3);
    let left_out = server.client(&members[2]).id();
    let text = words(1, 5000);
    let room = server.handle.room("room");
    room.clone().except(left_out).broadcast(&*text);
    room.broadcast("the end");
    let received = members.each_mut().map(Peer::hear);
    assert!(matches!(received[0], Heard::Deflated(1, _)));
    assert_eq!(received[0], received[1]);
    assert_eq!(received[2], Heard::Text("the end".to_owned()));
}

#[test]
fn messages_of_a_handler_and_of_others_are_understood_in_the_order_of_sending() {
    for (deflate, offer) in [
        (Deflate::new(), USUAL),
        (Deflate::new().send_takeover(true), USUAL),
        (
            Deflate::new().send_takeover(true),
            "permessage-deflate; server_max_window_bits=9",
        ),
    ] {
        let server = Loopback::run(server(deflate), chat);
        let mut member = Member::open(&server, offer);
        server.wait_for_members("room", 1);
        let client = server.client(&member.peer);
        let mut zip = Zip::new(15);
        for number in 0..30 {
            let text = words(number % 4, 300);
            match number % 5 {
                3 => client.send(&*text).unwrap(),
                4 => server.handle.broadcast(&*text),
                _ => member
                    .peer
                    .write(&masked(0xc1, &zip.alone(text.as_bytes()))),
            }
            assert_eq!(member.hear(), (text, true), "{number}");
        }
    }
}

#[test]
fn messages_from_many_senders_at_once_are_all_understood() {
    const EACH: usize = 200;
    let deflate = Deflate::new().send_takeover(true).level(1);
    let server = Loopback::run(server(deflate), chat);
    let mut member = Member::open(&server, USUAL);
    server.wait_for_members("room", 1);
    let client = server.client(&member.peer);
    let handle = server.handle.clone();
    let texts = [0, 1, 2].map(|side| words(side, 300));
    let mut received = [0; 3];
    std::thread::scope(|scope| {
        let [own, direct, broadcast] = &texts;
        scope.spawn(move || (0..EACH).for_each(|_| client.send(&**direct).unwrap()));
        scope.spawn(move || (0..EACH).for_each(|_| handle.broadcast(&**broadcast)));
        let frame = masked(0xc1, &Zip::new(15).alone(own.as_bytes()));
        member.peer.write(&frame.repeat(EACH));
        for _ in 0..3 * EACH {
            let (text, _) = member.hear();
            let side = texts.iter().position(|own| *own == text);
            received[side.expect("one of the texts")] += 1;
        }
    });
    assert_eq!(received, [EACH; 3]);
}

#[test]
fn a_reply_refers_to_the_reply_before_it() {
    let server = Loopback::run(server(Deflate::new().send_takeover(true)), chat);
    let mut peer = Member::open(&server, USUAL).peer;
    let mut len = || {
        peer.say(&words(1, 1000));
        match peer.hear() {
            Heard::Deflated(1, payload) => payload.len(),
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (len(), len());
    assert!(second * 2 < first, "{first} and {second} bytes");
}

#[test]
fn large_messages_are_compressed_too() {
    let server = Loopback::run(server(Deflate::new()), chat);
    let mut member = Member::open(&server, USUAL);
    let text = words(1, 1_000_000);
    member.peer.say(&text);
    assert!(member.hear() == (text, true));
    let binary = noise(500_000);
    member.peer.send_binary(&binary);
    assert!(member.peer.hear() == Heard::Binary(binary));
}

#[test]
fn a_bomb_ends_its_own_client_alone() {
    let server = Loopback::run(server(Deflate::new()), chat);
    let mut bystander = Member::open(&server, USUAL);
    let mut member = Member::open(&server, USUAL);
    let bomb = Zip::new(15).alone(&vec![b'x'; 20_000_000]);
    assert!(bomb.len() < 20_000, "{} bytes", bomb.len());
    member.peer.write(&masked(0xc1, &bomb));
    member
        .peer
        .expect_goodbye(1009, "message above 1048576 bytes");
    bystander.peer.say("still here");
    assert_eq!(bystander.hear(), ("still here".to_owned(), false));
}

#[test]
fn a_rate_counts_what_was_inflated() {
    const LEN: usize = 50_000;
    let rate = RateLimit::per_second().bytes(LEN as u32);
    let server = server(Deflate::new())
        .rate_limit(rate.burst(Duration::from_secs(1)))
        .on_rate_limit(OnRateLimit::Close);
    let server = Loopback::run(server, chat);
    let mut member = Member::open(&server, USUAL);
    let bomb = masked(0xc1, &Zip::new(15).alone(&[b'x'; LEN]));
    assert!(bomb.len() < 200, "{} bytes", bomb.len());
    // No more than the saved-up burst, and half a second's more; then all of it at once.
    member.peer.write(&bomb);
    assert_eq!(member.hear().0.len(), LEN);
    member.peer.write(&bomb.repeat(50));
    becomes(&1, || server.handle.counters().rate_limit_exceeded);
    assert!(server.wait_until_empty().messages_in <= 3);
}

#[test]
fn a_server_that_was_not_asked_to_compress_does_not() {
    let server = Loopback::run(Server::builder(), chat);
    let head = head(Version::Rfc6455, &[USUAL]);
    let mut peer = Peer::open_with(server.address, Version::Rfc6455, &head);
    assert_eq!(peer.answer.header("Sec-WebSocket-Extensions"), None);
    peer.expect_echo(&words(1, 2000));
    peer.write(&masked(0xc1, &TAIL));
    let words = "RSV1 is set, and no extension that uses it was negotiated";
    peer.expect_goodbye(1002, words);
}
