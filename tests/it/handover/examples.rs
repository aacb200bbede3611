//! The examples in `examples/embed`, as processes: Stentor inside three other HTTP servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stentor::{Connector, Message, Received, Version, WebSocket};

use crate::support::{Head, Heard, PATIENCE, Peer, build, dial};

/// A running example; killed when this is dropped.
struct Example {
    child: Child,
    address: SocketAddr,
    /// A client receives only after it has sent something.
    polls: bool,
}

impl Example {
    fn start(name: &'static str) -> Example {
        let mut child = Command::new(build(name))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let (_, address) = line.trim_end().split_once("://").expect("an address");
        Example {
            child,
            address: address.trim_end_matches('/').parse().unwrap(),
            polls: name == "embed_tiny_http",
        }
    }

    /// Requests something, and returns the whole response.
    fn ask(&self, request: &str) -> String {
        let mut stream = dial(self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn expect_page(&self) {
        let page = self.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.contains("new WebSocket"), "{page}");
    }

    fn open(&self, version: Version) -> Peer {
        let head = Head::of(version).line("GET /chat HTTP/1.1");
        Peer::open_with(self.address, version, &head)
    }

    fn connect(&self, version: Version) -> WebSocket {
        let connector = Connector::new().version(version);
        connector
            .connect(&format!("ws://{}/chat", self.address))
            .unwrap()
    }

    /// Returns the next message of the room.
    fn next(&self, peer: &mut Peer) -> String {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.polls {
                peer.say("");
            }
            match peer.hear_within(Duration::from_millis(100)) {
                Some(Heard::Text(text)) => return text,
                None => {}
                other => panic!("{}: {other:?}", peer.version),
            }
        }
        panic!("{}: nothing", peer.version);
    }

    fn next_of(&self, socket: &mut WebSocket) -> String {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.polls {
                socket.send("").unwrap();
            }
            match socket.recv_timeout(Duration::from_millis(100)).unwrap() {
                Received::Message(message) => return text_of(&message),
                Received::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("nothing");
    }

    /// One client of each version: all receive what each of them sends.
    fn chat(&self, versions: &[Version], own: &[Version]) {
        let mut peers: Vec<Peer> = Vec::new();
        for version in versions {
            let mut peer = self.open(*version);
            // It is in the room before it receives its own message.
            peer.say("here");
            assert_eq!(self.next(&mut peer), "here");
            for earlier in &mut peers {
                assert_eq!(self.next(earlier), "here");
            }
            peers.push(peer);
        }
        for version in own {
            let mut socket = self.connect(*version);
            socket.send("hello").unwrap();
            assert_eq!(self.next_of(&mut socket), "hello");
            for peer in &mut peers {
                assert_eq!(self.next(peer), "hello", "{}", peer.version);
            }
        }
        self.expect_page();
        let mut leaving = peers.pop().unwrap();
        leaving.leave();
        peers[0].say("still here");
        for peer in &mut peers {
            assert_eq!(self.next(peer), "still here", "{}", peer.version);
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text_of(message: &Message) -> String {
    message.as_text().expect("text").to_owned()
}

const WITHOUT_VERSION: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n";

#[test]
fn a_hand_rolled_server_hands_its_streams_over() {
    let example = Example::start("embed_own_server");
    example.expect_page();
    example.chat(&Version::ALL, &Version::ALL);
    let rejected = example.ask(WITHOUT_VERSION);
    assert!(rejected.starts_with("HTTP/1.1 426 "), "{rejected}");
}

#[test]
fn touche_gives_its_streams_away() {
    let example = Example::start("embed_touche");
    example.expect_page();
    let versions = [
        Version::Draft75,
        Version::Hybi07,
        Version::Hybi08,
        Version::Rfc6455,
    ];
    example.chat(&versions, &versions[1..]);
    let rejected = example.ask(&WITHOUT_VERSION.replace("Upgrade\r\n", "Upgrade, close\r\n"));
    assert!(rejected.starts_with("HTTP/1.1 426 "), "{rejected}");
    assert!(rejected.contains("13"), "{rejected}");
    // The library has read draft-76's last bytes with the header block, and drops them.
    let mut stream = dial(example.address);
    let head = Head::of(Version::Draft76).line("GET /chat HTTP/1.1");
    stream.write_all(&head.bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    assert!(response.ends_with(b"\r\n\r\n"), "no proof");
}

#[test]
fn tiny_http_lends_its_streams() {
    let example = Example::start("embed_tiny_http");
    example.expect_page();
    example.chat(&Version::ALL, &[Version::Draft76, Version::Rfc6455]);
    let rejected = example.ask(&WITHOUT_VERSION.replace("Upgrade\r\n", "Upgrade, close\r\n"));
    assert!(rejected.starts_with("HTTP/1.1 426 "), "{rejected}");
}
