//! Through a proxy, by CONNECT.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stentor::client::ProxyError;
use stentor::protocol::HandshakeError;
use stentor::{Connector, Error, Server, Version};

use super::socks;
use crate::support::{ByHand, Loopback, Script};

/// A proxy that connects one client to `target`, whatever it requests, and reports the request.
fn proxy(target: SocketAddr) -> (Script, mpsc::Receiver<String>) {
    proxy_saying(
        target,
        b"HTTP/1.1 200 Connection established\r\nVia: this\r\n\r\n",
    )
}

/// The same, with this answer.
fn proxy_saying(target: SocketAddr, answer: &'static [u8]) -> (Script, mpsc::Receiver<String>) {
    let (update, asked) = mpsc::channel();
    let script = Script::before_request(move |stream| {
        let mut client = ByHand::on(stream);
        update.send(client.head.clone()).unwrap();
        client.write(answer);
        relay(client.stream, target);
    });
    (script, asked)
}

/// Copies the bytes in both directions, until both have ended.
pub(super) fn relay(client: TcpStream, target: SocketAddr) {
    let server = TcpStream::connect(target).unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::io::copy(&mut from, &mut to).unwrap();
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    let (up_from, up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || copy(up_from, up_to));
    copy(server, client);
    up.join().unwrap();
}

fn through(script: &Script) -> Connector {
    let url = format!("http://{}", script.address);
    Connector::new().proxy(&url).unwrap()
}

/// Returns the error for a proxy that responds so.
fn rejected(answer: &'static [u8]) -> Error {
    let script = Script::before_request(|stream| ByHand::on(stream).write(answer));
    let error = through(&script).connect("ws://example.com/").unwrap_err();
    script.join();
    error
}

#[test]
fn every_version_goes_through_a_proxy() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let (script, asked) = proxy(server.address);
        // The proxy must look the name up.
        let connector = through(&script).version(version);
        let mut socket = connector.connect("ws://no.such.host.invalid/chat").unwrap();
        let head = asked.recv().unwrap();
        assert_eq!(
            head,
            "CONNECT no.such.host.invalid:80 HTTP/1.1\r\n\
             Host: no.such.host.invalid:80\r\n\r\n"
        );
        socket.send("hello").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("hello".into()), "{version}");
        assert_eq!(socket.peer().addr(), Some(script.address));
        drop(socket);
        script.join();
    }
}

#[test]
fn name_and_password_are_for_the_proxy_alone() {
    let server = Loopback::run(Server::builder(), |client| {
        let field = client.request().header_str("Proxy-Authorization").is_some();
        client.send(if field { "told" } else { "not told" })?;
        Ok(())
    });
    let (script, asked) = proxy(server.address);
    let url = format!("http://Aladdin:open%20sesame@{}", script.address);
    let connector = Connector::new().proxy(&url).unwrap();
    let mut socket = connector.connect("ws://[::1]:81/").unwrap();
    assert_eq!(
        asked.recv().unwrap(),
        "CONNECT [::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    assert_eq!(socket.recv().unwrap(), Some("not told".into()));
    drop(socket);
    script.join();
}

#[test]
fn a_proxys_rejection_is_reported_with_its_reason() {
    match rejected(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n") {
        Error::Proxy(ProxyError::Status { status, reason }) => {
            assert_eq!((status, reason.as_str()), (407, "Who are you?"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_is_not_a_proxy_is_reported() {
    let error = rejected(b"SSH-2.0-OpenSSH\r\n\r\n");
    assert!(
        matches!(error, Error::Proxy(ProxyError::InvalidResponse(_))),
        "{error:?}"
    );
    let error = rejected(b"HTTP/1.1 200 OK\r\n");
    assert!(
        matches!(error, Error::Proxy(ProxyError::EndOfStream)),
        "{error:?}"
    );
}

/// One parser reads the answers of proxies and of servers: both may send interim ones first.
#[test]
fn what_comes_before_the_proxys_answer_is_skipped() {
    let server = Loopback::echo(Server::builder());
    let (script, _asked) = proxy_saying(
        server.address,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
          HTTP/1.1 200 Connection established\r\n\r\n",
    );
    let mut socket = through(&script).connect("ws://example.com/").unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
    drop(socket);
    script.join();
}

#[test]
fn a_proxys_answer_has_the_limits_of_a_servers() {
    let why = |answer| match rejected(answer) {
        Error::Proxy(ProxyError::InvalidResponse(why)) => *why,
        other => panic!("{other:?}"),
    };
    let endless: &[u8] = &[b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 16 * 1024][..]].concat();
    assert_eq!(
        why(endless.to_vec().leak()),
        HandshakeError::HeadersTooLarge(16 * 1024)
    );
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(11);
    assert_eq!(why(interim.leak()), HandshakeError::TooManyInterim(10));
    let fields = ["HTTP/1.1 200 OK\r\n", &"A: b\r\n".repeat(101), "\r\n"].concat();
    assert_eq!(
        why(fields.leak().as_bytes()),
        HandshakeError::TooManyHeaders(100)
    );
    let lone = b"HTTP/1.1 200 OK\nX: y\r\n\r\n";
    assert!(matches!(why(lone), HandshakeError::MalformedHeaders(_)));
}

/// It has sent no more than that, and nothing ends but the wait.
#[test]
fn a_proxy_that_does_not_speak_http_is_left_at_once() {
    let (done, wait) = mpsc::channel::<()>();
    let script = Script::before_request(move |stream| {
        ByHand::on(stream).write(b"SSH-2.0");
        let _ = wait.recv();
    });
    let error = through(&script).connect("ws://example.com/").unwrap_err();
    let told = error.to_string();
    assert_eq!(
        told,
        "invalid response of the proxy: not HTTP: the response begins with \"S\""
    );
    drop(done);
    script.join();
}

#[test]
fn an_answer_without_an_end_is_not_kept() {
    let script = Script::before_request(|stream| {
        let mut stream = ByHand::on(stream).stream;
        // Until the client closes the connection.
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    let error = through(&script).connect("ws://example.com/").unwrap_err();
    assert!(
        matches!(error, Error::Proxy(ProxyError::InvalidResponse(_))),
        "{error:?}"
    );
    script.join();
}

/// A server that sends first would lose its bytes if they were read as part of the proxy's
/// response.
#[test]
fn bytes_behind_the_proxys_response_are_the_servers() {
    let script = Script::before_request(|stream| {
        let mut client = ByHand::on(stream);
        client.write(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 418 I'm a teapot\r\n\r\n");
        let mut request = [0; 4];
        client.stream.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"GET ");
    });
    match through(&script).connect("ws://example.com/") {
        Err(Error::Handshake(error)) => assert_eq!(error.response().unwrap().status(), 418),
        other => panic!("{other:?}"),
    }
    script.join();
}

#[test]
fn an_invalid_proxy_url_is_refused_without_showing_its_password() {
    let bad = Connector::new().proxy("ftp://user:secret@example.com");
    let error = bad.unwrap_err();
    assert_eq!(error, ProxyError::InvalidUrl("…@example.com".to_owned()));
    assert_eq!(
        error.to_string(),
        "not the http:// or socks5:// URL of a proxy: \"…@example.com\""
    );
}

#[test]
fn the_time_for_the_way_through_is_over_once_it_was_found() {
    const SHORT: Duration = Duration::from_millis(300);
    let server = Loopback::run(Server::builder(), |client| {
        thread::sleep(2 * SHORT);
        client.send("after a while")?;
        Ok(())
    });
    let (http, _asked) = proxy(server.address);
    let socks = socks::proxy(server.address);
    for (connector, script) in [(through(&http), http), (socks::through(&socks), socks)] {
        let connector = connector.connect_timeout(SHORT);
        let mut socket = connector.connect("ws://example.com/").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("after a while".into()));
        drop(socket);
        script.join();
    }
}
