//! A logger is the user's code, and runs on every thread of the library: one that panics on each of
//! its lines costs these lines and nothing else. In a process of its own, since so is the logger.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics is a test that fails"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "what the other tests use of it is not used here"
)]
#[path = "it/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use stentor::{Connector, DisconnectReason, Error, Server, Version};

use support::{
    Loopback, PATIENCE, Script, ask, becomes, dial, echo, eventually, hush, panic_when_told,
    read_answer,
};

/// A timeout that expires in these tests.
const SHORT: Duration = Duration::from_millis(150);
/// Far behind the end of a test.
const LONG: Duration = Duration::from_secs(600);

/// The names of the threads on which it has panicked, with the line it was to log.
static PANICKED: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

struct Full;

impl Log for Full {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let thread = thread::current().name().unwrap_or("unnamed").to_owned();
        let line = record.args().to_string();
        let mut panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
        panicked.insert((thread, line));
        drop(panicked);
        panic!("no room left for the log");
    }

    fn flush(&self) {}
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        hush("no room left for the log");
        hush("panicking on purpose");
        log::set_logger(&Full).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// Waits until the logger has panicked on that thread, on a line with these words.
fn wait_for_panic(thread: &str, words: &str) {
    eventually("a line of the log", || {
        let panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = panicked.iter();
        let found = lines.any(|(name, line)| name == thread && line.contains(words));
        found.then_some(())
    });
}

#[test]
fn a_logger_that_panics_does_not_end_the_watchdogs_timeouts() {
    install();
    let builder = Server::builder()
        .ping_interval(Some(Duration::from_millis(20)))
        .pong_timeout(LONG);
    let server = Loopback::echo(builder.handshake_timeout(SHORT));
    let mut peers = server.open_all();
    wait_for_panic("stentor watchdog", "ping");
    for _ in 0..2 {
        let mut silent = dial(server.address);
        assert_eq!(read_answer(&mut silent).status(), 408);
    }
    server.handle.broadcast("to all");
    for peer in &mut peers {
        peer.expect_text_after_pings("to all");
    }
}

#[test]
fn a_logger_that_panics_does_not_stop_clients_from_connecting_or_leaving() {
    install();
    let builder = Server::builder().max_clients(5);
    let mut server = Loopback::run(builder, panic_when_told);
    for _ in 0..2 {
        let mut peers = server.open_all();
        // The listener itself sends this response.
        assert_eq!(ask(server.address, b"").status(), 503);
        wait_for_panic("unnamed", "turned away with 503");
        for peer in &mut peers[..4] {
            peer.expect_echo("hello");
            peer.leave();
        }
        peers[4].say("panic");
        peers[4].answer_goodbye(1011, "");
        drop(peers);
        wait_for_panic("client thread", "handler failed");
        // Each client has freed its place.
        server.wait_until_empty();
    }
    let mut last = server.open(Version::Rfc6455);
    last.expect_echo("hello");
    server.handle.shutdown(PATIENCE);
    last.answer_goodbye(1001, "the server is going down");
    drop(last);
    server.join();
    wait_for_panic("unnamed", "stopped; all clients of");
}

#[test]
fn a_logger_that_panics_does_not_end_the_timeouts_of_clients() {
    install();
    for _ in 0..2 {
        let script = Script::run(|mut server| {
            server.accept("");
            let _ = std::io::copy(&mut server.stream, &mut std::io::sink());
        });
        let connector = Connector::new()
            .ping_interval(Some(Duration::from_millis(20)))
            .pong_timeout(SHORT);
        let mut socket = connector.connect(&script.url).unwrap();
        let disconnected = socket.recv();
        assert!(
            matches!(
                disconnected,
                Err(Error::Disconnected(DisconnectReason::PongTimeout))
            ),
            "{disconnected:?}"
        );
        drop(socket);
        script.join();
    }
    wait_for_panic("stentor watchdog", "ping");
}

/// A second panic that leaves a destructor would end the process.
#[test]
fn a_logger_that_panics_in_the_middle_of_a_panic_does_not_end_the_process() {
    install();
    let server = Loopback::run(Server::builder(), echo);
    let url = format!("ws://{}/", server.address);
    for version in Version::ALL {
        let connector = Connector::new().version(version);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut socket = connector.connect(&url).unwrap();
            socket.send("hello").unwrap();
            assert!(socket.recv().unwrap().is_none(), "panicking on purpose");
        }));
        assert!(ended.is_err());
    }
    becomes(&0, || server.handle.counters().connections);
}
