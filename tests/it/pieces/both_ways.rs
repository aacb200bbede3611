//! Both sides in pieces: a client of every version uploads and downloads, while other threads send.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use stentor::protocol::SendError;
use stentor::{
    Client, CloseCode, Connector, DisconnectReason, Error, Message, Server, Version, WebSocket,
};

use super::{FRAGMENT, MIB, SOON, pattern, wording};
use crate::support::{HIXIE, HYBI, Loopback, PATIENCE, echo, eventually};

fn open(server: &Loopback, version: Version) -> WebSocket {
    let url = format!("ws://{}/", server.address);
    Connector::new().version(version).connect(&url).unwrap()
}

/// Receives a message in pieces, and then sends it back in pieces.
fn relay(client: &mut Client) -> stentor::HandlerResult {
    loop {
        let Some(mut reader) = client.recv_reader(10 * MIB)? else {
            return Ok(());
        };
        let is_text = reader.is_text();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let mut writer = match is_text {
            true => client.text_writer()?,
            false => client.binary_writer()?,
        };
        io::copy(&mut &bytes[..], &mut writer)?;
        writer.finish()?;
    }
}

#[test]
fn a_message_goes_there_and_back_in_pieces() {
    let server = Loopback::run(Server::builder(), relay);
    for version in HYBI {
        let mut socket = open(&server, version);
        for characters in [0, 1, FRAGMENT, 2 * FRAGMENT, 300_000] {
            let words = wording(characters);
            let mut writer = socket.text_writer().unwrap();
            writer.write_all(words.as_bytes()).unwrap();
            writer.finish().unwrap();
            let mut reader = socket.recv_reader(2 * MIB).unwrap().unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert!(text == words && reader.is_text(), "{version}");

            let bytes = pattern(characters);
            let mut writer = socket.binary_writer().unwrap();
            writer.write_all(&bytes).unwrap();
            writer.finish().unwrap();
            assert!(socket.recv().unwrap() == Some(bytes.into()), "{version}");
        }
        assert_eq!(socket.stats().messages_in, 10);
        assert_eq!(socket.stats().messages_out, 10);
    }
}

#[test]
fn a_client_of_an_old_draft_receives_in_pieces_and_cannot_send_so() {
    let server = Loopback::echo(Server::builder());
    for version in HIXIE {
        let mut socket = open(&server, version);
        let error = socket.text_writer().unwrap_err();
        let is_unsupported = matches!(
            error,
            Error::Send(SendError::UnsupportedByVersion { version: own, .. }) if own == version
        );
        assert!(is_unsupported, "{error:?}");
        let words = wording(100_000);
        socket.send(words.as_str()).unwrap();
        let mut text = String::new();
        let mut reader = socket.recv_reader(MIB).unwrap().unwrap();
        reader.read_to_string(&mut text).unwrap();
        assert!(text == words, "{version}");
    }
}

#[test]
fn messages_of_senders_stay_outside_of_the_message_in_pieces() {
    const THREADS: usize = 3;
    const EACH: usize = 200;
    let server = Loopback::echo(Server::builder());
    for version in HYBI {
        let url = format!("ws://{}/", server.address);
        // So little room that the senders wait for the writer again and again.
        let connector = Connector::new().version(version).send_queue_limit(2000);
        let mut socket = connector.connect(&url).unwrap();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let sender = socket.sender();
                scope.spawn(move || {
                    for number in 0..EACH {
                        let filling = "x".repeat(if number % 20 == 0 { 20_000 } else { 100 });
                        sender.send(format!("{thread} {number} {filling}")).unwrap();
                    }
                });
            }
            for number in 0..EACH {
                let mut writer = socket.text_writer().unwrap();
                let filling = "y".repeat(30);
                for part in 0..5 {
                    write!(writer, "{THREADS} {number} {part}{filling}").unwrap();
                    writer.flush().unwrap();
                }
                writer.finish().unwrap();
            }
            let mut next: HashMap<usize, usize> = HashMap::new();
            for _ in 0..(THREADS + 1) * EACH {
                let message = socket.recv().unwrap().unwrap();
                let mut words = message.as_text().unwrap().split(' ');
                let mut word = || words.next().unwrap().parse::<usize>().unwrap();
                let (thread, number) = (word(), word());
                let next = next.entry(thread).or_default();
                assert_eq!(number, *next, "{version}: thread {thread}");
                *next += 1;
            }
        });
        drop(socket);
    }
    assert!(server.wait_until_empty().disconnected.is_empty());
}

/// A sender that waits for a writer is woken by its end, however long the timeouts are.
#[test]
fn a_sender_waits_for_room_until_the_writer_has_finished() {
    let server = Loopback::echo(Server::builder());
    let url = format!("ws://{}/", server.address);
    for ends in ["finish", "close", "abort"] {
        let connector = Connector::new()
            .send_queue_limit(1000)
            .write_timeout(Duration::from_secs(3600));
        let mut socket = connector.connect(&url).unwrap();
        let (sender, closer) = (socket.sender(), socket.sender());
        let mut writer = socket.text_writer().unwrap();
        writer.write_all(b"start").unwrap();
        writer.flush().unwrap();
        let (sent, sends) = channel();
        let other = thread::spawn(move || {
            for _ in 0..3 {
                sent.send(sender.send("x".repeat(600))).unwrap();
            }
        });
        // The first one fits; the second one enters, and its thread waits.
        assert!(sends.recv_timeout(PATIENCE).unwrap().is_ok());
        assert!(sends.recv_timeout(SOON).is_err());
        match ends {
            "finish" => {
                writer.finish().unwrap();
                assert!(sends.recv_timeout(PATIENCE).unwrap().is_ok());
                assert!(sends.recv_timeout(PATIENCE).unwrap().is_ok());
                let expected = ["start".to_owned(), "x".repeat(600)];
                for text in [&expected[0], &expected[1], &expected[1], &expected[1]] {
                    assert_eq!(socket.recv().unwrap(), Some(Message::from(text)));
                }
            }
            "close" => {
                closer.close(CloseCode::NORMAL, "").unwrap();
                eventually("the end", || sends.recv_timeout(PATIENCE).unwrap().err());
                let error = Error::from(writer.write(b"more").unwrap_err());
                assert!(matches!(error, Error::Closed), "{error:?}");
            }
            _ => {
                closer.abort();
                let error = sends.recv_timeout(PATIENCE).unwrap().unwrap_err();
                let reason = DisconnectReason::Aborted;
                assert!(
                    matches!(error, Error::Disconnected(own) if own == reason),
                    "{error:?}"
                );
                let error = Error::from(writer.write(b"more").unwrap_err());
                assert!(
                    matches!(error, Error::Disconnected(own) if own == reason),
                    "{error:?}"
                );
            }
        }
        other.join().unwrap();
    }
}

#[test]
fn a_writer_of_a_client_falls_under_the_write_timeout() {
    let server = Loopback::echo(Server::builder());
    let url = format!("ws://{}/", server.address);
    let mut socket = Connector::new().write_timeout(SOON).connect(&url).unwrap();
    let sender = socket.sender();
    let mut writer = socket.binary_writer().unwrap();
    writer.write_all(&[0; FRAGMENT]).unwrap();
    eventually("the timeout", || (!sender.is_open()).then_some(()));
    let error = Error::from(writer.write(b"more").unwrap_err());
    let reason = DisconnectReason::WriteTimeout;
    assert!(
        matches!(error, Error::Disconnected(own) if own == reason),
        "{error:?}"
    );
}

#[test]
fn a_client_that_drops_a_writer_closes_with_1011() {
    let server = Loopback::run(Server::builder(), echo);
    let mut socket = open(&server, Version::Rfc6455);
    socket
        .binary_writer()
        .unwrap()
        .write_all(&[0; FRAGMENT])
        .unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let closed = socket.closed().unwrap();
    assert_eq!(closed.code, CloseCode::INTERNAL_ERROR);
    assert!(closed.clean);
}
