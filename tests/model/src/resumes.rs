//! Clients that resume while others publish: each receives every message once, in one order.

use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::thread;
use crate::server::audience::Audience;
use crate::server::client::{Client, HandlerResult};
use crate::server::handles::ServerHandle;
use crate::server::history::History;
use crate::server::history::follow::Followed;
use crate::server::history::resume::Since;
use crate::server::settings::Settings;
use crate::server::shared::{ServerThreads, Shared};

use super::check;
use super::stage::{behind_head, read_politely, serve, shake_hands, with_send_queue_limit};
use super::wire::{Frame, assert_ends, assert_in_order, frames, text};

/// The messages of each publisher.
const EACH: usize = 2;

fn remembering(send_queue_limit: usize) -> Settings {
    Settings {
        history: Some(History::new()),
        ..with_send_queue_limit(send_queue_limit)
    }
}

/// Resumes with everything, somewhere in the middle.
fn resume(client: &mut Client) -> HandlerResult {
    client.resume("room", Since::Last(100))?;
    while client.recv()?.is_some() {}
    Ok(())
}

/// The same, with more than half of the send queue full: so the client's own thread sends the replay.
fn resume_behind_replies(client: &mut Client) -> HandlerResult {
    for _ in 0..4 {
        client.send("-".repeat(20))?;
    }
    resume(client)
}

fn publishers(shared: &Arc<Shared>) -> Vec<thread::JoinHandle<()>> {
    let senders = ['a', 'b'].into_iter();
    let threads = senders.map(|sender| {
        let room = Audience::new(shared, Some("room"));
        thread::spawn(move || {
            for number in 0..EACH {
                match sender {
                    'a' => assert!(room.publish(text(sender, number)).is_ok()),
                    _ => room.broadcast(text(sender, number)),
                }
            }
        })
    });
    threads.collect()
}

fn nobody_misses_any(send_queue_limit: usize, handler: fn(&mut Client) -> HandlerResult) {
    let (threads, _woken) = ServerThreads::new(remembering(send_queue_limit)).unwrap();
    let shared = Arc::clone(&threads.shared);
    let publishers = publishers(&shared);
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (client, _, peer) = serve(&shared, handler);
            let reader = thread::spawn(move || {
                shake_hands(peer, 11);
                read_politely(peer);
            });
            (client, peer, reader)
        })
        .collect();
    let room = Audience::new(&shared, Some("room"));
    while room.members().len() < clients.len() {
        thread::yield_now();
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    // The hub works in order: all earlier messages are sent now.
    room.members();
    shared.shutdown(Duration::from_secs(60));
    shared.finish_shutdown();
    let mut seen = Vec::new();
    for (client, peer, reader) in clients {
        client.join().unwrap();
        reader.join().unwrap();
        let mut frames = frames(behind_head(&peer.taken()), false);
        assert_eq!(assert_ends(&frames), Some(1001));
        frames.retain(|frame| !matches!(frame, Frame::Text(text) if text.starts_with('-')));
        for sender in ['a', 'b'] {
            assert_eq!(assert_in_order(&frames, sender), EACH, "{frames:?}");
        }
        seen.push(frames);
    }
    drop(threads);
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_client_that_resumes_misses_no_message_and_gets_none_twice() {
    check(|| nobody_misses_any(10_000, resume));
}

#[test]
fn a_replay_that_the_clients_own_thread_sends_is_as_complete() {
    check(|| nobody_misses_any(1150, resume_behind_replies));
}

/// A follower that waits is woken by each message, and by the end of the hub: before that it has all messages.
#[test]
fn a_follower_receives_all_messages_and_the_end() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(remembering(10_000)).unwrap();
        let shared = Arc::clone(&threads.shared);
        let server = ServerHandle {
            shared: Arc::clone(&shared),
        };
        let follow = server.follow("room", Since::Last(0)).unwrap();
        let follower = thread::spawn(move || {
            let entries = follow.map(|followed| match followed {
                Followed::Entry(entry) => entry,
                Followed::Gap(gap) => panic!("{gap}"),
            });
            entries.collect::<Vec<_>>()
        });
        for publisher in publishers(&shared) {
            publisher.join().unwrap();
        }
        let ticking = super::stage::Ticking::start();
        drop(threads);
        let entries = follower.join().unwrap();
        ticking.stop();
        assert_eq!(entries.len(), 2 * EACH);
        let numbers = entries.iter().map(|entry| entry.position.number());
        assert!(numbers.eq(1..=2 * EACH as u64));
    });
}
