//! The log at its finest level: heads in their order and without their secrets, and frames
//! with their headers in hex. In a process of its own, since the logger and its level are the process's.

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
use std::io::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use stentor::{Accept, CloseCode, Connector, Reply, Response, Server, Version};

use support::{HIXIE, HYBI, Loopback, ask, echo, eventually, masked};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

/// The targets of all lines of this process.
static TARGETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Everything;

impl Log for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        lock(&TARGETS).insert(record.target().to_owned());
        let line = (record.level(), record.args().to_string());
        lock(&LINES).push(line);
    }

    fn flush(&self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps all lines from now on. One test at a time: lines tell numbers of clients, and each server
/// counts them from one.
fn begin() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Everything).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
    let batch = lock(&ONE_AT_A_TIME);
    lock(&LINES).clear();
    batch
}

fn lines() -> Vec<String> {
    lock(&LINES).iter().map(|(_, line)| line.clone()).collect()
}

/// Returns the place of the first line with these words, once there is one.
fn place_of(words: &str) -> usize {
    eventually(words, || {
        lines().iter().position(|line| line.contains(words))
    })
}

/// A server that lets in with a secret cookie, and has a secret page.
fn secretive() -> Loopback {
    let builder = Server::builder().subprotocols(["SECRET-protocol"]).unwrap();
    let builder = builder.on_request(|request| match (request.version(), request.path()) {
        (Some(_), "/refused") => Reply::reject(403, "no"),
        (Some(_), _) => Accept::new()
            .header("Set-Cookie", "s=SECRET")
            .unwrap()
            .into(),
        (None, _) => Response::text("SECRET").into(),
    });
    Loopback::run(builder, echo)
}

#[test]
fn no_secret_of_a_request_or_an_answer_is_in_the_log() {
    let _turn = begin();
    let server = secretive();
    for version in Version::ALL {
        let connector = Connector::new()
            .version(version)
            .subprotocols(["SECRET-protocol"])
            .and_then(|connector| connector.cookie("session", "SECRET"))
            .and_then(|connector| connector.header("Authorization", "Bearer SECRET"))
            .and_then(|connector| connector.header("X-Auth-Token", "SECRET"))
            .and_then(|connector| connector.header("User-Agent", "harmless"))
            .unwrap();
        let url = format!("ws://{}/chat?token=SECRET", server.address);
        let mut socket = connector.connect(&url).unwrap();
        socket.send("hello").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("hello".into()));
        let url = format!("ws://{}/refused?token=SECRET", server.address);
        assert!(connector.connect(&url).is_err());
    }
    // The old drafts require the one that they request, and no server has it.
    for version in [Version::Draft75, Version::Draft76] {
        let unknown = Connector::new().version(version);
        let unknown = unknown.subprotocols(["SECRET-token"]).unwrap();
        let error = unknown.connect(&format!("ws://{}/other", server.address));
        let error = error.unwrap_err();
        let words = format!("{error} {error:?}");
        assert!(words.contains("subprotocol"), "{words}");
        assert!(!words.contains("SECRET"), "{words}");
    }
    let invalid =
        b"GET /other HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: SECRET token\r\n\r\n";
    assert_eq!(ask(server.address, invalid).status(), 400);
    let page = b"GET /page?token=SECRET HTTP/1.1\r\nHost: h\r\nCookie: a=SECRET\r\n\r\n";
    assert_eq!(ask(server.address, page).body, b"SECRET");
    let elsewhere = b"GET http://x/page?token=SECRET HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(ask(server.address, elsewhere).status(), 400);
    server.wait_until_empty();
    let lines = lines();
    for line in &lines {
        assert!(!line.contains("SECRET"), "{line}");
    }
    // Both sides have told all the same: the request and the answer, five times.
    for (side, words) in [
        ("client ", "< GET /chat?... HTTP/1.1"),
        ("client ", "> HTTP/1.1 101 "),
        ("connection ", "> GET /chat?... HTTP/1.1"),
        ("connection ", "< HTTP/1.1 101 "),
        ("client ", "< GET /refused?... HTTP/1.1"),
        ("client ", "> HTTP/1.1 403 "),
        ("connection ", "< HTTP/1.1 403 "),
    ] {
        let told = |line: &&String| line.starts_with(side) && line.contains(words);
        let told: Vec<_> = lines.iter().filter(told).collect();
        assert_eq!(told.len(), 5, "{side}{words}: {told:?}");
        let harmless = told
            .iter()
            .filter(|line| line.contains("User-Agent: harmless"));
        assert_eq!(harmless.count(), if words.contains("GET") { 5 } else { 0 });
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("> HTTP/1.1 200 OK") && line.ends_with("6 bytes"))
    );
}

/// The targets are documented: filters rely on them.
#[test]
fn all_lines_of_both_sides_have_one_of_three_targets() {
    let _turn = begin();
    let mut server = secretive();
    let url = |path| format!("ws://{}/{path}", server.address);
    let mut socket = stentor::connect(&url("chat")).unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
    socket.ping(b"").unwrap();
    drop(socket);
    assert!(stentor::connect(&url("refused")).is_err());
    drop(server.open(Version::Hybi08));
    server.wait_until_empty();
    server.handle.shutdown(Duration::ZERO);
    server.join();
    let targets: Vec<String> = lock(&TARGETS).iter().cloned().collect();
    assert_eq!(
        targets,
        ["stentor::client", "stentor::connection", "stentor::server"]
    );
}

#[test]
fn a_request_is_logged_before_its_answer() {
    for version in Version::ALL {
        let _turn = begin();
        let server = Loopback::echo(Server::builder());
        server.open(version).expect_echo("hello");
        let (request, answer) = (place_of("< GET /demo"), place_of("> HTTP/1.1 101"));
        assert!(request < answer, "{version}: {:#?}", lines());
    }
    let _turn = begin();
    let server = secretive();
    ask(server.address, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ask(
        server.address,
        b"GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
    );
    assert!(place_of("< GET / ") < place_of("> HTTP/1.1 200"));
    assert!(place_of("< GET /x ") < place_of("> HTTP/1.1 400"));
}

/// In both directions, with nothing between the digits.
#[test]
fn a_frames_header_is_logged_in_hex() {
    for version in HYBI {
        let _turn = begin();
        let server = Loopback::echo(Server::builder().max_message_size(100_000));
        let mut peer = server.open(version);
        peer.expect_echo("Hello");
        place_of("< frame 818537fa213d");
        place_of("> frame 8105");
        // In fragments, with a ping between them; and large ones.
        peer.write(&[masked(0x01, b"a"), masked(0x89, b"b"), masked(0x80, b"c")].concat());
        place_of("< frame 018137fa213d");
        place_of("< frame 898137fa213d");
        place_of("< frame 808137fa213d");
        place_of("> frame 8a01: b");
        place_of("> frame 8102");
        peer.send_binary(&[b'x'; 300]);
        place_of("< frame 82fe012c37fa213d");
        place_of("> frame 827e012c");
        peer.send_binary(&[b'x'; 70_000]);
        place_of("< frame 82ff000000000001117037fa213d");
        place_of("> frame 827f0000000000011170");
        // A frame that breaks a rule, too.
        peer.write(&masked(0xf1, b"x"));
        place_of("< frame f18137fa213d");
        place_of("> frame 884d: \\x03\\xeaRSV1, RSV2 and RSV3 are set");
    }
}

#[test]
fn a_clients_frames_are_logged_with_their_masks() {
    let _turn = begin();
    let server = Loopback::echo(Server::builder());
    let mut socket = stentor::connect(&format!("ws://{}/", server.address)).unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
    // Only a client's frames have masks. The other tests open connections too, in any order.
    let sent = lines()[place_of("> frame 8185")].clone();
    let (name, header) = sent.split_once(": > frame ").unwrap();
    assert!(name.contains("connection "), "{sent}");
    assert!(header.len() == 12 && header.bytes().all(|digit| digit.is_ascii_hexdigit()));
    // The server has read the very same.
    place_of(&format!("client 1: < frame {header}"));
    place_of(&format!("{name}: < frame 8105"));
    socket.sender().send("again").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("again".into()));
    let sent = lines()
        .iter()
        .filter(|line| line.contains(&format!("{name}: > frame 8185")))
        .count();
    assert_eq!(sent, 2);
}

/// Those of handles, writers and timers too: each can be pasted into `explain`.
#[test]
fn each_frame_that_a_side_sends_is_logged_with_its_header() {
    let _turn = begin();
    let builder = Server::builder().ping_interval(Some(Duration::from_millis(20)));
    let server = Loopback::run(builder, |client| {
        while let Some(message) = client.recv()? {
            client.handle().send(message)?;
            let mut writer = client.text_writer()?;
            writer.write_all(b"piece")?;
            writer.flush()?;
            writer.finish()?;
            client.ping(b"ping")?;
            client.handle().close(CloseCode::GOING_AWAY, "bye")?;
        }
        Ok(())
    });
    let mut socket = stentor::connect(&format!("ws://{}/", server.address)).unwrap();
    place_of("client 1: > frame 8900");
    socket.ping(b"abc").unwrap();
    socket.send("hello").unwrap();
    while socket.recv().unwrap().is_some() {}
    for sent in ["8105", "0105", "8000", "8904", "8805", "8a03"] {
        place_of(&format!("client 1: > frame {sent}"));
        place_of(&format!(": < frame {sent}"));
    }
    // The client's frames have masks.
    for sent in ["8983", "8185", "8882"] {
        place_of(&format!(": > frame {sent}"));
        place_of(&format!("client 1: < frame {sent}"));
    }
    // The payload of a frame that a handle sends is in no header.
    let headers = lines()
        .into_iter()
        .filter(|line| line.contains("> frame 81"));
    assert!(headers.into_iter().all(|line| !line.contains("68656c6c6f")));
}

#[test]
fn frames_of_the_old_drafts_are_logged_by_their_type() {
    for version in HIXIE {
        let _turn = begin();
        let server = Loopback::echo(Server::builder());
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        place_of("< frame 00");
        place_of("> frame 00");
        peer.write(&[0x80, 0x03, b'x', b'y', b'z']);
        peer.expect_echo("hello");
        place_of("< frame 8003");
        if version == Version::Draft76 {
            peer.start_close(1000, "");
            place_of("< frame ff00");
            place_of("> frame ff00");
        }
    }
}

/// Somebody who tries a server by hand sends just that.
#[test]
fn text_without_a_frame_gets_one_line() {
    for version in HIXIE {
        let _turn = begin();
        let server = Loopback::echo(Server::builder());
        let mut peer = server.open(version);
        for _ in 0..3 {
            peer.write(b"hello?\n\xff");
            peer.expect_echo("hello");
        }
        place_of("bytes outside of a text frame, from 0x68 on, are skipped");
        let lines = lock(&LINES).clone();
        let told = lines
            .iter()
            .filter(|(_, line)| line.contains("outside of a text frame"));
        let levels: Vec<Level> = told.map(|(level, _)| *level).collect();
        assert_eq!(levels, [Level::Debug], "{version}");
    }
}
