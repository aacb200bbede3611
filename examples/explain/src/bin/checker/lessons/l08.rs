//! Lesson 8: input that must be refused.

use std::fmt::Write as _;

use stentor::Version;

use crate::closing;
use crate::diagnoses::{closing as close, frames, refusing as d};
use crate::diagnosis::Diagnosis;
use crate::exchange;
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{End, HeadReading, Missing, Reading, Talk};
use crate::wire::{self, Frame, LengthForm, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 8,
    title: "Input that must be refused",
    role: Role::Server,
    versions: &[Version::Rfc6455],
    cases: &[
        Case {
            id: "8.1",
            title: "a request without a key",
            run: no_key,
        },
        Case {
            id: "8.2",
            title: "a request of version 99",
            run: version,
        },
        Case {
            id: "8.3",
            title: "a frame without a mask",
            run: unmasked,
        },
        Case {
            id: "8.4",
            title: "a frame with a reserved bit",
            run: reserved,
        },
        Case {
            id: "8.5",
            title: "opcodes that do not exist",
            run: opcodes,
        },
        Case {
            id: "8.6",
            title: "a ping of 126 bytes",
            run: long_ping,
        },
        Case {
            id: "8.7",
            title: "a ping without FIN",
            run: ping_pieces,
        },
        Case {
            id: "8.8",
            title: "a continuation without a message",
            run: stray,
        },
        Case {
            id: "8.9",
            title: "a message inside a message",
            run: nested,
        },
        Case {
            id: "8.10",
            title: "text that is no UTF-8",
            run: invalid_text,
        },
        Case {
            id: "8.11",
            title: "text in fragments that ends inside a character",
            run: unfinished_text,
        },
        Case {
            id: "8.12",
            title: "a close frame of one byte",
            run: close_byte,
        },
        Case {
            id: "8.13",
            title: "close codes that must not be sent",
            run: close_codes,
        },
        Case {
            id: "8.14",
            title: "a length with its highest bit set",
            run: top_bit,
        },
    ],
};

fn no_key(talk: &mut Talk) -> Check {
    let mut request = talk.new_request();
    request.remove("Sec-WebSocket-Key");
    talk.send_request(request)?;
    rejected(
        talk,
        &d::NO_KEY,
        "(no header Sec-WebSocket-Key)",
        "status 400",
    )
    .map(|_| ())
}

fn version(talk: &mut Talk) -> Check {
    let mut request = talk.new_request();
    request.set("Sec-WebSocket-Version", "99");
    talk.send_request(request)?;
    let line = "Sec-WebSocket-Version: 99";
    let expected = "status 426 and the header Sec-WebSocket-Version: 13";
    let Some(head) = rejected(talk, &d::VERSION, line, expected)? else {
        return Ok(());
    };
    let lists = |value: &str| value.split(',').any(|version| version.trim() == "13");
    if head.values("Sec-WebSocket-Version").any(lists) {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::VERSION_LIST, "").sent(Shown::line(line));
    for line in &head.lines {
        failure = failure.received(Shown::line(line));
    }
    failure.expected(expected).fail()
}

/// Reads a response that must not be 101. `None` if the connection was closed without a response.
fn rejected(
    talk: &mut Talk,
    diagnosis: &'static Diagnosis,
    sent: &str,
    expected: &str,
) -> Check<Option<crate::handshake::Head>> {
    let received = match talk.read_head() {
        HeadReading::Head(head) if head.status() != Some(101) => return Ok(Some(head)),
        HeadReading::Incomplete(_, Missing::Ended(End::Closed | End::Reset)) => return Ok(None),
        HeadReading::Head(head) => Shown::line(head.status_line()),
        HeadReading::Incomplete(bytes, missing) => Shown::bytes(bytes, missing.words()),
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::line(sent))
        .received(received)
        .expected(expected)
        .fail()
}

fn unmasked(talk: &mut Talk) -> Check {
    talk.open()?;
    let frame = Frame::text("without a mask");
    talk.send(&frame.encode());
    let reading = talk.read_response(std::slice::from_ref(&frame));
    // The first four bytes of the payload, taken for a key.
    let (key, rest) = frame.payload.split_at(4);
    let mut garbled = rest.to_vec();
    wire::xor(&mut garbled, [key[0], key[1], key[2], key[3]], 0);
    let found = match &reading {
        Reading::Frame(reply, _) if reply.payload == garbled => &d::READS_KEY,
        Reading::Incomplete(bytes, Missing::Silence) if bytes.is_empty() => {
            talk.send(&[0; 4]);
            match talk.is_awake() {
                true => &d::READS_KEY,
                false => &d::UNMASKED,
            }
        }
        _ => &d::UNMASKED,
    };
    let sent = vec![Shown::bytes(frame.encode(), exchange::description(&frame))];
    verdict(reading, sent, &[frame], &[1002], found)
}

fn reserved(talk: &mut Talk) -> Check {
    for bits in [4, 2, 1] {
        talk.open()?;
        let frame = Frame::text("reserved").reserved(bits);
        refuse(talk, vec![frame], &[1002], &d::RESERVED)?;
    }
    Ok(())
}

fn opcodes(talk: &mut Talk) -> Check {
    for opcode in [3, 11] {
        talk.open()?;
        refuse(talk, vec![Frame::new(opcode, "?")], &[1002], &d::OPCODE)?;
    }
    Ok(())
}

fn long_ping(talk: &mut Talk) -> Check {
    talk.open()?;
    let ping = Frame::new(opcode::PING, talk.random.word(126));
    refuse(talk, vec![ping], &[1002, 1009], &d::LONG_PING)
}

fn ping_pieces(talk: &mut Talk) -> Check {
    talk.open()?;
    let start = Frame::new(opcode::PING, "in ").unfinished();
    let end = Frame::new(opcode::CONTINUATION, "pieces");
    refuse(talk, vec![start, end], &[1002], &d::PING_PIECES)
}

fn stray(talk: &mut Talk) -> Check {
    talk.open()?;
    let frame = Frame::new(opcode::CONTINUATION, "more of nothing");
    refuse(talk, vec![frame], &[1002], &d::STRAY)
}

fn nested(talk: &mut Talk) -> Check {
    talk.open()?;
    let start = Frame::text("a message begins, ").unfinished();
    refuse(
        talk,
        vec![start, Frame::text("and another")],
        &[1002],
        &d::INSIDE,
    )
}

fn invalid_text(talk: &mut Talk) -> Check {
    let texts: [&[u8]; 4] = [
        b"abc\xffdef",
        b"half \xc3",
        b"slash \xc0\xaf",
        b"pair \xed\xa0\x80",
    ];
    for text in texts {
        talk.open()?;
        let frame = Frame::new(opcode::TEXT, text);
        refuse(talk, vec![frame], &[1007, 1003, 1002], &d::UTF8)?;
    }
    Ok(())
}

fn unfinished_text(talk: &mut Talk) -> Check {
    talk.open()?;
    let start = Frame::text("half of ").unfinished();
    let end = Frame::new(opcode::CONTINUATION, [0xf0, 0x9f, 0x91]);
    refuse(talk, vec![start, end], &[1007, 1003, 1002], &d::UTF8)
}

fn close_byte(talk: &mut Talk) -> Check {
    talk.open()?;
    let frame = Frame::new(opcode::CLOSE, [0x03]);
    refuse(talk, vec![frame], &[1002], &d::CLOSE_BYTE)
}

fn close_codes(talk: &mut Talk) -> Check {
    for code in [1005, 1006, 999, 5000] {
        talk.open()?;
        refuse(talk, vec![Frame::close(code, "")], &[1002], &d::CLOSE_CODE)?;
    }
    Ok(())
}

fn top_bit(talk: &mut Talk) -> Check {
    talk.open()?;
    let frame = Frame::text("Hello")
        .with_form(LengthForm::Bits64)
        .masked(talk.random.mask());
    let mut bytes = frame.encode();
    bytes[2] = 0x80;
    talk.send(&bytes);
    let sent = vec![Shown::bytes(
        bytes,
        "text with a length of 8 bytes, the highest bit set",
    )];
    verdict(
        talk.read_response(&[]),
        sent,
        &[],
        &[1002, 1009],
        &d::TOP_BIT,
    )
}

/// Sends frames with masks, with one write: the server must fail the connection.
fn refuse(
    talk: &mut Talk,
    frames: Vec<Frame>,
    codes: &[u16],
    accepted: &'static Diagnosis,
) -> Check {
    let masked = |frame: Frame| frame.masked(talk.random.mask());
    let frames: Vec<Frame> = frames.into_iter().map(masked).collect();
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    talk.send(&bytes);
    let shown = |frame: &Frame| Shown::bytes(frame.encode(), exchange::description(frame));
    let sent = frames.iter().map(shown).collect();
    verdict(talk.read_response(&frames), sent, &frames, codes, accepted)
}

/// Passes if the server closes the connection, with one of these codes or without a close frame.
fn verdict(
    reading: Reading,
    sent: Vec<Shown>,
    frames: &[Frame],
    codes: &[u16],
    accepted: &'static Diagnosis,
) -> Check {
    let (found, words, raw) = match reading {
        Reading::Incomplete(bytes, Missing::Ended(End::Closed | End::Reset))
            if bytes.is_empty() =>
        {
            return Ok(());
        }
        Reading::Incomplete(bytes, missing) => {
            (accepted, String::new(), (bytes, missing.words().to_owned()))
        }
        Reading::Frame(frame, raw) if frame.opcode == opcode::CLOSE => {
            let shown = exchange::close_words(&frame);
            match wrong_close(&frame, frames, codes, accepted) {
                None => return Ok(()),
                Some((found, words)) => (found, words, (raw, shown)),
            }
        }
        Reading::Frame(frame, raw) if frame.mask.is_some() => {
            (&frames::MASKED, String::new(), (raw, frame.words()))
        }
        Reading::Frame(frame, raw) => (
            accepted,
            String::new(),
            (raw, exchange::description(&frame)),
        ),
    };
    let mut failure = Failure::diagnosed(found, words);
    for shown in sent {
        failure = failure.sent(shown);
    }
    failure
        .received(Shown::bytes(raw.0, raw.1))
        .expected(expectation(frames, codes))
        .fail()
}

/// The codes that a server may send for any broken rule. As a response to a close frame they are no sign that
/// it has seen the mistake.
const OTHER_CODES: [u16; 6] = [1003, 1007, 1008, 1009, 1010, 1011];

/// The best close frame, and all else that passes.
fn expectation(sent: &[Frame], codes: &[u16]) -> String {
    let code = codes.first().copied().unwrap_or_default();
    let mut others: Vec<u16> = codes.iter().skip(1).copied().collect();
    if close_frame(sent).is_none() {
        others.extend(OTHER_CODES);
    }
    others.sort_unstable();
    others.dedup();
    let others = others.iter().filter(|other| **other != code);
    let others: String = others.map(|other| format!("{other}, ")).collect();
    let end = match others.as_str() {
        "" => "",
        _ => "or ",
    };
    format!(
        "88 02 {} (a close frame with code {code}; also accepted: {others}{end}TCP closed without a close \
         frame)",
        wire::hex(&code.to_be_bytes())
    )
}

/// The close frame among the frames that were sent.
fn close_frame(sent: &[Frame]) -> Option<&Frame> {
    sent.iter().find(|sent| sent.opcode == opcode::CLOSE)
}

/// The mistake in a close frame that responds to a broken rule.
fn wrong_close(
    frame: &Frame,
    sent: &[Frame],
    codes: &[u16],
    accepted: &'static Diagnosis,
) -> Option<(&'static Diagnosis, String)> {
    let body = frame.payload.as_slice();
    let answered = close_frame(sent);
    if answered.is_some_and(|answered| answered.payload == body) {
        return Some((accepted, "It sent the same body back.".to_owned()));
    }
    if let Some((wrong, mut words)) = closing::wrong_close(frame, None) {
        if wrong == &close::RESERVED_CODE {
            let code = codes.first().copied().unwrap_or_default();
            let _ = write!(words, " A rule was broken here: send {code}.");
        }
        return Some((wrong, words));
    }
    let [high, low, ..] = *body else {
        // A close frame without a code fails the connection too (RFC 6455, section 7.1.7: the code is a SHOULD).
        return None;
    };
    let code = u16::from_be_bytes([high, low]);
    if codes.contains(&code) || OTHER_CODES.contains(&code) && answered.is_none() {
        return None;
    }
    match answered {
        Some(_) if code == 1000 => Some((
            accepted,
            "It responded as if the frame were valid.".to_owned(),
        )),
        _ => Some((&close::ERROR_CODE, exchange::close_words(frame))),
    }
}
