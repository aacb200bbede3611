//! Full queues: eviction and dropping, while other threads push, reply, and wait.

use std::sync::Arc;

use crate::error::DisconnectReason;
use crate::net::send_queue::{Push, SlowClient};
use crate::net::sync::thread;
use crate::server::counters::Totals;
use crate::server::settings::Settings;

use super::check;
use super::stage::{Watched, push, reply, settings};
use super::wire::{assert_in_order, frame, frames, numbers};

fn count(totals: &Totals, reason: DisconnectReason) -> u64 {
    let disconnected = totals.snapshot(std::iter::empty()).disconnected;
    disconnected.get(&reason).copied().unwrap_or_default()
}

#[test]
fn an_eviction_happens_once_and_nothing_is_sent_behind_it() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 4);
        let pushers: Vec<_> = ['a', 'b']
            .into_iter()
            .map(|sender| {
                let link = Arc::clone(&link);
                thread::spawn(move || {
                    let mut evicted = 0;
                    for number in 0..3 {
                        let went = push(&link, frame(sender, number));
                        if went == Push::Full {
                            evicted += 1;
                            let taken = peer.taken().len();
                            let again = push(&link, frame(sender, 9));
                            assert_eq!(again, Push::Closed);
                            assert_eq!(peer.taken().len(), taken);
                        }
                    }
                    evicted
                })
            })
            .collect();
        // Its own thread waits for room meanwhile, and then for the peer.
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..3 {
                    if reply(&link, true, &frame('o', number)) == Push::Closed {
                        break;
                    }
                }
                match link.send_queue.socket() {
                    Some(socket) => socket.receive(&mut Vec::with_capacity(1)).unwrap(),
                    None => 0,
                }
            })
        };
        let reader = thread::spawn(move || {
            let mut stream = peer.read();
            stream.extend(peer.read());
            // The eviction happens because the peer does not read; if there was none, leaving ends
            // the connection.
            (stream, peer)
        });
        let evicted: usize = pushers
            .into_iter()
            .map(|pusher| pusher.join().unwrap())
            .sum();
        let (_, peer) = reader.join().unwrap();
        if evicted == 0 {
            peer.reset();
            link.disconnect(DisconnectReason::ShutdownTimeout);
            let _ = own.join();
        } else {
            assert_eq!(evicted, 1);
            assert_eq!(count(&watched.totals, DisconnectReason::Evicted), 1);
            assert_eq!(own.join().unwrap(), 0);
            assert_eq!(
                link.send_queue.disconnect_reason(),
                Some(DisconnectReason::Evicted)
            );
        }
        watched.stop();
        assert_eq!(link.send_queue.weight(), 0);
        let frames = frames(&peer.taken(), true);
        for sender in ['a', 'b', 'o'] {
            assert_in_order(&frames, sender);
        }
    });
}

#[test]
fn dropped_messages_were_whole_and_no_reply_is_dropped() {
    check(|| {
        for policy in [SlowClient::DropOldest, SlowClient::DropNewest] {
            dropping(policy);
        }
    });
}

fn dropping(policy: SlowClient) {
    let settings = Settings {
        slow_client: policy,
        ..settings()
    };
    let watched = Watched::new(&settings);
    let (link, peer) = watched.link(&settings, 5);
    let pushers: Vec<_> = ['a', 'b']
        .into_iter()
        .map(|sender| {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..3 {
                    let went = push(&link, frame(sender, number));
                    assert!(matches!(went, Push::Sent | Push::Queued | Push::Full));
                }
            })
        })
        .collect();
    let own = {
        let link = Arc::clone(&link);
        thread::spawn(move || {
            for number in 0..2 {
                reply(&link, number == 0, &frame('o', number));
            }
            link.send_queue.flush();
        })
    };
    let reader = thread::spawn(move || peer.read_to_end());
    for pusher in pushers {
        pusher.join().unwrap();
    }
    own.join().unwrap();
    link.send_queue.send_end_of_stream();
    let stream = reader.join().unwrap();
    watched.stop();
    let frames = frames(&stream, false);
    assert_eq!(assert_in_order(&frames, 'o'), 2);
    for sender in ['a', 'b'] {
        assert!(numbers(&frames, sender).is_sorted(), "{frames:?}");
    }
    let tally = link.send_queue.tally();
    assert_eq!(tally.messages, frames.len() as u64);
    assert_eq!(tally.messages + tally.dropped, 8);
    assert_eq!(tally.bytes, stream.len() as u64);
}

/// The peer resets while others send: every thread learns of it, none waits.
#[test]
fn a_reset_wakes_every_waiting_thread() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 4);
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                // Four do not fit: by the fifth it must have noticed the reset.
                let mut went = Push::Sent;
                for number in 0..5 {
                    went = reply(&link, true, &frame('o', number));
                }
                went
            })
        };
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || push(&link, frame('h', 0)))
        };
        peer.read();
        peer.reset();
        hub.join().unwrap();
        assert_eq!(own.join().unwrap(), Push::Closed);
        watched.stop();
        assert!(link.send_queue.disconnect_reason().is_some());
        assert_eq!(link.send_queue.weight(), 0);
    });
}
