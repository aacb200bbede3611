//! The library's own log at the level trace, pasted into the program. In a process of its own, since the
//! logger and its level are the process's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics is a test that fails"
)]

#[path = "terminal/support.rs"]
#[allow(dead_code, reason = "what the other tests use of it is not used here")]
mod support;

use std::sync::{Mutex, PoisonError};
use std::thread;

use log::{LevelFilter, Log, Metadata, Record};
use stentor::{Connector, Server, Version};

use support::run;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("[{} {}] {}", record.level(), record.target(), record.args());
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn flush(&self) {}
}

/// A server and a client of each version say hello to each other; then the client leaves.
fn converse(version: Version) {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    let running = thread::spawn(move || {
        server.run(|client| {
            while let Some(message) = client.recv()? {
                client.send(message)?;
            }
            Ok(())
        })
    });
    let mut socket = Connector::new().version(version).connect(&url).unwrap();
    for text in ["Hello".to_owned(), "x".repeat(300)] {
        socket.send(text.as_str()).unwrap();
        assert_eq!(socket.recv().unwrap(), Some(text.as_str().into()));
    }
    drop(socket);
    handle.shutdown(std::time::Duration::from_secs(5));
    running.join().unwrap().unwrap();
}

#[test]
fn each_header_in_the_log_is_explained() {
    log::set_logger(&Lines).unwrap();
    log::set_max_level(LevelFilter::Trace);
    for (version, name) in [
        (Version::Rfc6455, "13"),
        (Version::Hybi08, "8"),
        (Version::Hybi07, "7"),
        (Version::Draft76, "76"),
        (Version::Draft75, "75"),
    ] {
        LINES.lock().unwrap().clear();
        converse(version);
        let lines = LINES.lock().unwrap().clone();
        let of_server = |line: &&String| line.contains("client ") && line.contains(" frame ");
        let of_server: Vec<&String> = lines.iter().filter(of_server).collect();
        // Two messages in each direction, and what closes the connection.
        assert!(of_server.len() >= 4, "{version}: {lines:#?}");
        // The whole log is pasted: all other lines are left out.
        let ran = run(&["-q", "--as", name], lines.join("\n").as_bytes());
        let text = ran.expect(0);
        let frames = lines.iter().filter(|line| line.contains(" frame "));
        assert_eq!(
            text.lines().count(),
            frames.count(),
            "{version}: {lines:#?}\n{text}"
        );
        let is_hybi = matches!(
            version,
            Version::Rfc6455 | Version::Hybi08 | Version::Hybi07
        );
        for (words, count) in [
            ("text, whole, masked, 5 bytes", 2),
            ("text, whole, not masked, 5 bytes", 2),
            ("text, whole, masked, 300 bytes", 2),
            ("text, whole, not masked, 300 bytes", 2),
        ] {
            let expected = if is_hybi { count } else { 0 };
            assert_eq!(text.matches(words).count(), expected, "{version}: {text}");
        }
        if !is_hybi {
            assert_eq!(
                text.matches("text, 0 bytes").count(),
                8,
                "{version}: {text}"
            );
        }
    }
}
