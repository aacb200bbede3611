//! The chat example as a process, and its reactions to signals.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use stentor::Version;

use crate::support::{Heard, Peer, ROOT, eventually};

const REASON: &str = "the server is going down";

/// The chat; killed when this is dropped.
pub(crate) struct Chat {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// An example, built as this test was, and once: cargo does that by itself only where it runs all tests.
pub(crate) fn build(example: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = built
        .entry(example)
        .or_insert_with(|| build_with_cargo(example));
    path.clone()
}

fn build_with_cargo(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(|deps| deps.parent()).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", example, "--target-dir"]);
    cargo.arg(profile.parent().unwrap());
    // The variables that cargo sets for this test would be new to build scripts, and everything
    // that depends on them would be compiled anew.
    let of_this_test =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| of_this_test(name)) {
        cargo.env_remove(name);
    }
    for (feature, is_on) in [
        ("deflate", cfg!(feature = "deflate")),
        ("systemd", cfg!(feature = "systemd")),
        ("tls", cfg!(feature = "tls")),
        ("self-signed", cfg!(feature = "self-signed")),
    ] {
        // The examples in a crate of their own use none.
        if is_on && !example.starts_with("embed_") {
            cargo.args(["--features", feature]);
        }
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(ROOT).status();
    assert!(built.unwrap().success());
    profile.join("examples").join(example)
}

impl Chat {
    /// Starts it on a port of its own, with `options`, which come first.
    pub(crate) fn start(options: &[String]) -> Chat {
        let mut child = Command::new(build("chat"))
            .args(options)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        // The port is the last address that it listens on.
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once("://")?;
            address.trim_end_matches('/').parse().ok()
        });
        Chat {
            child,
            address: address.expect("a port"),
        }
    }

    /// Returns a member of the room that has received the welcome.
    fn join(&self, version: Version) -> Peer {
        let mut peer = Peer::open(self.address, version);
        peer.say(&format!(r#"{{"type":"join","name":"{version}"}}"#));
        assert!(peer.hear_text().contains("welcome"));
        peer
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        eventually("the end of the chat", || self.child.try_wait().unwrap())
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
        let mut peers = Version::ALL.map(|version| chat.join(version));
        chat.signal(signal);
        for peer in &mut peers {
            expect_goodbye(peer);
            peer.start_close(1001, "");
        }
        for peer in &mut peers {
            peer.expect_end();
        }
        drop(peers);
        assert!(chat.end().success(), "{signal:?}");
    }
}

#[test]
fn the_second_signal_ends_the_chat_at_once() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut chat = Chat::start(&[]);
        // They receive the close frame, and do not answer.
        let mut peers = Version::ALL.map(|version| chat.join(version));
        chat.signal(signal);
        peers.iter_mut().for_each(expect_goodbye);
        let since = Instant::now();
        chat.signal(signal);
        assert_eq!(chat.end().code(), Some(code));
        // Far less than their timeout of five seconds.
        assert!(since.elapsed() < Duration::from_secs(3));
    }
}
