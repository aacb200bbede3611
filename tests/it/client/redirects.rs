//! Redirects: those that are followed, and those that are not.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;

use stentor::client::{RedirectError, Redirects};
use stentor::{Connector, DisconnectReason, Error, Reply, Response, Server, Version};

use super::{LONG, SOON, takes_soon};
use crate::support::{Loopback, Script};

/// A server that redirects `/302?URL` to that URL, with any status in place of 302, and reports every
/// request: its target, and its credentials.
struct Redirecting {
    server: Loopback,
    requests: mpsc::Receiver<(String, String)>,
}

impl Redirecting {
    fn start() -> Redirecting {
        let (update, requests) = mpsc::channel();
        let builder = Server::builder().on_request(move |request| {
            let target = request.target().to_owned();
            let names = ["Authorization", "Cookie", "X-Key"];
            let values = names.map(|name| request.header_str(name).unwrap_or("-").to_owned());
            update.send((target.clone(), values.join(" "))).unwrap();
            let (path, location) = target.split_once('?').unwrap_or((&target, ""));
            match path[1..].parse() {
                Ok(status) => Response::new(status)
                    .header("Location", location)
                    .unwrap()
                    .into(),
                Err(_) => Reply::accept(),
            }
        });
        let server = Loopback::run(builder, |client| {
            let offered = client.request().subprotocols().join(" ");
            client.send(offered)?;
            Ok(())
        });
        Redirecting { server, requests }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn url(&self, target: &str) -> String {
        format!("ws://{}{target}", self.address())
    }

    /// Returns the targets of all requests so far.
    fn targets(&self) -> Vec<String> {
        self.requests.try_iter().map(|(target, _)| target).collect()
    }
}

fn with_credentials() -> Connector {
    let connector = Connector::new().header("Authorization", "Basic c2VjcmV0");
    let connector = connector.unwrap().cookie("session", "secret").unwrap();
    connector.header("X-Key", "secret").unwrap()
}

fn redirect_error(connector: &Connector, url: &str) -> RedirectError {
    match connector.connect(url) {
        Err(Error::Redirect(error)) => error,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn every_version_follows_a_redirect() {
    let server = Redirecting::start();
    for version in Version::ALL {
        let connector = Connector::new()
            .version(version)
            .follow_redirects(Redirects::same_host(1));
        let socket = connector.connect(&server.url("/302?/chat?a=b")).unwrap();
        assert_eq!(socket.version(), version);
        assert_eq!(server.targets(), ["/302?/chat?a=b", "/chat?a=b"]);
    }
}

#[test]
fn all_statuses_with_a_location_are_followed_and_no_others() {
    let server = Redirecting::start();
    let connector = Connector::new().follow_redirects(Redirects::same_host(1));
    for status in [301, 302, 303, 307, 308] {
        let url = server.url(&format!("/{status}?/chat"));
        let _socket = connector.connect(&url).unwrap();
        assert_eq!(server.targets().last().unwrap(), "/chat");
    }
    for status in [300, 304, 305, 306, 400, 503] {
        let url = server.url(&format!("/{status}?/chat"));
        match connector.connect(&url) {
            Err(Error::Handshake(error)) => {
                assert_eq!(error.response().unwrap().status(), status);
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn the_same_server_receives_headers_and_cookies_again() {
    let server = Redirecting::start();
    let connector = with_credentials().follow_redirects(Redirects::same_host(2));
    let url = server.url(&format!("/302?{}", server.url("/307?chat")));
    let _socket = connector.connect(&url).unwrap();
    let requests: Vec<_> = server.requests.try_iter().collect();
    assert_eq!(requests.len(), 3);
    for (target, credentials) in requests {
        assert_eq!(
            credentials, "Basic c2VjcmV0 session=secret secret",
            "{target}"
        );
    }
}

/// A server that is trusted less could choose what the credentials are used for.
#[test]
fn another_server_receives_no_credentials_nor_does_the_first_one_after_it() {
    let (first, second) = (Redirecting::start(), Redirecting::start());
    let allowed = [first.address().to_string(), second.address().to_string()];
    let redirects = Redirects::same_host(5).or_to(allowed).unwrap();
    let connector = with_credentials().subprotocols(["chat.v1"]).unwrap();
    let connector = connector.follow_redirects(redirects);
    let back = second.url(&format!("/302?{}", first.url("/chat")));
    let url = first.url(&format!("/302?{back}"));
    let mut socket = connector.connect(&url).unwrap();
    assert_eq!(socket.recv().unwrap(), Some("chat.v1".into()));
    let credentials = |server: &Redirecting| -> Vec<String> {
        let requests = server.requests.try_iter();
        requests.map(|(_, credentials)| credentials).collect()
    };
    assert_eq!(
        credentials(&first),
        ["Basic c2VjcmV0 session=secret secret", "- - -"]
    );
    assert_eq!(credentials(&second), ["- - -"]);
}

#[test]
fn a_server_that_is_not_allowed_is_not_even_connected_to() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = elsewhere.local_addr().unwrap();
    let server = Redirecting::start();
    let redirects = Redirects::same_host(5).or_to(["127.0.0.1"]).unwrap();
    let connector = with_credentials().follow_redirects(redirects);
    for location in [
        format!("ws://{address}/private?token=secret"),
        format!("//{address}/private?token=secret"),
        format!("http://{address}/private?token=secret"),
    ] {
        let url = server.url(&format!("/302?{location}"));
        let error = redirect_error(&connector, &url);
        let url = format!("ws://{address}/private");
        assert_eq!(error, RedirectError::NotAllowed { url });
    }
    assert!(elsewhere.accept().is_err(), "a connection was opened");
}

#[test]
fn a_loop_is_an_error_that_names_its_last_url() {
    let server = Redirecting::start();
    let connector = Connector::new().follow_redirects(Redirects::same_host(5));
    // An empty `Location` is the URL itself, with its query.
    let error = redirect_error(&connector, &server.url("/302?"));
    let url = server.url("/302");
    assert_eq!(error, RedirectError::Loop { url });
    assert_eq!(server.targets(), ["/302?"]);
}

#[test]
fn too_many_redirects_are_an_error_that_names_the_last_url() {
    let server = Redirecting::start();
    let url = server.url("/301?/302?/303?/307?/chat?token=secret");
    for limit in 0..4 {
        let connector = Connector::new().follow_redirects(Redirects::same_host(limit));
        let error = redirect_error(&connector, &url);
        let last = server.url(["/302", "/303", "/307", "/chat"][limit]);
        assert_eq!(
            error.to_string(),
            format!("more than {limit} redirects: {last} was not requested")
        );
        assert_eq!(error, RedirectError::TooMany { limit, url: last });
        assert_eq!(server.targets().len(), limit + 1);
    }
    let connector = Connector::new().follow_redirects(Redirects::same_host(4));
    assert!(connector.connect(&url).is_ok());
}

#[test]
fn an_invalid_location_is_an_error_without_its_text() {
    let connector = Connector::new().follow_redirects(Redirects::same_host(5));
    for headers in [
        "",
        "Location: /a\r\nLocation: /b\r\n",
        "Location: ftp://example.com/\r\n",
        "Location: javascript:secret\r\n",
        "Location: ws://user:secret@example.com/\r\n",
        "Location: ws://example.com:0/secret\r\n",
        "Location: ws://\r\n",
        "Location: /\\example.com/secret\r\n",
        "Location: /a secret\r\n",
        "Location: /\u{ff}\r\n",
    ] {
        // The last one is not UTF-8.
        let bytes: Vec<u8> = headers.chars().map(|char| char as u8).collect();
        let script = Script::run(move |mut server| {
            server.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n");
            server.write(&[&bytes[..], b"\r\n"].concat());
            server.expect_end();
        });
        let error = redirect_error(&connector, &script.url);
        let url = format!("ws://{}/by/hand", script.address);
        assert_eq!(error, RedirectError::InvalidLocation { url }, "{headers}");
        script.join();
    }
}

#[test]
fn each_request_of_the_chain_has_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let server = Redirecting::start();
    let redirects = Redirects::same_host(5).or_to([&address]).unwrap();
    let connector = Connector::new()
        .connect_timeout(LONG)
        .handshake_timeout(SOON)
        .follow_redirects(redirects);
    let url = server.url(&format!("/302?ws://{address}/"));
    match takes_soon(|| connector.connect(&url)) {
        Err(Error::Disconnected(reason)) => {
            assert_eq!(reason, DisconnectReason::HandshakeTimeout);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_existing_stream_is_not_left_for_a_redirect() {
    let server = Redirecting::start();
    let connector = Connector::new().follow_redirects(Redirects::same_host(5));
    let stream = std::net::TcpStream::connect(server.address()).unwrap();
    match connector.connect_over(stream, &server.url("/302?/chat")) {
        Err(Error::Handshake(error)) => assert_eq!(error.response().unwrap().status(), 302),
        other => panic!("{other:?}"),
    }
}
