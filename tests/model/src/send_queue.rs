//! Everything that enters a send queue leaves it: completely, once, in order, and no thread waits
//! for ever.

use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::error::DisconnectReason;
use crate::net::client_id::ClientId;
use crate::net::send_queue::Push;
use crate::net::sync::channel::{Sender, bounded};
use crate::net::sync::thread;
use crate::net::watcher::{Incident, Watcher};
use crate::protocol::{CloseCode, CloseFrame, Version};

use super::check;
use super::stage::{
    LIMIT, Watched, link_with, push, reply, reply_owned, settings, shared, with_send_queue_limit,
};
use super::wire::{
    Frame, assert_ends, assert_in_order, assert_unmixed, close, fragment, frame, frames, ping,
};

#[test]
fn queued_bytes_are_drained_in_the_end() {
    check(|| {
        let settings = with_send_queue_limit(10_000);
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 5);
        let pushers: Vec<_> = ['a', 'b']
            .into_iter()
            .map(|sender| {
                let link = Arc::clone(&link);
                thread::spawn(move || {
                    for number in 0..2 {
                        let went = push(&link, frame(sender, number));
                        assert!(matches!(went, Push::Sent | Push::Queued));
                    }
                })
            })
            .collect();
        let expected: usize = (0..2).map(|number| frame('a', number).len() * 2).sum();
        let mut stream = Vec::new();
        while stream.len() < expected {
            stream.extend(peer.read());
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let frames = frames(&stream, false);
        assert_eq!(assert_in_order(&frames, 'a'), 2);
        assert_eq!(assert_in_order(&frames, 'b'), 2);
        watched.stop();
        assert_eq!(link.send_queue.tally().bytes, expected as u64);
        assert_eq!(link.send_queue.tally().messages, 4);
    });
}

/// The queue empties and fills again: in between, the watchdog has stopped watching it, or has not.
#[test]
fn a_queue_that_stalls_again_is_watched_again() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 3);
        let pusher = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..4 {
                    // One at a time: the next frame comes when the kernel has the last one.
                    while link.send_queue.weight() > 0 {
                        thread::yield_now();
                    }
                    push(&link, frame('a', number));
                }
            })
        };
        let expected: usize = (0..4).map(|number| frame('a', number).len()).sum();
        let mut stream = Vec::new();
        while stream.len() < expected {
            stream.extend(peer.read());
        }
        pusher.join().unwrap();
        assert_eq!(assert_in_order(&frames(&stream, false), 'a'), 4);
        watched.stop();
    });
}

/// The number of clients handed to the watchdog is bounded by the number of clients: a queue that
/// it already watches is not handed over again, and each queue that it has stopped watching is.
#[test]
fn a_client_is_handed_to_the_watchdog_once_at_a_time() {
    check(|| {
        let settings = with_send_queue_limit(10_000);
        let (notices, noticed) = bounded(1);
        let watcher = Arc::new(Noticing(notices));
        let (link, peer) = link_with(watcher.clone(), Version::Rfc6455, &settings, 5);
        let pushers: Vec<_> = ['a', 'b']
            .into_iter()
            .map(|sender| {
                let link = Arc::clone(&link);
                thread::spawn(move || {
                    for number in 0..3 {
                        link.send_queue.push(&shared(frame(sender, number)), 1);
                    }
                })
            })
            .collect();
        let watchdog = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let mut ended = false;
                while !ended && noticed.recv() == Ok(Notice::Stalled) {
                    while link.send_queue.drain(None).is_some() {
                        let notice = noticed.try_iter().next();
                        assert_ne!(notice, Some(Notice::Stalled));
                        ended |= notice.is_some();
                        let socket = link.send_queue.socket().unwrap();
                        socket.wait_until(PollFlags::OUT, Duration::MAX);
                    }
                }
            })
        };
        let expected: usize = (0..3).map(|number| frame('a', number).len() * 2).sum();
        let mut stream = Vec::new();
        while stream.len() < expected {
            stream.extend(peer.read());
        }
        for thread in pushers {
            thread.join().unwrap();
        }
        watcher.0.send(Notice::End).unwrap();
        watchdog.join().unwrap();
        assert_eq!(link.send_queue.weight(), 0);
    });
}

#[test]
fn frames_of_all_senders_stay_whole_and_in_order() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 7);
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let taken = |went: &Push| matches!(went, Push::Sent | Push::Queued);
                (0..3)
                    .map(|number| push(&link, frame('h', number)))
                    .take_while(taken)
                    .count()
            })
        };
        let keepalive = {
            let link = Arc::clone(&link);
            thread::spawn(move || link.send_queue.ping(&ping()))
        };
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let mut sent = 0;
                for number in 0..3 {
                    let bytes = frame('o', number);
                    let went = match number {
                        0 => reply(&link, false, &bytes),
                        1 => reply_owned(&link, &bytes),
                        _ => reply(&link, true, &bytes),
                    };
                    if went == Push::Closed {
                        break;
                    }
                    sent += 1;
                }
                link.send_queue.send_close_frame(&close(1000));
                let limit = settings.connection.timeouts.write;
                let _ = link.send_queue.wait_for_room(0, limit);
                let reason = link.send_queue.disconnect_reason();
                link.send_queue.disconnect(DisconnectReason::EndOfStream);
                (sent, reason)
            })
        };
        let stream = peer.read_to_end();
        let from_hub = hub.join().unwrap();
        let (own, disconnect_reason) = own.join().unwrap();
        keepalive.join().unwrap();
        watched.stop();
        let frames = frames(&stream, disconnect_reason.is_some());
        let (of_hub, of_own) = (assert_in_order(&frames, 'h'), assert_in_order(&frames, 'o'));
        let pings = frames.iter().filter(|frame| **frame == Frame::Ping);
        assert!(pings.count() <= 1);
        if disconnect_reason.is_none() {
            assert_eq!((of_hub, of_own), (from_hub, own), "{frames:?}");
            assert_eq!(assert_ends(&frames), Some(1000));
        } else {
            assert!(of_hub <= from_hub && of_own <= own);
        }
    });
}

/// Many replies that leave together are more than fits, and the watchdog does not watch the queue
/// yet.
#[test]
fn a_clients_own_thread_that_waits_for_room_wakes() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 30);
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..25 {
                    // The rest is sent by the watchdog once there is room.
                    let went = reply(&link, number == 24, &frame('o', number));
                    assert_ne!(went, Push::Closed);
                }
            })
        };
        let expected: usize = (0..25).map(|number| frame('o', number).len()).sum();
        let mut stream = Vec::new();
        while stream.len() < expected {
            stream.extend(peer.read());
        }
        own.join().unwrap();
        assert_eq!(assert_in_order(&frames(&stream, false), 'o'), 25);
        watched.stop();
    });
}

#[test]
fn a_thread_that_waits_for_room_learns_of_the_disconnect() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, _peer) = watched.link(&settings, 4);
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let went = link.send_queue.reply(true, |out| {
                    out.resize(LIMIT * 2, 0);
                    Ok::<u64, ()>(1)
                });
                let room = link
                    .send_queue
                    .wait_for_room(link.send_queue.limit(), settings.connection.timeouts.write);
                (went.unwrap(), room)
            })
        };
        link.disconnect(DisconnectReason::PongTimeout);
        let (went, room) = own.join().unwrap();
        assert!(matches!(went, Push::Full | Push::Closed), "{went:?}");
        assert_eq!(room, Err(DisconnectReason::PongTimeout));
        watched.stop();
    });
}

#[test]
fn after_a_close_frame_no_message_follows_and_no_second_one() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 6);
        let mut threads = Vec::new();
        for code in [4001, 4002] {
            let link = Arc::clone(&link);
            threads.push(thread::spawn(move || {
                let frame = CloseFrame::of(CloseCode::from(code));
                link.start_close(frame).unwrap()
            }));
        }
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                reply(&link, false, &frame('o', 0));
                link.send_queue.send_close_frame(&close(4000)) != Push::Closed
            })
        };
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || push(&link, frame('h', 0)))
        };
        let mut stream = Vec::new();
        while !matches!(frames(&stream, true).last(), Some(Frame::Close(_))) {
            stream.extend(peer.read());
        }
        let mut goodbyes = vec![(4000, own.join().unwrap())];
        hub.join().unwrap();
        for (code, thread) in [4001, 4002].into_iter().zip(threads) {
            goodbyes.push((code, thread.join().unwrap()));
        }
        watched.stop();
        let frames = frames(&peer.taken(), false);
        let code = assert_ends(&frames);
        goodbyes.retain(|(_, written)| *written);
        assert_eq!(goodbyes.len(), 1, "{goodbyes:?}");
        assert_eq!(code, Some(goodbyes[0].0));
        assert!(assert_in_order(&frames, 'h') <= 1);
        assert_eq!(link.send_queue.weight(), 0);
    });
}

/// Draft-75 has no close frame: the stream ends, but only after all queued messages.
#[test]
fn closing_tcp_ends_the_stream_behind_all_messages() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link_of(Version::Draft75, &settings, 5);
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                (0..2)
                    .map(|number| push(&link, frame('h', number)))
                    .filter(|went| *went != Push::Closed)
                    .count()
            })
        };
        let closer = {
            let link = Arc::clone(&link);
            thread::spawn(move || link.start_close(CloseFrame::of(CloseCode::NORMAL)).unwrap())
        };
        let stream = peer.read_to_end();
        closer.join().unwrap();
        let sent = hub.join().unwrap();
        watched.stop();
        assert_eq!(assert_in_order(&frames(&stream, false), 'h'), sent);
    });
}

/// A message in pieces, while other threads push and reply: each message waits for its end, and none for
/// ever.
#[test]
fn no_message_stands_within_a_message_in_pieces() {
    check(|| {
        let settings = with_send_queue_limit(10_000);
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 6);
        let writer = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for (is_first, is_last) in [(true, false), (false, false), (false, true)] {
                    let went = link
                        .send_queue
                        .fragment(fragment(is_first, is_last), is_last);
                    assert!(link.settle_fragment(went).is_ok());
                }
            })
        };
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..2 {
                    assert_ne!(push(&link, frame('h', number)), Push::Closed);
                }
            })
        };
        let sender = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..2 {
                    assert_ne!(reply(&link, true, &frame('s', number)), Push::Closed);
                }
            })
        };
        let one = |sender| {
            (0..2)
                .map(|number| frame(sender, number).len())
                .sum::<usize>()
        };
        let expected = one('h') + one('s') + 3 * fragment(true, false).len();
        let mut stream = Vec::new();
        while stream.len() < expected {
            stream.extend(peer.read());
        }
        for thread in [writer, hub, sender] {
            thread.join().unwrap();
        }
        watched.stop();
        let frames = frames(&stream, false);
        assert_eq!(assert_unmixed(&frames), 1);
        assert_eq!(assert_in_order(&frames, 'h'), 2);
        assert_eq!(assert_in_order(&frames, 's'), 2);
        assert_eq!(link.send_queue.tally().messages, 5);
        assert_eq!(link.send_queue.weight(), 0);
    });
}

/// The queue is over its limit because of messages that wait for the writer: a sender waits, and the end of
/// the message, or of the connection, wakes it.
#[test]
fn a_sender_that_waits_for_a_writer_wakes() {
    for is_finished in [true, false] {
        check(move || {
            let settings = settings();
            let watched = Watched::new(&settings);
            let (link, peer) = watched.link(&settings, 1000);
            link.send_queue.fragment(fragment(true, false), false);
            let sender = {
                let link = Arc::clone(&link);
                thread::spawn(move || {
                    let went = (0..4).map(|number| reply(&link, true, &frame('s', number)));
                    went.filter(|went| *went != Push::Closed).count()
                })
            };
            let went = match is_finished {
                true => link.send_queue.fragment(fragment(false, true), true),
                false => link.send_queue.send_close_frame(&close(1011)),
            };
            assert_ne!(went, Push::Closed);
            let is_last = |frame: Option<&Frame>| match (frame, is_finished) {
                (Some(Frame::Text(text)), true) => text.starts_with("s3"),
                (frame, _) => frame == Some(&Frame::Close(1011)),
            };
            let mut stream = Vec::new();
            while !is_last(frames(&stream, true).last()) {
                stream.extend(peer.read());
            }
            let sent = sender.join().unwrap();
            watched.stop();
            assert!(!is_finished || sent == 4, "{sent} were sent");
            let frames = frames(&stream, false);
            assert_eq!(assert_unmixed(&frames), usize::from(is_finished));
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Stalled,
    End,
}

/// A watcher that passes the notices on.
#[derive(Debug)]
struct Noticing(Sender<Notice>);

impl Watcher for Noticing {
    fn stalled(&self, _: ClientId) {
        self.0.send(Notice::Stalled).unwrap();
    }

    fn adjust(&self, _: usize, _: usize) {}

    fn relieve(&self) {}

    fn count(&self, _: Incident) {}
}
