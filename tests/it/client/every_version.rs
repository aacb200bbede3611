//! Claims that hold for every version, against Stentor's own server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stentor::protocol::framing::Framing;
use stentor::protocol::{Event, Initiator, State};
use stentor::server::CloseReport;
use stentor::{Accept, CloseCode, Connector, Error, Message, Received, Reply, Server, Version};

use super::{open, url};
use crate::support::{Loopback, becomes, eventually};

#[test]
fn every_message_comes_back_as_it_was() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        assert_eq!((socket.version(), socket.state()), (version, State::Ready));
        let mut texts = vec![String::new(), "\0".to_owned(), "grüße 🦀".to_owned()];
        texts.extend([125, 126, 65_535, 65_536, 1 << 20].map(|len| "x".repeat(len)));
        for text in texts {
            socket.send(&text).unwrap();
            let received = socket.recv().unwrap();
            assert_eq!(received, Some(Message::from(text)), "{version}");
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        match (version.framing(), socket.send(bytes.clone())) {
            (Framing::Hybi, Ok(())) => {
                assert_eq!(socket.recv().unwrap(), Some(Message::from(bytes)));
            }
            (Framing::Hixie, Err(Error::Send(_))) => {}
            (_, sent) => panic!("{version}: {sent:?}"),
        }
    }
}

#[test]
fn what_was_sent_together_arrives_in_order() {
    const COUNT: u64 = 1000;
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        for number in 0..COUNT {
            socket.send(number.to_string()).unwrap();
        }
        for number in 0..COUNT {
            let received = socket.recv().unwrap();
            assert_eq!(received, Some(number.to_string().into()), "{version}");
        }
        let stats = socket.stats();
        assert_eq!((stats.messages_in, stats.messages_out), (COUNT, COUNT));
        assert!(stats.bytes_in > 3 * COUNT && stats.bytes_out > 3 * COUNT);
    }
}

#[test]
fn our_close_is_clean_on_both_sides() {
    for version in Version::ALL {
        let departures: Arc<Mutex<Vec<CloseReport>>> = Arc::default();
        let seen = Arc::clone(&departures);
        let builder =
            Server::builder().on_close(move |gone| seen.lock().unwrap().push(gone.clone()));
        let server = Loopback::echo(builder);
        let mut socket = open(&server, version);
        socket.close(CloseCode::new(4000), "enough").unwrap();
        assert!(matches!(socket.send("more"), Err(Error::Closed)));
        assert_eq!(socket.recv().unwrap(), None, "{version}");
        let closed = socket.closed().unwrap().clone();
        assert_eq!((closed.initiator, closed.clean), (Initiator::Us, true));
        drop(socket);
        server.wait_until_empty();
        let gone = departures.lock().unwrap().pop().unwrap();
        assert_eq!(gone.disconnect_reason, None, "{version}");
        assert_eq!(gone.closed.initiator, Initiator::Peer, "{version}");
        assert!(gone.closed.clean, "{version}: {gone}");
        let code = if version.has_close_codes() {
            4000
        } else {
            1005
        };
        assert_eq!(gone.closed.code.get(), code, "{version}");
        assert_eq!(gone.target, "/chat?room=1");
    }
}

#[test]
fn dropping_sends_a_close_frame() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        drop(open(&server, version));
    }
    let counters = server.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
    // 1006 would stand for a missing close frame.
    let codes: Vec<_> = counters.closes.into_iter().collect();
    assert_eq!(codes, [(1000, 3), (1005, 2)]);
}

#[test]
fn the_servers_close_frame_is_received() {
    let server = Loopback::run(Server::builder(), |client| {
        client.send("that was all")?;
        client.close(CloseCode::GOING_AWAY, "see you")?;
        Ok(())
    });
    for version in Version::ALL {
        let mut socket = open(&server, version);
        let last = socket.recv().unwrap();
        assert_eq!(last, Some("that was all".into()), "{version}");
        assert_eq!(socket.recv().unwrap(), None, "{version}");
        assert_eq!(socket.recv().unwrap(), None, "it is final");
        let closed = socket.closed().unwrap();
        assert_eq!((closed.initiator, closed.clean), (Initiator::Peer, true));
        if version.has_close_codes() {
            assert_eq!(closed.code, CloseCode::GOING_AWAY);
            assert_eq!(closed.reason, "see you");
        }
    }
    let counters = server.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn pings_are_answered_and_pongs_are_shown() {
    let server = Loopback::run(Server::builder(), |client| {
        client.ping(b"there?")?;
        while let Some(event) = client.recv_event()? {
            if event == Event::Pong(b"there?".to_vec()) {
                client.send("so you are")?;
            }
        }
        Ok(())
    });
    for version in Version::ALL {
        if !version.has_ping() {
            continue;
        }
        let mut socket = open(&server, version);
        socket.ping(b"and you?").unwrap();
        let mut received: Vec<_> = (0..3)
            .map(|_| socket.recv_event().unwrap().unwrap())
            .collect();
        let ping = received.remove(0);
        assert_eq!(ping, Event::Ping(b"there?".to_vec()), "{version}");
        // The two replies may overtake each other.
        assert!(received.contains(&Event::Pong(b"and you?".to_vec())));
        assert!(received.contains(&Event::Message("so you are".into())));
    }
    for version in [Version::Draft75, Version::Draft76] {
        let echo = Loopback::echo(Server::builder());
        let pinged = open(&echo, version).ping(b"");
        assert!(matches!(pinged, Err(Error::Send(_))), "{version}");
    }
}

#[test]
fn a_subprotocol_is_agreed_on() {
    let builder = Server::builder()
        .subprotocols(["chat.v1", "chat.v2"])
        .unwrap();
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let connector = Connector::new().version(version);
        let connector = connector.subprotocols(["chat.v2", "chat.v1"]).unwrap();
        let socket = connector.connect(&url(&server)).unwrap();
        assert_eq!(socket.subprotocol(), Some("chat.v2"), "{version}");
        let none = open(&server, version);
        assert_eq!(none.subprotocol(), None, "{version}");
    }
}

#[test]
fn fields_cookies_and_origin_reach_the_server_and_its_fields_come_back() {
    let builder = Server::builder().on_request(|request| {
        assert_eq!(request.cookie("session"), Some("1"));
        assert_eq!(request.cookie("theme"), Some("dark"));
        assert_eq!(request.header_str("Authorization"), Some("Bearer abc"));
        assert_eq!(request.origin(), Some("http://example.com"));
        let accept = Accept::new().header("Set-Cookie", "session=2; Secure");
        Reply::Accept(accept.unwrap())
    });
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let connector = Connector::new()
            .version(version)
            .cookie("session", "1")
            .and_then(|connector| connector.cookie("theme", "dark"))
            .and_then(|connector| connector.header("Authorization", "Bearer abc"))
            .unwrap();
        let connector = connector.origin("http://example.com").unwrap();
        let socket = connector.connect(&url(&server)).unwrap();
        let answer = socket.response();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.header_str("set-cookie"), Some("session=2; Secure"));
    }
}

#[test]
fn recv_timeout_comes_back_and_loses_nothing() {
    const MOMENT: Duration = Duration::from_millis(2);
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        assert_eq!(socket.recv_timeout(MOMENT).unwrap(), Received::Nothing);
        let long = "x".repeat(100_000);
        socket.send(&long).unwrap();
        socket.send("short").unwrap();
        let mut received = Vec::new();
        eventually("both messages", || {
            match socket.recv_timeout(Duration::ZERO).unwrap() {
                Received::Message(message) => received.push(message),
                Received::Nothing => {}
                Received::Closed => panic!("{version}: closed"),
            }
            (received.len() == 2).then_some(())
        });
        assert_eq!(received, [Message::from(long), "short".into()]);
        socket.close(CloseCode::NORMAL, "").unwrap();
        becomes(&Received::Closed, || socket.recv_timeout(MOMENT).unwrap());
    }
}

#[test]
fn the_addresses_of_both_ends_are_known() {
    let server = Loopback::echo(Server::builder());
    let socket = open(&server, Version::Rfc6455);
    assert_eq!(socket.peer().addr(), Some(server.address));
    let here = socket.local_addr().unwrap();
    let theirs = server.handle.clients()[0].peer();
    assert_eq!(theirs.addr(), Some(here));
}
