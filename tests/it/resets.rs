//! A connection that TCP resets, at every point of its life: that costs this one client, and
//! affects no other.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rustix::net::sockopt;
use stentor::protocol::Initiator;
use stentor::{Client, CloseCode, DisconnectReason, Error, HandlerResult, Server, Version};

use crate::support::{Head, Loopback, PATIENCE, Peer, becomes, dial, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Connected,
    InTheHead,
    BeforeKey3,
    Open,
    InAMessage,
    /// The handler is busy, and only then sends something.
    HandlerBusy,
    /// The handler waits for the client to read.
    NotReading,
    /// The server has sent its close frame, and the client has not answered.
    ToldGoodbye,
    /// The client has sent its close frame, been answered, and not closed TCP.
    Parted,
}

const MOMENTS: [When; 9] = [
    When::Connected,
    When::InTheHead,
    When::BeforeKey3,
    When::Open,
    When::InAMessage,
    When::HandlerBusy,
    When::NotReading,
    When::ToldGoodbye,
    When::Parted,
];

/// Executes the peer's commands; echoes everything else.
fn obey(client: &mut Client, go_on: &Receiver<()>) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some("be busy") => {
                client.send("busy")?;
                go_on.recv()?;
                client.send("no longer busy")?;
            }
            Some("say much") => client.send("x".repeat(8_000_000))?,
            _ => client.send(message)?,
        }
    }
    Ok(())
}

fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Brings a client to that point; `None` if its version does not have it.
fn bring(server: &Loopback, version: Version, when: When) -> Option<TcpStream> {
    let head = Head::of(version).bytes();
    match when {
        When::Connected => return Some(dial(server.address)),
        When::InTheHead => {
            let mut stream = dial(server.address);
            stream.write_all(&head[..head.len() / 2]).unwrap();
            return Some(stream);
        }
        When::BeforeKey3 => {
            let needs_key3 = version == Version::Draft76;
            return needs_key3.then(|| Peer::without_key3(server.address).stream);
        }
        _ => {}
    }
    let mut peer = server.open(version);
    peer.expect_echo("hello");
    match when {
        When::InAMessage => {
            let message = text(version, &"x".repeat(1000));
            peer.write(&message[..500]);
        }
        When::HandlerBusy => {
            peer.say("be busy");
            peer.expect_text("busy");
        }
        When::NotReading => {
            peer.say("say much");
            // The first byte of the reply.
            peer.stream.peek(&mut [0]).unwrap();
        }
        When::ToldGoodbye => {
            let client = server.client(&peer);
            client.close(CloseCode::NORMAL, "").unwrap();
            peer.expect_goodbye(1000, "");
        }
        When::Parted => {
            peer.start_close(1000, "");
            peer.expect_goodbye(1000, "");
        }
        _ => {}
    }
    Some(peer.stream)
}

#[test]
fn a_reset_at_any_point_affects_only_its_own_client() {
    let (go_on, told) = crossbeam_channel::unbounded();
    let server = Loopback::run(Server::builder(), move |client| obey(client, &told));
    let mut others = server.open_all();
    server.wait_for_members("lobby", others.len());
    let mut opened = others.len() as u64;
    for version in Version::ALL {
        for when in MOMENTS {
            let Some(stream) = bring(&server, version, when) else {
                continue;
            };
            match when as u8 >= When::Open as u8 {
                true => opened += 1,
                // It may not have been accepted yet.
                false => becomes(&(others.len() + 1), || server.handle.counters().connections),
            }
            reset(stream);
            if when == When::HandlerBusy {
                go_on.send(()).unwrap();
            }
            becomes(&others.len(), || server.handle.counters().connections);
            server.handle.room("lobby").broadcast("still here");
            for other in &mut others {
                other.expect_text("still here");
                other.expect_echo(&format!("{version} {when:?}"));
            }
        }
    }
    others.iter_mut().for_each(Peer::leave);
    let counters = server.wait_until_empty();
    assert_eq!(counters.opened.values().sum::<u64>(), opened);
    assert_eq!(counters.closes.values().sum::<u64>(), opened);
    assert_eq!(counters.failed_handlers, 0);
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

/// Draft-75's only closing handshake is the end of TCP. A reset is different: bytes were lost.
#[test]
fn a_reset_is_not_a_clean_close() {
    let (departed, departures) = crossbeam_channel::unbounded();
    let builder = Server::builder().on_close(move |report| {
        let closed = &report.closed;
        let code = closed.code.get();
        departed
            .send((code, closed.initiator, closed.clean))
            .unwrap();
    });
    let (ended, ends) = crossbeam_channel::unbounded();
    let server = Loopback::run(builder, move |client| {
        let end = loop {
            match client.recv() {
                Ok(Some(message)) => client.send(message)?,
                Ok(None) => break "in good order",
                Err(Error::Disconnected(DisconnectReason::EndOfStream)) => break "lost",
                Err(error) => return Err(error.into()),
            }
        };
        ended.send(end)?;
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        reset(peer.stream);
        let report = departures.recv_timeout(PATIENCE).unwrap();
        assert_eq!(report, (1006, Initiator::Nobody, false), "{version}");
        let expected = match version {
            // Browsers of draft-76 left without a close frame.
            Version::Draft76 => "in good order",
            _ => "lost",
        };
        assert_eq!(ends.recv_timeout(PATIENCE), Ok(expected), "{version}");
    }
}
