//! A whole server except its listener: handlers that broadcast to themselves, a hub that sends to
//! them meanwhile, full queues everywhere, and a shutdown in the middle of it.

use std::sync::Arc;
use std::time::Duration;

use crate::net::send_queue::SlowClient;
use crate::net::sync::thread;
use crate::protocol::Message;
use crate::server::audience::Audience;
use crate::server::client::{Client, HandlerResult};
use crate::server::settings::Settings;
use crate::server::shared::ServerThreads;

use super::check;
use super::stage::{
    Seen, Ticking, behind_head, let_in, masked, read_politely, reject_on_arrival, serve, settings,
    shake_hands, with_send_queue_limit,
};
use super::wire::{Frame, assert_ends, assert_in_order, frames, numbers, text};

/// More than the whole budget; nobody is in the room that it is for, so nobody encodes it.
const MUCH: usize = 5 * 1024 * 1024;

/// Broadcasts each message to everybody twice, the sender included.
fn repeat(client: &mut Client) -> HandlerResult {
    client.join("room");
    while let Some(message) = client.recv()? {
        client.room("room").broadcast(message.clone());
        client.everyone().broadcast(message.clone());
        client.send(message)?;
    }
    Ok(())
}

#[test]
fn handlers_that_broadcast_to_themselves_and_a_shutdown_come_to_an_end() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let clients: Vec<_> = (0..2).map(|_| serve(&shared, repeat)).collect();
        let peers: Vec<_> = clients
            .iter()
            .zip(['a', 'b'])
            .map(|((_, _, peer), sender)| {
                let peer = *peer;
                thread::spawn(move || {
                    shake_hands(peer, 9);
                    for number in 0..2 {
                        peer.say(&masked(1, text(sender, number).as_bytes()));
                    }
                    read_politely(peer);
                })
            })
            .collect();
        let stopper = {
            let (shared, seen) = (Arc::clone(&shared), clients[0].1.clone());
            thread::spawn(move || {
                // Somewhere in the middle.
                while seen.messages_in.load(std::sync::atomic::Ordering::Relaxed) == 0
                    && seen.stage() < crate::net::link::Stage::Closing
                {
                    thread::yield_now();
                }
                shared.shutdown(Duration::from_secs(60));
            })
        };
        stopper.join().unwrap();
        shared.finish_shutdown();
        let mut streams = Vec::new();
        for (client, link, peer) in clients {
            client.join().unwrap();
            streams.push((link, peer));
        }
        for peer in peers {
            peer.join().unwrap();
        }
        drop(threads);
        // The second may have come too late to be accepted.
        let mut open = 0;
        for (link, peer) in streams {
            let is_cut = link.send_queue.disconnect_reason().is_some();
            let frames = frames(behind_head(&peer.taken()), is_cut);
            let end = assert_ends(&frames);
            if link.version().is_some() {
                open += 1;
                assert!(is_cut || end.is_some(), "{frames:?}");
            }
            assert!(peer.is_closed());
        }
        assert!(open > 0);
        assert_eq!(seen.departures(), open);
        let counters = shared.registry.counters();
        assert_eq!((counters.connections, counters.failed_handlers), (0, 0));
        assert_eq!(counters.closes.values().sum::<u64>(), open as u64);
    });
}

#[test]
fn clients_that_neither_read_nor_leave_are_aborted() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, repeat);
        let (newcomer, ..) = serve(&shared, repeat);
        shake_hands(peer, 2);
        for number in 0..3 {
            peer.say(&masked(1, text('a', number).as_bytes()));
        }
        shared.shutdown(Duration::ZERO);
        shared.finish_shutdown();
        client.join().unwrap();
        newcomer.join().unwrap();
        drop(threads);
        assert_eq!(seen.departures(), 1);
        let counters = shared.registry.counters();
        assert_eq!((counters.connections, counters.failed_handlers), (0, 0));
    });
}

/// The client is accepted, or not, while the others are closed; either way it need not wait for a
/// timeout.
#[test]
fn a_client_in_its_handshake_learns_of_the_shutdown() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let socket = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || let_in(&shared, repeat))
        };
        shared.shutdown(Duration::from_secs(60));
        if let Some((client, _, peer)) = socket.join().unwrap() {
            peer.say(b"GET /chat HTTP/1.1\r\n");
            let reader = thread::spawn(move || {
                let answer = peer.read_to_end();
                peer.close_tcp();
                assert!(answer.starts_with(b"HTTP/1.1 503 "));
            });
            shared.finish_shutdown();
            client.join().unwrap();
            reader.join().unwrap();
        }
        drop(threads);
    });
}

#[test]
fn posts_that_come_with_the_end_of_the_hub_block_no_thread() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let posters: Vec<_> = (0..2)
            .map(|_| {
                let room = Audience::new(&shared, Some("nobody"));
                thread::spawn(move || {
                    for _ in 0..2 {
                        room.broadcast(Message::from(vec![0; MUCH]));
                    }
                })
            })
            .collect();
        let asker = {
            let room = Audience::new(&shared, Some("nobody"));
            thread::spawn(move || assert!(room.members().is_empty()))
        };
        let ticking = Ticking::start();
        drop(threads);
        for poster in posters {
            poster.join().unwrap();
        }
        asker.join().unwrap();
        ticking.stop();
    });
}

#[test]
fn all_members_see_all_broadcasts_in_the_same_order() {
    check(|| {
        let settings = with_send_queue_limit(10_000);
        let (threads, _woken) = ServerThreads::new(settings).unwrap();
        let shared = Arc::clone(&threads.shared);
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let (client, link, peer) = serve(&shared, repeat);
                shake_hands(peer, 11);
                (client, link, peer)
            })
            .collect();
        let room = Audience::new(&shared, Some("room"));
        while room.members().len() < 2 {
            thread::yield_now();
        }
        let posters: Vec<_> = ['a', 'b']
            .into_iter()
            .map(|sender| {
                let everyone = Audience::new(&shared, None);
                let nobody = Audience::new(&shared, Some("nobody"));
                thread::spawn(move || {
                    everyone.broadcast(text(sender, 0));
                    nobody.broadcast(Message::from(vec![0; MUCH]));
                    everyone.broadcast(text(sender, 1));
                })
            })
            .collect();
        let readers: Vec<_> = clients
            .iter()
            .map(|(_, _, peer)| {
                let peer = *peer;
                thread::spawn(move || read_politely(peer))
            })
            .collect();
        for poster in posters {
            poster.join().unwrap();
        }
        // The hub works in order: a caller that gets its answer knows that all earlier posts are
        // done.
        room.members();
        shared.shutdown(Duration::from_secs(60));
        shared.finish_shutdown();
        let mut seen = Vec::new();
        for ((client, _, peer), reader) in clients.into_iter().zip(readers) {
            client.join().unwrap();
            reader.join().unwrap();
            let frames = frames(behind_head(&peer.taken()), false);
            assert_eq!(assert_ends(&frames), Some(1001));
            for sender in ['a', 'b'] {
                assert_eq!(assert_in_order(&frames, sender), 2);
            }
            seen.push(frames);
        }
        drop(threads);
        assert_eq!(seen[0], seen[1]);
    });
}

#[test]
fn no_broadcast_comes_before_the_handshakes_last_bytes() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(settings()).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, _, peer) = serve(&shared, repeat);
        let poster = {
            let everyone = Audience::new(&shared, None);
            thread::spawn(move || {
                for number in 0..3 {
                    everyone.broadcast(text('a', number));
                }
            })
        };
        shake_hands(peer, 40);
        poster.join().unwrap();
        let reader = thread::spawn(move || read_politely(peer));
        shared.shutdown(Duration::from_secs(60));
        shared.finish_shutdown();
        client.join().unwrap();
        reader.join().unwrap();
        drop(threads);
        let stream = peer.taken();
        assert!(
            stream.starts_with(b"HTTP/1.1 101 "),
            "{}",
            stream.escape_ascii()
        );
        let frames = frames(behind_head(&stream), false);
        assert_eq!(assert_ends(&frames), Some(1001));
        // Messages that were posted before it came, or that reach the hub after the close frame,
        // are not for it.
        let numbers = numbers(&frames, 'a');
        assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
    });
}

/// The hub meets a full send queue in the middle of a broadcast, and goes on to the next member.
#[test]
fn a_member_that_does_not_read_holds_up_no_other() {
    check(|| {
        let settings = Settings {
            slow_client: SlowClient::DropOldest,
            ..settings()
        };
        let (threads, _woken) = ServerThreads::new(settings).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (slow, _, silent) = serve(&shared, repeat);
        shake_hands(silent, 2);
        let (quick, _, peer) = serve(&shared, repeat);
        shake_hands(peer, 40);
        let everyone = Audience::new(&shared, None);
        let mut stream = Vec::new();
        for number in 0..3 {
            everyone.broadcast(text('a', number));
            while numbers(&frames(&stream, true), 'a').len() <= number {
                stream.extend(peer.read());
            }
        }
        let reader = thread::spawn(move || read_politely(peer));
        shared.shutdown(Duration::ZERO);
        shared.finish_shutdown();
        for thread in [slow, quick, reader] {
            thread.join().unwrap();
        }
        drop(threads);
        let frames = frames(&stream, true);
        let texts = frames
            .iter()
            .filter(|frame| matches!(frame, Frame::Text(_)));
        assert_eq!(texts.count(), 3);
    });
}

/// No thread serves it: only the watchdog notices that it has read its rejection.
#[test]
fn a_rejected_client_is_closed_when_it_closes_tcp() {
    check(|| {
        let settings = Settings {
            max_clients: 0,
            ..settings()
        };
        let (threads, _woken) = ServerThreads::new(settings).unwrap();
        let shared = Arc::clone(&threads.shared);
        let sockets: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || reject_on_arrival(&shared))
            })
            .collect();
        for socket in sockets {
            let peer = socket.join().unwrap();
            peer.read_to_end();
            assert!(!peer.is_closed());
            peer.close_tcp();
            peer.wait_until_closed();
        }
        drop(threads);
    });
}
