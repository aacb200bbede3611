//! Hostile servers, and connections that end at any point.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use stentor::protocol::HandshakeError;
use stentor::protocol::ProtocolError;
use stentor::{Connector, DisconnectReason, Error, Received, Server, Version};

use super::{LONG, SOON, open, takes_soon};
use crate::support::{ByHand, Loopback, Script, local_pair};

/// A short message, a ping, and a close frame of version 13.
const FRAMES: &[u8] = b"\x81\x05hello\x89\x04ping\x88\x02\x03\xe8";

/// Draft-75 has a response that does not depend on the request.
const DRAFT_75: &str = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
     Connection: Upgrade\r\nWebSocket-Origin: http://example.com\r\n\
     WebSocket-Location: ws://example.com/\r\n\r\n";

/// Returns the results of a connection on which all these bytes have arrived, and no more will.
fn over(bytes: &[u8], version: Version) -> Result<Vec<Result<Option<String>, Error>>, Error> {
    let (near, mut far) = local_pair();
    far.write_all(bytes).unwrap();
    drop(far);
    let connector = Connector::new().version(version);
    let mut socket = connector.connect_over(near, "ws://example.com/")?;
    let mut received = Vec::new();
    loop {
        let next = socket.recv();
        let text = next.map(|message| message.map(|message| format!("{message:?}")));
        let is_last = !matches!(text, Ok(Some(_)));
        received.push(text);
        if is_last {
            return Ok(received);
        }
    }
}

/// It makes no difference whether the request could still be sent or not.
#[test]
fn truncated_response_always_fails_the_same_way() {
    let answers = [
        (Version::Draft75, DRAFT_75),
        (
            Version::Rfc6455,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
        ),
    ];
    for (version, answer) in answers {
        for end in 0..answer.len() - 1 {
            match over(&answer.as_bytes()[..end], version) {
                Err(Error::Handshake(error)) => {
                    assert_eq!(
                        *error,
                        HandshakeError::StreamEnded,
                        "{version}, {end} bytes"
                    );
                }
                other => panic!("{version}, {end} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn a_tls_server_is_detected_by_a_plain_client_at_its_first_byte() {
    for version in Version::ALL {
        let script = Script::run(|mut server| {
            server.write(b"\x15");
            // key3 of draft-76, and the end of the stream.
            let _ = server.stream.read_to_end(&mut Vec::new());
        });
        let connector = Connector::new().version(version).handshake_timeout(LONG);
        match connector.connect(&script.url) {
            Err(Error::Handshake(error)) => {
                assert_eq!(*error, HandshakeError::NotHttp(vec![0x15]), "{version}");
            }
            other => panic!("{version}: {other:?}"),
        }
        script.join();
    }
}

#[test]
fn a_rejection_is_received_from_a_server_that_has_gone_already() {
    let rejection = b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater";
    match over(rejection, Version::Rfc6455) {
        Err(Error::Handshake(error)) => {
            let answer = error.response().expect("an answer");
            assert_eq!((answer.status(), answer.body()), (503, &b"later"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_conversation_may_end_at_any_byte() {
    let frames = b"\0hello\xff\0there\xff";
    for end in 0..=frames.len() {
        let mut bytes = DRAFT_75.as_bytes().to_vec();
        bytes.extend_from_slice(&frames[..end]);
        let received = over(&bytes, Version::Draft75).unwrap();
        let whole = frames[..end].iter().filter(|byte| **byte == 0xff).count();
        assert_eq!(received.len(), whole + 1, "{end} bytes: {received:?}");
    }
    for end in 0..FRAMES.len() {
        let script = Script::run(move |mut server| {
            server.accept("");
            server.write(&FRAMES[..end]);
            server.stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut socket = Connector::new().connect(&script.url).unwrap();
        if end >= 7 {
            assert_eq!(socket.recv().unwrap(), Some("hello".into()));
        }
        for _ in 0..2 {
            let last = socket.recv();
            let is_lost = matches!(
                last,
                Err(Error::Disconnected(DisconnectReason::EndOfStream))
            );
            assert!(is_lost, "{end} bytes: {last:?}");
        }
        drop(socket);
        script.join();
    }
}

#[test]
fn frames_that_no_server_may_send_get_one_close_frame() {
    let cases: [(&[u8], u16); 9] = [
        // A mask, on each kind of frame.
        (b"\x81\x85\0\0\0\0hello", 1002),
        (b"\x89\x80\0\0\0\0", 1002),
        (b"\x88\x82\0\0\0\0\x03\xe8", 1002),
        // A reserved bit, a reserved opcode, a continuation without a message.
        (b"\xc1\x05hello", 1002),
        (b"\x83\x00", 1002),
        (b"\x80\x00", 1002),
        // A fragmented ping, a ping above 125 bytes, a length with its highest bit set.
        (b"\x09\x00", 1002),
        (b"\x89\x7e\x00\x7e", 1002),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 1002),
    ];
    for (frame, code) in cases {
        let script = Script::run(move |mut server| {
            server.accept("");
            server.write(frame);
            let (first, payload) = server.hear();
            assert_eq!(
                (first, &payload[..2]),
                (0x88, &code.to_be_bytes()[..]),
                "{frame:x?}"
            );
            assert!(payload.len() > 2, "the rule in words");
            server.expect_end();
        });
        let mut socket = Connector::new().connect(&script.url).unwrap();
        let first: ProtocolError = match socket.recv() {
            Err(Error::Protocol(protocol_error)) => protocol_error,
            other => panic!("{frame:x?}: {other:?}"),
        };
        match socket.recv() {
            Err(Error::Protocol(again)) => assert_eq!(again, first),
            other => panic!("{frame:x?}: {other:?}"),
        }
        drop(socket);
        script.join();
    }
}

/// The pongs queued for it are bounded.
#[test]
fn a_server_that_pings_without_end_and_reads_nothing_is_disconnected() {
    let script = Script::run(|mut server| {
        server.accept("");
        let pings = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(500);
        while server.stream.write_all(&pings).is_ok() {}
    });
    let connector = Connector::new().write_timeout(SOON).send_queue_limit(1000);
    let mut socket = connector.connect(&script.url).unwrap();
    let end = socket.recv();
    assert!(
        matches!(
            end,
            Err(Error::Disconnected(DisconnectReason::WriteTimeout))
        ),
        "{end:?}"
    );
    drop(socket);
    script.join();
}

#[test]
fn a_flood_of_pings_extends_no_timeout() {
    let script = Script::run(|mut server| {
        server.accept("");
        let mut reader = server.stream.try_clone().unwrap();
        let pongs = thread::spawn(move || while matches!(reader.read(&mut [0; 65536]), Ok(1..)) {});
        while server.stream.write_all(&[0x89, 0].repeat(500)).is_ok() {}
        pongs.join().unwrap();
    });
    let connector = Connector::new().close_timeout(SOON);
    let mut socket = connector.connect(&script.url).unwrap();
    for timeout in [Duration::ZERO, Duration::ZERO, SOON] {
        let since = Instant::now();
        let nothing = socket.recv_timeout(timeout).unwrap();
        assert_eq!(nothing, Received::Nothing);
        assert!(since.elapsed() < LONG);
    }
    // Nor does it delay a close: the server is too busy to answer one. The bytes it has yet to send
    // then keep the server, until its own timeout: the test does not wait for that.
    takes_soon(|| drop(socket));
}

#[test]
fn a_server_that_sends_after_both_close_frames_is_disconnected() {
    let script = Script::run(|mut server| {
        server.accept("");
        server.start_close(1000);
        server.expect_goodbye(1000);
        while server.stream.write_all(&[0x82, 0].repeat(1000)).is_ok() {}
    });
    let mut socket = Connector::new().connect(&script.url).unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let since = Instant::now();
    drop(socket);
    assert!(since.elapsed() < LONG);
    script.join();
}

/// RFC 6455 §10.3: a fresh mask for each frame, on whatever thread it is made.
#[test]
fn no_two_frames_have_the_same_mask() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    /// All frames except the close frame.
    const COUNT: usize = THREADS * EACH + 3;
    let script = Script::run(|mut server| {
        server.accept("");
        server.frame(0x89, b"");
        let mut masks = HashSet::new();
        loop {
            let mut header = [0; 6];
            server.stream.read_exact(&mut header).unwrap();
            let [first, len, mask @ ..] = header;
            let mut payload = vec![0; usize::from(len & 0x7f)];
            server.stream.read_exact(&mut payload).unwrap();
            masks.insert(mask);
            if first == 0x88 {
                break;
            }
        }
        assert!(!masks.contains(&[0; 4]));
        // Two equal masks among so many occur in one run of hundreds of thousands, three pairs
        // never.
        assert!(masks.len() > COUNT - 2, "{} masks", masks.len());
    });
    let mut socket = Connector::new().connect(&script.url).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let sender = socket.sender();
            scope.spawn(move || (0..EACH).for_each(|_| sender.send("the same words").unwrap()));
        }
    });
    // The pong.
    assert_eq!(
        socket.recv_timeout(Duration::ZERO).unwrap(),
        Received::Nothing
    );
    socket.send("the same words").unwrap();
    socket.ping(b"").unwrap();
    drop(socket);
    script.join();
}

#[test]
fn senders_on_many_threads_survive_the_end_in_every_version() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        thread::scope(|scope| {
            for _ in 0..4 {
                let sender = socket.sender();
                scope.spawn(move || {
                    loop {
                        match sender.send("on and on") {
                            Ok(()) => {}
                            Err(Error::Closed | Error::Disconnected(_)) => return,
                            Err(other) => panic!("{version}: {other}"),
                        }
                    }
                });
            }
            assert_eq!(socket.recv().unwrap(), Some("on and on".into()));
            drop(socket);
        });
    }
}

#[test]
fn a_timeout_that_a_stream_has_had_is_not_kept() {
    let server = Loopback::echo(Server::builder());
    let stream = TcpStream::connect(server.address).unwrap();
    let moment = Some(Duration::from_millis(1));
    stream.set_read_timeout(moment).unwrap();
    stream.set_write_timeout(moment).unwrap();
    let connector = Connector::new().idle_timeout(Some(SOON));
    let mut socket = connector.connect_over(stream, "ws://example.com/").unwrap();
    let end = socket.recv();
    assert!(
        matches!(end, Err(Error::Disconnected(DisconnectReason::IdleTimeout))),
        "{end:?}"
    );
}

#[test]
fn a_proxy_that_answers_byte_by_byte_gains_no_time() {
    let script = Script::before_request(|stream| {
        let mut client = ByHand::on(stream);
        for byte in b"HTTP/1.1 100 Continue\r\n".iter().cycle() {
            if client.stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let connector = Connector::new()
        .connect_timeout(SOON)
        .handshake_timeout(LONG);
    let connector = connector
        .proxy(&format!("http://{}", script.address))
        .unwrap();
    match takes_soon(|| connector.connect("ws://example.com/")) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    script.join();
}

/// All connections share the watchdog: one that stalls, or is late, does not affect any other.
#[test]
fn a_connection_that_stalls_delays_no_other() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Loopback::echo(Server::builder());
    let (hold, held) = mpsc::channel::<()>();
    let stalls = Script::run(move |mut server| {
        server.accept("");
        let _ = held.recv();
    });
    let connector = Connector::new().send_queue_limit(usize::MAX);
    let mut stalled = connector.connect(&stalls.url).unwrap();
    stalled.send("x".repeat(16 << 20)).unwrap();
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    let hasty = Connector::new().handshake_timeout(SOON);
    let late = takes_soon(|| hasty.connect(&url));
    assert!(
        matches!(
            late,
            Err(Error::Disconnected(DisconnectReason::HandshakeTimeout))
        ),
        "{late:?}"
    );
    let mut other = open(&server, Version::Rfc6455);
    other.send("hello").unwrap();
    assert_eq!(other.recv().unwrap(), Some("hello".into()));
    assert!(stalled.stats().bytes_out < 16 << 20);
    drop(hold);
    stalls.join();
}
