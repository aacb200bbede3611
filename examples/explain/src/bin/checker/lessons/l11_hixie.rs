//! Lesson 11 for clients of drafts 75 and 76.

use std::time::Duration;

use stentor::Version;

use super::l01::{hixie_cut_and_glued, hixie_texts, marker_is_skipped};
use super::l11::check_end;
use crate::client::{self, Response, value};
use crate::diagnoses::{
    client as handshake, client_close, client_reads as reads, draft_clients as d,
};
use crate::diagnoses::{draft75, draft76, hixie as frames};
use crate::diagnosis::Diagnosis;
use crate::handshake::Head;
use crate::hixie;
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{End, Missing, Talk};
use crate::wire;

pub(crate) static DRAFT75: Lesson = Lesson {
    number: 11,
    title: "A client of draft-75",
    role: Role::Client,
    versions: &[Version::Draft75],
    cases: &[
        Case {
            id: "11.1",
            title: "the request has the draft's headers in their order",
            run: request75,
        },
        Case {
            id: "11.2",
            title: "a correct response is accepted, also in pieces",
            run: accepts,
        },
        Case {
            id: "11.3",
            title: "another beginning of the response is refused",
            run: wrong_preamble,
        },
        Case {
            id: "11.4",
            title: "another origin or location is refused",
            run: wrong_location,
        },
        Case {
            id: "11.5",
            title: "messages come back between 00 and FF",
            run: messages,
        },
        Case {
            id: "11.6",
            title: "cut and glued frames are put in order",
            run: cut_and_glued,
        },
        Case {
            id: "11.7",
            title: "frames with a length are skipped, FF 00 too",
            run: skipped,
        },
        Case {
            id: "11.8",
            title: "the end of the server's stream closes the connection",
            run: end,
        },
    ],
};

pub(crate) static DRAFT76: Lesson = Lesson {
    number: 11,
    title: "A client of draft-76",
    role: Role::Client,
    versions: &[Version::Draft76],
    cases: &[
        Case {
            id: "11.1",
            title: "the request has the draft's headers and three keys",
            run: request76,
        },
        Case {
            id: "11.2",
            title: "each connection has new keys",
            run: new_keys,
        },
        Case {
            id: "11.3",
            title: "a correct response is accepted, also in pieces",
            run: accepts,
        },
        Case {
            id: "11.4",
            title: "a wrong proof is refused",
            run: wrong_proof,
        },
        Case {
            id: "11.5",
            title: "another origin or location is refused",
            run: wrong_location,
        },
        Case {
            id: "11.6",
            title: "messages come back between 00 and FF",
            run: messages,
        },
        Case {
            id: "11.7",
            title: "cut and glued frames are put in order",
            run: cut_and_glued,
        },
        Case {
            id: "11.8",
            title: "frames with a length are skipped",
            run: skipped,
        },
        Case {
            id: "11.9",
            title: "FF 00 gets FF 00, and TCP is closed",
            run: close,
        },
    ],
};

/// The four headers of both drafts, in the order of draft-75.
const HEADERS: [&str; 4] = ["Upgrade", "Connection", "Host", "Origin"];

fn request75(talk: &mut Talk) -> Check {
    let head = checked_request(talk)?;
    let names = head.lines.iter().skip(1).take(4);
    let names = names.map(|line| line.split(':').next().unwrap_or_default());
    if names.eq(HEADERS) {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::ORDER, "");
    for line in head.lines.iter().take(6) {
        failure = failure.received(Shown::line(line));
    }
    failure.expected(HEADERS.join(", ")).fail()
}

/// Reads the request, and checks what both drafts have.
fn checked_request(talk: &mut Talk) -> Check<Head> {
    let head = client::request(talk)?;
    check_end(&head)?;
    let line = head.status_line();
    let expected = format!("GET {} HTTP/1.1", talk.target().path());
    if line != expected {
        let diagnosis = match line.starts_with("GET /") {
            true => &handshake::TARGET,
            false => &handshake::REQUEST_LINE,
        };
        return Failure::diagnosed(diagnosis, "")
            .received(Shown::line(line))
            .expected(expected)
            .fail();
    }
    let host = talk.target().host_header();
    let origin = value(&head, "Origin").to_owned();
    let expected = ["WebSocket", "Upgrade", host.as_str(), origin.as_str()];
    for (name, expected) in HEADERS.into_iter().zip(expected) {
        let found: Vec<&str> = head.values(name).collect();
        let wrong_case = found
            .iter()
            .any(|found| found.eq_ignore_ascii_case(expected));
        let exact = talk.version() == Version::Draft75;
        if found == [expected] && !expected.is_empty()
            || (wrong_case && !exact && !expected.is_empty())
        {
            continue;
        }
        let wanted = if expected.is_empty() {
            "http://... (the origin of a page)"
        } else {
            expected
        };
        let line = head
            .header_lines(name)
            .next()
            .map_or(format!("(no {name})"), str::to_owned);
        return Failure::diagnosed(&d::REQUEST, "")
            .received(Shown::line(line))
            .expected(format!("{name}: {wanted}"))
            .fail();
    }
    Ok(head)
}

fn request76(talk: &mut Talk) -> Check {
    let head = checked_request(talk)?;
    for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
        let keys: Vec<&str> = head.values(name).collect();
        let wrong = match keys[..] {
            [key] => key_mistake(key),
            [] => Some("it is missing"),
            _ => Some("it is there twice"),
        };
        if let Some(wrong) = wrong {
            let line = head
                .header_lines(name)
                .next()
                .map_or(format!("(no {name})"), str::to_owned);
            return Failure::diagnosed(&d::KEY, format!("{name}: {wrong}."))
                .received(Shown::line(line))
                .expected("digits, of which the number can be divided by the count of spaces")
                .fail();
        }
    }
    let mut key3 = talk.read_bytes(8);
    key3.extend(talk.rest_until_silence().0);
    let diagnosis = match key3.len() {
        8 => return Ok(()),
        0..8 => &d::NO_KEY3,
        _ => &handshake::EARLY,
    };
    Failure::diagnosed(diagnosis, "")
        .received(Shown::bytes(key3, "behind the blank line"))
        .expected("exactly 8 bytes: key3")
        .fail()
}

/// The reason why a server cannot calculate with a key.
fn key_mistake(key: &str) -> Option<&'static str> {
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    let spaces = key.bytes().filter(|byte| *byte == b' ').count() as u64;
    match digits.parse::<u64>() {
        _ if digits.is_empty() => Some("it has no digits"),
        Ok(number) if number > u64::from(u32::MAX) => Some("its number is above 4294967295"),
        Err(_) => Some("its number is above 4294967295"),
        _ if spaces == 0 => Some("it has no spaces"),
        Ok(number) if number % spaces != 0 => Some("its number cannot be divided by its spaces"),
        Ok(_) => None,
    }
}

fn new_keys(talk: &mut Talk) -> Check {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let head = client::request(talk)?;
        let key3 = talk.read_bytes(8);
        let [one, two] =
            ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"].map(|name| value(&head, name).to_owned());
        seen.push((one, two, key3));
    }
    let [first, second] = &seen[..] else {
        return Ok(());
    };
    if first.0 != second.0 && first.1 != second.1 && first.2 != second.2 {
        return Ok(());
    }
    let mut failure = Failure::diagnosed(&d::KEY_FIXED, "");
    for (key1, key2, key3) in seen {
        let line = format!("{key1:?}, {key2:?}, key3 {}", wire::hex(&key3));
        failure = failure.received(Shown::line(line));
    }
    failure
        .expected("three new keys for each connection")
        .fail()
}

fn accepts(talk: &mut Talk) -> Check {
    for in_pieces in [false, true] {
        let response = Response::to(talk)?;
        let bytes = response.encode();
        let cuts: &[usize] = if in_pieces {
            &[20, 60, 100, bytes.len() - 5]
        } else {
            &[]
        };
        talk.send_in_pieces(&bytes, cuts);
        talk.send(&hixie::frame("accepted?"));
        let first = talk.read_bytes(1);
        let (_, missing) = talk.rest_until_silence();
        if first.is_empty() && missing != Missing::Silence {
            let mut failure = client::with_output(talk, Failure::diagnosed(&d::REFUSED, ""));
            for line in &response.lines {
                failure = failure.sent(Shown::line(line));
            }
            return failure
                .received(Shown::line(format!("(nothing; {})", missing.words())))
                .expected("the response is accepted, and the connection stays open")
                .fail();
        }
    }
    Ok(())
}

/// Expects that the client refuses this response.
fn refused(
    talk: &mut Talk,
    response: &Response,
    changed: &str,
    diagnosis: &'static Diagnosis,
) -> Check {
    talk.send(&response.encode());
    let (_, missing) = talk.rest_until_silence();
    if missing != Missing::Silence {
        return Ok(());
    }
    talk.send(&hixie::frame("accepted?"));
    let first = talk.read_bytes(1);
    let (rest, missing) = talk.rest_until_silence();
    if first.is_empty() && missing != Missing::Silence {
        return Ok(());
    }
    let received = [first, rest].concat();
    let mut failure =
        client::not_refused(diagnosis, &received).sent(Shown::line(format!("(wrong: {changed})")));
    for line in &response.lines {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::bytes(received, missing.words()))
        .expected("the client closes the TCP connection, and sends no frame")
        .fail()
}

fn wrong_preamble(talk: &mut Talk) -> Check {
    let cases = [
        ("HTTP/1.1", "HTTP/1.1 101 WebSocket Protocol Handshake"),
        ("HTTP/1.1", "HTTP/1.1 101 Switching Protocols"),
        ("Upgrade", "Upgrade: other"),
    ];
    for (beginning, line) in cases {
        let mut response = Response::to(talk)?;
        response.replace(beginning, Some(line));
        refused(talk, &response, line, &d::PREAMBLE_UNCHECKED)?;
    }
    Ok(())
}

fn wrong_location(talk: &mut Talk) -> Check {
    let prefix = match talk.version() {
        Version::Draft75 => "WebSocket-",
        _ => "Sec-WebSocket-",
    };
    let location = format!("{prefix}Location");
    let origin = format!("{prefix}Origin");
    let cases = [
        (&location, Some(format!("{location}: ws://other.example/"))),
        (&origin, Some(format!("{origin}: http://other.example"))),
        (&location, None),
    ];
    for (name, line) in cases {
        let mut response = Response::to(talk)?;
        response.replace(name, line.as_deref());
        let changed = line.unwrap_or(format!("no {name}"));
        refused(talk, &response, &changed, &d::LOCATION_UNCHECKED)?;
    }
    Ok(())
}

fn wrong_proof(talk: &mut Talk) -> Check {
    let mut response = Response::to(talk)?;
    if let Some(last) = response.proof.last_mut() {
        *last ^= 1;
    }
    refused(
        talk,
        &response,
        "the last bit of the proof",
        &d::PROOF_UNCHECKED,
    )?;
    let mut response = Response::to(talk)?;
    response.proof = vec![0x20; 16];
    refused(
        talk,
        &response,
        "16 spaces as the proof",
        &d::PROOF_UNCHECKED,
    )
}

fn messages(talk: &mut Talk) -> Check {
    client::open(talk)?;
    talk.send(&hixie::frame("Hello"));
    let hello = hixie::frame("Hello");
    hixie::expect(talk, &hello, &hello, |got, missing| match got {
        [] if missing != Missing::Silence => Some(&reads::GONE),
        _ => hixie::diagnose("Hello", got),
    })?;
    hixie_texts(talk)
}

fn cut_and_glued(talk: &mut Talk) -> Check {
    client::open(talk)?;
    hixie_cut_and_glued(talk)?;
    let response = Response::to(talk)?;
    let first = hixie::frame("at once");
    talk.send(&[response.encode(), first.clone()].concat());
    hixie::expect(talk, &first, &first, |_, _| {
        Some(&handshake::GLUED_RESPONSE)
    })
}

fn skipped(talk: &mut Talk) -> Check {
    client::open(talk)?;
    let right = hixie::frame("seen");
    let sent = [&[0x80, 0x05, 0x00, b'A', 0xff, b'B', b'C'], &right[..]].concat();
    talk.send(&sent);
    hixie::expect(talk, &sent, &right, |_, _| Some(&frames::LENGTH_READ))?;
    match talk.version() {
        Version::Draft75 => marker_is_skipped(talk),
        _ => Ok(()),
    }
}

fn end(talk: &mut Talk) -> Check {
    client::open(talk)?;
    hixie::echo(talk, "last")?;
    talk.shut_down_writing();
    let (bytes, missing) = talk.closed();
    let diagnosis = match missing {
        _ if !bytes.is_empty() => &draft75::CLOSE_BYTES,
        Missing::Silence => &draft75::STAYS_OPEN,
        Missing::Ended(_) => return Ok(()),
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::line("(the end of the server's stream)"))
        .received(Shown::bytes(bytes, missing.words()))
        .expected("no bytes, and the end of the client's stream")
        .fail()
}

fn close(talk: &mut Talk) -> Check {
    client::open(talk)?;
    hixie::echo(talk, "last")?;
    talk.send(&[0xff, 0x00]);
    let got = talk.read_bytes(2);
    let (rest, mut missing) = talk.rest_until_silence();
    let got = [got, rest].concat();
    if got == [0xff, 0x00] && missing == Missing::Silence {
        // The client has time to close TCP first, if it wants to.
        missing = talk.wait_for_end(Duration::from_millis(250));
    }
    let diagnosis = match got[..] {
        [0xff, 0x00] if missing == Missing::Silence => return closes_after(talk),
        [0xff, 0x00] if missing == Missing::Ended(End::Reset) => &client_close::RESET,
        [0xff, 0x00] => return Ok(()),
        [0xff, 0x00, ..] => &draft76::CLOSE_TWICE,
        [0x88 | 0x80, ..] => &draft76::CLOSE_HYBI,
        [0x00, ..] => &draft76::CLOSE_TEXT,
        _ => &draft76::CLOSE_SILENT,
    };
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::bytes([0xff, 0x00], "the closing frame"))
        .received(Shown::bytes(got, missing.words()))
        .expected("ff 00")
        .fail()
}

/// The checker closes TCP; the client has to follow.
fn closes_after(talk: &mut Talk) -> Check {
    talk.shut_down_writing();
    let (bytes, missing) = talk.closed();
    if missing != Missing::Silence {
        return Ok(());
    }
    Failure::diagnosed(&client_close::OPEN, "")
        .received(Shown::bytes(bytes, missing.words()))
        .expected("the end of the client's stream")
        .fail()
}
