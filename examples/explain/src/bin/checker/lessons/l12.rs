//! Lesson 12: compression. A server that declines it passes: that is always allowed.

use stentor::Version;

use crate::compressed::{Compressed, RSV1};
use crate::diagnoses::{compression as d, handshake};
use crate::diagnosis::Diagnosis;
use crate::guess::deflate::{self, Deflater};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{End, Missing, Reading, Talk};
use crate::wire::{Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 12,
    title: "Compression",
    role: Role::Server,
    versions: &[Version::Rfc6455],
    cases: &[
        Case {
            id: "12.1",
            title: "the agreed parameters are valid",
            run: parameters,
        },
        Case {
            id: "12.2",
            title: "a compressed message comes back",
            run: hello,
        },
        Case {
            id: "12.3",
            title: "a message without compression comes back",
            run: plain,
        },
        Case {
            id: "12.4",
            title: "compressed messages that do not refer to earlier ones",
            run: two_alone,
        },
        Case {
            id: "12.5",
            title: "a message that refers to the one before it",
            run: takeover,
        },
        Case {
            id: "12.6",
            title: "server_no_context_takeover",
            run: no_takeover,
        },
        Case {
            id: "12.7",
            title: "a compressed message in fragments, with a ping between",
            run: fragments,
        },
        Case {
            id: "12.8",
            title: "unusual blocks, an empty message, a large one",
            run: blocks,
        },
        Case {
            id: "12.9",
            title: "RSV1 in a continuation or a ping is refused",
            run: misplaced,
        },
    ],
};

const OFFER: &str = "permessage-deflate";
const FORGETFUL: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// "Hello" in a block with fixed codes (RFC 7692, section 7.2.3.1).
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn parameters(talk: &mut Talk) -> Check {
    for offer in [OFFER, FORGETFUL] {
        let Some(connection) = Compressed::open(talk, offer)? else {
            return Ok(());
        };
        let agreed = connection.agreed.as_str();
        let forgets = "server_no_context_takeover";
        let (diagnosis, words) = match deflate::wrong_parameter(agreed, offer) {
            Some(wrong) => (&handshake::EXTENSION_PARAMETERS, wrong),
            None if offer.contains(forgets) && !agreed.contains(forgets) => {
                (&d::TAKEOVER_IGNORED, String::new())
            }
            None => continue,
        };
        return Failure::diagnosed(diagnosis, words)
            .sent(Shown::line(format!("Sec-WebSocket-Extensions: {offer}")))
            .received(Shown::line(format!("Sec-WebSocket-Extensions: {agreed}")))
            .expected(format!("Sec-WebSocket-Extensions: {offer}"))
            .fail();
    }
    Ok(())
}

/// A text message with RSV1 and this payload.
fn packed(payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(opcode::TEXT, payload).reserved(RSV1)
}

fn hello(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, OFFER)? else {
        return Ok(());
    };
    connection.exchange(talk, vec![packed(HELLO)], b"Hello", &d::NO_REPLY)
}

fn plain(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, OFFER)? else {
        return Ok(());
    };
    let frames = vec![Frame::text("not compressed")];
    connection.exchange(talk, frames, b"not compressed", &d::PLAIN_REFUSED)
}

fn two_alone(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, OFFER)? else {
        return Ok(());
    };
    for _ in 0..3 {
        let text = format!("alone {}", talk.random.word(12));
        let frame = packed(Deflater::new().message(text.as_bytes()));
        connection.exchange(talk, vec![frame], text.as_bytes(), &d::TAIL_MISSING)?;
    }
    Ok(())
}

fn takeover(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, OFFER)? else {
        return Ok(());
    };
    let mut deflater = Deflater::new();
    let text = format!("a text that comes three times {}", talk.random.word(20));
    let mut otherwise: &Diagnosis = &d::NO_REPLY;
    for _ in 0..3 {
        if connection.client_forgets {
            deflater = Deflater::new();
        }
        let frame = packed(deflater.message(text.as_bytes()));
        connection.exchange(talk, vec![frame], text.as_bytes(), otherwise)?;
        otherwise = &d::CONTEXT_LOST;
    }
    Ok(())
}

fn no_takeover(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, FORGETFUL)? else {
        return Ok(());
    };
    let text = format!("a text that comes three times {}", talk.random.word(20));
    for _ in 0..3 {
        let frame = packed(Deflater::new().message(text.as_bytes()));
        connection.exchange(talk, vec![frame], text.as_bytes(), &d::BROKEN)?;
    }
    Ok(())
}

fn fragments(talk: &mut Talk) -> Check {
    let Some(mut connection) = Compressed::open(talk, OFFER)? else {
        return Ok(());
    };
    let text = format!("in three fragments {}", talk.random.word(20));
    let payload = Deflater::new().message(text.as_bytes());
    let (first, rest) = payload.split_at(payload.len() / 3);
    let (second, last) = rest.split_at(rest.len() / 2);
    let frames = vec![
        packed(first).unfinished(),
        Frame::new(opcode::CONTINUATION, second).unfinished(),
        Frame::new(opcode::PING, "not compressed"),
        Frame::new(opcode::CONTINUATION, last),
    ];
    connection.exchange(talk, frames, text.as_bytes(), &d::FRAGMENTS)
}

fn blocks(talk: &mut Talk) -> Check {
    let forms: [&[u8]; 4] = [
        // A block without compression.
        &[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        // A block that is marked as the last one.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        // Two blocks.
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
        &HELLO,
    ];
    for form in forms {
        let Some(mut connection) = Compressed::open(talk, OFFER)? else {
            return Ok(());
        };
        connection.exchange(talk, vec![packed(form)], b"Hello", &d::BLOCKS)?;
    }
    let large = talk.random.word(1000).repeat(100);
    for text in ["", large.as_str()] {
        let Some(mut connection) = Compressed::open(talk, OFFER)? else {
            return Ok(());
        };
        let payload = match text {
            "" => vec![0x00],
            text => Deflater::new().message(text.as_bytes()),
        };
        connection.exchange(talk, vec![packed(payload)], text.as_bytes(), &d::BLOCKS)?;
    }
    Ok(())
}

fn misplaced(talk: &mut Talk) -> Check {
    let (first, rest) = HELLO.split_at(3);
    let continuation = Frame::new(opcode::CONTINUATION, rest).reserved(RSV1);
    let ping = Frame::new(opcode::PING, "ping").reserved(RSV1);
    for frames in [vec![packed(first).unfinished(), continuation], vec![ping]] {
        if Compressed::open(talk, OFFER)?.is_none() {
            return Ok(());
        }
        let frames: Vec<Frame> = frames
            .into_iter()
            .map(|frame| talk.send_frame(frame))
            .collect();
        let (bytes, words) = match talk.read_response(&frames) {
            Reading::Frame(frame, _) if frame.opcode == opcode::CLOSE => continue,
            Reading::Incomplete(bytes, Missing::Ended(End::Closed | End::Reset))
                if bytes.is_empty() =>
            {
                continue;
            }
            Reading::Frame(frame, raw) => (raw, frame.words()),
            Reading::Incomplete(bytes, missing) => (bytes, missing.words().to_owned()),
        };
        let mut failure = Failure::diagnosed(&d::ACCEPTS_RSV1, "");
        for frame in frames {
            failure = failure.sent(Shown::bytes(frame.encode(), frame.words()));
        }
        return failure
            .received(Shown::bytes(bytes, words))
            .expected("88 02 03 ea (a close frame with code 1002; also accepted: another code, or TCP closed without a \
                 close frame)")
            .fail();
    }
    Ok(())
}
