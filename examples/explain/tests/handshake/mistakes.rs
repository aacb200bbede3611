//! Known mistakes: each breaks the right rule, and the sentence names the found value and the expected one.

use stentor::Version;
use stentor_explain::Side;

use crate::support::broken;
use crate::support::conversation::Conversation;
use crate::support::heads::{Head, KEY3};

/// Asserts that exactly this rule is broken, with this sentence.
fn assert_breaks(conversation: &Conversation, rule: &str, by: &str) {
    let notes = conversation.notes();
    assert_eq!(broken(&notes), [(rule, by)]);
}

fn request(version: Version, change: impl Fn(Head) -> Head, rule: &str, by: &str) {
    let request = change(Head::request(version)).bytes();
    assert_breaks(&Conversation::default().client(request), rule, by);
}

fn response(version: Version, change: impl Fn(Head) -> Head, rule: &str, by: &str) {
    let request = Head::request(version)
        .set(
            match version {
                Version::Draft75 => "WebSocket-Protocol",
                _ => "Sec-WebSocket-Protocol",
            },
            "chat",
        )
        .bytes();
    let mut response = Head::response(version);
    if version == Version::Draft75 {
        response = response.with("WebSocket-Protocol", "chat");
    } else {
        response = response.with("Sec-WebSocket-Protocol", "chat");
    }
    let response = change(response).bytes();
    let conversation = Conversation::default().client(request).server(response);
    assert_breaks(&conversation, rule, by);
}

const NEW: Version = Version::Rfc6455;

#[test]
fn wrong_accept_values_are_shown_beside_the_right_one() {
    let expected = "expected \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\" (28 characters)";
    for (found, length, guess) in [
        (
            "YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==",
            56,
            " It is Base64 of the digest in hex digits, not of its 20 bytes.",
        ),
        (
            "fI/F95pFHyUax3HLt0ktmQ==",
            24,
            " It is made with MD5, not with SHA-1.",
        ),
        ("S3PPLMBITXAQ9KYGZZHZRBK+XOO=", 28, ""),
    ] {
        let by = format!("Found \"{found}\" ({length} characters), {expected}.{guess}");
        let change = |head: Head| head.set("Sec-WebSocket-Accept", found);
        response(NEW, change, "handshake.accept", &by);
    }
    let missing = "The header Sec-WebSocket-Accept is missing.";
    let change = |head: Head| head.without("Sec-WebSocket-Accept");
    response(NEW, change, "handshake.accept", missing);
}

#[test]
fn wrong_status_lines_are_found() {
    let ok = |head: Head| head.line("HTTP/1.1 200 OK");
    let by = "The status is 200, expected 101: the server did not upgrade.";
    response(NEW, ok, "handshake.status", by);
    let old = |head: Head| head.line("HTTP/1.0 101 Switching Protocols");
    let by = "The version is HTTP/1.0, and RFC 6455 requires HTTP/1.1.";
    response(NEW, old, "handshake.http-version", by);
    let broken = |head: Head| head.line("HTTP/1.1 1O1 Switching Protocols");
    let by = "The status is \"1O1\", and must be three digits.";
    response(NEW, broken, "handshake.status-line", by);
    let without_space = |head: Head| head.line("HTTP/1.1 101 WebSocket Protocol Handshake");
    let by = "Found the line \"HTTP/1.1 101 WebSocket Protocol Handshake\\r\\n\", \
              expected \"HTTP/1.1 101 Web Socket Protocol Handshake\\r\\n\".";
    response(Version::Draft75, without_space, "handshake.preamble", by);
    let other_case = |head: Head| head.set("Upgrade", "websocket");
    let by = "Found the line \"Upgrade: websocket\\r\\n\", expected \"Upgrade: WebSocket\\r\\n\".";
    response(Version::Draft75, other_case, "handshake.preamble", by);
}

#[test]
fn line_ends_and_blank_lines_are_found() {
    let request = Head::request(NEW).bytes();
    let text = String::from_utf8(Head::response(NEW).bytes()).unwrap();
    let bare = text.replace("Upgrade: websocket\r\n", "Upgrade: websocket\n");
    let conversation = Conversation::default().client(&request).server(bare);
    let by = "The line ends with \"\\n\" alone, not with CR LF.";
    assert_breaks(&conversation, "handshake.line-end", by);

    let bare = Conversation::default()
        .client(&request)
        .server(text.replace("\r\n", "\n"));
    let notes = bare.notes();
    assert_eq!(broken(&notes), [("handshake.line-end", by); 5]);

    let endless = text.trim_end();
    let conversation = Conversation::default()
        .client(&request)
        .server(format!("{endless}\r\n"))
        .server(b"\x81\x05hello")
        .end(Side::Server);
    let notes = conversation.notes();
    let expected = [
        (
            "handshake.blank-line",
            "The stream ended after 3 header lines, before an empty line.",
        ),
        (
            "handshake.complete",
            "The stream ended before the end of the response.",
        ),
    ];
    assert_eq!(broken(&notes), expected);
}

#[test]
fn upgrade_and_connection_are_words_of_lists() {
    for version in Version::ALL {
        let by = "Found \"close\", which has no word Upgrade.";
        let change = |head: Head| head.set("Connection", "close");
        request(version, change, "handshake.connection", by);
        let by = "The header Upgrade is missing: this is a request of plain HTTP.";
        request(
            version,
            |head| head.without("Upgrade"),
            "handshake.upgrade",
            by,
        );
        // Firefox sends this.
        let firefox = Head::request(version)
            .set("Connection", "keep-alive, Upgrade")
            .bytes();
        let notes = Conversation::default().client(firefox).notes();
        assert_eq!(broken(&notes), [], "{version}");
    }
    let by = "Found \"h2c\", expected \"websocket\".";
    response(
        NEW,
        |head| head.set("Upgrade", "h2c"),
        "handshake.upgrade",
        by,
    );
    let by = "The header Connection is missing, expected \"Upgrade\".";
    response(
        NEW,
        |head| head.without("Connection"),
        "handshake.connection",
        by,
    );
}

#[test]
fn extensions_and_subprotocols_must_have_been_offered() {
    let by = "Found \"permessage-deflate\", and the request offered none.";
    let change = |head: Head| head.with("Sec-WebSocket-Extensions", "permessage-deflate");
    response(NEW, change, "handshake.extension-choice", by);
    for version in Version::ALL {
        let header = match version {
            Version::Draft75 => "WebSocket-Protocol",
            _ => "Sec-WebSocket-Protocol",
        };
        let by = "Found \"chat, superchat\", and the request offered \"chat\".";
        let change = |head: Head| head.set(header, "chat, superchat");
        response(version, change, "handshake.subprotocol-choice", by);
    }
    for version in [Version::Draft75, Version::Draft76] {
        let header = match version {
            Version::Draft75 => "WebSocket-Protocol",
            _ => "Sec-WebSocket-Protocol",
        };
        let by = format!("The header {header} is missing: the client needs \"chat\".");
        let change = |head: Head| head.without(header);
        response(version, change, "handshake.subprotocol-choice", &by);
    }
}

/// An offer, an invalid response to it, and the sentence about it.
const PARAMETERS: [(&str, &str, &str); 11] = [
    (
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits=12",
        "client_max_window_bits is 12, and the request did not offer this parameter.",
    ),
    (
        "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=12",
        "client_max_window_bits is 12, and the request allows at most 10.",
    ),
    (
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate",
        "server_no_context_takeover was offered, and the response must repeat it.",
    ),
    (
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate",
        "server_max_window_bits=10 was offered, and the response must have one of at most 10.",
    ),
    (
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=11",
        "server_max_window_bits is 11, and the request allows at most 10.",
    ),
    (
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits",
        "client_max_window_bits must have a number in a response.",
    ),
    (
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=08",
        "server_max_window_bits is \"08\", and must be 8 to 15.",
    ),
    (
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover=1",
        "server_no_context_takeover has the value \"1\", and must have none.",
    ),
    (
        "permessage-deflate",
        "permessage-deflate; fast",
        "The parameter \"fast\" is unknown.",
    ),
    (
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "The parameter server_no_context_takeover occurs twice.",
    ),
    (
        "permessage-deflate",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate is accepted twice.",
    ),
];

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

fn negotiation(offer: &str, answer: &str) -> Conversation {
    Conversation::default()
        .client(Head::request(NEW).with(EXTENSIONS, offer).bytes())
        .server(Head::response(NEW).with(EXTENSIONS, answer).bytes())
}

#[test]
fn parameters_of_compression_answer_an_offer() {
    for (offer, answer, by) in PARAMETERS {
        assert_breaks(&negotiation(offer, answer), "handshake.deflate", by);
    }
}

#[test]
fn parameters_of_compression_may_be_fewer_than_offered() {
    for (offer, answer) in [
        (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            "permessage-deflate",
        ),
        (
            "foo, permessage-deflate; client_max_window_bits=\"10\"",
            "permessage-deflate;client_max_window_bits = 9",
        ),
    ] {
        assert_eq!(broken(&negotiation(offer, answer).notes()), [], "{answer}");
    }
}

#[test]
fn requests_of_no_version_are_found() {
    for (found, by) in [
        ("14", "Found \"14\", expected 7, 8 or 13."),
        ("13, 8", "Found \"13, 8\", a list, expected 7, 8 or 13."),
        ("", "Found \"\", expected 7, 8 or 13."),
    ] {
        let change = |head: Head| head.set("Sec-WebSocket-Version", found);
        request(NEW, change, "handshake.version", by);
    }
    let by = "The request has a key and no Sec-WebSocket-Version.";
    let change = |head: Head| head.without("Sec-WebSocket-Version");
    request(NEW, change, "handshake.key-version", by);
    let by = "The draft is \"2\", whose frames differ.";
    let change = |head: Head| head.with("Sec-WebSocket-Draft", "2");
    request(Version::Draft76, change, "handshake.draft", by);
    let conversation = Conversation::default()
        .client(
            Head::request(NEW)
                .set("Sec-WebSocket-Version", "14")
                .bytes(),
        )
        .server("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let notes = conversation.notes();
    let by = "The header Sec-WebSocket-Version is missing in this rejection.";
    assert_eq!(broken(&notes)[1], ("handshake.version-list", by));
}

#[test]
fn wrong_keys_are_found() {
    for (key, by) in [
        (
            "dGhlIHNhbXBsZSBub25j",
            "The key \"dGhlIHNhbXBsZSBub25j\" is Base64 of 15 bytes, not of 16.",
        ),
        (
            "not a key",
            "The key \"not a key\" is not Base64 of 16 bytes: it has 9 characters and must have 24, \
             the last two of them =.",
        ),
    ] {
        let change = |head: Head| head.set("Sec-WebSocket-Key", key);
        request(NEW, change, "handshake.key", by);
    }
    let old = Version::Draft76;
    for (key, rule, by) in [
        (
            "a b c",
            "handshake.key-digits",
            "The key \"a b c\" has no digits.",
        ),
        (
            "12345",
            "handshake.key-spaces",
            "The key \"12345\" has no spaces.",
        ),
        (
            "1 2 3x",
            "handshake.key-division",
            "123 divided by 2 spaces leaves a remainder of 1.",
        ),
        (
            "4294967296 x",
            "handshake.key-size",
            "The number \"4294967296\" is larger than 4294967295.",
        ),
        (
            "99999999999999999999 x",
            "handshake.key-size",
            "The number \"99999999999999999999\" is larger than 4294967295.",
        ),
    ] {
        let change = |head: Head| head.set("Sec-WebSocket-Key1", key);
        request(old, change, rule, by);
    }
    let by = "The header Sec-WebSocket-Key2 is missing.";
    request(
        old,
        |head| head.without("Sec-WebSocket-Key2"),
        "handshake.keys",
        by,
    );
}

#[test]
fn wrong_proofs_are_shown_beside_the_right_one() {
    let by = "Found 31 6e 41 13 0f 7e d6 3c 5e 6e 3a 64 73 5b 34 55, \
              expected 38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d. \
              These are the bytes that must be hashed with MD5.";
    // The sixteen bytes that must be hashed.
    let unhashed = [&[0x31, 0x6e, 0x41, 0x13, 0x0f, 0x7e, 0xd6, 0x3c][..], KEY3].concat();
    let change = |head: Head| head.after(&unhashed);
    response(Version::Draft76, change, "handshake.proof", by);
}

#[test]
fn wrong_repetitions_are_shown_beside_the_right_ones() {
    for (version, prefix) in [(Version::Draft75, ""), (Version::Draft76, "Sec-")] {
        let origin = format!("{prefix}WebSocket-Origin");
        let by = "Found \"http://Example.com\", expected \"http://example.com\".";
        let change = |head: Head| head.set(&origin, "http://Example.com");
        response(version, change, "handshake.origin-echo", by);
        let location = format!("{prefix}WebSocket-Location");
        let by = "Found \"ws://example.com/\", expected \"ws://example.com/demo\".";
        let change = |head: Head| head.set(&location, "ws://example.com/");
        response(version, change, "handshake.location", by);
        let by = format!("The header {location} is missing.");
        response(
            version,
            |head| head.without(&location),
            "handshake.location",
            &by,
        );
    }
}

#[test]
fn other_requests_are_found() {
    let by = "The method is \"POST\", and must be GET.";
    request(
        NEW,
        |head| head.line("POST /demo HTTP/1.1"),
        "handshake.method",
        by,
    );
    let by = "The version is HTTP/1.0, and RFC 6455 requires HTTP/1.1.";
    request(
        NEW,
        |head| head.line("GET /demo HTTP/1.0"),
        "handshake.http-version",
        by,
    );
    let by = "The target is \"demo\": it must begin with a slash.";
    request(
        NEW,
        |head| head.line("GET demo HTTP/1.1"),
        "handshake.target",
        by,
    );
    let by = "The target is \"/a\": it has a fragment, after #.";
    request(
        NEW,
        |head| head.line("GET /a#secret HTTP/1.1"),
        "handshake.target",
        by,
    );
    let by = "Host is \"a:0x50\": the port must be a number of 1 to 65535 in decimal digits.";
    request(NEW, |head| head.set("Host", "a:0x50"), "handshake.host", by);
    let by = "Host occurs 2 times, and must occur once.";
    request(NEW, |head| head.with("host", "b"), "handshake.once", by);
    let by = "Content-Length is \"5\", and must be 0.";
    request(
        NEW,
        |head| head.with("Content-Length", "5"),
        "handshake.body",
        by,
    );
    let by = "The header Origin is missing. There is no Sec-WebSocket-Version, so the request is \
              read as draft-75: a request of version 13 has Sec-WebSocket-Version: 13 and \
              Sec-WebSocket-Key.";
    request(
        Version::Draft75,
        |head| head.without("Origin"),
        "handshake.origin",
        by,
    );
    let by = "The name is \"a\\xff\", and must have U+0020 to U+007E.";
    let change = |head: Head| head.with("Sec-WebSocket-Protocol", b"a\xff");
    request(Version::Draft76, change, "handshake.subprotocol", by);
    let by = "The line \"Cookie\" has no colon.";
    let conversation = Conversation::default().client(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Cookie a=b\r\n\r\n",
    );
    assert_breaks(&conversation, "handshake.header-line", by);
}

#[test]
fn bytes_that_are_not_http_are_found_at_once() {
    let tls = Conversation::default().client(b"\x16\x03\x01\x02\x00");
    let by = "The stream begins with \"\\x16\", as TLS does.";
    assert_breaks(&tls, "handshake.http", by);
    let frame = Conversation::default()
        .client(Head::request(NEW).bytes())
        .server(b"\x81\x05hello");
    let by = "The stream begins with \"\\x81\", as a frame does.";
    assert_breaks(&frame, "handshake.http", by);
}

#[test]
fn streams_that_end_in_the_handshake_are_found() {
    let old = Version::Draft76;
    let request = Head::request(old).after(&KEY3[..3]).bytes();
    let notes = Conversation::default()
        .client(request)
        .end(Side::Client)
        .notes();
    let expected = [
        ("handshake.key3", "The stream ended after 3 of 8 bytes."),
        (
            "handshake.complete",
            "The stream ended before the eight bytes after the request.",
        ),
    ];
    assert_eq!(broken(&notes), expected);
}
