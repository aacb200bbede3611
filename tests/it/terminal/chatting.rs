//! The terminal's client as a member of a chat room: it connects again, and prints what it has missed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use stentor::Version;

use super::{fails, start};
use crate::support::{Chat, Head, PATIENCE, Peer, eventually};

/// A client whose lines are read as it prints them.
struct Terminal {
    client: Child,
    keyboard: Option<ChildStdin>,
    lines: Receiver<String>,
    reports: Receiver<String>,
}

/// Returns the lines that a process prints, as they come.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (update, lines) = channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.try_for_each(|line| update.send(line))
    });
    lines
}

impl Terminal {
    fn start(version: &str, name: &str, address: SocketAddr, room: &str) -> Terminal {
        let url = format!("ws://{address}/{room}");
        let mut client = start(&["--as", version, "--chat", name, &url]);
        Terminal {
            keyboard: client.stdin.take(),
            lines: lines_of(client.stdout.take().unwrap()),
            reports: lines_of(client.stderr.take().unwrap()),
            client,
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("{error}: {:?}", self.client.try_wait()),
        }
    }

    /// Returns all lines up to this one.
    fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            if lines[lines.len() - 1] == wanted {
                return lines;
            }
        }
    }

    fn waits_for_an_outage(&mut self) {
        while !self
            .reports
            .recv_timeout(PATIENCE)
            .unwrap()
            .contains("next attempt in")
        {}
    }

    /// Ends the input, and expects a clean end.
    fn ends(mut self) {
        drop(self.keyboard.take());
        let status = eventually("the end of the client", || self.client.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// A TCP proxy: its connections can be cut, and new ones be refused, while the server runs on.
struct Proxy {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Its thread ends with the process of the test.
    fn before(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            address: listener.local_addr().unwrap(),
            is_open: Arc::new(AtomicBool::new(true)),
            streams: Arc::default(),
        };
        let (is_open, streams) = (Arc::clone(&proxy.is_open), Arc::clone(&proxy.streams));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut streams = streams.lock().unwrap();
                if !is_open.load(SeqCst) {
                    continue;
                }
                let upstream = TcpStream::connect(server).unwrap();
                pass_on(&client, &upstream);
                pass_on(&upstream, &client);
                streams.extend([client, upstream]);
            }
        });
        proxy
    }

    fn cut(&self) {
        let mut streams = self.streams.lock().unwrap();
        self.is_open.store(false, SeqCst);
        for stream in streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.is_open.store(true, SeqCst);
    }
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Returns a member without a terminal, which has received its welcome.
fn member(address: SocketAddr, name: &str) -> Peer {
    let head = Head::of(Version::Rfc6455).line("GET /talk HTTP/1.1");
    let mut peer = Peer::open_with(address, Version::Rfc6455, &head);
    peer.say(&json!({"type": "join", "name": name}).to_string());
    assert!(peer.hear_text().contains("welcome"));
    peer
}

fn say(peer: &mut Peer, text: &str) {
    peer.say(&json!({"type": "say", "text": text}).to_string());
    loop {
        let message: Value = serde_json::from_str(&peer.hear_text()).unwrap();
        if message["text"] == text {
            return;
        }
    }
}

#[test]
fn messages_missed_during_a_lost_connection_are_printed_once() {
    let chat = Chat::start(&[]);
    let proxy = Proxy::before(chat.address);
    let mut bob = member(chat.address, "Bob");
    let versions = ["draft-75", "draft-76", "7", "8", "13"];
    let mut terminals = versions.map(|version| {
        let name = format!("Ann {version}");
        let mut terminal = Terminal::start(version, &name, proxy.address, "talk");
        let joined = terminal.line();
        assert_eq!(joined, format!("-- joined as {name}"));
        let here = terminal.line();
        assert!(
            here.starts_with("-- here: ") && here.contains("Bob"),
            "{here}"
        );
        terminal
    });
    say(&mut bob, "before");
    for terminal in &mut terminals {
        terminal.until("Bob: before");
    }
    proxy.cut();
    for text in ["one", "two\n-- a line of its own", "three"] {
        say(&mut bob, text);
    }
    for terminal in &mut terminals {
        terminal.waits_for_an_outage();
        // The line waits for the next connection.
        terminal.types("while away");
    }
    proxy.mend();
    for (version, terminal) in versions.iter().zip(&mut terminals) {
        let own = format!("Ann {version}");
        // The other terminals return too, in any order, within the grace period or after it.
        let lines = terminal.until(&format!("{own}: while away"));
        assert_eq!(lines[0], format!("-- back as {own}"), "{lines:?}");
        let of_bob: Vec<&String> = lines.iter().filter(|line| line.contains("Bob")).collect();
        assert_eq!(of_bob, ["Bob: one", "Bob: two", "Bob: three"], "{lines:?}");
        let second: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("its own"))
            .collect();
        assert_eq!(second, ["    -- a line of its own"]);
        assert!(
            !lines.iter().any(|line| line.contains("missing")),
            "{lines:?}"
        );
    }
    say(&mut bob, "after");
    for mut terminal in terminals {
        let lines = terminal.until("Bob: after");
        assert!(!lines.iter().any(|line| line.contains("one")), "{lines:?}");
        terminal.ends();
    }
}

#[test]
fn a_line_stands_where_a_restarted_server_has_lost_messages() {
    let chat = Chat::start(&[]);
    let address = chat.address;
    let mut terminal = Terminal::start("13", "Ann", address, "talk");
    terminal.types("hello");
    terminal.until("Ann: hello");
    // Killed: the messages were in its memory.
    drop(chat);
    let _chat = Chat::start_at(&address.to_string(), &[]);
    let lines = terminal.until("-- messages may be missing here");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "-- back as Ann");
    terminal.types("again");
    let lines = terminal.until("Ann: again");
    assert!(!lines.contains(&"Ann: hello".to_owned()), "{lines:?}");
    terminal.ends();
}

#[test]
fn a_member_who_is_not_admitted_learns_why() {
    let chat = Chat::start(&[]);
    let url = format!("ws://{}/", chat.address);
    let words = fails(start(&["--chat", &"A".repeat(33), &url]));
    assert!(words.contains("33 characters"), "{words}");
    let words = fails(start(&["--chat", "Ann", &format!("{url}a.b")]));
    assert!(words.contains("404"), "{words}");
}
