//! The watchdog's timeouts, while time advances: each waiting thread is woken, and each disconnect
//! counts once.

use std::sync::Arc;
use std::time::Duration;

use crate::error::DisconnectReason;
use crate::net::link::Stage;
use crate::net::received::Received;
use crate::net::sync::{clock, thread};
use crate::protocol::CloseCode;
use crate::server::audience::Audience;
use crate::server::client::{Client, HandlerResult};
use crate::server::counters::Counters;
use crate::server::handles::ClientHandle;
use crate::server::shared::{ServerThreads, Shared};

use super::check;
use super::stage::{
    Seen, Ticking, behind_head, masked, read_politely, serve, settings, shake_hands,
};
use super::wire::{Frame, assert_ends, assert_in_order, frames, text};

fn until_closed(client: &mut Client) -> HandlerResult {
    while client.recv()?.is_some() {}
    Ok(())
}

fn counters(shared: &Shared) -> Counters {
    shared.registry.counters()
}

/// The watchdog sleeps without a timeout while there is no client.
#[test]
fn a_client_that_connects_while_the_watchdog_falls_asleep_is_watched() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, until_closed);
        peer.say(b"GET / HTTP/1.1\r\n");
        let ticking = Ticking::start();
        let answer = peer.read_to_end();
        assert!(
            answer.starts_with(b"HTTP/1.1 408 "),
            "{:?}",
            answer.escape_ascii().to_string()
        );
        // It does not close TCP: the watchdog ends the lingering.
        client.join().unwrap();
        ticking.stop();
        drop(threads);
        assert_eq!(counters(&shared).rejected.values().sum::<u64>(), 1);
    });
}

#[test]
fn a_client_that_does_not_read_is_lost_once_and_its_thread_wakes() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, link, peer) = serve(&shared, |client| {
            for number in 0..4 {
                client.send(text('o', number))?;
            }
            until_closed(client)
        });
        shake_hands(peer, 3);
        let everyone = Audience::new(&shared, None);
        everyone.broadcast(text('h', 0));
        let ticking = Ticking::start();
        client.join().unwrap();
        ticking.stop();
        drop(threads);
        let disconnected = counters(&shared).disconnected;
        assert_eq!(disconnected.values().sum::<u64>(), 1, "{disconnected:?}");
        assert_eq!(
            seen.report().disconnect_reason,
            link.send_queue.disconnect_reason()
        );
        assert!(disconnected.contains_key(&link.send_queue.disconnect_reason().unwrap()));
    });
}

/// Its own thread only reads: only the watchdog notices that the peer takes nothing.
#[test]
fn messages_to_a_client_that_does_not_read_have_the_write_timeout() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, link, peer) = serve(&shared, until_closed);
        shake_hands(peer, 3);
        while !link.is_open() {
            thread::yield_now();
        }
        let handle = ClientHandle::new(link, &shared);
        handle.send(text('h', 1)).unwrap();
        let ticking = Ticking::start();
        client.join().unwrap();
        ticking.stop();
        drop(threads);
        assert_eq!(
            seen.report().disconnect_reason,
            Some(DisconnectReason::WriteTimeout)
        );
        assert_eq!(
            counters(&shared).disconnected,
            [(DisconnectReason::WriteTimeout, 1)].into()
        );
    });
}

#[test]
fn a_silent_client_is_pinged_between_messages_and_lost_once() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, until_closed);
        shake_hands(peer, 4);
        let reader = thread::spawn(move || peer.read_to_end());
        let ticking = Ticking::start();
        let everyone = Audience::new(&shared, None);
        for number in 0..2 {
            everyone.broadcast(text('h', number));
        }
        client.join().unwrap();
        reader.join().unwrap();
        ticking.stop();
        drop(threads);
        let counters = counters(&shared);
        let disconnected = counters.disconnected;
        assert_eq!(disconnected.values().sum::<u64>(), 1, "{disconnected:?}");
        let disconnect_reason = seen.report().disconnect_reason.unwrap();
        assert!(
            matches!(
                disconnect_reason,
                DisconnectReason::PongTimeout | DisconnectReason::WriteTimeout
            ),
            "{disconnect_reason:?}"
        );
        frames(behind_head(&peer.taken()), true);
    });
}

/// Time stands still again once the write has begun: only the watchdog's `poll` can finish it.
#[test]
fn a_ping_that_is_taken_in_part_is_finished() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, until_closed);
        shake_hands(peer, 1);
        while behind_head(&peer.taken()).is_empty() {
            clock::pass(Duration::from_millis(500));
            thread::yield_now();
        }
        loop {
            let read = peer.read();
            let taken = peer.taken();
            // If too much time has passed, the client is disconnected instead.
            if read.is_empty() || frames(behind_head(&taken), true).contains(&Frame::Ping) {
                break;
            }
        }
        shared.shutdown(Duration::ZERO);
        shared.finish_shutdown();
        client.join().unwrap();
        drop(threads);
    });
}

#[test]
fn a_close_frame_without_an_answer_ends_the_connection() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, link, peer) = serve(&shared, until_closed);
        shake_hands(peer, 4);
        let handle = ClientHandle::new(link, &shared);
        let reader = thread::spawn(move || peer.read_to_end());
        let closer = thread::spawn(move || handle.close(CloseCode::from(4001), "").unwrap());
        let ticking = Ticking::start();
        client.join().unwrap();
        reader.join().unwrap();
        closer.join().unwrap();
        ticking.stop();
        drop(threads);
        let frames = frames(behind_head(&peer.taken()), true);
        assert_ends(&frames);
        let disconnected = counters(&shared).disconnected;
        assert_eq!(disconnected.values().sum::<u64>(), 1, "{disconnected:?}");
        assert!(!seen.report().closed.clean);
    });
}

/// The closing handshake is complete: the client's thread waits for the end of the stream, and no
/// disconnect is counted.
#[test]
fn a_peer_that_never_closes_tcp_is_disconnected() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, link, peer) = serve(&shared, until_closed);
        shake_hands(peer, 100);
        peer.say(&masked(8, &1000_u16.to_be_bytes()));
        peer.read_to_end();
        while link.stage() < Stage::Lingering {
            thread::yield_now();
        }
        let ticking = Ticking::start();
        client.join().unwrap();
        ticking.stop();
        drop(threads);
        assert!(seen.report().closed.clean);
        assert!(counters(&shared).disconnected.is_empty());
        assert!(peer.is_closed());
    });
}

/// A handler with other work: its calls to receive end by the clock, or with a message.
#[test]
fn a_handler_that_waits_with_a_timeout_misses_nothing() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, |client| {
            let mut messages = 0;
            while messages < 2 {
                match client.recv_timeout(Duration::from_millis(700))? {
                    Received::Message(message) => {
                        messages += 1;
                        client.send(message)?;
                    }
                    Received::Nothing => {}
                    Received::Closed => return Ok(()),
                }
            }
            client.close(CloseCode::from(4000), "")?;
            Ok(())
        });
        shake_hands(peer, 100);
        let ticking = Ticking::start();
        for number in 0..2 {
            peer.say(&masked(1, text('a', number).as_bytes()));
        }
        read_politely(peer);
        client.join().unwrap();
        ticking.stop();
        drop(threads);
        let frames = frames(behind_head(&peer.taken()), false);
        let echoed = assert_in_order(&frames, 'a');
        match counters(&shared).disconnected.is_empty() {
            true => assert_eq!((echoed, assert_ends(&frames)), (2, Some(4000))),
            // Time may have advanced faster than the peer was scheduled to reply.
            false => assert!(echoed <= 2),
        }
    });
}
