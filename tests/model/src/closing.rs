//! Close frames from several sides at once: one is written, and the engine knows which.

use std::sync::Arc;

use crate::net::sync::thread;
use crate::protocol::{CloseCode, CloseFrame, Initiator};
use crate::server::client::{Client, HandlerResult};
use crate::server::handles::ClientHandle;
use crate::server::shared::ServerThreads;

use super::check;
use super::stage::{
    Seen, Watched, behind_head, masked, push, read_politely, serve, settings, shake_hands,
};
use super::wire::{Frame, assert_ends, frame, frames};

fn until_closed(client: &mut Client) -> HandlerResult {
    while client.recv()?.is_some() {}
    Ok(())
}

/// The close frames of the peer, of a handle and of the server cross each other.
#[test]
fn the_engine_learns_of_the_first_close_frame_once() {
    check(|| {
        let seen = Seen::default();
        let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
        let shared = Arc::clone(&threads.shared);
        let (client, link, peer) = serve(&shared, until_closed);
        shake_hands(peer, 3);
        let handle = {
            let handle = ClientHandle::new(Arc::clone(&link), &shared);
            thread::spawn(move || handle.close(CloseCode::from(4001), "").unwrap())
        };
        let server = {
            let link = Arc::clone(&link);
            thread::spawn(move || link.start_close(CloseFrame::going_away()))
        };
        peer.say(&masked(8, &1000_u16.to_be_bytes()));
        peer.read_to_end();
        peer.close_tcp();
        client.join().unwrap();
        handle.join().unwrap();
        assert!(server.join().unwrap().is_ok());
        drop(threads);
        let frames = frames(behind_head(&peer.taken()), false);
        let written = assert_ends(&frames);
        let closed = seen.report().closed;
        assert_eq!((closed.code.get(), closed.clean), (1000, true));
        assert_eq!(seen.closings(), 1);
        match closed.initiator {
            Initiator::Us => assert!(matches!(written, Some(4001 | 1001)), "{frames:?}"),
            Initiator::Peer => assert!(written.is_some()),
            Initiator::Nobody => panic!("a close frame was received"),
        }
        assert!(peer.is_closed());
    });
}

/// The peer sends only replies, so it never started the closing handshake.
#[test]
fn the_answer_to_a_handles_close_frame_is_never_taken_for_the_peers_own() {
    check(|| answered(until_closed));
}

#[test]
fn the_answer_to_one_of_two_close_frames_is_never_taken_for_the_peers_own() {
    check(|| {
        answered(|client| {
            // Leaves after one message, unless it is closed before.
            client.recv()?;
            client.send("bye")?;
            Ok(())
        });
    });
}

fn answered(handler: fn(&mut Client) -> HandlerResult) {
    let seen = Seen::default();
    let (threads, _woken) = ServerThreads::new(seen.watching(settings())).unwrap();
    let shared = Arc::clone(&threads.shared);
    let (client, link, peer) = serve(&shared, handler);
    shake_hands(peer, 5);
    let handle = {
        let handle = ClientHandle::new(Arc::clone(&link), &shared);
        thread::spawn(move || handle.close(CloseCode::from(4001), "").unwrap())
    };
    peer.say(&masked(1, b"hello"));
    read_politely(peer);
    client.join().unwrap();
    handle.join().unwrap();
    drop(threads);
    let frames = frames(behind_head(&peer.taken()), false);
    let written = assert_ends(&frames);
    let closed = seen.report().closed;
    assert_eq!(closed.initiator, Initiator::Us);
    assert_eq!((Some(closed.code.get()), closed.clean), (written, true));
    assert_eq!(seen.closings(), 1);
}

/// The smallest case: only the close frame, its reply, and the thread that reads the reply.
#[test]
fn the_thread_that_reads_the_answer_knows_of_the_close_frame() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 100);
        let own = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                let socket = link.send_queue.socket().unwrap();
                socket.receive(&mut Vec::with_capacity(1)).unwrap();
                link.close_frame()
            })
        };
        let close_frame = CloseFrame::of(CloseCode::from(4001));
        let closer = {
            let close_frame = close_frame.clone();
            thread::spawn(move || link.start_close(close_frame).unwrap())
        };
        peer.read();
        peer.say(b"!");
        closer.join().unwrap();
        assert_eq!(own.join().unwrap(), Some(close_frame));
        watched.stop();
    });
}

/// The queue is full at the very moment of the close frame.
#[test]
fn a_close_frame_that_was_refused_is_not_recorded() {
    check(|| {
        let settings = settings();
        let watched = Watched::new(&settings);
        let (link, peer) = watched.link(&settings, 3);
        let hub = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                for number in 0..4 {
                    push(&link, frame('h', number));
                }
            })
        };
        let frame = CloseFrame::of(CloseCode::from(4001));
        let is_first = link.start_close(frame.clone()).unwrap();
        let received = is_first.then_some(frame);
        assert_eq!(link.close_frame(), received);
        hub.join().unwrap();
        assert_eq!(link.close_frame(), received);
        if link.send_queue.disconnect_reason().is_none() {
            while !matches!(frames(&peer.taken(), true).last(), Some(Frame::Close(4001))) {
                peer.read();
            }
        }
        watched.stop();
    });
}
