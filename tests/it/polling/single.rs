//! One call of `try_recv`: what it does, and that it never waits.

use std::io::{ErrorKind, Write};
use std::time::Instant;

use rustix::io::ioctl_fionread;
use stentor::{CloseCode, DisconnectReason, Error, RateLimit, Received, Server, Version};

use super::{AT_ONCE, Connection, drain, look, open, open_local, wait_for_input};
use crate::support::{Heard, PATIENCE, dial, eventually, masked, text};

#[test]
fn a_message_that_has_arrived_whole_is_returned_by_one_call() {
    let acceptor = Server::builder().acceptor().unwrap();
    for version in Version::ALL {
        let (mut client, mut peer) = open(&acceptor, version, dial);
        assert_eq!(look(&mut client), Received::Nothing);
        // Much more than the first read takes.
        let long = "x".repeat(40_000);
        let bytes = text(version, &long);
        peer.write(&bytes);
        let total = bytes.len() as u64;
        eventually("its arrival", || {
            (ioctl_fionread(&client).unwrap() == total).then_some(())
        });
        assert!(
            look(&mut client) == Received::Message(long.into()),
            "{version}"
        );
        assert_eq!(look(&mut client), Received::Nothing);
        drop(peer);
    }
}

#[test]
fn messages_that_one_read_has_brought_do_not_show_in_poll() {
    let acceptor = Server::builder().acceptor().unwrap();
    let (mut client, mut peer) = open(&acceptor, Version::Rfc6455, dial);
    peer.write(
        &["a", "b"]
            .map(|words| text(Version::Rfc6455, words))
            .concat(),
    );
    wait_for_input(&client);
    assert_eq!(look(&mut client), Received::Message("a".into()));
    assert_eq!(ioctl_fionread(&client).unwrap(), 0);
    // A reply is held back while there is input, and leaves with the last call.
    client.send("held").unwrap();
    assert_eq!(peer.hear_within(std::time::Duration::from_millis(20)), None);
    assert_eq!(look(&mut client), Received::Message("b".into()));
    assert_eq!(look(&mut client), Received::Nothing);
    peer.expect_text("held");
    drop(peer);
}

#[test]
fn pings_are_answered_and_fragments_joined() {
    let acceptor = Server::builder().acceptor().unwrap();
    let (mut client, mut peer) = open(&acceptor, Version::Rfc6455, dial);
    peer.write(&masked(0x01, b"one, "));
    peer.ping(b"between");
    let heard = |client: &mut stentor::Client| {
        wait_for_input(client);
        drain(client)
    };
    assert_eq!(heard(&mut client), (Vec::new(), true));
    assert_eq!(peer.hear(), Heard::Pong(b"between".to_vec()));
    peer.write(&masked(0x80, b"two"));
    assert_eq!(heard(&mut client), (vec!["one, two".into()], true));
    drop(peer);
}

/// The pongs fill the send queue: nothing more is read then, and nothing waits.
#[test]
fn a_peer_that_pings_and_never_reads_blocks_nobody() {
    const LIMIT: usize = 4096;
    let builder = Server::builder().send_queue_limit(LIMIT);
    let acceptor = builder.write_timeout(PATIENCE * 10).acceptor().unwrap();
    let (mut client, mut peer) = open_local(&acceptor, Version::Rfc6455);
    peer.stream.set_nonblocking(true).unwrap();
    let ping = masked(0x89, &[b'x'; 125]);
    let mut rest = Vec::new();
    let mut refused = 0;
    while refused < 20 {
        if rest.is_empty() {
            rest = ping.clone();
        }
        match peer.stream.write(&rest) {
            Ok(taken) => {
                rest.drain(..taken);
                refused = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refused += 1;
            }
        }
        assert_eq!(look(&mut client), Received::Nothing);
    }
    let waiting = acceptor.handle().counters().waiting;
    assert!((LIMIT..4 * LIMIT).contains(&waiting), "{waiting}");

    // Once it reads, the watchdog sends the rest, and the conversation goes on.
    peer.stream.set_nonblocking(false).unwrap();
    let reading = std::thread::spawn(move || {
        let mut other = peer.stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            other.write_all(&rest).unwrap();
            other
                .write_all(&text(Version::Rfc6455, "the last"))
                .unwrap();
        });
        while peer.hear() != Heard::Text("the answer".to_owned()) {}
        writing.join().unwrap();
    });
    eventually("the last message", || match look(&mut client) {
        Received::Message(message) => {
            assert_eq!(message, "the last".into());
            Some(())
        }
        _ => None,
    });
    client.send("the answer").unwrap();
    reading.join().unwrap();
}

#[test]
fn a_throttled_client_has_nothing_yet() {
    let rate = RateLimit::per_second().messages(2);
    let builder = Server::builder().rate_limit(rate.burst(std::time::Duration::ZERO));
    let acceptor = builder.acceptor().unwrap();
    let (mut client, mut peer) = open(&acceptor, Version::Rfc6455, dial);
    peer.write(
        &["a", "b"]
            .map(|words| text(Version::Rfc6455, words))
            .concat(),
    );
    wait_for_input(&client);
    assert_eq!(look(&mut client), Received::Message("a".into()));
    let since = Instant::now();
    assert_eq!(look(&mut client), Received::Nothing);
    assert_eq!(acceptor.handle().counters().throttled, 1);
    eventually("its turn", || match look(&mut client) {
        Received::Message(message) => {
            assert_eq!(message, "b".into());
            Some(())
        }
        _ => None,
    });
    assert!(since.elapsed() < AT_ONCE, "half a second");
    drop(peer);
}

#[test]
fn every_end_of_a_connection_is_returned() {
    let acceptor = Server::builder().acceptor().unwrap();
    // The peer disappears.
    let (mut client, peer) = open(&acceptor, Version::Rfc6455, dial);
    drop(peer);
    wait_for_input(&client);
    for _ in 0..2 {
        let end = client.look();
        let reason = DisconnectReason::EndOfStream;
        assert!(
            matches!(end, Err(Error::Disconnected(why)) if why == reason),
            "{end:?}"
        );
    }
    // The peer breaks a rule.
    let (mut client, mut peer) = open(&acceptor, Version::Rfc6455, dial);
    peer.write(&[0x81, 0x01, b'x']);
    wait_for_input(&client);
    assert!(matches!(client.look(), Err(Error::Protocol(_))));
    peer.expect_goodbye(1002, "frame without a mask");
    drop(peer);
    // Another thread closes: the peer's answer is awaited, without blocking.
    let (mut client, mut peer) = open(&acceptor, Version::Rfc6455, dial);
    let handle = client.handle();
    handle.close(CloseCode::GOING_AWAY, "bye").unwrap();
    assert_eq!(look(&mut client), Received::Nothing);
    assert!(matches!(client.send("late"), Err(Error::Closed)));
    peer.expect_goodbye(1001, "bye");
    peer.start_close(1001, "");
    wait_for_input(&client);
    assert_eq!(look(&mut client), Received::Closed);
    drop(peer);
}
