//! The recipe "Inside another server".

use std::net::TcpListener;
use std::thread;

use crate::cookbook::{open, text};
use crate::support::ask;

#[test]
fn pages_and_websockets_share_the_port_of_the_other_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The thread never ends, like that of the program.
    thread::spawn(move || super::serve(&listener));
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let page = ask(address, request.as_bytes());
    assert_eq!((page.status(), page.body.as_slice()), (200, &b"hello"[..]));
    let mut ann = open(address, "/chat");
    ann.send("alone").unwrap();
    assert_eq!(text(&mut ann), "alone");
    let mut bob = open(address, "/chat");
    bob.send("hello").unwrap();
    for member in [&mut ann, &mut bob] {
        assert_eq!(text(member), "hello");
    }
}

#[test]
fn a_page_of_another_origin_and_a_plain_request_are_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || super::serve(&listener));
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://elsewhere.example\r\n";
    for (headers, status) in [(upgrade, 403), ("", 400)] {
        let request = format!("GET /chat HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        assert_eq!(ask(address, request.as_bytes()).status(), status);
    }
}
