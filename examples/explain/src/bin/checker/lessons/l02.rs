//! Lesson 2: the handshake of version 13.

use stentor::Version;

use crate::diagnoses::{accept, handshake as d};
use crate::diagnosis::Diagnosis;
use crate::guess;
use crate::handshake::{self, Head, Request};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{HeadReading, Missing, Talk};
use crate::wire;

pub(crate) static LESSON: Lesson = Lesson {
    number: 2,
    title: "The handshake",
    role: Role::Server,
    versions: &[Version::Rfc6455],
    cases: &[
        Case {
            id: "2.1",
            title: "the status is 101",
            run: status,
        },
        Case {
            id: "2.2",
            title: "the headers end with a blank line",
            run: blank_line,
        },
        Case {
            id: "2.3",
            title: "each line ends with CR LF",
            run: line_ends,
        },
        Case {
            id: "2.4",
            title: "Upgrade is websocket, Connection is Upgrade",
            run: upgrade,
        },
        Case {
            id: "2.5",
            title: "Sec-WebSocket-Accept fits the key",
            run: accept_value,
        },
        Case {
            id: "2.6",
            title: "another key has another accept value",
            run: another_key,
        },
        Case {
            id: "2.7",
            title: "Connection: keep-alive, Upgrade is accepted",
            run: connection_list,
        },
        Case {
            id: "2.8",
            title: "header names in lower case are accepted",
            run: lower_case,
        },
        Case {
            id: "2.9",
            title: "an offered extension is declined, or accepted rightly",
            run: extension,
        },
        Case {
            id: "2.10",
            title: "a subprotocol is chosen from the offer, or none",
            run: subprotocol,
        },
    ],
};

const RIGHT_STATUS: &str = "HTTP/1.1 101 Switching Protocols";

fn status(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    talk.send_request(request)?;
    let bytes = match talk.read_head() {
        HeadReading::Head(head) => head.raw,
        HeadReading::Incomplete(bytes, missing) if bytes.is_empty() => {
            let diagnosis = match missing {
                Missing::Silence => &d::NO_RESPONSE,
                Missing::Ended(_) => &d::CLOSED,
            };
            return with_request(talk, Failure::diagnosed(diagnosis, ""))
                .received(Shown::bytes(bytes, missing.words()))
                .expected(RIGHT_STATUS)
                .fail();
        }
        HeadReading::Incomplete(bytes, _) => bytes,
    };
    let head = Head::new(bytes);
    let line = head.status_line();
    let version = line.split(' ').next().unwrap_or_default();
    let (diagnosis, column, len) = if !head.raw.starts_with(b"HTTP/") {
        (&d::NOT_HTTP, 0, line.chars().count())
    } else if head.status() != Some(101) {
        (&d::STATUS, version.len() + 1, 3)
    } else if version != "HTTP/1.1" {
        (&d::HTTP_VERSION, 0, version.len())
    } else {
        return Ok(());
    };
    let failure = with_request(talk, Failure::diagnosed(diagnosis, ""));
    let failure = match diagnosis == &d::NOT_HTTP {
        true => failure.received(Shown::bytes(
            head.raw.clone(),
            wire::printable(&head.raw, 40),
        )),
        false => failure.received(Shown::line(line)).caret(column, len, ""),
    };
    failure.expected(RIGHT_STATUS).fail()
}

fn blank_line(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    response(talk, request).map(|_| ())
}

fn line_ends(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let head = response(talk, request)?;
    if head.has_line_ends() {
        return Ok(());
    }
    let first = head
        .raw
        .windows(2)
        .position(|pair| pair[1] == b'\n' && pair[0] != b'\r');
    let at = first.map_or(0, |at| at + 1);
    // The bytes around the first wrong line end.
    let from = at.saturating_sub(8);
    let shown = &head.raw[from..head.raw.len().min(at + 8)];
    let failure = match stray_line_feed(&head.raw, at) {
        true => Failure::diagnosed(&d::LINE_FEED, line_feed_words(&head.raw, at)),
        false => Failure::diagnosed(&d::LINE_ENDS, ""),
    };
    failure
        .sent(request_line(talk))
        .received(Shown::bytes(shown, wire::printable(shown, 40)))
        .caret(at - from, 1, "LF without CR")
        .expected("0d 0a (CR LF) at the end of each line, and once more for the blank line")
        .fail()
}

/// Whether the other lines end with CR LF, and this line too: the line feed belongs to a value.
fn stray_line_feed(raw: &[u8], at: usize) -> bool {
    raw[..at].windows(2).any(|pair| pair == b"\r\n") && raw[at + 1..].starts_with(b"\r\n")
}

/// The line in which this line feed is.
fn line_feed_words(raw: &[u8], at: usize) -> String {
    let start = raw[..at].iter().rposition(|byte| *byte == b'\n');
    let line = String::from_utf8_lossy(&raw[start.map_or(0, |start| start + 1)..at]);
    match line.split_once(':') {
        Some((name, _)) => format!("It stands at the end of the header {}.", name.trim()),
        None => String::new(),
    }
}

fn upgrade(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let head = response(talk, request)?;
    let mut values = head.values("Upgrade");
    let is_websocket =
        |value: Option<&str>| value.is_some_and(|v| v.eq_ignore_ascii_case("websocket"));
    if !is_websocket(values.next()) || values.next().is_some() {
        return wrong_header(talk, &head, &d::UPGRADE, "Upgrade", "Upgrade: websocket");
    }
    let items = |value: &str| {
        value
            .split(',')
            .any(|item| item.trim().eq_ignore_ascii_case("upgrade"))
    };
    if !head.values("Connection").any(items) {
        return wrong_header(
            talk,
            &head,
            &d::CONNECTION,
            "Connection",
            "Connection: Upgrade",
        );
    }
    Ok(())
}

fn accept_value(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let head = response(talk, request)?;
    check_accept(talk, &head, &[])
}

fn another_key(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let mut earlier = vec![request.key.clone()];
    response(talk, request)?;
    // The two forms of Base64 differ in + and /, so the second value has one of them.
    let request = loop {
        let request = talk.new_request();
        if handshake::accept(&request.key).contains(['+', '/']) {
            break request;
        }
    };
    let head = response(talk, request)?;
    earlier.reverse();
    check_accept(talk, &head, &earlier)
}

/// Compares the accept value with the key, and names the mistake.
pub(super) fn check_accept(talk: &Talk, head: &Head, earlier: &[String]) -> Check {
    let key = talk
        .request
        .as_ref()
        .map_or("", |request| request.key.as_str());
    let right = handshake::accept(key);
    let lines: Vec<_> = head.header_lines("Sec-WebSocket-Accept").collect();
    let value = head.values("Sec-WebSocket-Accept").next();
    let (Some(value), Some(&line)) = (value, lines.first()) else {
        return wrong_header(
            talk,
            head,
            &d::NO_ACCEPT,
            "Sec-WebSocket-Accept",
            &format!("Sec-WebSocket-Accept: {right}"),
        );
    };
    if value == right && lines.len() == 1 {
        return Ok(());
    }
    let failure = if value == right {
        Failure::diagnosed(&d::ACCEPT_TWICE, "")
    } else {
        match guess::accept::diagnose(key, earlier, value) {
            Some((diagnosis, detail)) => Failure::diagnosed(diagnosis, detail),
            None => Failure::unnamed(
                accept::HEX.rule,
                "The value does not fit the key, and it is none of the usual mistakes. Compare each step with \
                 the page D13-NO-ACCEPT.",
            ),
        }
    };
    let column = line.find(value).unwrap_or(0);
    let characters = value.chars().count();
    let words = match characters {
        28 => "28 characters, but not the expected value".to_owned(),
        _ => format!("{characters} characters; 20 bytes in Base64 are always 28"),
    };
    failure
        .sent(Shown::line(format!("Sec-WebSocket-Key: {key}")))
        .received(Shown::line(line))
        .caret(column, characters, words)
        .expected(format!("Sec-WebSocket-Accept: {right}"))
        .fail()
}

fn connection_list(talk: &mut Talk) -> Check {
    let mut request = talk.new_request();
    request.set("Connection", "keep-alive, Upgrade");
    accepted(talk, request, &d::CONNECTION_LIST, "Connection")
}

fn lower_case(talk: &mut Talk) -> Check {
    let request = talk.new_request().with_lower_case_names();
    accepted(talk, request, &d::HEADER_CASE, "Sec-WebSocket-Key")?;
    let head = talk.head.clone().unwrap_or_else(|| Head::new(Vec::new()));
    // A server that finds no key may still send some accept value.
    match check_accept(talk, &head, &[]) {
        Ok(()) => Ok(()),
        Err(failure) => Failure {
            found: crate::lesson::Found::Diagnosis(&d::HEADER_CASE, String::new()),
            ..*failure
        }
        .fail(),
    }
}

fn extension(talk: &mut Talk) -> Check {
    let offer = "permessage-deflate; client_max_window_bits";
    let mut request = talk.new_request();
    request.set("Sec-WebSocket-Extensions", offer);
    let head = response(talk, request)?;
    let Some(line) = head.header_lines("Sec-WebSocket-Extensions").next() else {
        return Ok(());
    };
    let value = line.split_once(':').map_or("", |(_, value)| value.trim());
    if value == offer || !value.starts_with("permessage-deflate") {
        let column = line.find(value).unwrap_or(0);
        return Failure::diagnosed(&d::EXTENSION_COPIED, "")
            .sent(Shown::line(format!("Sec-WebSocket-Extensions: {offer}")))
            .received(Shown::line(line))
            .caret(column, value.chars().count(), "")
            .expected("no header Sec-WebSocket-Extensions, because your server has no extension")
            .fail();
    }
    if let Some(wrong) = guess::deflate::wrong_parameter(value, offer) {
        return Failure::diagnosed(&d::EXTENSION_PARAMETERS, wrong)
            .sent(Shown::line(format!("Sec-WebSocket-Extensions: {offer}")))
            .received(Shown::line(line))
            .expected("permessage-deflate with valid parameters, or no such header")
            .fail();
    }
    // Lesson 12 checks whether the server really has the extension.
    Ok(())
}

fn subprotocol(talk: &mut Talk) -> Check {
    let request = talk.new_request();
    let head = response(talk, request)?;
    if head.header_lines("Sec-WebSocket-Protocol").next().is_some() {
        let none = "no header Sec-WebSocket-Protocol, because the client offered nothing";
        return wrong_header(
            talk,
            &head,
            &d::SUBPROTOCOL_NOT_OFFERED,
            "Sec-WebSocket-Protocol",
            none,
        );
    }
    let mut request = talk.new_request();
    let offer = "stentor.one, stentor.two";
    request.set("Sec-WebSocket-Protocol", offer);
    let head = response(talk, request)?;
    let values: Vec<_> = head.values("Sec-WebSocket-Protocol").collect();
    let known = |value: &str| offer.split(", ").any(|item| item == value);
    let diagnosis = match values.as_slice() {
        [] => return Ok(()),
        [one] if known(one) => return Ok(()),
        [one] if !one.contains(',') => &d::SUBPROTOCOL_NOT_OFFERED,
        _ => &d::SUBPROTOCOL_LIST,
    };
    let expected = "one of the offered subprotocols, or no such header";
    wrong_header(talk, &head, diagnosis, "Sec-WebSocket-Protocol", expected)
}

/// Sends a request, and reads a complete head with status 101.
fn response(talk: &mut Talk, request: Request) -> Check<Head> {
    talk.send_request(request)?;
    let failure = match talk.read_head() {
        HeadReading::Head(head) if head.status() == Some(101) => {
            talk.head = Some(head.clone());
            return Ok(head);
        }
        HeadReading::Head(head) => with_request(talk, Failure::diagnosed(&d::STATUS, ""))
            .received(Shown::line(head.status_line()))
            .expected(RIGHT_STATUS),
        HeadReading::Incomplete(bytes, missing) => {
            let diagnosis = match (bytes.is_empty(), missing) {
                (false, _) => &d::NO_BLANK_LINE,
                (true, Missing::Silence) => &d::NO_RESPONSE,
                (true, Missing::Ended(_)) => &d::CLOSED,
            };
            // The end of the head shows what is missing.
            let tail = bytes[bytes.len().saturating_sub(32)..].to_vec();
            let dots = if bytes.len() > tail.len() { "..." } else { "" };
            let words = match tail.is_empty() {
                true => missing.words().to_owned(),
                false => format!(
                    "{dots}\"{}\", {}",
                    wire::printable(&tail, 32),
                    missing.words()
                ),
            };
            with_request(talk, Failure::diagnosed(diagnosis, ""))
                .received(Shown::bytes(tail, words))
                .expected("a status line, headers, and a blank line: ... 0d 0a 0d 0a")
        }
    };
    failure.fail()
}

/// Sends a request that must be accepted; the diagnosis is that for a server that does not.
fn accepted(talk: &mut Talk, request: Request, diagnosis: &'static Diagnosis, name: &str) -> Check {
    talk.send_request(request)?;
    let received = match talk.read_head() {
        HeadReading::Head(head) if head.status() == Some(101) => {
            talk.head = Some(head);
            return Ok(());
        }
        HeadReading::Head(head) => Shown::line(head.status_line()),
        HeadReading::Incomplete(bytes, missing) => Shown::bytes(bytes, missing.words()),
    };
    let line = talk
        .request
        .as_ref()
        .map_or("", |request| request.line(name));
    Failure::diagnosed(diagnosis, "")
        .sent(Shown::line(line))
        .received(received)
        .expected(RIGHT_STATUS)
        .fail()
}

/// A header of the response is missing, is there too often, or has a wrong value.
fn wrong_header(
    talk: &Talk,
    head: &Head,
    diagnosis: &'static Diagnosis,
    name: &str,
    expected: &str,
) -> Check {
    let mut failure = Failure::diagnosed(diagnosis, "").expected(expected);
    let asked = talk
        .request
        .as_ref()
        .map_or("", |request| request.line(name));
    failure = match asked {
        "" => failure.sent(request_line(talk)),
        _ => failure.sent(Shown::line(asked)),
    };
    let lines: Vec<_> = head.header_lines(name).collect();
    if lines.is_empty() {
        for line in &head.lines {
            failure = failure.received(Shown::line(line));
        }
        return failure
            .received(Shown::line(format!("(no header {name})")))
            .fail();
    }
    for line in &lines {
        failure = failure.received(Shown::line(*line));
    }
    if let [line] = lines.as_slice() {
        let value = name.len() + 1 + line[name.len() + 1..].len()
            - line[name.len() + 1..].trim_start().len();
        failure = failure.caret(value, line.chars().count().saturating_sub(value), "");
    }
    failure.fail()
}

fn request_line(talk: &Talk) -> Shown {
    let line = talk.request.iter().flat_map(Request::lines).next();
    Shown::line(line.unwrap_or_default())
}

fn with_request(talk: &Talk, mut failure: Failure) -> Failure {
    for line in talk.request.iter().flat_map(Request::lines) {
        failure = failure.sent(Shown::line(line));
    }
    failure
}
