//! The connection is opened again, and the loop resumes.

use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketType};
use stentor::client::{Outage, Update};
use stentor::{Connector, DisconnectReason, Error, Reply, Server, Version};

use super::super::SOON;
use super::{LOST, Series, at_once, in_words, next, stay};
use crate::support::Loopback;

#[test]
fn a_lost_connection_is_opened_again() {
    let series = Series::run(|connections| {
        connections.next().say("one");
        connections.next().say("two");
        let mut server = connections.next();
        server.say("three");
        server.start_close(1000);
        server.expect_goodbye(1000);
    });
    let mut feed = stay(&series.url, at_once());
    let events: Vec<String> = (0..9).map(|_| next(&mut feed)).collect();
    assert_eq!(
        events,
        [
            "connected",
            "one",
            LOST,
            "connected again",
            "two",
            LOST,
            "connected again",
            "three",
            "over",
        ]
    );
    assert_eq!(feed.closed().unwrap().code.get(), 1000);
    assert_eq!(next(&mut feed), "over");
    series.join();
}

#[test]
fn a_server_that_is_not_there_yet_is_found_when_it_starts() {
    // The port is taken, but nobody listens.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().unwrap();
    let mut feed = stay(&format!("ws://{address}/"), at_once());
    for _ in 0..3 {
        match feed.recv().unwrap() {
            Some(Update::Disconnected {
                outage: Outage::Failed(Error::Io(error)),
                ..
            }) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
        assert!(feed.connection().is_none());
    }
    rustix::net::listen(&socket, 8).unwrap();
    let builder = Server::builder().listener(socket);
    let _server = Loopback::start(builder.build().unwrap(), crate::support::echo);
    let attempts = loop {
        match feed.recv().unwrap() {
            Some(Update::Connected {
                first, attempts, ..
            }) => {
                assert!(first);
                break attempts;
            }
            Some(Update::Disconnected { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(attempts > 3, "{attempts}");
    feed.send("hello").unwrap();
    assert_eq!(next(&mut feed), "hello");
}

#[test]
fn every_version_connects_again() {
    let server = Loopback::run(Server::builder(), |client| {
        let message = client.recv()?;
        client.send(format!("{message:?}"))?;
        // Not final: with 1000, the client would stay away.
        client.close(stentor::CloseCode::SERVICE_RESTART, "")?;
        while client.recv()?.is_some() {}
        Ok(())
    });
    for version in Version::ALL {
        let url = format!("ws://{}/", server.address);
        let connector = Connector::new().version(version);
        let mut feed = connector.stay_connected(&url, at_once()).unwrap();
        for round in 0..3 {
            assert!(next(&mut feed).starts_with("connected"), "{version}");
            assert_eq!(feed.connection().unwrap().version(), version);
            feed.send(format!("round {round}")).unwrap();
            let echo = next(&mut feed);
            assert!(
                echo.contains(&format!("round {round}")),
                "{version}: {echo}"
            );
            let outage = next(&mut feed);
            assert!(outage.starts_with("closed"), "{version}: {outage}");
        }
    }
}

#[test]
fn a_server_that_becomes_silent_is_left() {
    let series = Series::run(|connections| {
        let mut silent = connections.next();
        let mut server = connections.next();
        server.say("still here");
        server.start_close(1000);
        silent.expect(0x89, b"");
    });
    let connector = Connector::new()
        .ping_interval(Some(SOON))
        .pong_timeout(SOON);
    let mut feed = connector.stay_connected(&series.url, at_once()).unwrap();
    assert_eq!(next(&mut feed), "connected");
    match feed.recv().unwrap() {
        Some(Update::Disconnected {
            outage: Outage::Failed(Error::Disconnected(DisconnectReason::PongTimeout)),
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "still here");
    assert_eq!(next(&mut feed), "over");
    series.join();
}

#[test]
fn a_server_that_breaks_the_protocol_is_connected_to_again() {
    let series = Series::run(|connections| {
        // A frame with a reserved opcode.
        connections.next().frame(0x83, b"");
        connections.next().say("well");
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    assert!(next(&mut feed).starts_with("protocol error"));
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "well");
    series.join();
}

#[test]
fn a_wait_with_a_timeout_loses_nothing() {
    let series = Series::run(|connections| {
        let mut request = connections.next_request();
        std::thread::sleep(SOON);
        request.accept("");
        std::thread::sleep(SOON);
        request.say("late");
        request.start_close(1000);
        request.expect_goodbye(1000);
    });
    let mut feed = stay(&series.url, at_once());
    let mut events = Vec::new();
    let mut nothing = 0;
    while events.last().is_none_or(|event| event != "over") {
        match in_words(feed.recv_timeout(super::MILLISECOND).unwrap()).as_str() {
            "nothing" => nothing += 1,
            event => events.push(event.to_owned()),
        }
    }
    assert_eq!(events, ["connected", "late", "over"]);
    assert!(nothing > 0);
    series.join();
}

#[test]
fn another_token_is_used_from_the_next_attempt_on() {
    let builder = Server::builder().on_request(|request| match request.header_str("X-Token") {
        Some("fresh") => Reply::accept(),
        _ => Reply::reject(401, "an old token"),
    });
    let server = Loopback::run(builder, |client| {
        let target = client.request().target().to_owned();
        client.send(target)?;
        Ok(())
    });
    let url = |path| format!("ws://{}/{path}", server.address);
    let with = |token| Connector::new().header("X-Token", token).unwrap();
    let mut feed = with("old").stay_connected(&url("a"), at_once()).unwrap();
    let error = feed.recv().unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    assert!(feed.set_connector(&with("fresh"), "http://b").is_err());
    feed.set_connector(&with("fresh"), &url("b")).unwrap();
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "/b");
    assert_eq!(next(&mut feed), "over");
}
