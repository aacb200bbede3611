//! The chat example as a process, and its reactions to signals.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use stentor::Version;

use crate::support::{Chat, Heard, Peer, eventually};

const REASON: &str = "the server is going down";

/// Returns a member of the room that has received the welcome.
fn join(chat: &Chat, version: Version) -> Peer {
    let mut peer = Peer::open(chat.address, version);
    peer.say(&format!(r#"{{"type":"join","name":"{version}"}}"#));
    assert!(peer.hear_text().contains("welcome"));
    peer
}

fn send(signal: Signal, chat: &Chat) {
    kill_process(Pid::from_child(&chat.child), signal).unwrap();
}

fn end(chat: &mut Chat) -> ExitStatus {
    eventually("the end of the chat", || chat.child.try_wait().unwrap())
}

/// Expects the close frame; messages before it, that others joined or left, are skipped.
fn expect_goodbye(peer: &mut Peer) {
    loop {
        match peer.hear() {
            Heard::Text(_) => {}
            Heard::End => return assert_eq!(peer.version, Version::Draft75),
            Heard::Marker => return assert_eq!(peer.version, Version::Draft76),
            Heard::Close(code, reason) => {
                return assert_eq!((code, reason.as_str()), (1001, REASON), "{}", peer.version);
            }
            other => panic!("{}: {other:?}", peer.version),
        }
    }
}

#[test]
fn one_signal_closes_every_client_and_ends_the_chat_cleanly() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut chat = Chat::start(&[]);
        let mut peers = Version::ALL.map(|version| join(&chat, version));
        send(signal, &chat);
        for peer in &mut peers {
            expect_goodbye(peer);
            peer.start_close(1001, "");
        }
        for peer in &mut peers {
            peer.expect_end();
        }
        drop(peers);
        assert!(end(&mut chat).success(), "{signal:?}");
    }
}

#[test]
fn the_second_signal_ends_the_chat_at_once() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut chat = Chat::start(&[]);
        // They receive the close frame, and do not answer.
        let mut peers = Version::ALL.map(|version| join(&chat, version));
        send(signal, &chat);
        peers.iter_mut().for_each(expect_goodbye);
        let since = Instant::now();
        send(signal, &chat);
        assert_eq!(end(&mut chat).code(), Some(code));
        // Far less than their timeout of five seconds.
        assert!(since.elapsed() < Duration::from_secs(3));
    }
}
