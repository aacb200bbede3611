//! Signs of life: a peer that reads is alive, a dead one is found, and a message that does not end
//! has a timeout, in every version.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use stentor::protocol::Initiator;
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;
use stentor::{DisconnectReason, Server, ServerBuilder, Version};

use crate::support::{
    HIXIE, HYBI, Head, Heard, Loopback, Peer, becomes, dial_from, echo, masked, text, written,
};

/// A timeout that is tested.
const SHORT: Duration = Duration::from_millis(150);
/// A timeout that must not pass, on a busy machine either, while something goes on all the time.
const ROOMY: Duration = Duration::from_millis(1500);
/// Far more than the timeouts that are tested, far less than the defaults.
const PROMPT: Duration = Duration::from_millis(4500);

fn keepalive(ping: Duration, pong: Duration) -> ServerBuilder {
    Server::builder()
        .ping_interval(Some(ping))
        .pong_timeout(pong)
}

/// A client with a small receive buffer.
fn open_small(server: &Loopback, version: Version) -> Peer {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let stream = dial_from(server.address, home, Some(8 * 1024));
    Peer::on(stream, version, &Head::of(version).bytes())
}

/// Reads the frame that carries `words`, not fast: in at least `time`.
fn read_slowly(peer: &mut Peer, words: &str, time: Duration) {
    const STEP: Duration = Duration::from_millis(20);
    let frame = written(peer.version, words);
    let steps = (time.as_millis() / STEP.as_millis()) as usize;
    for piece in frame.chunks(frame.len() / steps) {
        let mut read = vec![0; piece.len()];
        let result = peer.stream.read_exact(&mut read);
        assert!(result.is_ok(), "{}: {result:?}", peer.version);
        assert!(read == piece, "{}: other bytes", peer.version);
        thread::sleep(STEP);
    }
}

fn disconnected(server: &Loopback, disconnect_reason: DisconnectReason, count: u64) {
    becomes(&[(disconnect_reason, count)].into(), || {
        server.handle.counters().disconnected
    });
}

/// It sends nothing for three times as long as a silent client is waited for. Then it is pinged.
#[test]
fn one_that_takes_a_large_message_slowly_is_alive() {
    let builder = keepalive(ROOMY / 2, ROOMY / 2).idle_timeout(Some(ROOMY));
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    thread::scope(|scope| {
        for version in Version::ALL {
            let mut peer = open_small(&server, version);
            let handle = server.client(&peer);
            scope.spawn(move || {
                let words = "slowly! ".repeat(50_000);
                handle.send(words.as_str()).unwrap();
                read_slowly(&mut peer, &words, ROOMY * 3);
                if version.has_ping() {
                    assert_eq!(peer.hear(), Heard::Ping(Vec::new()), "{version}");
                    peer.pong(b"");
                }
                peer.say("still here");
                peer.expect_text_after_pings("still here");
            });
        }
    });
    assert!(server.handle.counters().disconnected.is_empty());
}

/// The kernel takes the broadcasts to it: that is no sign of life.
#[test]
fn a_silent_peer_is_found_whatever_is_broadcast_to_it() {
    let server = Loopback::echo(keepalive(SHORT, SHORT));
    let peers = HYBI.map(|version| server.open(version));
    let since = Instant::now();
    while server
        .handle
        .counters()
        .disconnected
        .get(&DisconnectReason::PongTimeout)
        != Some(&3)
    {
        server.handle.broadcast("to nobody");
        assert!(since.elapsed() < PROMPT, "{:?}", server.handle.counters());
        thread::sleep(SHORT / 50);
    }
    drop(peers);
}

/// No ping can be sent to it, and so it owes no pong.
#[test]
fn one_that_takes_nothing_has_the_write_timeout() {
    let builder = keepalive(SHORT * 2, SHORT / 2).write_timeout(SHORT * 4);
    let server = Loopback::run_with_send_buffer(0, builder, echo);
    let since = Instant::now();
    let peers = HYBI.map(|version| {
        let peer = open_small(&server, version);
        server.client(&peer).send("x".repeat(500_000)).unwrap();
        peer
    });
    disconnected(&server, DisconnectReason::WriteTimeout, 3);
    let took = since.elapsed();
    assert!(took >= SHORT * 7 / 2 && took < PROMPT, "{took:?}");
    drop(peers);
}

/// Everything arrives, though not within the close timeout: the peer cannot answer a close frame
/// that the kernel still holds.
#[test]
fn a_close_frame_that_the_kernel_holds_is_not_late() {
    let close = Duration::from_millis(400);
    let (departures, departed) = bounded(5);
    let builder = Server::builder()
        .close_timeout(close)
        .on_close(move |report| departures.send(report.clone()).unwrap());
    let words = "slowly! ".repeat(15_000);
    let sent = words.clone();
    let server = Loopback::run_with_send_buffer(1 << 18, builder, move |client| {
        client.recv()?;
        client.send(sent.as_str())?;
        Ok(())
    });
    thread::scope(|scope| {
        for version in Version::ALL {
            let mut peer = open_small(&server, version);
            let words = &words;
            scope.spawn(move || {
                peer.say("go on");
                read_slowly(&mut peer, words, close * 4);
                peer.answer_goodbye(1000, "");
            });
        }
    });
    for _ in Version::ALL {
        let report = departed.recv_timeout(PROMPT).unwrap();
        let (closed, version) = (report.closed, report.version);
        assert_eq!((closed.code.get(), closed.clean), (1000, true), "{version}");
        assert_eq!(report.disconnect_reason, None, "{version}");
        assert_eq!(closed.initiator, Initiator::Us, "{version}");
    }
    assert!(server.handle.counters().disconnected.is_empty());
}

#[test]
fn a_close_frame_that_is_never_taken_is_not_waited_for() {
    let builder = Server::builder()
        .close_timeout(SHORT)
        .write_timeout(SHORT * 2);
    let (departures, departed) = bounded(5);
    let builder = builder.on_close(move |report| departures.send(report.clone()).unwrap());
    let server = Loopback::run_with_send_buffer(1 << 18, builder, |client| {
        client.recv()?;
        client.send("x".repeat(100_000))?;
        Ok(())
    });
    let mut peers = Version::ALL.map(|version| open_small(&server, version));
    let since = Instant::now();
    for peer in &mut peers {
        peer.say("go on");
    }
    server.wait_until_empty();
    assert!(since.elapsed() < PROMPT, "{:?}", since.elapsed());
    for report in departed.try_iter() {
        // Draft-75 has nothing to answer.
        let ends_stream = report.version.closing() == Closing::CloseTcp;
        assert_eq!(report.closed.clean, ends_stream, "{report}");
    }
    drop(peers);
}

/// Both close frames have arrived: the peer has only to close TCP, and is slow with that.
#[test]
fn one_that_stays_after_a_clean_close_is_no_loss() {
    let (departures, departed) = bounded(5);
    let builder = Server::builder()
        .close_timeout(SHORT)
        .on_close(move |report| departures.send(report.clone()).unwrap());
    let server = Loopback::echo(builder);
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.start_close(1000, "");
        peer.expect_goodbye(1000, "");
        let report = departed.recv_timeout(PROMPT).unwrap();
        assert!(report.closed.clean, "{report}");
        assert_eq!(report.disconnect_reason, None, "{report}");
    }
}

/// The first half of a message.
fn half(version: Version) -> Vec<u8> {
    let mut frame = text(version, "of which only half comes");
    frame.truncate(frame.len() / 2);
    frame
}

#[test]
fn a_message_that_does_not_end_ends_in_every_version() {
    let server = Loopback::echo(keepalive(SHORT, SHORT));
    for (count, version) in Version::ALL.into_iter().enumerate() {
        let mut peer = server.open(version);
        let since = Instant::now();
        peer.write(&half(version));
        while let Heard::Ping(_) = peer.hear() {}
        let took = since.elapsed();
        assert!(
            took >= SHORT * 18 / 10 && took < PROMPT,
            "{version}: {took:?}"
        );
        disconnected(
            &server,
            DisconnectReason::UnfinishedMessage,
            count as u64 + 1,
        );
    }
}

/// Frames that mean nothing, and a length alone, are no better.
#[test]
fn a_skipped_frame_that_does_not_end_ends_too() {
    let server = Loopback::echo(keepalive(SHORT, SHORT));
    let halves: [&[u8]; 4] = [b"\x01skip", b"\x80\x81", b"\x80\x10skip", b"\xff"];
    let mut count = 0;
    for version in HIXIE {
        for half in halves {
            let mut peer = server.open(version);
            peer.write(half);
            peer.expect_end();
            count += 1;
        }
    }
    disconnected(&server, DisconnectReason::UnfinishedMessage, count);
}

#[test]
fn one_without_a_ping_may_be_silent_between_messages() {
    let server = Loopback::echo(keepalive(SHORT / 3, SHORT / 3));
    let mut peers = HIXIE.map(|version| server.open(version));
    for peer in &mut peers {
        peer.expect_echo("hello");
        peer.write(b"\x01skipped\xff");
    }
    thread::sleep(SHORT * 3);
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
    assert!(server.handle.counters().disconnected.is_empty());
}

/// It brings a byte all the time.
#[test]
fn a_message_below_the_least_rate_ends_in_every_version() {
    let builder = Server::builder().min_message_rate(1000, SHORT * 2);
    let server = Loopback::echo(builder);
    let dribble = |version| {
        let peer = server.open(version);
        let since = Instant::now();
        for byte in text(version, &"x".repeat(2000)).chunks(1) {
            if (&peer.stream).write_all(byte).is_err() {
                let took = since.elapsed();
                assert!(took >= SHORT * 2, "{version}: {took:?}");
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{version}: it goes on for ever");
    };
    thread::scope(|scope| {
        for version in Version::ALL {
            scope.spawn(move || dribble(version));
        }
    });
    disconnected(&server, DisconnectReason::UnfinishedMessage, 5);
}

/// Neither its fragments nor the pings between them make another message of it.
#[test]
fn fragments_and_pings_gain_a_slow_message_no_time() {
    let builder = Server::builder().min_message_rate(1000, SHORT * 2);
    let server = Loopback::echo(builder);
    for version in HYBI {
        let peer = server.open(version);
        let since = Instant::now();
        let first = masked(0x01, b"x");
        let more = [masked(0x89, b"ping").repeat(3), masked(0x00, b"x")].concat();
        let mut frames = std::iter::once(&first).chain(std::iter::repeat(&more));
        while (&peer.stream).write_all(frames.next().unwrap()).is_ok() {
            assert!(since.elapsed() < PROMPT, "{version}: it goes on for ever");
            thread::sleep(Duration::from_millis(10));
        }
    }
    disconnected(&server, DisconnectReason::UnfinishedMessage, 3);
}

/// Twenty times as fast as it must be, and for longer than the grace.
#[test]
fn a_message_above_the_least_rate_has_all_the_time_that_it_needs() {
    let builder = Server::builder().min_message_rate(100, ROOMY / 2);
    let server = Loopback::echo(builder);
    thread::scope(|scope| {
        for version in Version::ALL {
            let mut peer = server.open(version);
            scope.spawn(move || {
                let words = "x".repeat(4000);
                let pieces: Vec<u8> = match version.framing() {
                    Framing::Hixie => text(version, &words),
                    Framing::Hybi => [
                        masked(0x01, &words.as_bytes()[..2000]),
                        masked(0x80, &words.as_bytes()[2000..]),
                    ]
                    .concat(),
                };
                for piece in pieces.chunks(20) {
                    peer.write(piece);
                    thread::sleep(Duration::from_millis(10));
                }
                peer.expect_text(&words);
                // Nor do many small ones count as one.
                let since = Instant::now();
                while since.elapsed() < ROOMY {
                    peer.expect_echo("hello");
                    thread::sleep(Duration::from_millis(10));
                }
            });
        }
    });
    assert!(server.handle.counters().disconnected.is_empty());
}
