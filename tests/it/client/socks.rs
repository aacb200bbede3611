//! Through a SOCKS5 proxy (RFC 1928, RFC 1929), and against proxies that break the protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use stentor::client::{ProxyError, SocksError};
use stentor::{Connector, Error, Server, Version};

use super::proxies::relay;
use super::{LONG, SOON, takes_soon};
use crate::support::{Loopback, Script};

/// A reply without an error, and with an IPv4 address.
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x10\x00";

/// The same with a name of two bytes; before it, the responses to the methods and to the password.
const WHOLE_DIALOGUE: &[u8] = b"\x05\x02\x01\x00\x05\x00\x00\x03\x02ab\x10\x00";

/// A proxy that requires no password, and connects one client to `target`, whatever it requests.
pub(super) fn proxy(target: SocketAddr) -> Script {
    Script::before_request(move |mut stream| {
        expect(&mut stream, b"\x05\x01\x00");
        stream.write_all(b"\x05\x00").unwrap();
        let [_, _, _, kind] = take(&mut stream);
        let len = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(take::<1>(&mut stream)[0]),
            _ => panic!("address type {kind}"),
        };
        stream.read_exact(&mut vec![0; len + 2]).unwrap();
        stream.write_all(CONNECTED).unwrap();
        relay(stream, target);
    })
}

pub(super) fn through(script: &Script) -> Connector {
    let url = format!("socks5://{}", script.address);
    Connector::new().proxy(&url).unwrap()
}

fn with_password(script: &Script) -> Connector {
    let url = format!("socks5h://user:secret@{}", script.address);
    Connector::new().proxy(&url).unwrap()
}

fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

/// Reads until the client has closed the connection.
fn read_to_end(stream: &mut TcpStream) {
    if let Err(error) = std::io::copy(stream, &mut std::io::sink()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

/// Returns the error for a proxy that sends these bytes, and keeps the connection open.
fn error_after(responses: &'static [u8]) -> Error {
    let script = Script::before_request(|mut stream| {
        stream.write_all(responses).unwrap();
        read_to_end(&mut stream);
    });
    let result = with_password(&script).connect("ws://example.com/");
    script.join();
    result.unwrap_err()
}

#[test]
fn every_version_goes_through_a_socks_proxy() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let target = server.address;
        let script = Script::before_request(move |mut stream| {
            expect(&mut stream, b"\x05\x01\x00");
            stream.write_all(b"\x05\x00").unwrap();
            // The proxy must look the name up.
            expect(
                &mut stream,
                b"\x05\x01\x00\x03\x14no.such.host.invalid\x00\x50",
            );
            stream.write_all(CONNECTED).unwrap();
            relay(stream, target);
        });
        let connector = through(&script).version(version);
        let mut socket = connector.connect("ws://no.such.host.invalid/chat").unwrap();
        socket.send("hello").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("hello".into()), "{version}");
        assert_eq!(socket.peer().addr(), Some(script.address));
        drop(socket);
        script.join();
    }
}

#[test]
fn user_name_and_password_are_for_the_socks_proxy_alone() {
    let (update, request) = mpsc::channel();
    let server = Loopback::run(Server::builder(), move |client| {
        update.send(format!("{:?}", client.request())).unwrap();
        client.send("hello")?;
        Ok(())
    });
    let target = server.address;
    let script = Script::before_request(move |mut stream| {
        expect(&mut stream, b"\x05\x02\x00\x02");
        stream.write_all(b"\x05\x02").unwrap();
        expect(&mut stream, b"\x01\x07Aladdin\x0bopen sesame");
        stream.write_all(b"\x01\x00").unwrap();
        let address = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
        expect(
            &mut stream,
            &[b"\x05\x01\x00\x04", &address[..], b"\x00\x51"].concat(),
        );
        stream.write_all(CONNECTED).unwrap();
        relay(stream, target);
    });
    let url = format!("socks5://Aladdin:open%20sesame@{}", script.address);
    let connector = Connector::new().proxy(&url).unwrap();
    assert!(!format!("{connector:?}").contains("sesame"));
    let mut socket = connector.connect("ws://[::1]:81/").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
    let request = request.recv().unwrap();
    assert!(!request.contains("sesame"), "{request}");
    drop(socket);
    script.join();
}

#[test]
fn a_socks_proxy_that_requires_no_password_receives_none() {
    let script = Script::before_request(|mut stream| {
        expect(&mut stream, b"\x05\x02\x00\x02");
        stream.write_all(b"\x05\x00").unwrap();
        expect(&mut stream, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x1f\x90");
        stream.write_all(b"\x05\x05").unwrap();
        read_to_end(&mut stream);
    });
    let connector = with_password(&script);
    let error = connector.connect("ws://192.0.2.1:8080/").unwrap_err();
    assert_eq!(
        error.to_string(),
        "SOCKS5 proxy: request rejected with code 5: connection refused"
    );
    script.join();
}

/// None of these proxies closes the connection: each error is reported at the byte that shows it.
#[test]
fn a_socks_proxy_that_breaks_the_protocol_is_reported_at_once() {
    let responses: [(&[u8], SocksError); 13] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            SocksError::Version(b'H'),
        ),
        (b"\x04", SocksError::Version(4)),
        (b"\x00\x5a", SocksError::Version(0)),
        (b"\x05\xff", SocksError::NoMethod),
        (b"\x05\x01", SocksError::Method(1)),
        (b"\x05\x02\x05", SocksError::AuthenticationVersion(5)),
        (b"\x05\x02\x01\x01", SocksError::Authentication(1)),
        (b"\x05\x02\x01\xff", SocksError::Authentication(255)),
        (b"\x05\x02\x01\x00\x04", SocksError::Version(4)),
        (b"\x05\x00\x01", SocksError::Version(1)),
        (b"\x05\x00\x05\x02", SocksError::Reply(2)),
        (b"\x05\x00\x05\xfe", SocksError::Reply(254)),
        (b"\x05\x00\x05\x00\x00\x02", SocksError::AddressType(2)),
    ];
    for (bytes, reason) in responses {
        let error = error_after(bytes);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret"), "{shown}");
        match error {
            Error::Proxy(ProxyError::Socks(found)) => assert_eq!(found, reason, "{bytes:?}"),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

#[test]
fn a_socks_proxy_cannot_request_a_password_that_was_not_offered() {
    let script = Script::before_request(|mut stream| {
        expect(&mut stream, b"\x05\x01\x00");
        stream.write_all(b"\x05\x02").unwrap();
        read_to_end(&mut stream);
    });
    match through(&script).connect("ws://example.com/") {
        Err(Error::Proxy(ProxyError::Socks(error))) => assert_eq!(error, SocksError::Method(2)),
        other => panic!("{other:?}"),
    }
    script.join();
}

#[test]
fn a_socks_proxy_that_closes_the_connection_is_reported_at_every_byte() {
    for len in 0..WHOLE_DIALOGUE.len() {
        for reset in [false, true] {
            let script = Script::before_request(move |mut stream| {
                stream.write_all(&WHOLE_DIALOGUE[..len]).unwrap();
                if !reset {
                    stream.shutdown(Shutdown::Write).unwrap();
                    read_to_end(&mut stream);
                }
            });
            match with_password(&script).connect("ws://example.com/") {
                Err(Error::Proxy(ProxyError::EndOfStream)) => {}
                other => panic!("after {len} bytes: {other:?}"),
            }
            script.join();
        }
    }
}

/// A server that sends first would lose its bytes if they were read as part of the proxy's
/// response.
#[test]
fn bytes_behind_a_socks_proxys_reply_are_the_servers() {
    let ipv6 = [&b"\x05\x00\x00\x04"[..], &[0; 16 + 2]].concat();
    let longest = [&b"\x05\x00\x00\x03\xff"[..], &[b'x'; 255 + 2]].concat();
    let empty = b"\x05\x00\x00\x03\x00\x00\x50".to_vec();
    for reply in [CONNECTED.to_vec(), ipv6, longest, empty] {
        let script = Script::before_request(move |mut stream| {
            let answer = b"HTTP/1.1 418 I'm a teapot\r\n\r\n";
            let bytes = [b"\x05\x00", &reply[..], answer].concat();
            stream.write_all(&bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_to_end(&mut stream);
        });
        match through(&script).connect("ws://example.com/") {
            Err(Error::Handshake(error)) => assert_eq!(error.response().unwrap().status(), 418),
            other => panic!("{other:?}"),
        }
        script.join();
    }
}

/// It has 255 bytes at most: those behind it must be HTTP.
#[test]
fn a_name_without_an_end_in_a_socks_reply_is_not_kept() {
    let script = Script::before_request(|mut stream| {
        stream.write_all(b"\x05\x00\x05\x00\x00\x03\xff").unwrap();
        // Until the client closes the connection.
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    let error = through(&script).connect("ws://example.com/").unwrap_err();
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    script.join();
}

#[test]
fn a_socks_proxy_that_answers_byte_by_byte_gains_no_time() {
    let script = Script::before_request(|mut stream| {
        stream.write_all(b"\x05\x00\x05\x00\x00\x03\xff").unwrap();
        expect(&mut stream, b"\x05\x01\x00");
        expect(&mut stream, b"\x05\x01\x00\x03\x0bexample.com\x00\x50");
        // The client may close the connection between any two bytes of the name.
        let pause = Duration::from_millis(5);
        stream.set_read_timeout(Some(pause)).unwrap();
        for _ in 0..255 {
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
                Ok(_) => panic!("the client sent more than its request"),
            }
            if stream.write_all(b"x").is_err() {
                return;
            }
        }
        panic!("the client waited for the whole name");
    });
    let connector = through(&script)
        .connect_timeout(SOON)
        .handshake_timeout(LONG);
    match takes_soon(|| connector.connect("ws://example.com/")) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    script.join();
}

#[test]
fn a_name_that_is_too_long_for_socks_is_not_sent() {
    let script = Script::before_request(|mut stream| {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    });
    let url = format!("ws://{}/", "a".repeat(256));
    match through(&script).connect(&url) {
        Err(Error::Proxy(ProxyError::Socks(error))) => {
            assert_eq!(error, SocksError::NameTooLong(256));
        }
        other => panic!("{other:?}"),
    }
    script.join();
}
