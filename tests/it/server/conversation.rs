//! Messages are echoed in every version, however the bytes are cut or joined.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use stentor::protocol::{Event, SendError};
use stentor::{Error, Message, Received, Server, Version};

use crate::support::{
    HIXIE, HYBI, Head, Heard, KEY3, Loopback, PATIENCE, Peer, becomes, dial, echo, text,
};

/// A thread that serves one client after the other has the name of the present one.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_has_the_number_of_its_client_in_its_name() {
    let server = Loopback::run(Server::builder(), |client| {
        let name = std::fs::read_to_string("/proc/thread-self/comm")?;
        client.send(format!("{} {name}", client.id()))?;
        echo(client)
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        let id = server.client(&peer).id();
        peer.expect_text(&format!("{id} client {id}\n"));
        peer.leave();
        server.wait_until_empty();
    }
}

#[test]
fn every_version_is_echoed() {
    let server = Loopback::echo(Server::builder());
    let long = "0123456789".repeat(7000);
    for version in Version::ALL {
        let mut peer = server.open(version);
        for words in ["hello", "grüß Gott, 世界 🎺", "", "x", &long, "goodbye"] {
            peer.expect_echo(words);
        }
        if version.has_binary() {
            peer.send_binary(b"\x00\xff\x80");
            assert_eq!(peer.hear(), Heard::Binary(b"\x00\xff\x80".to_vec()));
        }
        peer.leave();
    }
}

#[test]
fn every_version_is_in_the_same_room() {
    let server = Loopback::run(Server::builder(), |client| {
        client.join("lobby");
        while let Some(message) = client.recv()? {
            client.room("lobby").broadcast(message);
        }
        Ok(())
    });
    let mut peers = server.open_all();
    server.wait_for_members("lobby", 5);
    for speaker in 0..peers.len() {
        let words = format!("{} speaks", peers[speaker].version);
        peers[speaker].say(&words);
        for peer in &mut peers {
            peer.expect_text(&words);
        }
    }
}

#[test]
fn binary_for_a_hixie_client_is_an_error_of_the_sender() {
    let (results, received) = bounded(4);
    let server = Loopback::run(Server::builder(), move |client| {
        while client.recv()?.is_some() {
            results.send(client.send(vec![1_u8, 2, 3]))?;
            client.send("still here")?;
        }
        Ok(())
    });
    for version in HIXIE {
        let mut peer = server.open(version);
        peer.say("send me bytes");
        peer.expect_text("still here");
        let by_the_handler = received.recv_timeout(PATIENCE).unwrap();
        let by_the_handle = server.client(&peer).send(vec![1_u8, 2, 3]);
        for result in [by_the_handler, by_the_handle] {
            match result {
                Err(Error::Send(SendError::UnsupportedByVersion { version: named, .. })) => {
                    assert_eq!(named, version);
                }
                other => panic!("{version}: {other:?}"),
            }
        }
        // No byte of it has been sent, and the connection is intact.
        server.client(&peer).send("text").unwrap();
        peer.expect_text("text");
        peer.leave();
    }
    let counters = server.wait_until_empty();
    assert_eq!((counters.skipped, counters.messages_out), (0, 4));
}

#[test]
fn a_binary_broadcast_skips_hixie_clients_and_counts_them() {
    let server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    server.handle.broadcast(vec![9_u8, 8, 7]);
    server.handle.broadcast("for everybody");
    for peer in &mut peers {
        if peer.version.has_binary() {
            assert_eq!(peer.hear(), Heard::Binary(vec![9, 8, 7]));
        }
        peer.expect_text("for everybody");
    }
    let counters = server.handle.counters();
    assert_eq!((counters.skipped, counters.messages_out), (2, 8));
}

#[test]
fn a_listener_that_exists_already_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Loopback::start(Server::builder().listener(listener).build().unwrap(), echo);
    assert_eq!(server.address, address);
    server.open(Version::Rfc6455).expect_echo("hello");
}

#[test]
fn clients_that_came_before_the_server_ran_are_served() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let mut early = dial(server.local_addr().unwrap());
    let bytes = Head::of(Version::Rfc6455).bytes();
    early.write_all(&bytes).unwrap();
    let _server = Loopback::start(server, echo);
    Peer::after(early, Version::Rfc6455, bytes.len()).expect_echo("hello");
}

#[test]
fn bytes_behind_the_handshake_are_the_first_frames() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let frames = [text(version, "one"), text(version, "two")].concat();
        let bytes = [Head::of(version).bytes(), frames].concat();
        let mut peer = Peer::on(dial(server.address), version, &bytes);
        peer.expect_text("one");
        peer.expect_text("two");
        peer.leave();
    }
}

/// As HAProxy does: to HTTP, key3 is not a body, and so the proxy waits for the response.
#[test]
fn a_proxy_may_withhold_key3_until_it_has_seen_the_101() {
    let server = Loopback::echo(Server::builder());
    let mut peer = Peer::without_key3(server.address);
    assert_eq!(server.handle.count(), 0);
    peer.write(&[KEY3.as_slice(), &text(Version::Draft76, "right behind it")].concat());
    peer.read_proof();
    peer.expect_text("right behind it");
    peer.leave();
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut stream = dial(server.address);
        let bytes = Head::of(version).bytes();
        for byte in bytes.chunks(1) {
            stream.write_all(byte).unwrap();
        }
        let mut peer = Peer::after(stream, version, bytes.len());
        for byte in text(version, "hello").chunks(1) {
            peer.write(byte);
        }
        peer.expect_text("hello");
    }
}

/// The handler reports when its timeout has expired; only then is the next byte sent.
#[test]
fn a_message_survives_a_timeout_behind_each_of_its_bytes() {
    let (waits, waited) = bounded(0);
    let server = Loopback::run(Server::builder(), move |client| {
        loop {
            match client.recv_timeout(Duration::from_millis(2))? {
                Received::Message(message) => client.send(message)?,
                Received::Nothing => drop(waits.try_send(())),
                Received::Closed => return Ok(()),
            }
        }
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        for byte in text(version, "piecemeal").chunks(1) {
            waited.recv_timeout(PATIENCE).unwrap();
            peer.write(byte);
        }
        peer.expect_text("piecemeal");
        peer.leave();
    }
}

#[test]
fn a_timeout_of_nothing_still_finds_what_has_come() {
    let (results, received) = bounded(1);
    let server = Loopback::run(Server::builder(), move |client| {
        let first = client.recv()?;
        // The second message came in the same packet as the first.
        let second = client.recv_timeout(Duration::ZERO)?;
        let third = client.recv_timeout(Duration::ZERO)?;
        results.send((first, second, third))?;
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.write(&[text(version, "one"), text(version, "two")].concat());
        let (first, second, third) = received.recv_timeout(PATIENCE).unwrap();
        assert_eq!(first, Some(Message::from("one")));
        assert_eq!(second, Received::Message("two".into()));
        assert_eq!(third, Received::Nothing);
        peer.answer_goodbye(1000, "");
    }
}

#[test]
fn the_longest_timeout_there_is_waits_and_does_not_panic() {
    let server = Loopback::run(Server::builder(), |client| {
        while let Received::Message(message) = client.recv_timeout(Duration::MAX)? {
            client.send(message)?;
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        peer.leave();
    }
}

#[test]
fn recv_event_shows_pings_and_pongs() {
    let server = Loopback::run(Server::builder(), |client| {
        while let Some(event) = client.recv_event()? {
            client.send(match event {
                Event::Ping(payload) => format!("ping {}", payload.escape_ascii()),
                Event::Pong(payload) => format!("pong {}", payload.escape_ascii()),
                Event::Message(message) => format!("message {message:?}"),
                other => format!("{other:?}"),
            })?;
        }
        Ok(())
    });
    for version in HYBI {
        let mut peer = server.open(version);
        peer.ping(b"one");
        assert_eq!(peer.hear(), Heard::Pong(b"one".to_vec()));
        peer.expect_text("ping one");
        peer.pong(b"two");
        peer.expect_text("pong two");
        peer.say("three");
        peer.expect_text("message Text(\"three\")");
        peer.leave();
    }
}

#[test]
fn a_handler_can_ping() {
    let server = Loopback::run(Server::builder(), |client| {
        while client.recv()?.is_some() {
            let outcome = match client.ping(b"are you there") {
                Ok(()) => "sent".to_owned(),
                Err(error) => error.to_string(),
            };
            client.send(outcome)?;
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.say("ping me");
        if version.has_ping() {
            assert_eq!(peer.hear(), Heard::Ping(b"are you there".to_vec()));
            peer.expect_text("sent");
        } else {
            peer.expect_text(&format!("{version} has no ping and pong"));
        }
    }
}

#[test]
fn replies_to_messages_that_came_together_leave_in_order() {
    const COUNT: usize = 2000;
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut peer = server.open(version);
        let glued = (0..COUNT).flat_map(|number| text(version, &number.to_string()));
        peer.write(&glued.collect::<Vec<u8>>());
        let expected = (0..COUNT).map(|number| number.to_string());
        assert_eq!(peer.hear_texts(COUNT), expected.collect::<Vec<_>>());
    }
}

/// A handler that replies to the first of two messages, and is then busy until it gets a signal.
fn busy_after_a_reply(flush: bool) -> (Loopback, Sender<()>, Receiver<()>) {
    let (release, gate) = bounded::<()>(0);
    let (busy, is_busy) = bounded(0);
    let server = Loopback::run(Server::builder(), move |client| {
        client.recv()?;
        client.send("reply")?;
        if flush {
            client.flush();
        }
        busy.send_timeout((), PATIENCE)?;
        gate.recv_timeout(PATIENCE)?;
        echo(client)
    });
    (server, release, is_busy)
}

/// It leaves within two of the watchdog's ticks, which are half a second each; the handler is busy
/// for ten, if it is not released.
#[test]
fn a_reply_does_not_wait_for_a_busy_handler_to_come_back() {
    let (server, release, is_busy) = busy_after_a_reply(false);
    for version in [Version::Draft75, Version::Rfc6455] {
        let mut peer = server.open(version);
        let since = Instant::now();
        peer.write(&[text(version, "one"), text(version, "two")].concat());
        is_busy.recv_timeout(PATIENCE).unwrap();
        peer.expect_text("reply");
        let took = since.elapsed();
        assert!(took < Duration::from_secs(4), "{version}: {took:?}");
        release.send_timeout((), PATIENCE).unwrap();
        peer.expect_text("two");
    }
}

#[test]
fn flush_sends_what_waits_at_once() {
    let (server, release, is_busy) = busy_after_a_reply(true);
    let since = Instant::now();
    // Twenty times, to distinguish it from the ticks of half a second.
    for _ in 0..20 {
        let mut peer = server.open(Version::Rfc6455);
        peer.write(&[text(peer.version, "one"), text(peer.version, "two")].concat());
        is_busy.recv_timeout(PATIENCE).unwrap();
        peer.expect_text("reply");
        release.send_timeout((), PATIENCE).unwrap();
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_handle_sends_from_any_thread_between_the_handlers_own_replies() {
    const COUNT: usize = 500;
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut peer = server.open(version);
        let handle = server.client(&peer);
        let sender = thread::spawn(move || {
            for number in 0..COUNT {
                handle.send(format!("other {number}")).unwrap();
            }
        });
        for number in 0..COUNT {
            peer.say(&format!("own {number}"));
        }
        let received = peer.hear_texts(2 * COUNT);
        for whose in ["own", "other"] {
            let only = received.iter().filter(|text| text.starts_with(whose));
            let numbers = (0..COUNT).map(|number| format!("{whose} {number}"));
            assert!(
                only.eq(&numbers.collect::<Vec<_>>()),
                "{version}: {received:?}"
            );
        }
        sender.join().unwrap();
    }
    becomes(&0, || server.handle.counters().dropped);
}

#[test]
fn the_last_message_arrives_before_the_close_frame() {
    let large = "x".repeat(500_000);
    let words = large.clone();
    let server = Loopback::run(Server::builder(), move |client| {
        client.recv()?;
        client.send(words.as_str())?;
        client.send("the last")?;
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.say("go on");
        peer.expect_text(&large);
        peer.expect_text("the last");
        peer.answer_goodbye(1000, "");
    }
}
