//! The user's code may panic wherever it is called: that costs one client at most.

use std::error::Error;
use std::fmt;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use stentor::{Reply, Server, Version};

use crate::support::{Head, Loopback, PATIENCE, ask, becomes, echo, hush, panic_when_told};

#[test]
fn a_handler_that_panics_ends_its_one_client() {
    hush("panicking on purpose");
    let server = Loopback::run(Server::builder(), panic_when_told);
    let mut others = server.open_all();
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        peer.say("panic");
        peer.answer_goodbye(1011, "");
        for other in &mut others {
            other.expect_echo("still here");
        }
        server.open(version).expect_echo("and new ones come in");
    }
    becomes(&5, || server.handle.counters().failed_handlers);
    becomes(&Some(5), || {
        server.handle.counters().closes.get(&1011).copied()
    });
}

/// A value that panics once more when it is dropped.
#[derive(Debug)]
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic_any(Shrapnel);
    }
}

/// And so does the payload of that panic.
struct Shrapnel;

impl Drop for Shrapnel {
    fn drop(&mut self) {
        panic!("panicking on purpose");
    }
}

impl fmt::Display for Grenade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing on purpose")
    }
}

impl Error for Grenade {}

#[test]
fn a_panic_payload_may_panic_itself() {
    hush("panicking on purpose");
    let builder = Server::builder().on_close(|_| panic_any(Grenade));
    let mut server = Loopback::run(builder, |client| match client.recv()? {
        Some(message) if message.as_text() == Some("fail") => Err(Grenade.into()),
        _ => panic_any(Grenade),
    });
    for version in Version::ALL {
        for thrown in ["fail", "panic"] {
            let mut peer = server.open(version);
            peer.say(thrown);
            peer.answer_goodbye(1011, "");
        }
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.failed_handlers, 10);
    server.handle.shutdown(PATIENCE);
    server.join();
}

#[test]
fn a_handler_that_panics_leaves_its_rooms() {
    hush("panicking on purpose");
    let server = Loopback::run(Server::builder(), |client| {
        client.join("lobby");
        panic_when_told(client)
    });
    let mut peers = server.open_all();
    server.wait_for_members("lobby", 5);
    for (left, peer) in peers.iter_mut().enumerate() {
        peer.say("panic");
        server.wait_for_members("lobby", 4 - left);
    }
}

#[test]
fn an_on_request_that_panics_answers_500() {
    hush("panicking on purpose");
    let builder = Server::builder().on_request(|request| {
        assert_ne!(request.path(), "/panic", "panicking on purpose");
        Reply::accept()
    });
    let server = Loopback::run(builder, echo);
    for version in Version::ALL {
        let head = Head::of(version).line("GET /panic HTTP/1.1");
        assert_eq!(
            ask(server.address, &head.bytes()).status(),
            500,
            "{version}"
        );
        server.open(version).expect_echo("hello");
    }
}

#[test]
fn an_on_close_that_panics_affects_no_client() {
    hush("panicking on purpose");
    let server = Loopback::run(
        Server::builder().on_close(|_| panic!("panicking on purpose")),
        echo,
    );
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        peer.leave();
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.failed_handlers, 0);
}

#[test]
fn an_on_state_that_panics_affects_no_client() {
    hush("panicking on purpose");
    let server = Loopback::run(
        Server::builder().on_state(|_, _| panic!("panicking on purpose")),
        echo,
    );
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        peer.leave();
    }
    server.wait_until_empty();
}

#[test]
fn a_server_whose_handlers_panic_during_its_shutdown_still_ends() {
    hush("panicking on purpose");
    static STOPPED: AtomicBool = AtomicBool::new(false);
    let mut server = Loopback::run(Server::builder(), |client| {
        while client.recv()?.is_some() {}
        STOPPED.store(true, SeqCst);
        panic!("panicking on purpose");
    });
    let mut peers = server.open_all();
    server.handle.shutdown(PATIENCE);
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    drop(peers);
    server.join();
    assert!(STOPPED.load(SeqCst));
}
