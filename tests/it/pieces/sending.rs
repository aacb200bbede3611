//! A handler that sends a message while it is produced.

use std::io::{ErrorKind, Write};
use std::sync::mpsc::channel;

use stentor::protocol::SendError;
use stentor::{Client, DisconnectReason, Error, HandlerResult, Server, Version};

use super::{FRAGMENT, MIB, SOON, pattern, wording};
use crate::support::{HIXIE, HYBI, Head, Heard, Loopback, PATIENCE, Peer, dial_from, hush};

/// Returns the next message of any number of frames, and how many.
fn message(peer: &mut Peer) -> (bool, Vec<u8>, usize) {
    match peer.hear() {
        Heard::Text(text) => return (true, text.into_bytes(), 1),
        Heard::Binary(bytes) => return (false, bytes, 1),
        Heard::Fragment(first @ (1 | 2), mut bytes) => {
            for frames in 2.. {
                match peer.hear() {
                    Heard::Fragment(0, more) => bytes.extend(more),
                    Heard::Fragment(0x80, more) => {
                        bytes.extend(more);
                        return (first == 1, bytes, frames);
                    }
                    other => panic!("{other:?} within a message"),
                }
            }
        }
        other => panic!("{other:?} instead of a message"),
    }
    unreachable!()
}

#[test]
fn what_is_written_arrives_as_one_message() {
    let bytes = pattern(100_000);
    let server = Loopback::run(Server::builder(), {
        let bytes = bytes.clone();
        move |client: &mut Client| {
            let mut writer = client.binary_writer()?;
            for chunk in bytes.chunks(777) {
                writer.write_all(chunk)?;
            }
            writer.finish()?;
            client.send("next")?;
            // In one call, and flushed early.
            let mut writer = client.binary_writer()?;
            writer.write_all(b"start")?;
            writer.flush()?;
            writer.flush()?;
            writer.write_all(&bytes)?;
            Ok(writer.finish()?)
        }
    });
    for version in HYBI {
        let mut peer = server.open(version);
        let frames = bytes.len().div_ceil(FRAGMENT);
        assert_eq!(message(&mut peer), (false, bytes.clone(), frames));
        peer.expect_text("next");
        let expected = [b"start", &bytes[..]].concat();
        assert_eq!(message(&mut peer), (false, expected, frames + 1));
        peer.answer_goodbye(1000, "");
    }
    assert_eq!(server.wait_until_empty().messages_out, 9);
}

/// It is not fragmented, and never compressed.
#[test]
fn a_short_message_is_one_frame() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        client.text_writer()?.finish()?;
        let mut writer = client.text_writer()?;
        write!(writer, "{} and {}", 1, 2)?;
        writer.finish()?;
        Ok(())
    });
    let mut peer = server.open(Version::Hybi07);
    assert_eq!(message(&mut peer), (true, Vec::new(), 1));
    assert_eq!(message(&mut peer), (true, b"1 and 2".into(), 1));
}

#[test]
fn each_fragment_of_a_text_ends_with_a_whole_character() {
    let words = wording(50_000);
    let server = Loopback::run(Server::builder(), {
        let words = words.clone();
        move |client: &mut Client| {
            let mut writer = client.text_writer()?;
            // The writes end within characters.
            for chunk in words.as_bytes().chunks(5) {
                writer.write_all(chunk)?;
            }
            Ok(writer.finish()?)
        }
    });
    let mut peer = server.open(Version::Rfc6455);
    let mut text = String::new();
    loop {
        match peer.hear() {
            Heard::Fragment(first, bytes) => {
                text += std::str::from_utf8(&bytes).unwrap();
                if first == 0x80 {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(text, words);
}

#[test]
fn invalid_text_is_the_writers_error_and_is_not_sent() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        let mut writer = client.text_writer()?;
        writer.write_all(b"good, \xc3")?;
        for bad in [&b"("[..], b"\xa4\xff"] {
            let error = writer.write(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let error = Error::from(error);
            assert!(
                matches!(error, Error::Send(SendError::InvalidUtf8)),
                "{error:?}"
            );
        }
        // The write was refused as a whole, and the message goes on.
        writer.write_all(b"\xa4")?;
        writer.finish()?;
        let mut writer = client.text_writer()?;
        writer.write_all(b"cut \xe2\x82")?;
        let error = writer.finish().unwrap_err();
        assert!(
            matches!(error, Error::Send(SendError::InvalidUtf8)),
            "{error:?}"
        );
        assert!(matches!(client.send("more"), Err(Error::Closed)));
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    peer.expect_text("good, ä");
    peer.answer_goodbye(1011, "a message was not finished");
}

#[test]
fn versions_without_fragments_return_an_error_and_stay_open() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        for writer in [Client::text_writer, Client::binary_writer] {
            let error = writer(client).unwrap_err();
            assert!(error.to_string().ends_with("has no fragments"), "{error}");
            let is_unsupported =
                matches!(error, Error::Send(SendError::UnsupportedByVersion { .. }));
            assert!(is_unsupported, "{error:?}");
        }
        Ok(client.send("whole")?)
    });
    for version in HIXIE {
        let mut peer = server.open(version);
        peer.expect_text("whole");
        peer.answer_goodbye(1000, "");
    }
}

/// Writes in the way of its name, and leaves the message without an end.
fn leave_open(client: &mut Client, way: &str) -> HandlerResult {
    let mut writer = client.binary_writer()?;
    match way {
        "nothing" => {}
        "unsent" => writer.write_all(b"few bytes")?,
        _ => writer.write_all(&[0; FRAGMENT])?,
    }
    match way {
        "error" => Err("no more")?,
        "panic" => panic!("panicking on purpose"),
        _ => {}
    }
    drop(writer);
    assert!(matches!(client.send("more"), Err(Error::Closed)));
    assert!(matches!(client.text_writer(), Err(Error::Closed)));
    Ok(())
}

#[test]
fn a_writer_that_is_dropped_closes_the_connection_with_1011() {
    hush("panicking on purpose");
    for way in ["nothing", "unsent", "sent", "error", "panic"] {
        let server = Loopback::run(Server::builder(), move |client: &mut Client| {
            leave_open(client, way)
        });
        let mut peer = server.open(Version::Rfc6455);
        if !["nothing", "unsent"].contains(&way) {
            assert_eq!(peer.hear(), Heard::Fragment(2, vec![0; FRAGMENT]), "{way}");
        }
        peer.answer_goodbye(1011, "a message was not finished");
        let failed = u64::from(["error", "panic"].contains(&way));
        let counters = server.wait_until_empty();
        assert_eq!(counters.failed_handlers, failed, "{way}");
        assert_eq!(counters.messages_out, 0, "{way}");
    }
}

/// A program can forget a writer; the next one notices that.
#[test]
fn a_writer_that_is_forgotten_closes_the_connection_with_the_next() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        let mut writer = client.binary_writer()?;
        writer.write_all(&[0; FRAGMENT])?;
        std::mem::forget(writer);
        assert!(matches!(client.text_writer(), Err(Error::Closed)));
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(peer.hear(), Heard::Fragment(2, vec![0; FRAGMENT]));
    peer.answer_goodbye(1011, "a message was not finished");
}

#[test]
fn a_peer_that_does_not_read_ends_the_write() {
    let (errors, ended) = channel();
    let builder = Server::builder()
        .send_queue_limit(100_000)
        .write_timeout(SOON);
    let server = Loopback::run_with_send_buffer(0, builder, move |client: &mut Client| {
        let mut writer = client.binary_writer()?;
        let error = (0..).find_map(|_| writer.write(&[0; 5000]).err());
        errors.send(Error::from(error.unwrap())).unwrap();
        let error = writer.finish().unwrap_err();
        errors.send(error).unwrap();
        Ok(())
    });
    let home = std::net::Ipv4Addr::LOCALHOST.into();
    let stream = dial_from(server.address, home, Some(8 * 1024));
    let head = Head::of(Version::Rfc6455).bytes();
    let _peer = Peer::on(stream, Version::Rfc6455, &head);
    for _ in 0..2 {
        let error = ended.recv_timeout(PATIENCE).unwrap();
        let reason = DisconnectReason::WriteTimeout;
        let is_late = matches!(error, Error::Disconnected(late) if late == reason);
        assert!(is_late, "{error:?}");
    }
}

/// Much more than the limit of the queue, to a peer that reads slowly but steadily, within a write timeout
/// that is shorter than the whole.
#[test]
fn a_peer_that_reads_slowly_gets_the_whole_message() {
    const LEN: usize = 3 * MIB;
    let builder = Server::builder()
        .send_queue_limit(20_000)
        .write_timeout(SOON * 3);
    let server = Loopback::run_with_send_buffer(0, builder, |client: &mut Client| {
        let mut writer = client.binary_writer()?;
        writer.write_all(&pattern(LEN))?;
        Ok(writer.finish()?)
    });
    let mut peer = server.open(Version::Rfc6455);
    let mut received = Vec::new();
    while received.len() < LEN {
        std::thread::sleep(SOON / 30);
        match peer.hear() {
            Heard::Fragment(_, bytes) => received.extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    assert!(received == pattern(LEN));
}

#[cfg(feature = "deflate")]
#[test]
fn pieces_are_not_compressed() {
    use stentor::Deflate;
    let builder = Server::builder().deflate(Deflate::new().threshold(0));
    let server = Loopback::run(builder, |client: &mut Client| {
        client.send("x".repeat(1000))?;
        let mut writer = client.text_writer()?;
        writer.write_all(&[b'x'; 2 * FRAGMENT])?;
        writer.finish()?;
        Ok(client.send("x".repeat(1000))?)
    });
    let head = Head::of(Version::Rfc6455).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let mut peer = Peer::open_with(server.address, Version::Rfc6455, &head);
    assert!(matches!(peer.hear(), Heard::Deflated(1, _)));
    assert_eq!(message(&mut peer), (true, vec![b'x'; 2 * FRAGMENT], 3));
    assert!(matches!(peer.hear(), Heard::Deflated(1, _)));
}
