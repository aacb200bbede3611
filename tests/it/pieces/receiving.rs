//! A handler that receives a message as a stream.

use std::io::{BufRead, Read};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use stentor::protocol::ProtocolError;
use stentor::protocol::framing::Framing;
use stentor::{
    Client, DisconnectReason, Error, HandlerResult, Message, RateLimit, Received, Server, Version,
};

use super::{KIB, MIB, SOON, pattern, wording};
use crate::support::{Heard, Loopback, PATIENCE, masked, text};

/// Answers each message with its length and the sum of its bytes.
fn sum_up(client: &mut Client) -> HandlerResult {
    while let Some(mut reader) = client.recv_reader(100 * MIB)? {
        let (mut len, mut sum) = (0_u64, 0_u64);
        let mut buffer = [0; 1000];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                read => {
                    len += read as u64;
                    sum += buffer[..read]
                        .iter()
                        .map(|byte| u64::from(*byte))
                        .sum::<u64>();
                }
            }
        }
        let is_text = reader.is_text();
        assert_eq!(reader.is_binary(), !is_text);
        assert_eq!(reader.read(&mut buffer)?, 0);
        client.send(format!("{is_text} {len} {sum}"))?;
    }
    Ok(())
}

fn summed_up(message: &Message) -> String {
    let sum: u64 = message.as_bytes().iter().map(|byte| u64::from(*byte)).sum();
    format!("{} {} {sum}", message.is_text(), message.len())
}

#[test]
fn messages_of_all_sizes_arrive_in_every_version() {
    let server = Loopback::run(Server::builder(), sum_up);
    for mut peer in server.open_all() {
        let is_hybi = peer.version.framing() == Framing::Hybi;
        for characters in [0, 1, 100, 10_000, 500_000] {
            let words = wording(characters);
            peer.say(&words);
            peer.expect_text(&summed_up(&words.into()));
            if is_hybi {
                let bytes = pattern(characters);
                peer.send_binary(&bytes);
                peer.expect_text(&summed_up(&bytes.into()));
            }
        }
        peer.leave();
    }
}

/// All clients together may hold a hundredth of the message.
#[test]
fn a_large_message_takes_little_memory() {
    let builder = Server::builder().total_incoming_limit(600 * KIB);
    let server = Loopback::run(builder, sum_up);
    for (version, len) in [(Version::Rfc6455, 64 * MIB), (Version::Draft76, 16 * MIB)] {
        let mut peer = server.open(version);
        let words = "x".repeat(len);
        let writer = std::thread::spawn({
            let mut stream = peer.stream.try_clone().unwrap();
            let bytes = text(version, &words);
            move || std::io::Write::write_all(&mut stream, &bytes).unwrap()
        });
        peer.expect_text(&summed_up(&words.into()));
        writer.join().unwrap();
    }
    assert_eq!(server.handle.counters().incoming_exceeded, 0);
    assert_eq!(server.handle.counters().messages_in, 2);
}

#[test]
fn a_reader_reads_while_the_message_is_still_produced() {
    let (read, reads) = channel();
    let server = Loopback::run(Server::builder(), move |client| {
        let mut reader = client.recv_reader(MIB)?.unwrap();
        let mut buffer = [0; 100];
        loop {
            let len = reader.read(&mut buffer)?;
            read.send(buffer[..len].to_vec()).unwrap();
            if len == 0 {
                return Ok(());
            }
        }
    });
    let mut peer = server.open(Version::Rfc6455);
    peer.write(&masked(0x01, b"first"));
    assert_eq!(reads.recv_timeout(PATIENCE).unwrap(), b"first");
    // A ping within the message is answered while the handler reads.
    peer.ping(b"now");
    assert_eq!(peer.hear(), Heard::Pong(b"now".into()));
    peer.write(&masked(0x80, b"second"));
    assert_eq!(reads.recv_timeout(PATIENCE).unwrap(), b"second");
    assert_eq!(reads.recv_timeout(PATIENCE).unwrap(), b"");
}

/// Drops a reader after a few bytes, then receives in some way, and answers with that message.
fn drop_and_receive(client: &mut Client, way: usize) -> HandlerResult {
    let mut reader = client.recv_reader(10 * MIB)?.unwrap();
    reader.read_exact(&mut [0; 10])?;
    drop(reader);
    let message = match way {
        0 => client.recv()?.unwrap(),
        1 => match client.recv_timeout(PATIENCE)? {
            Received::Message(message) => message,
            other => panic!("{other:?}"),
        },
        2 => match client.recv_event()?.unwrap() {
            stentor::protocol::Event::Message(message) => message,
            other => panic!("{other:?}"),
        },
        _ => {
            let mut text = String::new();
            let mut reader = client.recv_reader(MIB)?.unwrap();
            reader.read_to_string(&mut text)?;
            text.into()
        }
    };
    client.send(message)?;
    Ok(())
}

#[test]
fn a_reader_that_is_dropped_discards_the_rest_of_its_message() {
    for way in 0..4 {
        let server = Loopback::run(Server::builder(), move |client| {
            drop_and_receive(client, way)
        });
        for mut peer in server.open_all() {
            peer.say(&wording(300_000));
            peer.say("next");
            peer.expect_text("next");
            peer.answer_goodbye(1000, "");
        }
        assert_eq!(server.wait_until_empty().messages_in, 10);
    }
}

/// Passes on how the first reader ends.
fn ending(limit: usize, errors: Sender<Error>) -> impl Fn(&mut Client) -> HandlerResult {
    move |client| {
        let mut reader = client.recv_reader(limit)?.unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        errors.send(error.into()).unwrap();
        // The same again.
        let error = reader.read(&mut [0]).unwrap_err();
        errors.send(Error::from(error)).unwrap();
        Ok(())
    }
}

#[test]
fn a_message_above_the_limit_fails_the_connection() {
    let (errors, ended) = channel();
    let builder = Server::builder()
        .max_message_size(10 * MIB)
        .close_reasons(false);
    let server = Loopback::run(builder, ending(1000, errors));
    for mut peer in server.open_all() {
        let code = peer
            .version
            .has_close_codes()
            .then_some(match peer.version {
                Version::Rfc6455 => 1009,
                _ => 1004,
            });
        let words = "x".repeat(600);
        let start = text(peer.version, &words);
        match code {
            None => peer.write(&[&start[..601], &start[1..]].concat()),
            Some(_) => peer.write(
                &[
                    masked(0x01, words.as_bytes()),
                    masked(0x00, words.as_bytes()),
                ]
                .concat(),
            ),
        }
        for _ in 0..2 {
            let error = ended.recv_timeout(PATIENCE).unwrap();
            let is_too_large =
                matches!(error, Error::Protocol(ProtocolError::MessageTooLarge(1000)));
            assert!(is_too_large, "{}: {error:?}", peer.version);
        }
        if let Some(code) = code {
            peer.expect_goodbye(code, "");
        }
    }
    // The end of a connection is not a failed handler.
    assert_eq!(server.wait_until_empty().failed_handlers, 0);
}

#[test]
fn a_close_within_the_message_is_not_its_end() {
    let (errors, ended) = channel();
    let server = Loopback::run(Server::builder(), ending(MIB, errors));
    let mut peer = server.open(Version::Rfc6455);
    peer.write(&masked(0x02, b"part"));
    peer.start_close(1000, "");
    for _ in 0..2 {
        let error = ended.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(error, Error::Closed), "{error:?}");
    }
    let mut peer = server.open(Version::Rfc6455);
    peer.write(&masked(0x02, b"part"));
    drop(peer);
    for _ in 0..2 {
        let error = ended.recv_timeout(PATIENCE).unwrap();
        let is_the_end = matches!(error, Error::Disconnected(DisconnectReason::EndOfStream));
        assert!(is_the_end, "{error:?}");
    }
}

#[test]
fn a_message_that_stays_unfinished_is_given_up() {
    let (errors, ended) = channel();
    let builder = Server::builder().min_message_rate(1000, SOON);
    let server = Loopback::run(builder, ending(MIB, errors));
    for mut peer in server.open_all() {
        let start = text(peer.version, "x");
        peer.write(&start[..start.len() - 1]);
        let error = ended.recv_timeout(PATIENCE).unwrap();
        let reason = DisconnectReason::UnfinishedMessage;
        let is_late = matches!(error, Error::Disconnected(late) if late == reason);
        assert!(is_late, "{}: {error:?}", peer.version);
        ended.recv_timeout(PATIENCE).unwrap();
    }
}

/// The messages are many times what the client may send at once.
#[test]
fn the_rate_limit_holds_for_messages_in_pieces() {
    let rate = RateLimit::per_second()
        .bytes(10_000_000)
        .burst(Duration::from_millis(10));
    let server = Loopback::run(Server::builder().rate_limit(rate), sum_up);
    let mut peer = server.open(Version::Rfc6455);
    let bytes = pattern(MIB);
    peer.send_binary(&bytes);
    peer.expect_text(&summed_up(&bytes.into()));
    assert!(server.handle.counters().throttled > 0);
}

#[test]
fn lines_of_a_text_can_be_read() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        let lines: Vec<String> = client
            .recv_reader(MIB)?
            .unwrap()
            .lines()
            .collect::<Result<_, _>>()?;
        Ok(client.send(lines.join("|"))?)
    });
    let mut peer = server.open(Version::Hybi08);
    peer.say("one\ntwo\nthree");
    peer.expect_text("one|two|three");
}

/// Bytes that do not repeat (xorshift).
#[cfg(feature = "deflate")]
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_arrive_in_pieces_and_their_context_stays() {
    use stentor::{Connector, Deflate};
    let deflate = || Deflate::new().send_takeover(true).receive_takeover(true);
    let builder = Server::builder()
        .deflate(deflate())
        .total_incoming_limit(2 * MIB);
    let server = Loopback::run(builder, |client: &mut Client| {
        // In turn as a whole and in pieces.
        while let Some(message) = client.recv()? {
            client.send(summed_up(&message))?;
            let mut bytes = Vec::new();
            let Some(mut reader) = client.recv_reader(64 * MIB)? else {
                return Ok(());
            };
            reader.read_to_end(&mut bytes)?;
            let message = Message::from(bytes);
            client.send(summed_up(&message))?;
        }
        Ok(())
    });
    let url = format!("ws://{}/", server.address);
    let mut socket = Connector::new().deflate(deflate()).connect(&url).unwrap();
    let is_compressed =
        |(name, _): (&str, &[u8])| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions");
    assert!(socket.response().headers().any(is_compressed));
    // Nothing in it repeats, except that the third message is the end of the second.
    let noise = noise(100_000);
    let messages = [
        noise[..40_000].to_vec(),
        noise[40_000..].to_vec(),
        noise[80_000..].to_vec(),
        vec![0; 40 * MIB],
    ];
    for message in messages {
        let message = Message::from(message);
        socket.send(message.clone()).unwrap();
        let expected = Some(Message::from(summed_up(&message)));
        assert_eq!(socket.recv().unwrap(), expected);
    }
    assert_eq!(server.handle.counters().incoming_exceeded, 0);
}

/// A few bytes that inflate to more than the limit.
#[cfg(feature = "deflate")]
#[test]
fn the_limit_holds_for_inflated_bytes() {
    use stentor::{Connector, Deflate};
    let (errors, ended) = channel();
    let builder = Server::builder().deflate(Deflate::new());
    let server = Loopback::run(builder, ending(MIB, errors));
    let url = format!("ws://{}/", server.address);
    let mut socket = Connector::new()
        .deflate(Deflate::new())
        .connect(&url)
        .unwrap();
    socket.send(vec![0; MIB + 1]).unwrap();
    let error = ended.recv_timeout(PATIENCE).unwrap();
    let is_too_large = matches!(error, Error::Protocol(ProtocolError::MessageTooLarge(MIB)));
    assert!(is_too_large, "{error:?}");
    assert_eq!(socket.recv().unwrap(), None);
    assert_eq!(socket.closed().unwrap().code, stentor::CloseCode::new(1009));
}
