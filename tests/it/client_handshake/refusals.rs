//! Any status other than 101: the client gets the whole response with its body, and accepts nothing
//! more.

use stentor::Version;
use stentor::protocol::{Ending, Event, HandshakeError, HandshakeResponse, State, Trigger};

use super::{asked, request};
use crate::support::{Driven, every_way};

/// Returns the response that rejected the client.
fn rejected(client: &Driven) -> &HandshakeResponse {
    assert_eq!(client.connection.state(), State::Rejected);
    assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
    assert_eq!(client.events.len(), 1);
    let told: Vec<_> = client.transitions.iter().map(|one| one.trigger).collect();
    assert_eq!(told, [Trigger::Refused]);
    match client.declined() {
        HandshakeError::Status(answer) => answer,
        other => panic!("{other}"),
    }
}

fn client() -> Driven {
    asked(Version::Rfc6455).0
}

#[test]
fn a_rejection_comes_with_status_headers_and_body_however_it_is_cut() {
    let bytes =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 5\r\n\r\nfull\n";
    for version in Version::ALL {
        every_way(&[bytes.to_vec()], |how, pieces| {
            let (mut client, _) = asked(version);
            for piece in pieces {
                client.receive(piece);
            }
            let answer = rejected(&client);
            assert_eq!(answer.status(), 503, "{version}, {how}");
            assert_eq!(answer.reason(), "Service Unavailable");
            assert_eq!(answer.header_str("retry-after"), Some("10"));
            assert_eq!(answer.body(), b"full\n", "{version}, {how}");
            let words = client.declined().to_string();
            assert_eq!(words, "the server responded with 503 Service Unavailable");
            assert_eq!(client.declined().response(), Some(answer));
        });
    }
}

/// Neither early nor late: until then, the response is not reported.
#[test]
fn a_body_ends_where_its_header_block_says() {
    let cases: [(&str, &[u8], &[u8]); 10] = [
        ("404 Not Found\r\nContent-Length: 0", b"", b""),
        ("404 Not Found\r\nContent-Length: 3", b"abc", b"abc"),
        (
            "200 OK\r\nTransfer-Encoding: chunked",
            b"3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n",
            b"abc0123456789",
        ),
        (
            "200 OK\r\ntransfer-encoding: gzip, Chunked",
            b"1\r\n\0\r\n0\r\n",
            b"\0",
        ),
        // The transfer coding counts, not the length (RFC 9112 §6.3).
        (
            "200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            b"2\r\nab\r\n0\r\n",
            b"ab",
        ),
        ("204 No Content", b"", b""),
        ("304 Not Modified\r\nContent-Length: 9", b"", b""),
        ("204 No Content\r\nTransfer-Encoding: chunked", b"", b""),
        // A malformed chunk ends the body: only the status matters.
        (
            "500 x\r\nTransfer-Encoding: chunked",
            b"3\r\nabcX\n",
            b"abc",
        ),
        ("500 x\r\nTransfer-Encoding: chunked", b"x", b""),
    ];
    for (head, body, expected) in cases {
        let mut client = client();
        client.receive(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
        for (at, byte) in body.chunks(1).enumerate() {
            assert_eq!(client.events, [], "{head}: after {at} bytes of the body");
            assert_eq!(client.connection.close_expected(), None);
            client.receive(byte);
        }
        assert_eq!(rejected(&client).body(), expected, "{head}");
    }
}

#[test]
fn a_body_of_no_known_length_ends_with_the_stream() {
    for head in [
        "400 Bad Request",
        "400 Bad Request\r\nContent-Length: x",
        "400 Bad Request\r\nContent-Length: +3",
        "400 Bad Request\r\nContent-Length: 3\r\nContent-Length: 4",
        "400 Bad Request\r\nTransfer-Encoding: gzip",
    ] {
        let mut client = client();
        client.receive(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
        client.receive(b"some").receive(b" words");
        assert_eq!(client.events, [], "{head}");
        client.end();
        assert_eq!(rejected(&client).body(), b"some words", "{head}");
    }
}

#[test]
fn a_truncated_body_is_reported_as_far_as_it_came() {
    for (head, body, expected) in [
        ("Content-Length: 10", "abc", "abc"),
        ("Transfer-Encoding: chunked", "5\r\nabc", "abc"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n4", "abc"),
        ("X: y", "", ""),
    ] {
        let mut client = client();
        client.receive(format!("HTTP/1.1 404 x\r\n{head}\r\n\r\n{body}").as_bytes());
        client.end();
        assert_eq!(rejected(&client).body(), expected.as_bytes(), "{head}");
    }
}

#[test]
fn a_long_body_is_kept_up_to_64_kib_and_no_more_is_waited_for() {
    let long = vec![b'x'; HandshakeResponse::MAX_BODY + 1];
    let chunks = [&b"FFFFFFFF\r\n"[..], &long].concat();
    for (head, body) in [
        ("Content-Length: 99999999999999999999", &long),
        ("Content-Length: 65537", &long),
        ("Content-Length: 18446744073709551615", &long),
        ("X: y", &long),
        ("Transfer-Encoding: chunked", &chunks),
    ] {
        for pieces in [body.len(), 1000] {
            let mut client = client();
            client.receive(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes());
            for piece in body.chunks(pieces) {
                if client.events.is_empty() {
                    client.receive(piece);
                }
            }
            assert_eq!(rejected(&client).body(), &long[1..], "{head}");
        }
    }
}

#[test]
fn a_chunk_size_without_end_is_not_waited_for() {
    let mut client = client();
    client.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    for _ in 0..2000 {
        client.receive(b"x");
    }
    assert_eq!(rejected(&client).body(), b"");
}

#[test]
fn a_redirect_is_reported_and_not_followed() {
    let mut client = client();
    client.receive(
        b"HTTP/1.1 302 Found\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(
        rejected(&client).header_str("Location"),
        Some("wss://example.com/")
    );
    assert_eq!(client.output, b"");
}

/// A rejection may come in HTTP/1.0, whatever the version, and without a reason phrase.
#[test]
fn a_rejection_may_come_in_any_http_version() {
    for version in Version::ALL {
        for line in [
            "HTTP/1.0 403 Forbidden",
            "HTTP/1.1 403",
            "HTTP/1.1 403 ",
            "HTTP/1.1 403 \u{e4}",
        ] {
            let (mut client, _) = asked(version);
            client.receive(format!("{line}\r\nContent-Length: 0\r\n\r\n").as_bytes());
            assert_eq!(rejected(&client).status(), 403, "{version}: {line}");
            assert!(
                client
                    .declined()
                    .to_string()
                    .starts_with("the server responded with 403")
            );
        }
    }
}

/// RFC 9110 §15.2.
#[test]
fn interim_responses_are_skipped() {
    for version in Version::ALL {
        let (mut client, answer) = asked(version);
        let interim =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        client.receive(&[interim, &answer.bytes()[..]].concat());
        assert_eq!(client.events, [Event::Open], "{version}");
        assert_eq!(client.connection.response().unwrap().status(), 101);
    }
}

#[test]
fn interim_responses_and_the_final_header_block_have_one_limit() {
    let mut config = stentor::protocol::Config::default();
    config.limits.header_bytes = 500;
    let mut client = Driven::client_with(&request(Version::Rfc6455), &config);
    let interim = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n",
        "x".repeat(62)
    );
    for _ in 1..500 / interim.len() {
        client.receive(interim.as_bytes());
        assert_eq!(client.events, []);
    }
    client.receive(interim.as_bytes());
    assert_eq!(client.declined(), &HandshakeError::HeadersTooLarge(500));
}

#[test]
fn ten_interim_answers_are_skipped_and_no_more() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    for version in Version::ALL {
        let (mut client, answer) = asked(version);
        client.receive(&[&interim.repeat(10), &answer.bytes()[..]].concat());
        assert_eq!(client.events, [Event::Open], "{version}");

        let (mut client, answer) = asked(version);
        client.receive(&[&interim.repeat(11), &answer.bytes()[..]].concat());
        assert_eq!(client.declined(), &HandshakeError::TooManyInterim(10));
    }
}

#[test]
fn what_follows_a_refusal_is_not_looked_at() {
    for version in Version::ALL {
        let (mut client, answer) = asked(version);
        client.receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        client.receive(&answer.bytes()).end();
        assert_eq!(rejected(&client).status(), 403, "{version}");
    }
}
