//! Servers that delay a client, for each event that it can wait for.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use stentor::{Connector, DisconnectReason, Error, Server, Version};

use super::{LONG, SOON, open, takes_soon, url};
use crate::support::{HYBI, Loopback, PATIENCE, Script};

fn disconnected(result: Result<impl std::fmt::Debug, Error>) -> DisconnectReason {
    match result {
        Err(Error::Disconnected(disconnect_reason)) => disconnect_reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_does_not_answer_the_request_is_disconnected() {
    // It accepts no connection; the system does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    for version in Version::ALL {
        let connector = Connector::new().version(version).handshake_timeout(SOON);
        assert_eq!(
            disconnected(takes_soon(|| connector.connect(&url))),
            DisconnectReason::HandshakeTimeout
        );
    }
}

#[test]
fn a_server_that_answers_byte_by_byte_gains_no_time() {
    let script = Script::run(|mut server| {
        let dribble = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n".iter();
        for byte in dribble.cycle() {
            if server.stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let connector = Connector::new().handshake_timeout(SOON);
    assert_eq!(
        disconnected(takes_soon(|| connector.connect(&script.url))),
        DisconnectReason::HandshakeTimeout
    );
    script.join();
}

#[test]
fn a_rejection_whose_body_does_not_end_is_reported_without_its_end() {
    let script = Script::run(|mut server| {
        server.write(b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nhalf");
        server.expect_end();
    });
    let connector = Connector::new().handshake_timeout(SOON);
    match takes_soon(|| connector.connect(&script.url)) {
        Err(Error::Handshake(error)) => {
            let answer = error.response().unwrap();
            assert_eq!((answer.status(), answer.body()), (503, &b"half"[..]));
        }
        other => panic!("{other:?}"),
    }
    script.join();
}

#[test]
fn a_server_that_does_not_answer_a_close_frame_is_disconnected() {
    let connector = Connector::new().close_timeout(SOON);
    for dropped in [true, false] {
        let script = Script::run(|mut server| {
            server.accept("");
            server.expect_goodbye(1000);
            server.expect_end();
        });
        let mut socket = connector.connect(&script.url).unwrap();
        takes_soon(|| match dropped {
            true => drop(socket),
            false => {
                socket.close(stentor::CloseCode::NORMAL, "").unwrap();
                assert_eq!(socket.recv().unwrap(), None);
                assert!(!socket.closed().unwrap().clean);
            }
        });
        script.join();
    }
}

#[test]
fn a_server_that_does_not_close_tcp_first_is_disconnected() {
    let script = Script::run(|mut server| {
        server.accept("");
        server.expect_goodbye(1000);
        server.start_close(1000);
        server.expect_end();
    });
    let socket = Connector::new().close_timeout(SOON);
    let socket = socket.connect(&script.url).unwrap();
    takes_soon(|| drop(socket));
    script.join();
}

/// The bytes kept for it are limited by the send queue and the system's buffers, which hold some
/// megabytes.
#[test]
fn a_server_that_reads_nothing_is_disconnected() {
    const MEGABYTE: usize = 1 << 20;
    for from_elsewhere in [false, true] {
        let script = Script::run(|mut server| {
            server.accept("");
            // Until the client has gone, which only writing shows.
            while server.stream.write_all(&[0x8a, 0]).is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let connector = Connector::new().write_timeout(SOON).send_queue_limit(1000);
        let mut socket = connector.connect(&script.url).unwrap();
        let sender = socket.sender();
        let mut send = || match from_elsewhere {
            false => socket.send("x".repeat(MEGABYTE)),
            true => sender.send("x".repeat(MEGABYTE)),
        };
        let (sent, disconnect_reason) = takes_soon(|| {
            let mut sent = 0;
            loop {
                match send() {
                    Ok(()) => sent += 1,
                    lost_at_last => return (sent, disconnected(lost_at_last)),
                }
            }
        });
        assert_eq!(disconnect_reason, DisconnectReason::WriteTimeout);
        assert_eq!(disconnected(send()), DisconnectReason::WriteTimeout);
        let taken = socket.stats().bytes_out;
        assert!(sent * MEGABYTE as u64 <= taken + 1000, "{sent} of {taken}");
        drop(socket);
        script.join();
    }
}

#[test]
fn a_silent_server_is_pinged_and_then_disconnected() {
    for version in HYBI {
        // It never reads, and so it never answers, until it is released.
        let (hold, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let server = Loopback::run(Server::builder(), move |_| {
            let _ = held.lock().unwrap().recv();
            Ok(())
        });
        let connector = Connector::new().version(version);
        let connector = connector
            .ping_interval(Some(SOON / 2))
            .pong_timeout(SOON / 2);
        let mut socket = connector.connect(&url(&server)).unwrap();
        assert_eq!(
            disconnected(takes_soon(|| socket.recv())),
            DisconnectReason::PongTimeout,
            "{version}"
        );
        drop(hold);
    }
}

#[test]
fn a_server_that_answers_pings_may_be_silent() {
    let script = Script::run(|mut server| {
        server.accept("");
        for _ in 0..5 {
            server.expect(0x89, b"");
            server.frame(0x8a, b"");
        }
        server.say("still here");
        while server.hear().0 == 0x89 {}
        server.start_close(1000);
    });
    let connector = Connector::new()
        .ping_interval(Some(Duration::from_millis(10)))
        .pong_timeout(PATIENCE);
    let mut socket = connector.connect(&script.url).unwrap();
    assert_eq!(socket.recv().unwrap(), Some("still here".into()));
    drop(socket);
    script.join();
}

#[test]
fn an_idle_server_is_disconnected_in_every_version() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let connector = Connector::new().version(version).idle_timeout(Some(SOON));
        let mut socket = connector.connect(&url(&server)).unwrap();
        assert_eq!(
            disconnected(takes_soon(|| socket.recv())),
            DisconnectReason::IdleTimeout,
            "{version}"
        );
    }
}

#[test]
fn each_connection_has_its_own_timeouts() {
    let server = Loopback::echo(Server::builder());
    let mut patient = open(&server, Version::Rfc6455);
    let short = Connector::new().idle_timeout(Some(SOON));
    let mut hasty = short.connect(&url(&server)).unwrap();
    assert_eq!(
        disconnected(takes_soon(|| hasty.recv())),
        DisconnectReason::IdleTimeout
    );
    patient.send("still here").unwrap();
    assert_eq!(patient.recv().unwrap(), Some("still here".into()));
    // And the other way round: older connections do not make the watchdog look less often.
    let mut hasty = short.connect(&url(&server)).unwrap();
    assert_eq!(
        disconnected(takes_soon(|| hasty.recv())),
        DisconnectReason::IdleTimeout
    );
}

#[test]
fn a_proxy_that_does_not_answer_is_disconnected() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["http", "socks5"] {
        let connector = Connector::new()
            .connect_timeout(SOON)
            .handshake_timeout(LONG)
            .proxy(&format!("{scheme}://{}", silent.local_addr().unwrap()))
            .unwrap();
        match takes_soon(|| connector.connect("ws://example.com/")) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        }
    }
}
