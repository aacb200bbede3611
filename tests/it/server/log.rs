//! The log, which no peer can flood: a few lines of each kind, and a summary of the rest.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use log::Level;
use stentor::{Server, ServerBuilder, Version};

use crate::support::{
    Head, Loopback, Peer, dial, dial_from, echo, hush, keep_logbook, logged, masked, read_answer,
    read_end,
};

/// The most lines that one kind of event has in the log before they are summed up.
const TOLD: usize = 20;

/// Runs a server to its end, so that everything to be logged is logged.
fn told(builder: ServerBuilder, offend: impl FnOnce(&Loopback)) {
    keep_logbook();
    let mut server = Loopback::run(builder, |client| match client.request().path() {
        "/panic" => panic!("a mistake in a handler"),
        _ => echo(client),
    });
    offend(&server);
    server.wait_until_empty();
    server.handle.shutdown(std::time::Duration::ZERO);
    server.join();
}

/// Returns the level of the one line that sums up this many.
fn summed_up(kind: &str, more: usize) -> Vec<Level> {
    let sum = format!("… and {more} more like it in the last ");
    let lines = logged(&[&format!("{kind}: "), &sum]);
    lines.into_iter().map(|(level, _)| level).collect()
}

#[test]
fn rejections_are_logged_a_few_times_and_then_summed_up() {
    let builder = Server::builder().allowed_origins(["https://a.b"]).unwrap();
    told(builder, |server| {
        for version in Version::ALL.into_iter().cycle().take(TOLD + 137) {
            let head = Head::of(version).line("GET /told-when-refused HTTP/1.1");
            let mut stream = dial(server.address);
            stream.write_all(&head.bytes()).unwrap();
            assert_eq!(read_answer(&mut stream).status(), 403);
        }
        let counters = server.wait_until_empty();
        assert_eq!(counters.rejected.get("origin"), Some(&(TOLD as u64 + 137)));
    });
    assert_eq!(
        logged(&["/told-when-refused: answered with 403"]).len(),
        TOLD
    );
    assert_eq!(summed_up("requests rejected", 137), [Level::Info]);
}

#[test]
fn rejections_before_the_request_are_summed_up() {
    let own = IpAddr::V4(Ipv4Addr::new(127, 0, 71, 1));
    told(Server::builder().max_clients(0), |server| {
        for _ in 0..TOLD + 139 {
            let mut stream = dial_from(server.address, own, None);
            assert_eq!(read_answer(&mut stream).status(), 503);
        }
    });
    assert_eq!(logged(&["127.0.71.1:", "turned away"]).len(), TOLD);
    assert_eq!(summed_up("connections rejected", 139), [Level::Info]);
}

#[test]
fn protocol_errors_are_summed_up_apart_from_clean_closes() {
    told(Server::builder(), |server| {
        for version in [Version::Hybi07, Version::Hybi08, Version::Rfc6455] {
            for _ in 0..50 {
                let head = Head::of(version).line("GET /told-when-broken HTTP/1.1");
                let mut peer = Peer::open_with(server.address, version, &head);
                peer.write(&masked(0x8b, b""));
                peer.hear();
                peer.expect_end();
            }
        }
        for version in Version::ALL {
            let head = Head::of(version).line("GET /told-when-well HTTP/1.1");
            Peer::open_with(server.address, version, &head).leave();
        }
    });
    let broken = logged(&["/told-when-broken: closed after", "reserved opcode"]);
    assert_eq!(broken.len(), TOLD);
    assert_eq!(summed_up("disconnected", 150 - TOLD), [Level::Info]);
    // A flood of the one kind does not hide the other.
    assert_eq!(logged(&["/told-when-well: closed after"]).len(), 5);
}

#[test]
fn failed_handlers_and_panicking_hooks_are_summed_up() {
    hush("a mistake in a handler");
    hush("a mistake in on_close");
    let builder = Server::builder().on_close(|_| panic!("a mistake in on_close"));
    told(builder, |server| {
        for _ in 0..TOLD + 33 {
            let head = Head::of(Version::Draft75).line("GET /panic HTTP/1.1");
            let mut peer = Peer::open_with(server.address, Version::Draft75, &head);
            read_end(&mut peer.stream);
        }
        let counters = server.wait_until_empty();
        assert_eq!(counters.failed_handlers, TOLD as u64 + 33);
    });
    assert_eq!(summed_up("handlers failed", 33), [Level::Warn]);
    assert_eq!(summed_up("hooks panicked", 33), [Level::Error]);
}

/// The bytes of all lines that contain these words.
fn bytes_logged(words: &[&str]) -> usize {
    let lines = logged(words).into_iter();
    lines.map(|(_, line)| line.len()).sum()
}

#[test]
fn what_a_peer_says_is_cut_in_the_log_and_all_of_it_has_a_limit_of_bytes() {
    const EACH: usize = 60;
    let long = |start: &str| format!("/{start}{}", "\u{85}".repeat(7000));
    told(Server::builder(), |server| {
        for version in Version::ALL {
            for _ in 0..EACH {
                let line = format!("GET {} HTTP/1.1", long("long-and-closed"));
                let head = Head::of(version).line(&line);
                let mut peer = Peer::open_with(server.address, version, &head);
                peer.start_close(1000, &"\u{1b}".repeat(123));
                peer.hear();
                peer.expect_end();
            }
            for _ in 0..EACH {
                let line = format!("GET {} HTTP/1.1", long("long-and-refused"));
                let head = Head::of(version).line(&line);
                let head = head.set("Host", "\u{9b}".repeat(100));
                let mut stream = dial(server.address);
                stream.write_all(&head.bytes()).unwrap();
                assert_eq!(read_answer(&mut stream).status(), 400);
            }
        }
    });
    for (words, limit) in [
        ("/long-and-closed", 16 * 1024),
        ("/long-and-refused", 4 * 1024),
    ] {
        let lines = logged(&[words]);
        assert!(lines.len() >= 5, "{words}: {}", lines.len());
        for (_, line) in &lines {
            assert!(line.len() < 1024, "{} bytes: {line}", line.len());
            assert!(line.contains("...: "), "{line}");
        }
        // More than one server of this process may have ten seconds that are over.
        let bytes = bytes_logged(&[words]);
        assert!(bytes <= 2 * limit, "{words}: {bytes}");
    }
}

#[test]
fn an_error_of_a_handler_that_repeats_what_a_peer_said_is_cut() {
    keep_logbook();
    let mut server = Loopback::run(Server::builder(), |client| match client.recv()? {
        Some(message) => Err(message.as_text().unwrap_or_default().into()),
        None => Ok(()),
    });
    let mut peer = server.open(Version::Rfc6455);
    peer.say(&format!(
        "repeated-by-a-handler\r\n{}",
        "\u{202e}".repeat(10_000)
    ));
    peer.hear();
    peer.expect_end();
    server.wait_until_empty();
    server.handle.shutdown(std::time::Duration::ZERO);
    server.join();
    let lines = logged(&["handler failed: repeated-by-a-handler\\r\\n\\u{202e}"]);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].1.len() < 300, "{}", lines[0].1);
    assert!(lines[0].1.ends_with("..."), "{}", lines[0].1);
}
