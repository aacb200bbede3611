//! The two directions may be fed in any order, and parts may be late or missing.

use stentor::Version;
use stentor_explain::{Explainer, Note, Part, Side, Value};

use crate::support::conversation::Conversation;
use crate::support::heads::{Head, KEY3, handshake};
use crate::support::{all_of, broken, choices, kept};

fn parts(notes: &[Note], from: Side) -> Vec<Part> {
    let roots = notes
        .iter()
        .filter(|note| note.parent.is_none() && note.from == from);
    roots
        .map(|note| note.part)
        .filter(|part| *part != Part::Cut)
        .collect()
}

#[test]
fn a_response_that_is_fed_first_is_judged_by_its_request() {
    for version in Version::ALL {
        let notes = Conversation::default()
            .server(Head::response(version).bytes())
            .end(Side::Server)
            .client(Head::request(version).bytes())
            .notes();
        assert_eq!(broken(&notes), [], "{version}");
        let in_order = handshake(version).end(Side::Server).notes();
        for side in [Side::Client, Side::Server] {
            assert_eq!(parts(&notes, side)[0], parts(&in_order, side)[0]);
            let verdicts = |notes: &[Note]| {
                let all = notes.iter().filter(|note| note.from == side);
                let all = all.filter(|note| note.part != Part::End);
                all.flat_map(|note| note.verdicts.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(verdicts(&notes), verdicts(&in_order), "{version}");
        }
    }
}

#[test]
fn key3_may_come_after_the_response() {
    let request = Head::request(Version::Draft76).after(b"").bytes();
    let response = Head::response(Version::Draft76);
    let head = response.clone().after(b"").bytes();
    let proof = &response.bytes()[head.len()..];
    for (before, after) in [(&proof[..0], proof), (proof, &proof[..0])] {
        let notes = Conversation::default()
            .client(&request)
            .server([&head[..], before].concat())
            .client(KEY3)
            .server(after)
            .notes();
        assert_eq!(broken(&notes), []);
        assert!(kept(&notes).contains(&"handshake.proof"));
        assert_eq!(parts(&notes, Side::Client), [Part::Request, Part::Key3]);
        assert_eq!(parts(&notes, Side::Server), [Part::Response, Part::Proof]);
    }
}

#[test]
fn the_notes_about_a_head_come_with_its_last_byte() {
    let mut explainer = Explainer::new();
    let request = Head::request(Version::Rfc6455).bytes();
    let (start, last) = request.split_at(request.len() - 1);
    explainer.feed(Side::Client, start);
    assert!(explainer.notes().all(|note| note.part == Part::Cut));
    explainer.feed(Side::Client, last);
    assert_eq!(
        explainer.notes().next().map(|note| note.part),
        Some(Part::Request)
    );
}

#[test]
fn an_interim_response_is_followed_by_another_one() {
    let notes = Conversation::default()
        .client(Head::request(Version::Rfc6455).bytes())
        .server(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        .server(Head::response(Version::Rfc6455).bytes())
        .notes();
    assert_eq!(broken(&notes), []);
    assert_eq!(
        parts(&notes, Side::Server),
        [Part::Response, Part::Response]
    );
}

/// Compression of each frame (x-webkit-deflate-frame), and permessage-deflate in a version before it.
#[test]
fn a_reserved_bit_may_belong_to_an_extension_that_is_not_known() {
    for (version, name) in [
        (Version::Rfc6455, "x-webkit-deflate-frame"),
        (Version::Hybi08, "permessage-deflate"),
        (Version::Hybi07, "permessage-deflate"),
    ] {
        let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
        let response = |request: Head| {
            let response = Head::response(version).with("Sec-WebSocket-Extensions", name);
            Conversation::default()
                .client(request.bytes())
                .server([&response.bytes()[..], hello, b"\x81\x02ok"].concat())
                .ended()
                .notes()
        };
        let request = Head::request(version);
        let notes = response(request.clone().with("Sec-WebSocket-Extensions", name));
        assert_eq!(broken(&notes), [], "{version}");
        let text = format!(
            "RSV1 is 1. The negotiated extension \"{name}\" may use it: this program does not know it, and \
             does not decode the payload."
        );
        assert!(
            choices(&notes).contains(&("rsv.unused", &text)),
            "{version}"
        );
        let payloads = all_of(&notes, Part::Payload);
        assert_eq!(payloads[0].value, Value::Bytes(hello[2..].to_vec()));
        assert_eq!(payloads[1].value, Value::Text("ok".to_owned()));
        // Without an offer, the extension is not negotiated.
        let notes = response(request);
        let rules: Vec<&str> = broken(&notes).iter().map(|(rule, _)| *rule).collect();
        assert_eq!(
            rules,
            ["handshake.extension-choice", "rsv.unused"],
            "{version}"
        );
    }
}

#[test]
fn a_rejection_has_a_body_and_no_frames() {
    let notes = Conversation::default()
        .client(
            [
                &Head::request(Version::Rfc6455).bytes()[..],
                b"\x81\x80abcd",
            ]
            .concat(),
        )
        .server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\nmore")
        .ended()
        .notes();
    let parts_of_server = parts(&notes, Side::Server);
    assert_eq!(
        parts_of_server,
        [Part::Response, Part::Body, Part::Unread, Part::End]
    );
    let parts_of_client = parts(&notes, Side::Client);
    assert_eq!(parts_of_client, [Part::Request, Part::Unread, Part::End]);
    assert_eq!(broken(&notes), []);
}

/// RFC 6455 §4.2.2: a server may refuse any request.
#[test]
fn a_refusal_is_no_broken_rule_and_a_success_without_an_upgrade_is_one() {
    for version in Version::ALL {
        let notes = |status: u16| {
            Conversation::default()
                .client(Head::request(version).bytes())
                .server(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
                .notes()
        };
        for status in [302, 401, 403, 503] {
            let notes = notes(status);
            assert_eq!(broken(&notes), [], "{version}");
            let text = format!("The server refuses with {status}: no WebSocket begins.");
            assert!(
                choices(&notes).contains(&("handshake.status", &text)),
                "{version}"
            );
        }
        for status in [200, 204, 600] {
            assert_eq!(broken(&notes(status))[0].0, "handshake.status", "{version}");
        }
    }
}

#[test]
fn a_body_without_a_length_ends_with_the_stream() {
    for head in [
        "",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: x\r\n",
    ] {
        let notes = Conversation::default()
            .client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .server(format!("HTTP/1.1 200 OK\r\n{head}\r\n"))
            .server(b"some")
            .server(b" text")
            .ended()
            .notes();
        let body = all_of(&notes, Part::Body)[0];
        assert_eq!(body.bytes.end - body.bytes.start, 9, "{head}");
    }
}

#[test]
fn the_right_reaction_to_an_invalid_request_is_no_broken_rule() {
    let notes = Conversation::default()
        .client(Head::request(Version::Rfc6455).without("Host").bytes())
        .server(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        .ended()
        .notes();
    assert_eq!(
        broken(&notes),
        [("handshake.host", "The header Host is missing.")]
    );
    assert_eq!(choices(&notes)[0].0, "handshake.status");
    // Draft-75 and draft-76 leave it at closing the connection.
    let notes = Conversation::default()
        .client(Head::request(Version::Draft75).without("Origin").bytes())
        .end(Side::Server)
        .notes();
    assert_eq!(broken(&notes).len(), 1);
    assert_eq!(choices(&notes)[0].0, "handshake.complete");
}

#[test]
fn a_response_without_a_request_is_explained_alone() {
    for version in [Version::Draft75, Version::Draft76, Version::Rfc6455] {
        let notes = Conversation::default()
            .end(Side::Client)
            .server(Head::response(version).bytes())
            .notes();
        let broken = broken(&notes);
        // The client's stream has ended without a request.
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert_eq!(broken[0].0, "handshake.complete");
        let response = all_of(&notes, Part::Response)[0];
        assert_eq!(response.value, Value::Name(version.name()));
    }
}

#[test]
fn one_direction_does_not_wait_for_the_other_without_a_limit() {
    let mut explainer = Explainer::new();
    explainer.feed(Side::Server, &Head::response(Version::Rfc6455).bytes());
    assert!(explainer.notes().all(|note| note.part == Part::Cut));
    for _ in 0..1025 {
        explainer.feed(Side::Server, &[0; 1024]);
    }
    assert!(explainer.notes().any(|note| note.part == Part::Response));
}
