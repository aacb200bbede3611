//! Servers that reject, and servers that break the protocol, as the caller of `connect` sees them.

use std::io::ErrorKind;

use stentor::protocol::{HandshakeError, InvalidUrl};
use stentor::{Connector, Error, Reply, Response, Server, Version, connect};

use super::url;
use crate::support::{Loopback, Script};

/// Returns the reason why there is no connection.
fn failure(url: &str) -> HandshakeError {
    match connect(url) {
        Err(Error::Handshake(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rejection_has_status_reason_headers_and_body() {
    let builder = Server::builder().on_request(|_| Reply::reject(403, "log in first"));
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        let rejected = Connector::new().version(version).connect(&url(&server));
        let Err(Error::Handshake(error)) = rejected else {
            panic!("{version}: {rejected:?}");
        };
        let answer = error.response().expect("a status");
        assert_eq!((answer.status(), answer.reason()), (403, "Forbidden"));
        assert_eq!(answer.header_str("connection"), Some("close"));
        assert_eq!(answer.body(), b"log in first\n", "{version}");
        assert_eq!(
            Error::Handshake(error).to_string(),
            "handshake failed: the server responded with 403 Forbidden: log in first"
        );
    }
    server.wait_until_empty();
}

#[test]
fn a_page_is_no_conversation() {
    let builder = Server::builder().on_request(|_| Response::text("ok\n").into());
    let server = Loopback::echo(builder);
    let error = failure(&url(&server));
    let answer = error.response().unwrap();
    assert_eq!((answer.status(), answer.body()), (200, &b"ok\n"[..]));
}

#[test]
fn a_redirect_is_reported_and_not_followed() {
    let script = Script::run(|mut server| {
        server.write(
            b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere.example/\r\n\
              Content-Length: 0\r\n\r\n",
        );
        server.expect_end();
    });
    let error = failure(&script.url);
    let answer = error.response().unwrap();
    assert_eq!(
        answer.header_str("Location"),
        Some("ws://elsewhere.example/")
    );
    script.join();
}

#[test]
fn a_wrong_accept_value_is_no_proof() {
    let script = Script::run(|mut server| {
        server.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        server.expect_end();
    });
    let error = failure(&script.url).to_string();
    assert!(error.starts_with("Sec-WebSocket-Accept is \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\""));
    script.join();
}

#[test]
fn a_server_that_closes_tcp_in_the_handshake_is_distinguished_from_one_that_rejects() {
    let script = Script::run(|mut server| server.write(b"HTTP/1.1 101 Swi"));
    assert_eq!(failure(&script.url), HandshakeError::StreamEnded);
    script.join();
}

#[test]
fn a_request_is_understood_by_other_servers() {
    let script = Script::run(|mut server| {
        assert!(server.head.starts_with("GET /by/hand?yes HTTP/1.1\r\n"));
        let local = server.stream.local_addr().unwrap();
        assert_eq!(server.header("Host"), Some(&*local.to_string()));
        assert_eq!(server.header("Upgrade"), Some("websocket"));
        assert_eq!(server.header("Sec-WebSocket-Version"), Some("13"));
        assert_eq!(server.header("Origin"), None);
        // Directly behind the response, in the same packet.
        server.accept("");
        server.say("welcome");
        server.start_close(1000);
        server.expect_goodbye(1000);
    });
    let mut socket = connect(&script.url).unwrap();
    assert_eq!(socket.recv().unwrap(), Some("welcome".into()));
    assert_eq!(socket.recv().unwrap(), None);
    script.join();
}

#[test]
fn no_two_connections_have_the_same_key() {
    let key = || {
        let (update, told) = std::sync::mpsc::channel();
        let script = Script::run(move |server| {
            let key = server.header("Sec-WebSocket-Key").unwrap();
            update.send(key.to_owned()).unwrap();
        });
        assert!(connect(&script.url).is_err());
        script.join();
        told.recv().unwrap()
    };
    assert_ne!(key(), key());
}

#[test]
fn an_invalid_url_is_reported_before_any_name_is_looked_up() {
    let bad = |url: &str| match connect(url) {
        Err(Error::Url(bad)) => bad,
        other => panic!("{other:?}"),
    };
    assert_eq!(bad("http://a.b/"), InvalidUrl::Scheme("http".to_owned()));
    assert_eq!(bad("ws://user@a.b/"), InvalidUrl::UserInfo);
    assert!(matches!(bad("ws://a.b/#top"), InvalidUrl::Fragment(_)));
    assert!(matches!(bad("ws:///chat"), InvalidUrl::Host(_)));
}

#[test]
fn ipv6_and_names_lead_to_a_server_too() {
    let server = Loopback::start(Server::bind("[::1]:0").unwrap(), crate::support::echo);
    let mut socket = connect(&format!("ws://{}/", server.address)).unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
    // A name with several addresses, at one of which no server listens.
    let server = Loopback::echo(Server::builder());
    let port = server.address.port();
    let socket = connect(&format!("ws://localhost:{port}/")).unwrap();
    assert_eq!(socket.peer().addr(), Some(server.address));
}

#[test]
fn an_address_of_the_other_family_is_not_bound_to() {
    let server = Loopback::echo(Server::builder());
    let connector = Connector::new().bind([127, 0, 0, 8].into());
    let socket = connector.connect(&url(&server)).unwrap();
    assert_eq!(socket.local_addr().unwrap().ip().to_string(), "127.0.0.8");
    let connector = Connector::new().bind("::1".parse().unwrap());
    match connector.connect(&url(&server)) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrNotAvailable),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_requested_resource_is_in_no_log() {
    let connector = Connector::new()
        .cookie("session", "secret")
        .and_then(|connector| connector.header("Authorization", "secret"))
        .unwrap();
    let connector = connector.proxy("http://user:secret@a.b").unwrap();
    let shown = format!("{connector:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_there_is_no_tls_and_nothing_in_its_place() {
    let error = connect("wss://127.0.0.1:1/").unwrap_err();
    assert!(error.to_string().contains("built without"), "{error}");
}

#[test]
fn an_invalid_request_is_reported_as_an_error_of_connecting() {
    fn ask(name: &str, origin: &str) -> Result<(), Error> {
        let connector = Connector::new().subprotocols([name])?.origin(origin)?;
        connector.connect("ws://").map(drop)
    }
    let failed = |name, origin| ask(name, origin).unwrap_err();
    let origin = "http://example.com";
    assert!(matches!(failed("a b", origin), Error::Header(_)));
    assert!(matches!(failed("chat", "example.com"), Error::Origin(_)));
    assert!(matches!(failed("chat", origin), Error::Url(_)));
    let field = Connector::new().cookie("a", "b;c").unwrap_err();
    assert_eq!(std::io::Error::from(field).kind(), ErrorKind::InvalidInput);
}
