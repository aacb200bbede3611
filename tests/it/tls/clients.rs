//! Stentor's own client over TLS: the certificates it trusts, and that it sends nothing to any
//! other server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{CertificateError, HandshakeKind, ServerConnection, StreamOwned};
use stentor::tls::{TlsClient, TlsServer};
use stentor::{CloseCode, Connector, DisconnectReason, Error, Message, Received, Server, Version};

use crate::support::{Identity, Loopback, PATIENCE, echo};

use super::over_tls;

fn with_roots(identity: &Identity) -> Connector {
    let tls = TlsClient::trusting_only(identity.certificate.as_bytes()).unwrap();
    Connector::new().tls(tls)
}

fn url(server: &Loopback) -> String {
    format!("wss://{}/demo", server.address)
}

/// Returns the reason why a client that trusts one identity rejects a server with another.
fn rejection(believed: &Identity, shown: &Identity, host: &str) -> CertificateError {
    let server = Loopback::echo(Server::builder().tls(shown.server()));
    let url = format!("wss://{host}:{}/", server.address.port());
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    let error = with_roots(believed).connect_over(stream, &url).unwrap_err();
    // The server has not received a byte of the request.
    assert_eq!(server.wait_until_empty().rejected, [("tls", 1)].into());
    match error {
        Error::Tls(error) => match stentor::tls::unversioned::cause(&error) {
            Some(rustls::Error::InvalidCertificate(why)) => why.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn every_version_connects_to_a_trusted_server() {
    let server = Loopback::echo(over_tls());
    for version in Version::ALL {
        let connector = with_roots(Identity::common()).version(version);
        let mut socket = connector.connect(&url(&server)).unwrap();
        for size in [0, 1, 125, 16_384, 100_000, 1_000_000] {
            let message = Message::from("x".repeat(size));
            socket.send(message.clone()).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(message), "{version}");
        }
        socket.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(socket.recv().unwrap(), None, "{version}");
        assert!(socket.closed().unwrap().clean, "{version}");
    }
    let counters = server.wait_until_empty();
    assert!(counters.disconnected.is_empty());
    assert_eq!(counters.closes.get(&1006), None);
}

#[test]
fn a_name_and_addresses_of_both_kinds_are_proved() {
    for (bound, host) in [
        ("127.0.0.1:0", "localhost"),
        ("127.0.0.1:0", "127.0.0.1"),
        ("[::1]:0", "[::1]"),
    ] {
        let server = Loopback::start(over_tls().listen(bound).build().unwrap(), echo);
        let url = format!("wss://{host}:{}/", server.address.port());
        let mut socket = with_roots(Identity::common()).connect(&url).unwrap();
        socket.send(host).unwrap();
        assert_eq!(socket.recv().unwrap(), Some(host.into()));
    }
}

#[test]
fn another_hosts_certificate_is_refused() {
    let identity = Identity::of(&["example.com", "192.0.2.1"]);
    for host in [
        "example.org",
        "sub.example.com",
        "localhost",
        "127.0.0.1",
        "[::1]",
    ] {
        let why = rejection(&identity, &identity, host);
        assert!(
            matches!(why, CertificateError::NotValidForNameContext { .. }),
            "{host}: {why}"
        );
    }
    let wild = Identity::of(&["*.example.com"]);
    let why = rejection(&wild, &wild, "example.com");
    assert!(
        matches!(why, CertificateError::NotValidForNameContext { .. }),
        "{why}"
    );
}

#[test]
fn a_certificate_without_a_trusted_issuer_is_refused() {
    let (one, namesake) = (Identity::of(&["127.0.0.1"]), Identity::of(&["127.0.0.1"]));
    let stranger = Identity::with(&["127.0.0.1"], |params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "stranger");
    });
    let why = rejection(&one, &stranger, "127.0.0.1");
    assert!(matches!(why, CertificateError::UnknownIssuer), "{why}");
    let why = rejection(&one, &namesake, "127.0.0.1");
    assert!(matches!(why, CertificateError::BadSignature), "{why}");
    // And by default no self-made certificate is trusted.
    let server = Loopback::echo(over_tls());
    let error = stentor::connect(&url(&server)).unwrap_err();
    let words = error.to_string();
    assert!(words.contains("UnknownIssuer"), "{words}");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let old = Identity::with(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2011, 12, 1);
        params.not_after = date_time_ymd(2012, 12, 1);
    });
    let why = rejection(&old, &old, "127.0.0.1");
    assert!(
        matches!(why, CertificateError::ExpiredContext { .. }),
        "{why}"
    );
    let early = Identity::with(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    });
    let why = rejection(&early, &early, "127.0.0.1");
    assert!(
        matches!(why, CertificateError::NotValidYetContext { .. }),
        "{why}"
    );
}

#[test]
fn a_trusted_authority_is_enough() {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
    let shown = TlsServer::from_pem(leaf.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let server = Loopback::echo(Server::builder().tls(shown));
    let tls = TlsClient::trusting(root.as_bytes()).unwrap();
    let mut socket = Connector::new().tls(tls).connect(&url(&server)).unwrap();
    socket.send("believed").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("believed".into()));
}

#[test]
fn invalid_roots_are_an_error() {
    let error = TlsClient::trusting(b"").unwrap_err();
    assert_eq!(error.to_string(), "no certificate in the PEM");
    let key = Identity::common().key.as_bytes();
    let error = TlsClient::trusting_only(key).unwrap_err();
    assert_eq!(error.to_string(), "no certificate in the PEM");
}

#[test]
fn a_server_without_tls_is_detected_and_receives_no_request() {
    let (update, told) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
        update.send(received).unwrap();
    });
    let connector = Connector::new().cookie("session", "secret").unwrap();
    let error = connector.connect(&format!("wss://{address}/")).unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error}");
    assert_eq!(error.to_string(), "the peer does not speak TLS");
    let received = told.recv_timeout(PATIENCE).unwrap();
    assert!(!received.windows(6).any(|six| six == b"secret"));
    assert!(!received.windows(4).any(|four| four == b"HTTP"));
    server.join().unwrap();
}

#[test]
fn a_server_that_never_answers_is_subject_to_the_handshake_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connector = Connector::new().handshake_timeout(Duration::from_millis(100));
    let since = Instant::now();
    let error = connector.connect(&format!("wss://{address}/")).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Disconnected(DisconnectReason::HandshakeTimeout)
        ),
        "{error}"
    );
    assert!(since.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_server_that_closes_tcp_instead_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || drop(listener.accept()));
    assert!(
        Connector::new()
            .connect(&format!("wss://{address}/"))
            .is_err()
    );
    server.join().unwrap();
}

#[test]
fn a_long_request_leaves_whole() {
    let mut limits = stentor::protocol::Limits::default();
    limits.header_bytes = 100_000;
    let server = Loopback::echo(over_tls().limits(limits));
    let long = "x".repeat(50_000);
    let connector = with_roots(Identity::common())
        .header("X-Long", &long)
        .unwrap();
    let mut socket = connector.connect(&url(&server)).unwrap();
    socket.send("heard").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("heard".into()));
}

#[test]
fn recv_timeout_loses_nothing_and_other_threads_send_meanwhile() {
    let server = Loopback::echo(over_tls());
    let mut socket = with_roots(Identity::common())
        .connect(&url(&server))
        .unwrap();
    let nothing = socket.recv_timeout(Duration::from_millis(20)).unwrap();
    assert_eq!(nothing, Received::Nothing);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let sender = socket.sender();
            thread::spawn(move || (0..200).for_each(|_| sender.send("x".repeat(500)).unwrap()))
        })
        .collect();
    let mut received = 0;
    while received < 800 {
        match socket.recv_timeout(Duration::from_millis(1)).unwrap() {
            Received::Message(message) => {
                assert_eq!(message.len(), 500);
                received += 1;
            }
            Received::Nothing => {}
            Received::Closed => panic!("closed after {received}"),
        }
    }
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_client_that_reconnects_resumes_its_session() {
    let identity = Identity::common();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let config = Arc::new(identity.server_config());
        [(); 2].map(|()| {
            let (stream, _) = listener.accept().unwrap();
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            // The request does not matter; the response is the end of the session.
            assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            stream.conn.handshake_kind().unwrap()
        })
    });
    let connector = with_roots(identity);
    for _ in 0..2 {
        assert!(connector.connect(&format!("wss://{address}/")).is_err());
    }
    let kinds = server.join().unwrap();
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}
