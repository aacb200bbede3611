//! Rate limits: a client that exceeds them is throttled, or closed, and no other client notices.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use log::Level;
use rustix::net::sockopt;
use stentor::server::OnRateLimit;
use stentor::{
    CloseCode, DisconnectReason, RateLimit, Received, Server, ServerBuilder, SlowClient, Version,
};

use crate::support::{
    HYBI, Head, Heard, Loopback, PATIENCE, Peer, becomes, dial, dial_from, echo, eventually,
    keep_logbook, logged, masked, text,
};

/// Events without a wait happen within this time. Events that need a wait do not.
const PROMPT: Duration = Duration::from_secs(3);

fn limited(rate: RateLimit) -> ServerBuilder {
    Server::builder().rate_limit(rate)
}

/// A burst of five, and one hundred a second.
fn messages() -> RateLimit {
    RateLimit::per_second()
        .messages(100)
        .burst(Duration::from_millis(50))
}

/// One byte, and then nothing for longer than any of these tests takes.
fn bytes() -> RateLimit {
    RateLimit::per_second().bytes(1)
}

/// Does the same with a client of each version, all at once.
fn with_all(server: &Loopback, versions: &[Version], talk: impl Fn(Peer) + Sync) {
    thread::scope(|scope| {
        for version in versions {
            scope.spawn(|| talk(server.open(*version)));
        }
    });
}

/// A client that has exceeded the rate, and is throttled for much longer than this test takes.
fn open_and_held_back(server: &Loopback, version: Version) -> Peer {
    let before = server.handle.counters().throttled;
    let mut peer = server.open(version);
    peer.write(&text(version, &"x".repeat(600)));
    eventually("it to be throttled", || {
        (server.handle.counters().throttled > before).then_some(())
    });
    peer
}

#[test]
fn a_client_above_the_rate_is_throttled_and_loses_nothing() {
    let server = Loopback::echo(limited(messages()));
    with_all(&server, &Version::ALL, |mut peer| {
        let since = Instant::now();
        let words: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let frames = words.iter().flat_map(|words| text(peer.version, words));
        peer.write(&frames.collect::<Vec<u8>>());
        let received: Vec<(String, Duration)> = (0..30)
            .map(|_| (peer.hear_text(), since.elapsed()))
            .collect();
        // Five had been saved up; of the others, none comes before its time.
        for (number, (received, took)) in received.into_iter().enumerate() {
            assert_eq!(received, words[number], "{}", peer.version);
            let due = Duration::from_millis(10) * (number as u32).saturating_sub(5);
            assert!(took >= due, "{}: {number} after {took:?}", peer.version);
        }
        assert!(since.elapsed() < PATIENCE);
    });
    let counters = server.handle.counters();
    assert!(counters.throttled >= 5, "{counters:?}");
    assert_eq!(
        (counters.rate_limit_exceeded, counters.messages_in),
        (0, 150)
    );
}

#[test]
fn bytes_count_whatever_they_are() {
    let rate = RateLimit::per_second()
        .bytes(20_000)
        .burst(Duration::from_millis(100));
    let server = Loopback::echo(limited(rate));
    with_all(&server, &Version::ALL, |mut peer| {
        let since = Instant::now();
        // Frames that are skipped, or fragments: no messages, only bytes.
        let nothing = match peer.version {
            Version::Draft75 | Version::Draft76 => b"\x01x\xff\x80\x01x".repeat(1000),
            _ => [masked(0x01, b""), masked(0x00, b"").repeat(1000)].concat(),
        };
        assert!(nothing.len() >= 6000);
        peer.write(&nothing);
        match peer.version {
            Version::Draft75 | Version::Draft76 => peer.expect_echo("at last"),
            _ => {
                peer.write(&masked(0x80, b"at last"));
                peer.expect_text("at last");
            }
        }
        assert!(
            since.elapsed() >= Duration::from_millis(200),
            "{}: {:?}",
            peer.version,
            since.elapsed()
        );
    });
}

/// The second message has its memory at once; this does not mean that it is read at once.
#[test]
fn the_rate_holds_within_a_large_message() {
    const LEN: usize = 256 * 1024;
    let rate = RateLimit::per_second()
        .bytes(1024 * 1024)
        .burst(Duration::from_millis(1));
    let server = Loopback::echo(limited(rate));
    with_all(&server, &HYBI, |mut peer| {
        let since = Instant::now();
        let message = masked(0x82, &vec![b'x'; LEN]);
        peer.write(&message.repeat(2));
        for number in 1..=2 {
            assert_eq!(peer.hear(), Heard::Binary(vec![b'x'; LEN]));
            // Except for the saved-up burst, and a last read.
            let due = Duration::from_millis(240) * number;
            let took = since.elapsed();
            assert!(took >= due, "{}: {number} after {took:?}", peer.version);
        }
    });
}

#[test]
fn a_flood_of_pings_is_a_flood() {
    let server = Loopback::echo(limited(messages()));
    with_all(&server, &HYBI, |mut peer| {
        let since = Instant::now();
        peer.write(&masked(0x89, b"?").repeat(15));
        peer.write(&masked(0x8a, b"!").repeat(10));
        peer.write(&masked(0x89, b"last"));
        let last = Heard::Pong(b"last".to_vec());
        while peer.hear() != last {}
        assert!(
            since.elapsed() >= Duration::from_millis(200),
            "{}: {:?}",
            peer.version,
            since.elapsed()
        );
    });
}

#[test]
fn a_client_within_the_rate_is_not_throttled() {
    let rate = RateLimit::per_second().messages(20).bytes(20_000);
    let server = Loopback::echo(limited(rate));
    with_all(&server, &Version::ALL, |mut peer| {
        for number in 0..100 {
            peer.expect_echo(&number.to_string());
        }
    });
    let counters = server.handle.counters();
    assert_eq!((counters.throttled, counters.messages_in), (0, 500));
}

/// The bytes that it has written stay in the kernel's buffers, and then with the client:
/// backpressure.
#[test]
fn tcp_backpressure_throttles_the_client() {
    let server = Loopback::echo(limited(bytes().bytes(1000)));
    with_all(&server, &Version::ALL, |mut peer| {
        let version = peer.version;
        peer.stream
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let frame = text(version, &"x".repeat(10_000));
        let mut written = 0;
        while written < 64 * 1024 * 1024 && peer.stream.write_all(&frame).is_ok() {
            written += frame.len();
        }
        assert!(written < 64 * 1024 * 1024, "{version}: it took everything");
    });
    let read = server.handle.counters().bytes_in;
    assert!(read < 5 * 64 * 1024, "{read} bytes were read");
}

#[test]
fn a_client_above_the_rate_can_be_closed_instead() {
    let (ends, ended) = bounded(5);
    let builder = limited(messages()).on_rate_limit(OnRateLimit::Close);
    let server = Loopback::run(builder, move |client| {
        let mut count = 0;
        while client.recv()?.is_some() {
            count += 1;
        }
        let closed = client.closed().expect("it is");
        ends.send((count, closed.code.get(), closed.clean)).unwrap();
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.write(&text(version, "x").repeat(30));
        peer.answer_goodbye(1008, "rate limit exceeded");
        let (count, code, clean) = ended.recv_timeout(PATIENCE).unwrap();
        // Five, and those that came in while these were processed.
        assert!((5..30).contains(&count), "{version}: {count}");
        assert_eq!((code, clean), (1008, true), "{version}");
    }
    let counters = server.wait_until_empty();
    assert_eq!((counters.rate_limit_exceeded, counters.throttled), (5, 0));
    assert_eq!(counters.closes, [(1008, 5)].into());
    assert_eq!(counters.failed_handlers, 0);
}

#[test]
fn broadcasts_reach_a_throttled_client() {
    let server = Loopback::echo(limited(bytes()));
    let mut peers = Version::ALL.map(|version| open_and_held_back(&server, version));
    let since = Instant::now();
    server.handle.broadcast("to all");
    for peer in &mut peers {
        server.client(peer).send("to you").unwrap();
        let received = [peer.hear_text(), peer.hear_text()];
        // The echo of the bytes within the rate may come before or after it.
        assert!(received.contains(&"to all".to_owned()), "{received:?}");
    }
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
}

/// Nor do they wait for the watchdog, which would send them within half a second.
#[test]
fn replies_are_not_throttled() {
    let server = Loopback::echo(limited(messages().messages(1)));
    let mut took: Vec<Duration> = Version::ALL
        .into_iter()
        .map(|version| {
            let mut peer = server.open(version);
            let since = Instant::now();
            peer.write(&text(version, "x").repeat(4));
            peer.expect_text("x");
            since.elapsed()
        })
        .collect();
    took.sort();
    assert!(took[2] < Duration::from_millis(500), "{took:?}");
    assert!(server.handle.counters().throttled >= 5);
}

#[test]
fn a_close_frame_does_not_wait_for_the_rate() {
    let server = Loopback::echo(limited(bytes()));
    for version in Version::ALL {
        let mut peer = open_and_held_back(&server, version);
        // It is throttled before its message is echoed: the message is let through first.
        let handle = server.client(&peer);
        let since = Instant::now();
        handle.close(CloseCode::new(4000), "enough").unwrap();
        peer.answer_goodbye(4000, "enough");
        server.wait_until_empty();
        assert!(since.elapsed() < PROMPT, "{version}: {:?}", since.elapsed());
    }
    assert_eq!(server.handle.counters().closes, [(4000, 5)].into());
}

#[test]
fn a_shutdown_does_not_wait_for_the_rate() {
    let mut server = Loopback::echo(limited(bytes()));
    let peers = Version::ALL.map(|version| open_and_held_back(&server, version));
    let since = Instant::now();
    server.handle.shutdown(PATIENCE);
    for mut peer in peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    server.join();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());

    // Nor does a shutdown without a timeout.
    let mut server = Loopback::echo(limited(bytes()));
    let peers = Version::ALL.map(|version| open_and_held_back(&server, version));
    let since = Instant::now();
    server.handle.shutdown(Duration::ZERO);
    server.join();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    drop(peers);
}

/// A throttled client that is disconnected is gone at once: its queue was full, or it takes
/// nothing.
#[test]
fn a_throttled_client_can_be_disconnected_at_once() {
    let evicting = limited(bytes()).send_queue_limit(16 * 1024);
    let impatient = limited(bytes())
        .slow_client(SlowClient::DropNewest)
        .write_timeout(Duration::from_millis(50));
    for (builder, disconnect_reason) in [
        (evicting, DisconnectReason::Evicted),
        (impatient, DisconnectReason::WriteTimeout),
    ] {
        let server = Loopback::run_with_send_buffer(0, builder, echo);
        for version in Version::ALL {
            let peer = open_and_held_back(&server, version);
            let client = server.client(&peer);
            let since = Instant::now();
            let words = "x".repeat(15_000);
            eventually("its end", || {
                let _ = client.send(words.as_str());
                (!client.is_open()).then_some(())
            });
            server.wait_until_empty();
            assert!(since.elapsed() < PROMPT, "{version}: {:?}", since.elapsed());
        }
        let disconnected = server.handle.counters().disconnected;
        assert_eq!(disconnected, [(disconnect_reason, 5)].into());
    }
}

/// How a client goes that the server does not read from.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Closes,
    Resets,
    /// With more on its way than the system's buffers hold: the end of its stream waits behind.
    ClosesBehindMuch,
}

/// Throttled for minutes, it would keep its place for as long: newcomers get it within seconds.
fn leaves(how: Leaving, versions: &[Version]) {
    let builder = limited(bytes())
        .max_clients(versions.len())
        .close_timeout(Duration::from_millis(100));
    let server = Loopback::run(builder, |client| {
        while client.recv()?.is_some() {}
        Ok(())
    });
    let peers: Vec<Peer> = versions
        .iter()
        .map(|version| open_and_held_back(&server, *version))
        .collect();
    let since = Instant::now();
    for mut peer in peers {
        match how {
            Leaving::Closes => {}
            Leaving::Resets => {
                sockopt::set_socket_linger(&peer.stream, Some(Duration::ZERO)).unwrap();
            }
            Leaving::ClosesBehindMuch => {
                peer.stream.set_nonblocking(true).unwrap();
                let frame = text(peer.version, &"x".repeat(100_000));
                while peer.stream.write_all(&frame).is_ok() {}
            }
        }
    }
    server.wait_until_empty();
    assert!(since.elapsed() < Duration::from_secs(7), "{how:?}");
    for version in versions {
        server.open(*version).say("let in");
    }
}

#[test]
fn one_that_closes_while_it_is_throttled_gives_its_place_back() {
    leaves(Leaving::Closes, &Version::ALL);
}

#[test]
fn one_that_resets_while_it_is_throttled_gives_its_place_back() {
    leaves(Leaving::Resets, &Version::ALL);
}

#[test]
fn one_that_closes_behind_much_is_found_by_a_ping() {
    leaves(Leaving::ClosesBehindMuch, &HYBI);
}

/// As long as that is soon.
#[test]
fn what_was_said_before_the_end_of_the_stream_is_still_heard_at_its_rate() {
    const COUNT: usize = 60;
    let (counts, counted) = bounded(5);
    // More than five seconds of it.
    let rate = RateLimit::per_second()
        .messages(10)
        .burst(Duration::from_millis(500));
    let builder = limited(rate).close_timeout(PATIENCE);
    let server = Loopback::run(builder, move |client| {
        let mut count = 0;
        let end = loop {
            match client.recv() {
                Ok(Some(_)) => count += 1,
                end => break end,
            }
        };
        counts.send((client.version(), count)).unwrap();
        end?;
        Ok(())
    });
    with_all(&server, &Version::ALL, |mut peer| {
        peer.write(&text(peer.version, "x").repeat(COUNT));
    });
    for _ in Version::ALL {
        let (version, count) = counted.recv_timeout(PATIENCE * 2).unwrap();
        assert_eq!(count, COUNT, "{version}");
    }
}

/// It is not its fault that it is not listened to.
#[test]
fn keepalive_does_not_disconnect_a_throttled_client() {
    const SHORT: Duration = Duration::from_millis(60);
    let rate = RateLimit::per_second()
        .bytes(1000)
        .burst(Duration::from_millis(100));
    let builder = limited(rate)
        .ping_interval(Some(SHORT))
        .pong_timeout(SHORT)
        .idle_timeout(Some(3 * SHORT));
    let server = Loopback::echo(builder);
    with_all(&server, &Version::ALL, |mut peer| {
        let since = Instant::now();
        // Half a second's worth; the pongs come behind it.
        let words = "x".repeat(600);
        peer.write(&text(peer.version, &words));
        peer.write(&text(peer.version, "last"));
        peer.expect_text_after_pings(&words);
        peer.expect_text_after_pings("last");
        assert!(since.elapsed() >= 4 * SHORT, "{:?}", since.elapsed());
    });
    assert!(server.handle.counters().disconnected.is_empty());
}

#[test]
fn a_busy_handler_is_not_throttled_with_its_client() {
    let (turns, batch) = bounded(100);
    let server = Loopback::run(limited(bytes()), move |client| {
        loop {
            match client.recv_timeout(Duration::from_millis(20))? {
                Received::Message(_) => {}
                Received::Nothing => turns.send(()).unwrap(),
                Received::Closed => return Ok(()),
            }
        }
    });
    for version in [Version::Draft76, Version::Rfc6455] {
        let _peer = open_and_held_back(&server, version);
        batch.try_iter().for_each(drop);
        let since = Instant::now();
        (0..5).for_each(|_| batch.recv_timeout(PATIENCE).unwrap());
        assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    }
}

#[test]
fn it_is_logged_once_per_client() {
    keep_logbook();
    let server = Loopback::echo(limited(messages()));
    // Clients of other servers, on any port, come from another address.
    let stream = dial_from(server.address, [127, 0, 82, 1].into(), None);
    let bytes = Head::of(Version::Rfc6455).bytes();
    let mut peer = Peer::on(stream, Version::Rfc6455, &bytes);
    for _ in 0..3 {
        peer.write(&text(peer.version, "x").repeat(10));
        peer.hear_texts(10);
    }
    assert!(server.handle.counters().throttled > 3);
    let lines = logged(&["127.0.82.1:", "rate limit exceeded"]);
    let levels: Vec<Level> = lines.into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, [Level::Info]);
}

/// Bytes that arrive with the handshake have the same rate as those that follow.
#[test]
fn the_rate_holds_from_the_first_message_on() {
    let server = Loopback::run(limited(messages()), echo);
    for version in Version::ALL {
        let since = Instant::now();
        let glued = [Head::of(version).bytes(), text(version, "x").repeat(15)].concat();
        let mut peer = Peer::on(dial(server.address), version, &glued);
        peer.hear_texts(15);
        assert!(
            since.elapsed() >= Duration::from_millis(100),
            "{version}: {:?}",
            since.elapsed()
        );
    }
    becomes(&75, || server.handle.counters().messages_in);
}
