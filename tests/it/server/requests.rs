//! The application's view of a request, and its three ways to answer.

use crossbeam_channel::bounded;
use stentor::protocol::InvalidHeader;
use stentor::{Accept, Connector, Reply, Request, Response, Server, Version};

use crate::support::{Head, Loopback, PATIENCE, Peer, ask, dial, echo, eventually};

/// A plain browser's request for a page.
fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\r\n").into_bytes()
}

/// The hook of the chat example: a page, a health check, and the chat itself.
fn front_door(request: &Request) -> Reply {
    match (request.version(), request.path()) {
        (Some(_), "/demo") => Reply::accept(),
        (None, "/") => Response::html("<!DOCTYPE html><p>grüß Gott").into(),
        (None, "/health") => Response::text("ok\n").into(),
        (None, "/empty") => Response::new(204).into(),
        (None, "/moved") => Response::new(302).header("Location", "/").unwrap().into(),
        _ => Reply::reject(404, "nothing here"),
    }
}

#[test]
fn a_page_and_a_health_check_live_on_the_same_port() {
    let server = Loopback::run(Server::builder().on_request(front_door), echo);

    let page = ask(server.address, &get("/"));
    assert_eq!(page.status_line, "HTTP/1.1 200 OK");
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("Connection"), Some("close"));
    assert_eq!(page.header("Content-Length"), Some("29"));
    assert_eq!(page.body, "<!DOCTYPE html><p>grüß Gott".as_bytes());

    let health = ask(server.address, &get("/health?verbose=1"));
    assert_eq!(
        (health.status(), health.body.as_slice()),
        (200, &b"ok\n"[..])
    );

    let moved = ask(server.address, &get("/moved"));
    assert_eq!((moved.status(), moved.header("Location")), (302, Some("/")));

    let nothing = ask(server.address, &get("/favicon.ico"));
    assert_eq!(
        (nothing.status(), nothing.body.as_slice()),
        (404, &b"nothing here\n"[..])
    );

    for version in Version::ALL {
        server.open(version).expect_echo("and the WebSocket too");
        let elsewhere = Head::of(version).line("GET /elsewhere HTTP/1.1");
        assert_eq!(
            ask(server.address, &elsewhere.bytes()).status(),
            404,
            "{version}"
        );
    }
    let counters = eventually("the account", || {
        let counters = server.handle.counters();
        (counters.rejected.get("application") == Some(&6)).then_some(counters)
    });
    assert_eq!(counters.answered, 3);
}

#[test]
fn an_answer_without_a_body_has_no_length() {
    use std::io::{Read, Write};
    let server = Loopback::run(Server::builder().on_request(front_door), echo);
    let mut stream = dial(server.address);
    stream.write_all(&get("/empty")).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (line, fields) = answer.split_once("\r\n").unwrap();
    assert_eq!(line, "HTTP/1.1 204 No Content");
    let (date, fields) = fields.split_once("\r\n").unwrap();
    assert!(
        date.starts_with("Date: ") && date.ends_with(" GMT"),
        "{date}"
    );
    assert_eq!(
        fields,
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_large_page_arrives_whole() {
    let page = "0123456789".repeat(1_000_000);
    let body = page.clone();
    let builder = Server::builder().on_request(move |_| Response::text(body.as_str()).into());
    let server = Loopback::run(builder, echo);
    assert!(ask(server.address, &get("/")).body == page.as_bytes());
}

#[test]
fn plain_http_is_refused_if_no_hook_answers_it() {
    let accepting = Server::builder().on_request(|_| Reply::accept());
    for builder in [Server::builder(), accepting] {
        let server = Loopback::echo(builder);
        let answer = ask(server.address, &get("/"));
        assert_eq!(answer.status(), 400);
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains("WebSocket"), "{body}");
    }
}

/// Returns everything that can be read from a request, in one line.
fn describe(request: &Request) -> String {
    let cookies: Vec<String> = request
        .cookies()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{} {} {:?} {:?} {:?} {} {:?} {:?}",
        request.target(),
        request.path(),
        request.query(),
        request.origin(),
        request.header_str("x-colour"),
        cookies.join("+"),
        request.cookie("b"),
        request.subprotocols(),
    )
}

#[test]
fn hook_and_handler_read_the_same_request() {
    let (seen, hook_saw) = bounded(1);
    let builder = Server::builder().on_request(move |request| {
        seen.send((request.version(), describe(request))).unwrap();
        Reply::accept()
    });
    let server = Loopback::run(builder, |client| {
        client.send(describe(client.request()))?;
        client.send(client.peer().to_string())?;
        client.send(client.addr().unwrap().to_string())?;
        client.send(format!("{:?}", client.subprotocol()))?;
        echo(client)
    });
    for version in Version::ALL {
        let head = Head::of(version)
            .line("GET /a%20room?name=x&y=?z HTTP/1.1")
            .with("X-Colour", "red")
            .with("Cookie", "a=1; b=\"two\"")
            .with("Cookie", "c=3");
        let mut peer = Peer::open_with(server.address, version, &head);
        let expected = "/a%20room?name=x&y=?z /a%20room Some(\"name=x&y=?z\") \
                        Some(\"http://example.com\") Some(\"red\") a=1+b=two+c=3 Some(\"two\") []";
        let (hooks_version, hooks_words) = hook_saw.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            (hooks_version, hooks_words.as_str()),
            (Some(version), expected)
        );
        peer.expect_text(expected);
        peer.expect_text(&peer.local_addr().to_string());
        peer.expect_text("127.0.0.1");
        peer.expect_text("None");
        assert_eq!(server.client(&peer).target(), "/a%20room?name=x&y=?z");
    }
}

#[test]
fn a_forwarded_address_counts_only_where_it_is_trusted() {
    for (trusted, expected) in [(false, "127.0.0.1"), (true, "203.0.113.7")] {
        let builder = Server::builder().trust_forwarded_headers(trusted);
        let server = Loopback::run(builder, |client| {
            client.send(client.addr().unwrap().to_string())?;
            echo(client)
        });
        let head = Head::of(Version::Rfc6455).with("X-Forwarded-For", "10.0.0.1, 203.0.113.7");
        let mut peer = Peer::open_with(server.address, Version::Rfc6455, &head);
        peer.expect_text(expected);
    }
}

#[test]
fn the_hook_adds_fields_to_the_101() {
    let builder = Server::builder().on_request(|_| {
        let cookie = Accept::new().header("Set-Cookie", "session=42; HttpOnly; Path=/");
        cookie
            .unwrap()
            .header("X-Powered-By", "threads")
            .unwrap()
            .into()
    });
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let mut peer = server.open(version);
        let answer = &peer.answer;
        assert_eq!(
            answer.header("Set-Cookie"),
            Some("session=42; HttpOnly; Path=/"),
            "{version}"
        );
        assert_eq!(answer.header("X-Powered-By"), Some("threads"), "{version}");
        peer.expect_echo("hello");
    }
}

#[test]
fn a_field_that_would_break_the_answer_is_an_error() {
    let bad: [(&str, &str); 5] = [
        ("Set-Cookie", "a\r\nX-Smuggled: b"),
        ("Set Cookie", "a"),
        ("Upgrade", "h2c"),
        ("Sec-WebSocket-Accept", "x"),
        ("", "a"),
    ];
    for (name, value) in bad {
        let accept: Result<_, InvalidHeader> = Accept::new().header(name, value);
        let respond: Result<_, InvalidHeader> = Response::new(200).header(name, value);
        assert!(accept.is_err() && respond.is_err(), "{name}: {value}");
    }
}

#[test]
fn the_subprotocol_is_the_clients_first_that_is_spoken() {
    let builder = Server::builder()
        .subprotocols(["chat", "superchat"])
        .unwrap();
    let server = Loopback::run(builder, |client| {
        client.send(client.subprotocol().unwrap_or("none").to_owned())?;
        echo(client)
    });
    for version in Version::ALL {
        let (field, offered) = match version {
            Version::Draft75 => ("WebSocket-Protocol", "superchat"),
            Version::Draft76 => ("Sec-WebSocket-Protocol", "superchat"),
            _ => ("Sec-WebSocket-Protocol", "mqtt, superchat, chat"),
        };
        let head = Head::of(version).with(field, offered);
        let mut peer = Peer::open_with(server.address, version, &head);
        assert_eq!(peer.answer.header(field), Some("superchat"), "{version}");
        peer.expect_text("superchat");

        let mut peer = server.open(version);
        assert_eq!(peer.answer.header(field), None, "{version}");
        peer.expect_text("none");
    }
}

/// Both builders add to the list, and refuse the same names.
#[test]
fn an_invalid_subprotocol_is_an_error_on_either_side() {
    for names in [&[""][..], &["a b"], &["a,b"], &["a\r\nb"], &["a", "a"]] {
        assert!(Server::builder().subprotocols(names).is_err(), "{names:?}");
        assert!(Connector::new().subprotocols(names).is_err(), "{names:?}");
    }
    let builder = Server::builder().subprotocols(["a"]).unwrap();
    assert!(builder.subprotocols(["a"]).is_err());
    let connector = Connector::new().subprotocols(["a"]).unwrap();
    assert!(connector.subprotocols(["a"]).is_err());
}

#[test]
fn the_hook_chooses_among_the_subprotocols_that_are_offered() {
    let builder = Server::builder().on_request(|request| {
        match request
            .subprotocols()
            .iter()
            .find(|name| name.starts_with('v'))
        {
            Some(version) => Accept::new().subprotocol(*version).into(),
            None => Accept::new().subprotocol("v1").into(),
        }
    });
    let server = Loopback::echo(builder);
    let offer = |names: &str| Head::of(Version::Rfc6455).with("Sec-WebSocket-Protocol", names);
    let peer = Peer::open_with(server.address, Version::Rfc6455, &offer("json, v2, v3"));
    assert_eq!(peer.answer.header("Sec-WebSocket-Protocol"), Some("v2"));
    // A client must fail the connection on a subprotocol that it did not offer: so choosing one is
    // the server's own error.
    assert_eq!(ask(server.address, &offer("json").bytes()).status(), 500);
}

#[test]
fn the_hook_runs_on_nothing_that_is_refused_anyway() {
    let (calls, called) = bounded(8);
    let builder = Server::builder()
        .allowed_origins(["http://example.com"])
        .unwrap()
        .on_request(move |_| {
            calls.send(()).unwrap();
            Reply::accept()
        });
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let field = match version {
            Version::Hybi07 | Version::Hybi08 => "Sec-WebSocket-Origin",
            _ => "Origin",
        };
        let foreign = Head::of(version).set(field, "http://evil.example");
        let answer = ask(server.address, &foreign.bytes());
        assert_eq!(answer.status(), 403, "{version}");
        assert!(called.try_recv().is_err(), "{version}");
        server.open(version).expect_echo("hello");
        assert!(called.try_recv().is_ok(), "{version}");
    }
}
