//! Lesson 11, the frames of a client.

use crate::client;
use crate::diagnoses::{
    client as handshake, client_close, client_frames as d, client_reads as reads,
    client_rules as rules,
};
use crate::diagnosis::Diagnosis;
use crate::guess::echo;
use crate::lesson::{Check, Failure, Found, Shown};
use crate::talk::{Missing, Talk};
use crate::wire::{self, Frame, Parsed, opcode};

pub(super) fn hello(talk: &mut Talk) -> Check {
    client::open(talk)?;
    // Longer than four bytes, and with different letters: a wrong use of a key shows.
    if let Err(failure) = echo(talk, &Frame::text("Hello, client")) {
        return Err(waits_for_key(talk, failure));
    }
    echo(talk, &Frame::text("x"))?;
    let empty = Frame::text("");
    talk.send(&empty.encode());
    expect(
        talk,
        std::slice::from_ref(&empty),
        &empty,
        |got, _| match got {
            [] => Some(&reads::EMPTY),
            _ => echo::diagnose(opcode::TEXT, &[], got),
        },
    )
    .map(|_| ())
}

/// Sends four more bytes to a silent client: if it goes on, it has taken four bytes for a key.
fn waits_for_key(talk: &mut Talk, mut failure: Box<Failure>) -> Box<Failure> {
    let is_silent =
        matches!(&failure.found, Found::Diagnosis(found, _) if *found == &reads::SILENT);
    if is_silent {
        talk.send(&[0; 4]);
        // A client that reads frames rightly fails the connection here: it sends a close frame.
        let is_message = |first: &u8| first & 0x0f <= opcode::BINARY;
        if talk.read_bytes(1).first().is_some_and(is_message) {
            let words = "You went on after four more bytes, as many as a key has.";
            failure.found = Found::Diagnosis(&reads::READS_KEY, words.to_owned());
        }
    }
    failure
}

/// Sends a frame, and expects its payload back.
fn echo(talk: &mut Talk, frame: &Frame) -> Check<[u8; 4]> {
    talk.send(&frame.encode());
    let wanted = frame.clone();
    expect(
        talk,
        std::slice::from_ref(frame),
        &wanted,
        |got, missing| {
            echo::diagnose(frame.opcode, &frame.payload, got).or_else(|| no_echo(got, missing))
        },
    )
}

/// The diagnosis of a client that sends nothing.
fn no_echo(got: &[u8], missing: Missing) -> Option<&'static Diagnosis> {
    match (got, missing) {
        ([], Missing::Silence) => Some(&reads::SILENT),
        ([], Missing::Ended(_)) => Some(&reads::GONE),
        _ => None,
    }
}

/// Expects this frame, masked, after the frames that were sent; returns its masking key. If other bytes
/// come, `mistake` names the cause.
pub(super) fn expect(
    talk: &mut Talk,
    sent: &[Frame],
    wanted: &Frame,
    mistake: impl FnOnce(&[u8], Missing) -> Option<&'static Diagnosis>,
) -> Check<[u8; 4]> {
    let right = wanted.clone().masked([0; 4]);
    let len = right.encode().len();
    let mut got = talk.read_bytes(len);
    if let Some(mask) = echo::right(wanted.opcode, &wanted.payload, &got) {
        return Ok(mask);
    }
    let (rest, missing) = talk.rest_until_silence();
    got.extend(rest);
    let failure = match mistake(&got, missing) {
        Some(diagnosis) => Failure::diagnosed(diagnosis, ""),
        None => Failure::unnamed("RFC 6455 §5.2", "The frame is not the expected one."),
    };
    let mut failure = match got[..] {
        [] => client::with_output(talk, failure),
        _ => failure,
    };
    for frame in sent {
        failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
    }
    let words = match wire::parse(&got) {
        Parsed::Frame(frame, _) => format!("read as: {}; {}", frame.words(), missing.words()),
        _ => missing.words().to_owned(),
    };
    failure
        .received(Shown::bytes(got, words))
        .expected(format!(
            "{}, with the payload {}",
            right.words(),
            wire::printable(&wanted.payload, 40)
        ))
        .fail()
}

pub(super) fn new_masks(talk: &mut Talk) -> Check {
    client::open(talk)?;
    let mut masks = Vec::new();
    for text in ["one", "two", "three", "four"] {
        masks.push(echo(talk, &Frame::text(text))?);
    }
    let repeated = masks.windows(2).any(|pair| pair[0] == pair[1]);
    if !repeated {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::FIXED, "");
    for mask in &masks {
        failure = failure.received(Shown::bytes(*mask, "the masking key of a frame"));
    }
    failure.expected("a new key for each frame").fail()
}

pub(super) fn lengths(talk: &mut Talk) -> Check {
    client::open(talk)?;
    // 256 and 257 come first: read in the other byte order they are short, so the mistake shows at once.
    for len in [125, 256, 126, 127, 300, 32767, 32768, 65535, 65536, 70001] {
        let payload: Vec<u8> = b"abcdefghijklmnopqrs"
            .iter()
            .copied()
            .cycle()
            .take(len)
            .collect();
        let frame = Frame::new(opcode::TEXT, payload);
        talk.send(&frame.encode());
        expect(
            talk,
            std::slice::from_ref(&frame),
            &frame,
            |got, missing| {
                echo::diagnose(opcode::TEXT, &frame.payload, got)
                    .or_else(|| no_long_echo(len, got, missing))
            },
        )?;
    }
    let frame = Frame::text(&"0123456789".repeat(30));
    talk.send_in_pieces(&frame.encode(), &[1, 2, 3, 4]);
    expect(talk, std::slice::from_ref(&frame), &frame, |_, _| {
        Some(&reads::HEADER_CUT)
    })
    .map(|_| ())
}

/// The diagnosis of a client that sends nothing, or something unknown, for a message of this length, the
/// shorter ones being right.
fn no_long_echo(len: usize, got: &[u8], missing: Missing) -> Option<&'static Diagnosis> {
    Some(match len {
        125 => return no_echo(got, missing),
        32768 | 65535 => &reads::LENGTH_SIGNED,
        // The length in the other byte order is larger than any message: the client waits, or refuses it.
        65536 if got.first() == Some(&0x88) => &reads::LENGTH_LITTLE,
        65536 if got.is_empty() && missing == Missing::Silence => &reads::LENGTH_LITTLE,
        65536.. => &reads::LENGTH_64,
        _ => &reads::LENGTH,
    })
}

pub(super) fn cut_and_glued(talk: &mut Talk) -> Check {
    client::open(talk)?;
    // The payload is cut first, then the header.
    let frame = Frame::text("a message in several pieces");
    let bytes = frame.encode();
    talk.send_in_pieces(&bytes, &[6, 7, 15]);
    expect(talk, std::slice::from_ref(&frame), &frame, |_, _| {
        Some(&reads::ONE_READ)
    })?;
    let frame = Frame::text("short");
    talk.send_in_pieces(&frame.encode(), &[1, 2]);
    expect(talk, std::slice::from_ref(&frame), &frame, |_, _| {
        Some(&reads::HEADER_CUT)
    })?;
    let frames = ["first", "second", "third"].map(Frame::text);
    let glued: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    talk.send(&glued);
    for (at, frame) in frames.iter().enumerate() {
        expect(talk, &frames, frame, |got, _| match wire::parse(got) {
            Parsed::Frame(found, _) if at == 0 && found.payload.len() > frame.payload.len() => {
                Some(&reads::JOINED)
            }
            _ => Some(&reads::GLUED),
        })?;
    }
    // Half of the second frame comes with the first.
    let frames = ["fourth", "fifth"].map(Frame::text);
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    talk.send_in_pieces(&bytes, &[11]);
    for frame in &frames {
        expect(talk, &frames, frame, |_, _| Some(&reads::GLUED))?;
    }
    glued_to_response(talk)
}

fn glued_to_response(talk: &mut Talk) -> Check {
    let response = client::Response::to(talk)?;
    let frame = Frame::text("at once");
    talk.send(&[response.encode(), frame.encode()].concat());
    expect(talk, std::slice::from_ref(&frame), &frame, |_, _| {
        Some(&handshake::GLUED_RESPONSE)
    })
    .map(|_| ())
}

pub(super) fn fragments(talk: &mut Talk) -> Check {
    client::open(talk)?;
    ping(talk, b"a payload")?;
    ping(talk, &[b'p'; 125])?;
    ping(talk, b"")?;
    talk.send(&Frame::new(opcode::PONG, *b"not asked for").encode());
    let (got, missing) = talk.rest_until_silence();
    if !got.is_empty() || missing != Missing::Silence {
        return Failure::diagnosed(&reads::PONG_ECHOED, "")
            .sent(Shown::bytes(
                Frame::new(opcode::PONG, *b"not asked for").encode(),
                "a pong",
            ))
            .received(Shown::bytes(got, missing.words()))
            .expected("nothing")
            .fail();
    }
    let pieces = [
        Frame::text("Hel").unfinished(),
        Frame::new(opcode::CONTINUATION, *b"lo, ").unfinished(),
        Frame::new(opcode::CONTINUATION, *b"client"),
    ];
    talk.send(&pieces.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
    let whole = Frame::text("Hello, client");
    expect(talk, &pieces, &whole, |got, _| match wire::parse(got) {
        Parsed::Frame(found, _) if found.payload == whole.payload => Some(&reads::OPCODE_LOST),
        _ => Some(&reads::FRAGMENTS),
    })?;
    ping_between(talk)
}

/// A ping between the fragments of a message.
fn ping_between(talk: &mut Talk) -> Check {
    let pieces = [
        Frame::text("Hel").unfinished(),
        Frame::new(opcode::PING, *b"ping"),
        Frame::new(opcode::CONTINUATION, *b"lo, again"),
    ];
    talk.send(&pieces.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
    let joined = |got: &[u8]| {
        let found = match wire::parse(got) {
            Parsed::Frame(found, _) => found.payload,
            _ => Vec::new(),
        };
        found.windows(4).any(|part| part == b"ping") && found.len() > 4
    };
    let pong = Frame::new(opcode::PONG, *b"ping");
    expect(talk, &pieces, &pong, |got, _| match joined(got) {
        true => Some(&reads::PING_JOINED),
        false => Some(&reads::PING_BREAKS),
    })?;
    let whole = Frame::text("Hello, again");
    expect(talk, &pieces, &whole, |got, _| match joined(got) {
        true => Some(&reads::PING_JOINED),
        false => Some(&reads::PING_BREAKS),
    })
    .map(|_| ())
}

fn ping(talk: &mut Talk, payload: &[u8]) -> Check {
    let ping = Frame::new(opcode::PING, payload);
    talk.send(&ping.encode());
    let pong = Frame::new(opcode::PONG, payload);
    expect(talk, &[ping], &pong, |got, _| match wire::parse(got) {
        _ if got.is_empty() => Some(&reads::PONG_NONE),
        Parsed::Frame(found, _) if found.opcode != opcode::PONG => Some(&reads::PING_BACK),
        Parsed::Frame(found, _) if found.payload != payload => Some(&reads::PONG_EMPTY),
        Parsed::Frame(found, _) if found.mask.is_none() => Some(&client_close::UNMASKED),
        _ => echo::diagnose(opcode::PONG, payload, got),
    })
    .map(|_| ())
}

pub(super) fn text(talk: &mut Talk) -> Check {
    client::open(talk)?;
    let umlaut = Frame::text("W\u{f6}rld \u{4e2d} \u{1f600}");
    echo(talk, &umlaut)?;
    let binary = Frame::new(opcode::BINARY, [0x00, 0xff, 0x80, 0xc3, 0x28, 0x0d, 0x0a]);
    talk.send(&binary.encode());
    expect(
        talk,
        std::slice::from_ref(&binary),
        &binary,
        |got, missing| match wire::parse(got) {
            Parsed::Frame(found, _) if found.opcode != opcode::BINARY => Some(&d::OPCODE),
            Parsed::Frame(found, _) if found.mask.is_some() && found.payload != binary.payload => {
                Some(&reads::ENCODING)
            }
            _ => echo::diagnose(opcode::BINARY, &binary.payload, got)
                .or_else(|| no_echo(got, missing)),
        },
    )?;
    let bytes = "W\u{f6}rld".as_bytes();
    let pieces = [
        Frame::new(opcode::TEXT, &bytes[..2]).unfinished(),
        Frame::new(opcode::CONTINUATION, &bytes[2..]),
    ];
    talk.send(&pieces.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
    let whole = Frame::new(opcode::TEXT, bytes);
    expect(talk, &pieces, &whole, |_, _| Some(&reads::UTF8_PIECES))?;
    // The read ends inside the character.
    let encoded = whole.encode();
    talk.send_in_pieces(&encoded, &[4]);
    expect(talk, std::slice::from_ref(&whole), &whole, |_, _| {
        Some(&reads::UTF8_PIECES)
    })
    .map(|_| ())
}

pub(super) fn violations(talk: &mut Talk) -> Check {
    let mask = talk.random.mask();
    let hello = || Frame::text("Hello");
    let long_ping = Frame::new(opcode::PING, vec![b'p'; 126]);
    let unfinished_ping = Frame::new(opcode::PING, *b"hi").unfinished();
    let continuation = Frame::new(opcode::CONTINUATION, *b"Hello");
    let interleaved = vec![Frame::text("Hel").unfinished(), Frame::text("lo")];
    let cases: [(&'static Diagnosis, Vec<Frame>); 9] = [
        (&rules::MASKED, vec![hello().masked(mask)]),
        (&rules::RSV, vec![hello().reserved(4)]),
        (&rules::RSV, vec![hello().reserved(2)]),
        (&rules::OPCODE, vec![Frame::new(3, *b"Hello")]),
        (&rules::CONTINUATION, vec![continuation]),
        (&rules::INTERLEAVED, interleaved),
        (&rules::CONTROL, vec![long_ping]),
        (&rules::CONTROL, vec![unfinished_ping]),
        (&rules::UTF8, vec![Frame::new(opcode::TEXT, *b"a\xffb")]),
    ];
    for (diagnosis, frames) in cases {
        client::open(talk)?;
        talk.send(&frames.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
        fails_connection(talk, diagnosis, &frames)?;
    }
    Ok(())
}

/// Expects a close frame, or the end of the connection.
pub(super) fn fails_connection(
    talk: &mut Talk,
    diagnosis: &'static Diagnosis,
    frames: &[Frame],
) -> Check {
    let first = talk.read_bytes(1);
    let (rest, missing) = talk.rest_until_silence();
    let diagnosis = match first[..] {
        [] if missing != Missing::Silence => return Ok(()),
        [] => &rules::OPEN,
        [0x88] => return l11_close_code(&[first, rest].concat(), frames),
        _ => diagnosis,
    };
    let mut failure = Failure::diagnosed(diagnosis, "");
    for frame in frames {
        failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
    }
    failure
        .received(Shown::bytes([first, rest].concat(), missing.words()))
        .expected("a close frame with 1002 (1007 if the text is not UTF-8), and the end of the connection")
        .fail()
}

/// Checks the close frame of a client that fails the connection.
fn l11_close_code(got: &[u8], frames: &[Frame]) -> Check {
    super::l11_close::check_frame(got, frames, None)
}
