//! The end of a conversation: which side closes TCP first, which bytes must not be lost to a reset,
//! and which ends break the protocol.

use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};

use stentor::protocol::{Initiator, ProtocolError};
use stentor::{CloseCode, Connector, DisconnectReason, Error, connect};

use super::SOON;
use crate::support::{Script, hush};

#[test]
fn the_server_closes_tcp_first() {
    for client_begins in [true, false] {
        let script = Script::run(move |mut server| {
            server.accept("");
            if !client_begins {
                server.start_close(1000);
            }
            server.expect_goodbye(1000);
            if client_begins {
                server.start_close(1000);
            }
            // It does not: it waits for the client.
            server.stream.set_read_timeout(Some(SOON)).unwrap();
            let read = std::io::Read::read(&mut server.stream, &mut [0]);
            assert!(read.is_err(), "it has closed first");
        });
        let mut socket = connect(&script.url).unwrap();
        if !client_begins {
            assert_eq!(socket.recv().unwrap(), None);
        }
        drop(socket);
        script.join();
    }
}

#[test]
fn bytes_that_a_server_has_yet_to_read_are_not_lost_to_a_reset() {
    let script = Script::run(|mut server| {
        server.accept("");
        // These bytes lie unread in the client's socket when it leaves.
        for _ in 0..1000 {
            server.say("too late to be heard");
        }
        server.expect(0x81, b"last words");
        server.expect_goodbye(1000);
        server.start_close(1000);
        server.stream.shutdown(Shutdown::Write).unwrap();
        server.expect_end();
    });
    let mut socket = connect(&script.url).unwrap();
    socket.send("last words").unwrap();
    drop(socket);
    script.join();
}

#[test]
fn all_messages_arrive_before_the_close_frame() {
    const COUNT: usize = 200;
    let script = Script::run(|mut server| {
        server.accept("");
        for _ in 0..COUNT {
            server.expect(0x81, &[b'x'; 60_000]);
        }
        server.expect_goodbye(1000);
        server.start_close(1000);
    });
    let mut socket = connect(&script.url).unwrap();
    for _ in 0..COUNT {
        socket.send("x".repeat(60_000)).unwrap();
    }
    drop(socket);
    script.join();
}

#[test]
fn a_panic_is_reported_in_the_close_frame() {
    hush("a mistake of a client");
    let script = Script::run(|mut server| {
        server.accept("");
        server.expect_goodbye(1011);
        server.start_close(1011);
    });
    let socket = connect(&script.url).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _socket = socket;
        panic!("a mistake of a client");
    }));
    assert!(panicked.is_err());
    script.join();
}

#[test]
fn a_server_that_breaks_the_protocol_gets_the_close_code() {
    let script = Script::run(|mut server| {
        server.accept("");
        // With a mask, which only a client may use.
        server.write(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        server.expect_close(1002, "frame with a mask from a server");
        server.stream.shutdown(Shutdown::Write).unwrap();
        server.expect_end();
    });
    let mut socket = connect(&script.url).unwrap();
    for _ in 0..2 {
        let broken = socket.recv();
        let masked = matches!(broken, Err(Error::Protocol(ProtocolError::Masked)));
        assert!(masked, "{broken:?}");
    }
    drop(socket);
    script.join();
}

#[test]
fn a_message_above_the_limit_is_refused_on_its_header() {
    let script = Script::run(|mut server| {
        server.accept("");
        server.write(b"\x82\x7e\x03\xe9");
        server.expect_close(1009, "message above 1000 bytes");
        server.start_close(1009);
    });
    let connector = Connector::new().max_message_size(1000);
    let mut socket = connector.connect(&script.url).unwrap();
    let rejected = socket.recv();
    let too_large = matches!(
        rejected,
        Err(Error::Protocol(ProtocolError::MessageTooLarge(1000)))
    );
    assert!(too_large, "{rejected:?}");
    drop(socket);
    script.join();
}

#[test]
fn a_server_that_leaves_without_a_close_frame_is_lost() {
    let script = Script::run(|mut server| server.accept(""));
    let mut socket = connect(&script.url).unwrap();
    script.join();
    for _ in 0..2 {
        let gone = socket.recv();
        let disconnected = matches!(
            gone,
            Err(Error::Disconnected(DisconnectReason::EndOfStream))
        );
        assert!(disconnected, "{gone:?}");
    }
    let closed = socket.closed().unwrap();
    assert_eq!(closed.code, CloseCode::ABNORMAL);
    assert_eq!((closed.initiator, closed.clean), (Initiator::Nobody, false));
}

/// Browsers of draft-76 leave without a close frame; a server that does so has broken off its
/// output.
#[test]
fn a_draft_76_server_that_leaves_without_a_close_frame_is_lost() {
    use std::io::Write;
    use stentor::{Server, Version};
    let server = crate::support::Loopback::run(Server::builder(), |client| {
        while client.recv()?.is_some() {}
        Ok(())
    });
    // A proxy in between that fails.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (address, host) = (server.address, listener.local_addr().unwrap());
    let dies = std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let behind = std::net::TcpStream::connect(address).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
        let up = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut from, mut to) = (behind, client);
        let mut bytes = [0; 4096];
        let mut text = Vec::new();
        // The header block and the sixteen bytes behind it.
        while !text.windows(4).any(|four| four == b"\r\n\r\n") || !is_whole(&text) {
            let read = std::io::Read::read(&mut from, &mut bytes).unwrap();
            to.write_all(&bytes[..read]).unwrap();
            text.extend_from_slice(&bytes[..read]);
        }
        to.shutdown(Shutdown::Both).unwrap();
        let _ = from.shutdown(Shutdown::Both);
        let _ = up.join();
        let _ = host;
    });
    let connector = Connector::new().version(Version::Draft76);
    let mut socket = connector.connect(&url).unwrap();
    let gone = socket.recv();
    assert!(
        matches!(
            gone,
            Err(Error::Disconnected(DisconnectReason::EndOfStream))
        ),
        "{gone:?}"
    );
    dies.join().unwrap();
}

fn is_whole(answer: &[u8]) -> bool {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head.is_some_and(|head| answer.len() >= head + 4 + 16)
}
