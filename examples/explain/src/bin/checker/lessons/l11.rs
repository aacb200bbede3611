//! Lesson 11: a client of version 7, 8 or 13. This file has the handshake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use stentor::Version;

use super::{l11_close, l11_frames};
use crate::client::{self, Response, value};
use crate::diagnoses::{client as d, client_reads};
use crate::diagnosis::Diagnosis;
use crate::handshake::{self, Head};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::options::version_name;
use crate::talk::{Missing, Talk};
use crate::target::Target;
use crate::wire::{Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 11,
    title: "A client",
    role: Role::Client,
    versions: &[Version::Hybi07, Version::Hybi08, Version::Rfc6455],
    cases: &[
        Case {
            id: "11.1",
            title: "the request begins with GET and ends with a blank line",
            run: request_line,
        },
        Case {
            id: "11.2",
            title: "Host, Upgrade and Connection",
            run: headers,
        },
        Case {
            id: "11.3",
            title: "the version, and a key of 16 bytes",
            run: key,
        },
        Case {
            id: "11.4",
            title: "each connection has a new key",
            run: new_key,
        },
        Case {
            id: "11.5",
            title: "a correct response is accepted, in any spelling, also cut",
            run: accepts,
        },
        Case {
            id: "11.6",
            title: "a wrong Sec-WebSocket-Accept is refused",
            run: wrong_accept,
        },
        Case {
            id: "11.7",
            title: "a wrong status, Upgrade or Connection is refused",
            run: wrong_upgrade,
        },
        Case {
            id: "11.8",
            title: "a subprotocol or extension without an offer is refused",
            run: not_offered,
        },
        Case {
            id: "11.9",
            title: "a message comes back, masked",
            run: l11_frames::hello,
        },
        Case {
            id: "11.10",
            title: "each frame has a new masking key",
            run: l11_frames::new_masks,
        },
        Case {
            id: "11.11",
            title: "cut and glued frames are put in order",
            run: l11_frames::cut_and_glued,
        },
        Case {
            id: "11.12",
            title: "all three forms of the length",
            run: l11_frames::lengths,
        },
        Case {
            id: "11.13",
            title: "fragments are joined, pings get pongs",
            run: l11_frames::fragments,
        },
        Case {
            id: "11.14",
            title: "text is UTF-8, binary is not",
            run: l11_frames::text,
        },
        Case {
            id: "11.15",
            title: "frames that break the protocol end the connection",
            run: l11_frames::violations,
        },
        Case {
            id: "11.16",
            title: "a close frame gets a close frame; the server closes TCP",
            run: l11_close::close,
        },
    ],
};

fn request_line(talk: &mut Talk) -> Check {
    let head = client::request(talk)?;
    check_end(&head)?;
    let target = match talk.target() {
        Target::Client(host) => host.target().to_owned(),
        Target::Server { path, .. } => path.clone(),
    };
    let line = head.status_line().to_owned();
    let expected = format!("GET {target} HTTP/1.1");
    if line == expected {
        return nothing_behind(talk);
    }
    let parts: Vec<&str> = line.split(' ').collect();
    let diagnosis = match parts[..] {
        ["GET", _, "HTTP/1.1"] => &d::TARGET,
        _ => &d::REQUEST_LINE,
    };
    let same = line
        .chars()
        .zip(expected.chars())
        .take_while(|(one, other)| one == other)
        .count();
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::line(format!("(the URL) {}", client::url(talk))))
        .received(Shown::line(&line))
        .caret(same, 1, "")
        .expected(expected)
        .fail()
}

/// Checks the ends of the lines. All versions run it.
pub(super) fn check_end(head: &Head) -> Check {
    if head.has_line_ends() {
        return Ok(());
    }
    Failure::diagnosed(&d::LINE_ENDS, "")
        .received(Shown::bytes(head.raw.clone(), "the request"))
        .expected("0d 0a (CR LF) at the end of each line")
        .fail()
}

/// Checks that the client waits for the response.
fn nothing_behind(talk: &mut Talk) -> Check {
    let (early, missing) = talk.rest_until_silence();
    if early.is_empty() {
        return Ok(());
    }
    Failure::diagnosed(&d::EARLY, "")
        .received(Shown::bytes(early, missing.words()))
        .expected("nothing, until the server has responded")
        .fail()
}

fn headers(talk: &mut Talk) -> Check {
    let head = client::request(talk)?;
    let host = talk.target().host_header();
    let by_name = |name: &'static str| value(&head, name).to_ascii_lowercase();
    let upgrade = by_name("Upgrade")
        .split(',')
        .any(|part| part.trim() == "websocket");
    let connection = by_name("Connection")
        .split(',')
        .any(|part| part.trim() == "upgrade");
    let checks = [
        (
            "Host",
            head.values("Host").eq([host.as_str()]),
            &d::HOST,
            host.as_str(),
        ),
        ("Upgrade", upgrade, &d::UPGRADE, "websocket"),
        ("Connection", connection, &d::CONNECTION, "Upgrade"),
    ];
    for (name, right, diagnosis, expected) in checks {
        if !right {
            return wrong_header(diagnosis, &head, name, expected).fail();
        }
    }
    Ok(())
}

fn key(talk: &mut Talk) -> Check {
    let head = client::request(talk)?;
    let version = version_name(talk.version());
    if !head.values("Sec-WebSocket-Version").eq([version]) {
        return wrong_header(&d::VERSION, &head, "Sec-WebSocket-Version", version).fail();
    }
    let expected = "24 characters: 16 random bytes in Base64";
    let keys: Vec<&str> = head.values("Sec-WebSocket-Key").collect();
    let [key] = keys[..] else {
        return wrong_header(&d::KEY_MISSING, &head, "Sec-WebSocket-Key", expected).fail();
    };
    let len = BASE64.decode(key).map(|bytes| bytes.len());
    if len != Ok(16) {
        let detail = match len {
            Ok(len) => format!("It has {len} bytes."),
            Err(error) => format!("It is no Base64: {error}."),
        };
        let mut failure = wrong_header(&d::KEY_LENGTH, &head, "Sec-WebSocket-Key", expected);
        failure.found = crate::lesson::Found::Diagnosis(&d::KEY_LENGTH, detail);
        return failure.fail();
    }
    Ok(())
}

/// The failure of a header of the request.
fn wrong_header(diagnosis: &'static Diagnosis, head: &Head, name: &str, expected: &str) -> Failure {
    let mut failure = Failure::diagnosed(diagnosis, "").expected(format!("{name}: {expected}"));
    let mut missing = true;
    for line in head.header_lines(name) {
        failure = failure.received(Shown::line(line));
        missing = false;
    }
    if missing {
        failure = failure.received(Shown::line(format!("(no {name})")));
    }
    failure
}

fn new_key(talk: &mut Talk) -> Check {
    let first = client::request(talk)?;
    let second = client::request(talk)?;
    let name = "Sec-WebSocket-Key";
    if value(&first, name) != value(&second, name) {
        return Ok(());
    }
    Failure::diagnosed(&d::KEY_FIXED, "")
        .received(Shown::line(format!(
            "(1st connection) {name}: {}",
            value(&first, name)
        )))
        .received(Shown::line(format!(
            "(2nd connection) {name}: {}",
            value(&second, name)
        )))
        .expected("two different keys")
        .fail()
}

fn accepts(talk: &mut Talk) -> Check {
    let response = Response::to(talk)?;
    talk.send(&response.encode());
    talk.wait_for_end(client::SETTLING);
    talk.send(&Frame::text("accepted?").encode());
    is_accepted(talk, &client_reads::REFUSED, &response)?;

    let mut response = Response::to(talk)?;
    talk.send_in_pieces(&response.encode(), &[9, 30, 60, 80]);
    talk.send(&Frame::text("accepted?").encode());
    is_accepted(talk, &d::CUT_RESPONSE, &response)?;

    response = Response::to(talk)?;
    let accept = response.lines.pop().unwrap_or_default();
    let accept = accept.split_once(": ").map_or("", |(_, accept)| accept);
    response.lines = vec![
        "HTTP/1.1 101 Welcome".to_owned(),
        "connection: keep-alive, UPGRADE".to_owned(),
        "X-Other: 101".to_owned(),
        format!("SEC-WEBSOCKET-ACCEPT:  {accept}"),
        "upgrade:WebSocket".to_owned(),
    ];
    talk.send(&response.encode());
    talk.send(&Frame::text("accepted?").encode());
    is_accepted(talk, &d::RESPONSE_CASE, &response)
}

/// Expects that the client leaves the connection open after the response and a message.
fn is_accepted(talk: &mut Talk, otherwise: &'static Diagnosis, response: &Response) -> Check {
    // A client that does not respond has another mistake, which later cases name.
    let Reaction::Refused(missing) = reaction(talk) else {
        return Ok(());
    };
    let mut failure = client::with_output(talk, Failure::diagnosed(otherwise, ""));
    for line in &response.lines {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::line(format!("(nothing; {})", missing.words())))
        .expected("the response is accepted, and the connection stays open")
        .fail()
}

/// The reaction of a client to a response and a message behind it.
enum Reaction {
    /// It has closed the connection.
    Refused(Missing),
    /// It has sent these bytes.
    Accepted(Vec<u8>),
    /// It has sent nothing, and the connection is open.
    Open,
}

fn reaction(talk: &mut Talk) -> Reaction {
    let first = talk.read_bytes(1);
    let close = 0x80 | opcode::CLOSE;
    if first.is_empty() || first == [close] {
        return match talk.rest_until_silence() {
            (_, missing @ Missing::Ended(_)) => Reaction::Refused(missing),
            // A close frame is a refusal as well, if not the right one.
            (_, missing) if first == [close] => Reaction::Refused(missing),
            _ => Reaction::Open,
        };
    }
    let (rest, _) = talk.rest_until_silence();
    Reaction::Accepted([first, rest].concat())
}

/// Expects that the client refuses this response.
fn refused(
    talk: &mut Talk,
    response: &Response,
    changed: &str,
    diagnosis: &'static Diagnosis,
) -> Check {
    talk.send(&response.encode());
    // A client that refuses has closed the connection before the message comes.
    let (_, missing) = talk.rest_until_silence();
    if missing != Missing::Silence {
        return Ok(());
    }
    talk.send(&Frame::text("accepted?").encode());
    let (received, words) = match reaction(talk) {
        Reaction::Refused(_) => return Ok(()),
        // A client may read the body of such a response to its end, which has no length here.
        Reaction::Open if *diagnosis == d::STATUS_UNCHECKED => return Ok(()),
        Reaction::Accepted(bytes) => (bytes, "a frame: the response was accepted"),
        Reaction::Open => (Vec::new(), "the connection stayed open"),
    };
    let mut failure =
        client::not_refused(diagnosis, &received).sent(Shown::line(format!("(wrong: {changed})")));
    for line in &response.lines {
        failure = failure.sent(Shown::line(line));
    }
    failure
        .received(Shown::bytes(received, words))
        .expected("the client closes the TCP connection, and sends no frame")
        .fail()
}

fn wrong_accept(talk: &mut Talk) -> Check {
    let name = "Sec-WebSocket-Accept";
    let mut response = Response::to(talk)?;
    let other = BASE64.encode(talk.random.bytes::<16>());
    let line = format!("{name}: {}", handshake::accept(&other));
    response.replace(name, Some(&line));
    refused(
        talk,
        &response,
        "the accept value of another key",
        &d::ACCEPT_UNCHECKED,
    )?;
    let mut response = Response::to(talk)?;
    response.replace(name, None);
    refused(
        talk,
        &response,
        "no Sec-WebSocket-Accept",
        &d::ACCEPT_UNCHECKED,
    )
}

fn wrong_upgrade(talk: &mut Talk) -> Check {
    let cases: [(&str, Option<&str>, &str, &'static Diagnosis); 5] = [
        (
            "HTTP/1.1",
            Some("HTTP/1.1 200 OK"),
            "status 200",
            &d::STATUS_UNCHECKED,
        ),
        (
            "HTTP/1.1",
            Some("HTTP/1.1 426 Try 101"),
            "status 426",
            &d::STATUS_UNCHECKED,
        ),
        ("Upgrade", None, "no Upgrade", &d::UPGRADE_UNCHECKED),
        (
            "Upgrade",
            Some("Upgrade: h2c"),
            "another protocol in Upgrade",
            &d::UPGRADE_UNCHECKED,
        ),
        (
            "Connection",
            None,
            "no Connection",
            &d::CONNECTION_UNCHECKED,
        ),
    ];
    for (beginning, line, changed, diagnosis) in cases {
        let mut response = Response::to(talk)?;
        response.replace(beginning, line);
        refused(talk, &response, changed, diagnosis)?;
    }
    Ok(())
}

fn not_offered(talk: &mut Talk) -> Check {
    let mut response = Response::to(talk)?;
    response
        .lines
        .push("Sec-WebSocket-Protocol: checker.unknown".to_owned());
    refused(
        talk,
        &response,
        "a subprotocol that was not offered",
        &d::SUBPROTOCOL_UNCHECKED,
    )?;
    let mut response = Response::to(talk)?;
    response
        .lines
        .push("Sec-WebSocket-Extensions: x-checker-unknown".to_owned());
    refused(
        talk,
        &response,
        "an extension that was not offered",
        &d::EXTENSION_UNCHECKED,
    )?;
    let mut response = Response::to(talk)?;
    let offers_deflate = talk.head.as_ref().is_some_and(|head| {
        let mut offers = head.values("Sec-WebSocket-Extensions");
        offers.any(|offer| offer.contains("permessage-deflate"))
    });
    if offers_deflate {
        return Ok(());
    }
    response
        .lines
        .push("Sec-WebSocket-Extensions: permessage-deflate".to_owned());
    refused(
        talk,
        &response,
        "an extension that was not offered",
        &d::EXTENSION_UNCHECKED,
    )
}
