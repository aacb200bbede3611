//! Lesson 12 for clients: permessage-deflate (RFC 7692). A client that does not offer it passes.

use flate2::{Compress, Compression, FlushCompress};
use stentor::Version;

use crate::client::{Response, SETTLING};
use crate::diagnoses::client_deflate as d;
use crate::diagnosis::Diagnosis;
use crate::guess::deflate::{self, Inflater, TAIL};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{Missing, Reading, Talk};
use crate::wire::{Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 12,
    title: "A client with compression (passed by clients that do not offer it)",
    role: Role::Client,
    versions: &[Version::Rfc6455],
    cases: &[
        Case {
            id: "12.1",
            title: "the offer has valid parameters only",
            run: offer,
        },
        Case {
            id: "12.2",
            title: "compressed and plain messages come back",
            run: messages,
        },
        Case {
            id: "12.3",
            title: "a message may refer to an earlier one",
            run: context,
        },
        Case {
            id: "12.4",
            title: "a compressed message may come in fragments",
            run: fragments,
        },
        Case {
            id: "12.5",
            title: "RSV1 on other frames ends the connection",
            run: violations,
        },
    ],
};

/// The name of the extension.
const NAME: &str = "permessage-deflate";

/// "Hello" in a block with fixed codes (RFC 7692, section 7.2.3.1).
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Starts the client and accepts its first offer of the extension. `None` if there is none.
fn open(talk: &mut Talk) -> Check<Option<Takeover>> {
    let mut response = Response::to(talk)?;
    let Some(offer) = first_offer(talk) else {
        return Ok(None);
    };
    let line = accepted(&offer);
    let takeover = Takeover {
        server: !line.contains("server_"),
    };
    response.lines.push(line);
    talk.send(&response.encode());
    talk.wait_for_end(SETTLING);
    Ok(Some(takeover))
}

/// The header that accepts an offer: what the client asks of the server is granted.
fn accepted(offer: &str) -> String {
    let mut line = format!("Sec-WebSocket-Extensions: {NAME}");
    for name in ["server_no_context_takeover", "server_max_window_bits"] {
        if let Some(parameter) = offer.split(';').find(|part| part.trim().starts_with(name)) {
            line = format!("{line}; {}", parameter.trim());
        }
    }
    line
}

/// The agreement about the server's direction.
struct Takeover {
    /// The checker may refer to its earlier messages.
    server: bool,
}

/// The client's first offer of the extension, with its parameters.
fn first_offer(talk: &Talk) -> Option<String> {
    let head = talk.head.as_ref()?;
    let mut offers = head
        .values("Sec-WebSocket-Extensions")
        .flat_map(|value| value.split(','));
    offers
        .find(|offer| offer.trim().starts_with(NAME))
        .map(str::to_owned)
}

fn offer(talk: &mut Talk) -> Check {
    Response::to(talk)?;
    let Some(offer) = first_offer(talk) else {
        return Ok(());
    };
    // In an offer, unlike in a response, this parameter may stand without a value.
    let valued = offer.replace("client_max_window_bits;", "client_max_window_bits=15;");
    let valued = match valued.trim().strip_suffix("client_max_window_bits") {
        Some(start) => format!("{start}client_max_window_bits=15"),
        None => valued,
    };
    match deflate::wrong_parameter(&valued, &valued) {
        None => Ok(()),
        Some(wrong) => Failure::diagnosed(&d::OFFER, wrong)
            .received(Shown::line(format!(
                "Sec-WebSocket-Extensions: {}",
                offer.trim()
            )))
            .expected("permessage-deflate; client_max_window_bits")
            .fail(),
    }
}

fn messages(talk: &mut Talk) -> Check {
    if open(talk)?.is_none() {
        return Ok(());
    }
    let client = &mut Inflater::new();
    let hello = Frame::new(opcode::TEXT, HELLO).reserved(4);
    echo(talk, client, &[hello], b"Hello", &d::UNREAD)?;
    echo(talk, client, &[Frame::text("plain")], b"plain", &d::PLAIN)?;
    let mut server = Packer::new(false);
    let long = "a longer text, with parts of a longer text. ".repeat(40);
    for text in [long.as_str(), "", "x"] {
        let frame = Frame::new(opcode::TEXT, server.message(text.as_bytes())).reserved(4);
        // The first one was right: a decompressor that lacks the end of it fails now.
        echo(talk, client, &[frame], text.as_bytes(), &d::TAIL)?;
    }
    Ok(())
}

fn context(talk: &mut Talk) -> Check {
    let Some(takeover) = open(talk)? else {
        return Ok(());
    };
    let mut server = Packer::new(takeover.server);
    let client = &mut Inflater::new();
    let text = "The same words, again and again.";
    for at in 0..3 {
        let frame = Frame::new(opcode::TEXT, server.message(text.as_bytes())).reserved(4);
        let otherwise = if at == 0 { &d::UNREAD } else { &d::CONTEXT };
        echo(talk, client, &[frame], text.as_bytes(), otherwise)?;
    }
    without_context(talk)
}

/// The response forbids the client to refer to its earlier messages.
fn without_context(talk: &mut Talk) -> Check {
    let mut response = Response::to(talk)?;
    let Some(mut line) = first_offer(talk).map(|offer| accepted(&offer)) else {
        return Ok(());
    };
    line.push_str("; client_no_context_takeover");
    response.lines.push(line);
    talk.send(&response.encode());
    talk.wait_for_end(SETTLING);
    for at in 0..3 {
        let text = "The same words, again and again.";
        let otherwise = if at == 0 {
            &d::PLAIN
        } else {
            &d::KEEPS_CONTEXT
        };
        // A new context for each message.
        let client = &mut Inflater::new();
        echo(
            talk,
            client,
            &[Frame::text(text)],
            text.as_bytes(),
            otherwise,
        )?;
    }
    Ok(())
}

fn fragments(talk: &mut Talk) -> Check {
    if open(talk)?.is_none() {
        return Ok(());
    }
    let client = &mut Inflater::new();
    let pieces = [
        Frame::new(opcode::TEXT, &HELLO[..3])
            .reserved(4)
            .unfinished(),
        Frame::new(opcode::CONTINUATION, &HELLO[3..5]).unfinished(),
        Frame::new(opcode::CONTINUATION, &HELLO[5..]),
    ];
    echo(talk, client, &pieces, b"Hello", &d::FRAGMENTS)
}

/// Sends a message, and expects its echo, compressed or not.
fn echo(
    talk: &mut Talk,
    client: &mut Inflater,
    sent: &[Frame],
    plain: &[u8],
    otherwise: &'static Diagnosis,
) -> Check {
    talk.send(&sent.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
    let mut frames: Vec<Frame> = Vec::new();
    let mut raw = Vec::new();
    let missing = loop {
        match talk.read_frame() {
            Reading::Frame(frame, bytes) => {
                raw.extend(bytes);
                let last = frame.fin;
                frames.push(frame);
                if last || frames.len() > 100 {
                    break Missing::Silence;
                }
            }
            Reading::Incomplete(bytes, missing) => {
                raw.extend(bytes);
                break missing;
            }
        }
    };
    let Some(mistake) = mistake(&frames, client, plain, otherwise) else {
        return Ok(());
    };
    let mut failure = Failure::diagnosed(mistake, "");
    for frame in sent {
        failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
    }
    let words = match frames.first() {
        Some(frame) => format!(
            "read as: {}; unmasked payload {}",
            frame.words(),
            crate::wire::hex(&frame.payload)
        ),
        None => missing.words().to_owned(),
    };
    let text = crate::wire::printable(plain, 40);
    failure
        .received(Shown::bytes(raw, words))
        .expected(format!("the message {text:?}"))
        .fail()
}

/// The mistake in the frames of an echo.
fn mistake(
    frames: &[Frame],
    client: &mut Inflater,
    plain: &[u8],
    otherwise: &'static Diagnosis,
) -> Option<&'static Diagnosis> {
    let Some(first) = frames.first().filter(|frame| frame.opcode <= 2) else {
        return Some(otherwise);
    };
    if frames[1..].iter().any(|frame| frame.rsv != 0) {
        return Some(&d::RSV1_REPEATED);
    }
    let payload: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.payload.clone())
        .collect();
    if first.rsv & 4 != 0 {
        return match client.message(&payload) {
            Some(found) if found == plain => None,
            // The right bytes behind a compressor of another connection, or of none.
            _ if payload == plain || payload.starts_with(&[0x78]) || payload.ends_with(&TAIL) => {
                Some(&d::SENT)
            }
            Some(_) => Some(otherwise),
            _ if *otherwise == d::KEEPS_CONTEXT => Some(otherwise),
            None if *otherwise == d::CONTEXT => Some(&d::SEND_CONTEXT),
            None => Some(&d::SENT),
        };
    }
    if payload == plain {
        return None;
    }
    let packed = Inflater::new().message(&payload);
    match packed {
        Some(found) if found == plain && !plain.is_empty() => Some(&d::RSV1_MISSING),
        _ if plain.starts_with(&payload) => Some(&d::TAIL),
        _ => Some(otherwise),
    }
}

fn violations(talk: &mut Talk) -> Check {
    let continuation = [
        Frame::text("Hel").unfinished(),
        Frame::new(opcode::CONTINUATION, *b"lo").reserved(4),
    ];
    let ping = [Frame::new(opcode::PING, *b"hi").reserved(4)];
    for frames in [&continuation[..], &ping] {
        if open(talk)?.is_none() {
            return Ok(());
        }
        talk.send(&frames.iter().flat_map(Frame::encode).collect::<Vec<u8>>());
        super::l11_frames::fails_connection(talk, &d::RSV1_ACCEPTED, frames)?;
    }
    Ok(())
}

/// Compresses messages, with one context for all of them or with a new one for each.
struct Packer {
    stream: Compress,
    takeover: bool,
}

impl Packer {
    fn new(takeover: bool) -> Packer {
        Packer {
            stream: Compress::new(Compression::default(), false),
            takeover,
        }
    }

    /// The payload of a message, without the tail.
    fn message(&mut self, plain: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.stream.reset();
        }
        let mut packed = Vec::with_capacity(plain.len() + 64);
        // It fits: deflate never grows a message by more than a few bytes.
        let _ = self
            .stream
            .compress_vec(plain, &mut packed, FlushCompress::Sync);
        packed.truncate(packed.len().saturating_sub(TAIL.len()));
        packed
    }
}
