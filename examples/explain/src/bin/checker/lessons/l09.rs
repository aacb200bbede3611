//! Lesson 9: a server of draft-76.

use stentor::Version;

use super::l01::{hixie_cut_and_glued, hixie_texts};
use crate::diagnoses::{draft75, draft76 as d, hixie as frames};
use crate::diagnosis::Diagnosis;
use crate::guess::proof::{self, EXAMPLE, Keys};
use crate::handshake::{Head, Request};
use crate::hixie;
use crate::hixie_head::{self, DRAFT76};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{HeadReading, Missing, Talk};
use crate::wire;

pub(crate) static LESSON: Lesson = Lesson {
    number: 9,
    title: "Draft-76: a proof that you have read the request",
    role: Role::Server,
    versions: &[Version::Draft76],
    cases: &[
        Case {
            id: "9.1",
            title: "the header block comes before key3 is sent",
            run: head_first,
        },
        Case {
            id: "9.2",
            title: "Upgrade and Connection have the draft's spelling",
            run: upgrade,
        },
        Case {
            id: "9.3",
            title: "Sec-WebSocket-Origin and -Location fit the request",
            run: headers,
        },
        Case {
            id: "9.4",
            title: "the proof is right for the draft's example",
            run: example,
        },
        Case {
            id: "9.5",
            title: "the proof is right for large numbers and any bytes",
            run: other_keys,
        },
        Case {
            id: "9.6",
            title: "header names ignore case, in any order",
            run: any_order,
        },
        Case {
            id: "9.7",
            title: "key3 may come in pieces",
            run: key3_in_pieces,
        },
        Case {
            id: "9.8",
            title: "messages come back, cut, glued, empty or long",
            run: messages,
        },
        Case {
            id: "9.9",
            title: "a frame behind key3 is not lost",
            run: glued_to_key3,
        },
        Case {
            id: "9.10",
            title: "FF 00 gets FF 00, and then TCP closes",
            run: close,
        },
        Case {
            id: "9.11",
            title: "bytes behind the client's FF 00 are ignored",
            run: after_close,
        },
        Case {
            id: "9.12",
            title: "impossible keys are rejected",
            run: impossible_keys,
        },
    ],
};

/// Numbers above 31 bits; key3 has bytes that text functions change.
const OTHER_KEYS: [Keys; 3] = [
    Keys {
        key1: "36 7   74 i  92 2'm 9 0G",
        key2: "y  R2 48 Q1O4  e|BV3 i5 1  u- 65",
        key3: *b"\x91\x0d\x00\xff\x25\xc3\x00\x0a",
    },
    Keys {
        key1: "55 997",
        key2: "3  3  64  98",
        key3: *b"\x00\x09\x68\x32\x00\x78\xc7\x10",
    },
    Keys {
        key1: "429496728 0x  y z   w v u t",
        key2: "1 2",
        key3: *b"\x0d\x0a\x0d\x0a\x00\x00\xff\x00",
    },
];

fn head_first(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let key3 = request.key3.clone();
    let head = request.encode_head();
    talk.connect()?;
    talk.send(&head);
    talk.request = Some(request);
    let head = match talk.read_head() {
        HeadReading::Head(head) => head,
        HeadReading::Incomplete(bytes, missing) => {
            talk.send(&key3);
            let late = talk.read_bytes(16);
            let diagnosis = match missing {
                _ if bytes.starts_with(b"HTTP/") => &draft75::NO_BLANK_LINE,
                Missing::Silence if late.starts_with(b"HTTP/") => &d::WAITS_KEY3,
                _ => &d::REFUSED,
            };
            return Failure::diagnosed(diagnosis, "")
                .sent(Shown::line("(the request's header block, without key3)"))
                .received(Shown::bytes(bytes, missing.words()))
                .received(Shown::bytes(late, "after key3"))
                .expected("HTTP/1.1 101 ... and the blank line, before key3")
                .fail();
        }
    };
    if head.status() != Some(101) || !head.status_line().starts_with("HTTP/1.1 101 ") {
        let refused =
            head.status().is_none_or(|status| status >= 300) && head.status() != Some(101);
        let diagnosis = if refused { &d::REFUSED } else { &d::STATUS };
        let mut failure = Failure::diagnosed(diagnosis, "");
        for line in talk.request.iter().flat_map(Request::lines) {
            failure = failure.sent(Shown::line(line));
        }
        return failure
            .received(Shown::line(head.status_line()))
            .expected("HTTP/1.1 101 WebSocket Protocol Handshake")
            .fail();
    }
    Ok(())
}

fn upgrade(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    DRAFT76.upgrade(&head)
}

fn headers(talk: &mut Talk) -> Check {
    let request = hixie_head::telling_request(talk);
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    DRAFT76.headers(&head)
}

fn example(talk: &mut Talk) -> Check {
    check_proof(talk, &EXAMPLE)
}

fn other_keys(talk: &mut Talk) -> Check {
    OTHER_KEYS
        .iter()
        .try_for_each(|keys| check_proof(talk, keys))
}

/// Sends a request with these keys, and checks the proof.
fn check_proof(talk: &mut Talk, keys: &Keys) -> Check {
    let request = request_with(talk, keys);
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::REFUSED)?;
    let expected = proof::proof(keys);
    let mut found = talk.read_bytes(expected.len());
    if found == expected && talk.rest_until_silence().0.is_empty() {
        return Ok(());
    }
    let (rest, missing) = talk.rest_until_silence();
    found.extend(rest);
    if found.is_empty()
        && let Some(line) = head.header_lines("Sec-WebSocket-Accept").next()
    {
        return Failure::diagnosed(&d::ACCEPT, "")
            .received(Shown::line(line))
            .expected(wire::hex(&expected))
            .fail();
    }
    let failure = match proof::diagnose(keys, &found) {
        Some((diagnosis, both)) => Failure::diagnosed(diagnosis, both),
        None => Failure::unnamed(
            "draft-76 §5.2 steps 10 to 12",
            "The proof is none that a usual mistake makes.",
        ),
    };
    failure
        .sent(Shown::line(format!("Sec-WebSocket-Key1: {}", keys.key1)))
        .sent(Shown::line(format!("Sec-WebSocket-Key2: {}", keys.key2)))
        .sent(Shown::bytes(keys.key3, "key3"))
        .received(Shown::bytes(found, missing.words()))
        .expected(wire::hex(&expected))
        .fail()
}

fn request_with(talk: &mut Talk, keys: &Keys) -> Request {
    let mut request = talk.new_request();
    request.set("Sec-WebSocket-Key1", keys.key1);
    request.set("Sec-WebSocket-Key2", keys.key2);
    request.key3 = keys.key3.to_vec();
    request.proof = proof::proof(keys).try_into().ok();
    request
}

fn any_order(talk: &mut Talk) -> Check {
    let mut request = request_with(talk, &EXAMPLE);
    let lines: Vec<String> = request.lines().skip(1).map(str::to_owned).collect();
    for line in &lines {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        request.remove(name);
        // The value of Upgrade ignores case as well.
        let value = if name == "Upgrade" {
            "WEBSOCKET"
        } else {
            value
        };
        let name = if name.len() % 2 == 0 {
            name.to_uppercase()
        } else {
            name.to_lowercase()
        };
        // Keys before all else, the second one first.
        request.push(format!("{name}: {value}"));
    }
    request.push("X-Other: 4 5 6");
    talk.send_request(request)?;
    let head = hixie_head::read(talk, &d::NAME_CASE)?;
    let proof = talk.read_bytes(16);
    if head.status() == Some(101) && proof == proof::proof(&EXAMPLE) {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::NAME_CASE, "");
    for line in talk.request.iter().flat_map(Request::lines) {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::line(head.status_line()))
        .received(Shown::bytes(proof, "behind the blank line"))
        .expected(wire::hex(&proof::proof(&EXAMPLE)))
        .fail()
}

fn key3_in_pieces(talk: &mut Talk) -> Check {
    let request = request_with(talk, &EXAMPLE);
    let bytes = request.encode();
    let end = bytes.len();
    talk.connect()?;
    talk.send_in_pieces(&bytes, &[10, end - 9, end - 5, end - 3]);
    talk.request = Some(request);
    hixie_head::read(talk, &d::KEY3_CUT)?;
    let right = proof::proof(&EXAMPLE);
    hixie::expect(talk, &bytes[end - 8..], &right, |_, _| Some(&d::KEY3_CUT))
}

fn glued_to_key3(talk: &mut Talk) -> Check {
    let request = request_with(talk, &EXAMPLE);
    let behind = hixie::frame("first");
    let bytes = [request.encode(), behind.clone()].concat();
    talk.connect()?;
    talk.send(&bytes);
    talk.request = Some(request);
    let head = hixie_head::read(talk, &d::REFUSED)?;
    if head.status() != Some(101) {
        // A client of the draft has to wait for the proof: a server may reject one that does not.
        return Ok(());
    }
    let right = [proof::proof(&EXAMPLE), behind.clone()].concat();
    let sent = [&EXAMPLE.key3[..], &behind].concat();
    hixie::expect(talk, &sent, &right, |got, _| match got.get(16..) {
        None | Some([]) => Some(&d::GLUED_KEY3),
        Some(frame) => hixie::diagnose("first", frame),
    })
}

fn messages(talk: &mut Talk) -> Check {
    talk.open()?;
    hixie::echo(talk, "Hello")?;
    hixie_texts(talk)?;
    hixie_cut_and_glued(talk)?;
    let sent = [vec![0x80, 0x03, 0x00, b'A', 0xff], hixie::frame("seen")].concat();
    talk.send(&sent);
    let right = hixie::frame("seen");
    let got = talk.read_bytes(right.len());
    let (rest, missing) = talk.rest_until_silence();
    let got = [got, rest].concat();
    // Unlike draft-75, the draft allows a server to close the connection here.
    if got == right || (missing != Missing::Silence && !got.starts_with(&[0x00])) {
        return Ok(());
    }
    Failure::diagnosed(&frames::LENGTH_READ, "")
        .sent(Shown::bytes(sent, "a frame with a length, and a text"))
        .received(Shown::bytes(got, missing.words()))
        .expected(wire::hex(&right))
        .fail()
}

fn close(talk: &mut Talk) -> Check {
    talk.open()?;
    hixie::echo(talk, "last")?;
    talk.send(&[0xff, 0x00]);
    let (got, missing) = talk.closed();
    let diagnosis = match got[..] {
        [0xff, 0x00] if missing != Missing::Silence => return Ok(()),
        [0xff, 0x00] => &d::CLOSE_OPEN,
        [0xff, 0x00, ..] => &d::CLOSE_TWICE,
        [0x88 | 0x80, ..] => &d::CLOSE_HYBI,
        [0x00, ..] => &d::CLOSE_TEXT,
        _ => &d::CLOSE_SILENT,
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::bytes([0xff, 0x00], "the closing frame"))
        .received(Shown::bytes(got, missing.words()))
        .expected("ff 00, and then the end of the TCP stream")
        .fail()
}

fn after_close(talk: &mut Talk) -> Check {
    talk.open()?;
    let sent = [
        hixie::frame("before"),
        vec![0xff, 0x00],
        hixie::frame("behind"),
    ]
    .concat();
    talk.send(&sent);
    let right = [hixie::frame("before"), vec![0xff, 0x00]].concat();
    let (got, missing) = talk.closed();
    if got == right {
        return Ok(());
    }
    let behind = hixie::frame("behind");
    let late = got.windows(behind.len()).any(|part| part == behind);
    let diagnosis = if late {
        &d::CLOSE_LATE
    } else {
        &d::CLOSE_SILENT
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::bytes(sent, "a text, the closing frame, a text"))
        .received(Shown::bytes(got, missing.words()))
        .expected(wire::hex(&right))
        .fail()
}

fn impossible_keys(talk: &mut Talk) -> Check {
    let name = "Sec-WebSocket-Key1";
    for (value, diagnosis) in [
        ("4@146546xW%0l15", &d::NO_SPACES),
        ("4 @1  46546xW%0l 1 6", &d::REST),
    ] {
        let mut request = talk.new_request();
        request.set(name, value);
        rejected(talk, request, diagnosis)?;
    }
    let mut request = talk.new_request();
    request.remove("Sec-WebSocket-Key2");
    rejected(talk, request, &d::KEY_MISSING)?;
    // The server still serves others.
    check_proof(talk, &EXAMPLE)
}

/// Expects that the server does not respond to this request with 101.
fn rejected(talk: &mut Talk, request: Request, diagnosis: &'static Diagnosis) -> Check {
    talk.send_request(request)?;
    let (bytes, missing) = match talk.read_head() {
        HeadReading::Head(head) => (head.raw, Missing::Silence),
        HeadReading::Incomplete(bytes, missing) => (bytes, missing),
    };
    if Head::new(bytes.clone()).status() != Some(101) {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(diagnosis, "");
    for line in talk.request.iter().flat_map(Request::lines) {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::bytes(bytes, missing.words()))
        .expected("a status such as 400, or the end of the connection")
        .fail()
}
