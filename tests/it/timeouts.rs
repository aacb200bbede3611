//! Every timeout, made short: a late client is disconnected, one that is in time is not.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use stentor::protocol::Initiator;
use stentor::protocol::version::Closing;
use stentor::server::{CloseReport, Counters};
use stentor::{
    Client, DisconnectReason, Error, HandlerResult, Received, Reply, Server, ServerBuilder, Version,
};

use crate::support::{
    HIXIE, HYBI, Head, Heard, KEY3, Loopback, PATIENCE, Peer, becomes, dial, eventually,
    read_answer, read_end,
};

/// A timeout that expires in these tests.
const SHORT: Duration = Duration::from_millis(150);
/// A time that must not pass if nothing is late; a busy machine may need some of it.
const LONG: Duration = Duration::from_secs(60);
/// Far more than the timeouts that are tested, far less than those that are not.
const PROMPT: Duration = Duration::from_millis(4500);

/// All other timeouts at their defaults, which are much longer.
fn server() -> ServerBuilder {
    Server::builder()
}

fn keepalive(ping: Duration, pong: Duration) -> ServerBuilder {
    server().ping_interval(Some(ping)).pong_timeout(pong)
}

fn telling_departures(builder: ServerBuilder) -> (ServerBuilder, Receiver<CloseReport>) {
    let (departures, departed) = bounded(64);
    let builder = builder.on_close(move |report| departures.send(report.clone()).unwrap());
    (builder, departed)
}

fn disconnected(server: &Loopback, disconnect_reason: DisconnectReason, count: u64) -> Counters {
    becomes(&Some(count), || {
        server
            .handle
            .counters()
            .disconnected
            .get(&disconnect_reason)
            .copied()
    });
    server.handle.counters()
}

#[test]
fn incomplete_request_gets_408() {
    let server = Loopback::echo(server().handshake_timeout(SHORT));
    let mut all_late = Vec::new();
    for version in Version::ALL {
        let head = Head::of(version).head();
        for len in [0, 1, head.len() / 2, head.len() - 1] {
            let since = Instant::now();
            let mut late = dial(server.address);
            late.write_all(&head[..len]).unwrap();
            all_late.push((late, since, format!("{version}, {len}")));
        }
    }
    let count = all_late.len() as u64;
    for (mut late, since, what) in all_late {
        let answer = read_answer(&mut late);
        assert_eq!(answer.status(), 408, "{what}");
        let took = since.elapsed();
        assert!(took >= SHORT * 9 / 10 && took < PROMPT, "{what}: {took:?}");
    }
    becomes(&Some(count), || {
        server.handle.counters().rejected.get("timeout").copied()
    });
}

/// The 101 is sent: any other response is no longer possible.
#[test]
fn a_client_that_does_not_send_key3_is_disconnected() {
    let server = Loopback::echo(server().handshake_timeout(SHORT));
    for bytes in [&b""[..], b"^n:ds[4"] {
        let mut late = Peer::without_key3(server.address);
        late.write(bytes);
        assert_eq!(read_end(&mut late.stream), Heard::End);
    }
    let counters = disconnected(&server, DisconnectReason::HandshakeTimeout, 2);
    assert!(
        counters.rejected.is_empty() && counters.opened.is_empty(),
        "{counters:?}"
    );
}

/// Each byte arrives within the timeout, but not all of them together.
#[test]
fn a_dribble_of_key3_does_not_extend_the_handshake() {
    let server = Loopback::echo(server().handshake_timeout(SHORT * 2));
    let mut late = Peer::without_key3(server.address);
    let since = Instant::now();
    let a_while = Some(SHORT * 3 / 2);
    late.stream.set_read_timeout(a_while).unwrap();
    let ended = KEY3.iter().any(|byte| {
        // The server may have closed the connection by now.
        let _ = late.stream.write_all(&[*byte]);
        match late.stream.read(&mut [0; 16]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    });
    assert!(ended, "it was let in after {:?}", since.elapsed());
    disconnected(&server, DisconnectReason::HandshakeTimeout, 1);
}

/// Sends one byte after another: each is a sign of life, and none of them extends the handshake
/// timeout.
fn dribble(mut stream: TcpStream, version: Version) -> (Duration, usize) {
    let since = Instant::now();
    let head = Head::of(version).filled_to(16 * 1024).head();
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    for (sent, byte) in head.chunks(1).enumerate() {
        let _ = stream.write_all(byte);
        let mut answer = [0; 12];
        match stream.read(&mut answer) {
            Ok(read) => {
                assert_eq!(answer[..read], b"HTTP/1.1 408"[..read]);
                return (since.elapsed(), sent);
            }
            Err(_) => assert!(since.elapsed() < PATIENCE, "it goes on for ever"),
        }
    }
    panic!("it was let in");
}

#[test]
fn a_dribble_does_not_extend_the_handshake() {
    let server = Loopback::echo(server().handshake_timeout(SHORT * 10));
    let versions = Version::ALL.into_iter().cycle();
    let dribbling: Vec<_> = versions
        .take(50)
        .map(|version| {
            let stream = dial(server.address);
            thread::spawn(move || dribble(stream, version))
        })
        .collect();
    // Other clients are served meanwhile.
    for version in Version::ALL {
        server.open(version).expect_echo("hello");
    }
    let rejected = server.handle.counters().rejected;
    assert!(rejected.is_empty(), "they had to wait for the others' end");
    for dribbling in dribbling {
        let (took, sent) = dribbling.join().unwrap();
        assert!(took < PROMPT, "{took:?} for {sent} bytes");
    }
    becomes(&Some(50), || {
        server.handle.counters().rejected.get("timeout").copied()
    });
}

/// The timeout ends with the last byte of the request. The time that the application takes then is
/// not the client's fault.
#[test]
fn a_slow_on_request_does_not_make_the_client_late() {
    let builder = server().handshake_timeout(SHORT).on_request(|_| {
        thread::sleep(SHORT * 3);
        Reply::accept()
    });
    let server = Loopback::echo(builder);
    let mut peer = server.open(Version::Rfc6455);
    thread::sleep(SHORT);
    peer.expect_echo("hello");
    assert!(server.handle.counters().disconnected.is_empty());
}

#[test]
fn silent_clients_are_pinged_and_stay_if_they_send_pongs() {
    let server = Loopback::echo(keepalive(SHORT / 3, LONG));
    for version in HYBI {
        let mut peer = server.open(version);
        for _ in 0..4 {
            match peer.hear() {
                Heard::Ping(payload) => peer.pong(&payload),
                other => panic!("{version}: {other:?}"),
            }
        }
        peer.say("hello");
        peer.expect_text_after_pings("hello");
    }
}

#[test]
fn a_client_that_sends_no_pong_is_disconnected() {
    let (builder, departed) = telling_departures(keepalive(SHORT, SHORT));
    let server = Loopback::echo(builder);
    for (count, version) in HYBI.into_iter().enumerate() {
        let since = Instant::now();
        let mut peer = server.open(version);
        assert_eq!(peer.hear(), Heard::Ping(Vec::new()), "{version}");
        assert!(
            since.elapsed() >= SHORT * 9 / 10,
            "{version}: {:?}",
            since.elapsed()
        );
        peer.expect_end();
        assert!(
            since.elapsed() >= SHORT * 18 / 10,
            "{version}: {:?}",
            since.elapsed()
        );
        assert!(since.elapsed() < PROMPT, "{version}: {:?}", since.elapsed());
        disconnected(&server, DisconnectReason::PongTimeout, count as u64 + 1);
        let closed = departed.recv_timeout(PATIENCE).unwrap().closed;
        assert_eq!(
            (closed.code.get(), closed.clean),
            (1006, false),
            "{version}"
        );
        assert_eq!(closed.initiator, Initiator::Nobody, "{version}");
    }
}

#[test]
fn any_received_byte_is_a_sign_of_life() {
    let server = Loopback::echo(keepalive(SHORT * 2, SHORT * 4));
    let mut peer = server.open(Version::Rfc6455);
    let since = Instant::now();
    // Never a pong, but from time to time a byte of one long message.
    let frame = crate::support::text(Version::Rfc6455, "twenty-odd bytes in all");
    for byte in frame.chunks(1) {
        peer.write(byte);
        thread::sleep(SHORT / 3);
    }
    assert!(since.elapsed() > SHORT * 6);
    peer.expect_text_after_pings("twenty-odd bytes in all");
}

#[test]
fn a_busy_handler_is_not_the_peers_fault() {
    let (release, gate) = bounded::<()>(0);
    let builder = keepalive(SHORT / 3, SHORT / 3).idle_timeout(Some(SHORT));
    let server = Loopback::run(builder, move |client| {
        if client.recv()?.is_some() {
            gate.recv_timeout(PATIENCE)?;
            client.send("done")?;
        }
        Ok(())
    });
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.say("be busy");
    }
    thread::sleep(SHORT * 4);
    for _ in &peers {
        release.send_timeout((), PATIENCE).unwrap();
    }
    for peer in &mut peers {
        peer.expect_text_after_pings("done");
    }
    assert!(server.handle.counters().disconnected.is_empty());
}

/// Asserts that a silent client is disconnected, however this handler waits for the peer.
fn assert_silence_ends(handler: fn(&mut Client) -> HandlerResult) {
    let server = Loopback::run(keepalive(SHORT, SHORT), handler);
    for peer in &mut HYBI.map(|version| server.open(version)) {
        assert_eq!(peer.hear(), Heard::Ping(Vec::new()), "{}", peer.version);
        peer.expect_end();
    }
    disconnected(&server, DisconnectReason::PongTimeout, 3);
    let server = Loopback::run(self::server().idle_timeout(Some(SHORT)), handler);
    for peer in &mut server.open_all() {
        peer.expect_end();
    }
    disconnected(&server, DisconnectReason::IdleTimeout, 5);
}

/// A handler that never stays in `recv` for long still waits for the peer.
#[test]
fn silence_is_timed_between_calls_of_recv_timeout() {
    assert_silence_ends(|client| {
        while client.recv_timeout(SHORT / 10)? != Received::Closed {}
        Ok(())
    });
}

/// Nor need it ever wait: checking from time to time is enough.
#[test]
fn silence_is_timed_for_a_handler_that_only_polls() {
    assert_silence_ends(|client| {
        while client.recv_timeout(Duration::ZERO)? != Received::Closed {
            thread::sleep(SHORT / 30);
        }
        Ok(())
    });
}

#[test]
fn no_client_is_pinged_if_the_keepalive_is_off() {
    let server = Loopback::echo(server().ping_interval(None).pong_timeout(SHORT / 3));
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(peer.hear_within(SHORT * 2), None);
    peer.expect_echo("hello");
}

#[test]
fn the_idle_timeout_ends_silence_in_every_version() {
    let (builder, departed) = telling_departures(server().idle_timeout(Some(SHORT)));
    let (results, received) = bounded(1);
    let server = Loopback::run(builder, move |client| {
        results.send(client.recv())?;
        Ok(())
    });
    for (count, version) in Version::ALL.into_iter().enumerate() {
        let since = Instant::now();
        let mut peer = server.open(version);
        peer.expect_end();
        assert!(
            since.elapsed() >= SHORT * 9 / 10,
            "{version}: {:?}",
            since.elapsed()
        );
        assert!(since.elapsed() < PROMPT, "{version}: {:?}", since.elapsed());
        let result = received.recv_timeout(PATIENCE).unwrap();
        assert!(
            matches!(
                result,
                Err(Error::Disconnected(DisconnectReason::IdleTimeout))
            ),
            "{version}: {result:?}"
        );
        disconnected(&server, DisconnectReason::IdleTimeout, count as u64 + 1);
        let closed = departed.recv_timeout(PATIENCE).unwrap().closed;
        assert_eq!(
            (closed.code.get(), closed.clean),
            (1006, false),
            "{version}"
        );
        assert_eq!(closed.initiator, Initiator::Nobody, "{version}");
    }
}

#[test]
fn a_client_that_sends_from_time_to_time_is_not_idle() {
    let idle = SHORT * 8;
    let server = Loopback::echo(server().idle_timeout(Some(idle)));
    let mut peers = HIXIE.map(|version| server.open(version));
    let since = Instant::now();
    while since.elapsed() < idle * 3 / 2 {
        for peer in &mut peers {
            peer.expect_echo("still here");
        }
        thread::sleep(idle / 12);
    }
}

#[test]
fn a_pong_breaks_the_silence() {
    let builder = keepalive(SHORT, LONG).idle_timeout(Some(SHORT * 8));
    let server = Loopback::echo(builder);
    let mut peer = server.open(Version::Rfc6455);
    let since = Instant::now();
    while since.elapsed() < SHORT * 12 {
        match peer.hear() {
            Heard::Ping(payload) => peer.pong(&payload),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_that_does_not_answer_a_close_frame_is_disconnected() {
    let (builder, departed) = telling_departures(server().close_timeout(SHORT));
    let server = Loopback::run(builder, |_| Ok(()));
    let mut count = 0;
    for version in Version::ALL {
        let since = Instant::now();
        let mut peer = server.open(version);
        peer.expect_goodbye(1000, "");
        if version.closing() == Closing::CloseTcp {
            // The server waits for nothing: the stream is at its end.
            continue;
        }
        peer.expect_end();
        assert!(
            since.elapsed() >= SHORT * 9 / 10,
            "{version}: {:?}",
            since.elapsed()
        );
        assert!(since.elapsed() < PROMPT, "{version}: {:?}", since.elapsed());
        count += 1;
        disconnected(&server, DisconnectReason::CloseTimeout, count);
        let report = departed.iter().find(|report| report.id.get() == count + 1);
        let closed = report.unwrap().closed;
        assert_eq!(
            (closed.code.get(), closed.clean),
            (1000, false),
            "{version}"
        );
        assert_eq!(closed.initiator, Initiator::Us, "{version}");
    }
}

/// The close timeout covers the whole closing handshake: neither data nor pings extend it.
#[test]
fn a_client_that_answers_a_close_frame_with_data_is_disconnected() {
    let server = Loopback::run(server().close_timeout(SHORT), |_| Ok(()));
    for version in &Version::ALL[1..] {
        let version = *version;
        let since = Instant::now();
        let mut peer = server.open(version);
        peer.expect_goodbye(1000, "");
        let chatter = match version.has_ping() {
            true => crate::support::masked(0x89, b"ping"),
            false => crate::support::text(version, "chatter"),
        };
        while peer.stream.write_all(&chatter).is_ok() {
            thread::sleep(Duration::from_millis(1));
            assert!(since.elapsed() < PATIENCE, "{version}: it goes on for ever");
        }
    }
    disconnected(&server, DisconnectReason::CloseTimeout, 4);
}

/// Pongs queued behind our close frame do not extend it either.
#[test]
fn a_client_that_answers_a_close_frame_with_pings_and_reads_slowly_is_disconnected() {
    let builder = server().close_timeout(SHORT * 2);
    let server = Loopback::run_with_send_buffer(0, builder, |_| Ok(()));
    for version in HYBI {
        let mut peer = server.open(version);
        peer.expect_goodbye(1000, "");
        let since = Instant::now();
        let pings = crate::support::masked(0x89, &[b'p'; 125]).repeat(1000);
        let mut stream = peer.stream.try_clone().unwrap();
        stream.set_read_timeout(Some(SHORT / 30)).unwrap();
        peer.stream.set_write_timeout(Some(SHORT / 30)).unwrap();
        let mut next = 0;
        let goes_on = |result: std::io::Result<usize>| match result {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock).then_some(0),
        };
        while let Some(written) = goes_on(peer.stream.write(&pings[next..])) {
            next = (next + written) % pings.len();
            if goes_on(stream.read(&mut [0; 1000])).is_none() {
                break;
            }
            assert!(since.elapsed() < PROMPT, "{version}: it goes on for ever");
        }
    }
    disconnected(&server, DisconnectReason::CloseTimeout, 3);
}

/// The closing handshake is complete: a client that does not close TCP then has nothing more to
/// receive, and does not count as lost.
#[test]
fn a_client_that_sends_a_close_frame_and_stays_is_disconnected() {
    let server = Loopback::echo(server().close_timeout(Duration::from_millis(300)));
    let mut peers = server.open_all();
    let since = Instant::now();
    for peer in &mut peers {
        peer.start_close(1000, "");
        peer.expect_goodbye(1000, "");
    }
    let counters = eventually("their places", || {
        let counters = server.handle.counters();
        (counters.connections == 0).then_some(counters)
    });
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn the_longest_possible_timeouts_do_not_panic() {
    let builder = server()
        .handshake_timeout(Duration::MAX)
        .ping_interval(Some(Duration::MAX))
        .pong_timeout(Duration::MAX)
        .idle_timeout(Some(Duration::MAX))
        .write_timeout(Duration::MAX)
        .close_timeout(Duration::MAX);
    let server = Loopback::run(builder, |client| {
        // More than the socket takes: the handler waits for room.
        client.send("x".repeat(8_000_000))?;
        client.send("x".repeat(8_000_000))?;
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        for _ in 0..2 {
            assert_eq!(peer.hear_text().len(), 8_000_000, "{version}");
        }
        peer.answer_goodbye(1000, "");
    }
    assert!(server.handle.counters().disconnected.is_empty());
}

#[test]
fn a_timeout_of_zero_is_short_and_harmless() {
    let builder = server()
        .ping_interval(Some(Duration::ZERO))
        .pong_timeout(Duration::ZERO)
        .idle_timeout(Some(Duration::ZERO))
        .write_timeout(Duration::ZERO)
        .close_timeout(Duration::ZERO);
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let mut peer = server.open(version);
        while matches!(peer.hear(), Heard::Ping(_)) {}
    }
    server.wait_until_empty();
}
