//! The recipe "Token at the handshake".

use std::net::TcpStream;

use stentor::protocol::HandshakeError;
use stentor::{Connector, Error};

use crate::cookbook::{open_with, text};
use crate::support::Loopback;

fn server() -> Loopback {
    let name = "Ann".to_owned();
    let users = super::Users::from([("5f3a".to_owned(), super::User { name })]);
    let server = super::build("127.0.0.1:0", users).unwrap();
    Loopback::start(server, super::chat)
}

#[test]
fn the_handler_knows_the_user_by_each_kind_of_token() {
    let server = server();
    let plain = Connector::new;
    let authorization = |value| plain().header("Authorization", value).unwrap();
    let offering = plain().subprotocols(["token.5f3a", "chat"]).unwrap();
    for (connector, path, subprotocol) in [
        (authorization("Bearer 5f3a"), "/", None),
        (authorization("bearer  5f3a"), "/", None),
        (plain().cookie("session", "5f3a").unwrap(), "/", None),
        (offering, "/", Some("chat")),
        (plain(), "/?a=b&token=5f3a", None),
    ] {
        let mut socket = open_with(&connector, server.address, path);
        assert_eq!(socket.subprotocol(), subprotocol);
        socket.send("hello").unwrap();
        assert_eq!(text(&mut socket), "Ann: hello");
    }
}

#[test]
fn a_wrong_token_and_another_origin_are_rejected() {
    let server = server();
    for value in ["Basic 5f3a", "Bearer", "5f3a", "Bearer 5f3b"] {
        let connector = Connector::new().header("Authorization", value).unwrap();
        let stream = TcpStream::connect(server.address).unwrap();
        let url = format!("ws://{}/", server.address);
        assert!(connector.connect_over(stream, &url).is_err(), "{value}");
    }
    let own = format!("http://{}", server.address);
    let elsewhere = "http://elsewhere.example";
    for (path, origin, status) in [
        ("/?token=5f3a", own.as_str(), 101),
        ("/?token=5f3a", elsewhere, 403),
        ("/?token=5f3b", own.as_str(), 403),
        ("/?token=", own.as_str(), 403),
        ("/", own.as_str(), 403),
    ] {
        let connector = Connector::new().origin(origin).unwrap();
        let stream = TcpStream::connect(server.address).unwrap();
        let url = format!("ws://{}{path}", server.address);
        let found = match connector.connect_over(stream, &url) {
            Ok(_) => 101,
            Err(Error::Handshake(error)) => match *error {
                HandshakeError::Status(answer) => answer.status(),
                other => panic!("{other}"),
            },
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, status, "{path} {origin}");
    }
}
