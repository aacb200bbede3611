//! Connected pairs without a network.

use std::error::Error as StdError;
use std::io::ErrorKind;
use std::time::Duration;

use stentor::protocol::{HandshakeError, State};
use stentor::server::Peer;
use stentor::testing::{TestServer, pair};
use stentor::{
    Client, CloseCode, Connector, Error, HandlerResult, Received, Reply, Server, Version,
};

use super::{echo, message};

/// The length that the kit promises: a test of a handler is a few lines.
#[test]
fn a_handler_is_tested_in_a_few_lines() -> Result<(), Box<dyn StdError>> {
    let server = TestServer::new(Server::builder(), echo)?;
    let mut socket = server.connect()?;
    socket.send("x")?;
    let received = socket.recv_timeout(Duration::from_secs(5))?;
    assert_eq!(received, Received::Message("x".into()));
    Ok(())
}

#[test]
fn clients_of_every_version_share_a_room() {
    let server = TestServer::new(Server::builder(), |client| {
        client.join("lobby");
        client.send("welcome")?;
        while let Some(message) = client.recv()? {
            client.room("lobby").broadcast(message);
        }
        Ok(())
    })
    .unwrap();
    let open = |version| {
        let connector = Connector::new().version(version);
        let socket = server.connect_with(&connector, "ws://localhost/");
        let mut socket = socket.unwrap();
        assert_eq!(socket.version(), version);
        assert_eq!(message(&mut socket), "welcome".into());
        socket
    };
    let mut sockets: Vec<_> = Version::ALL.into_iter().map(open).collect();
    for sender in 0..sockets.len() {
        let words = format!("from {sender}");
        sockets[sender].send(&*words).unwrap();
        for socket in &mut sockets {
            assert_eq!(message(socket), (&*words).into());
        }
    }
}

#[test]
fn the_request_is_the_one_of_the_connector() {
    fn report(client: &mut Client) -> HandlerResult {
        let request = client.request();
        let words = format!(
            "{} {:?} {:?} {:?}",
            request.target(),
            request.header_str("Host"),
            request.cookie("session"),
            client.subprotocol()
        );
        assert_eq!((client.peer(), client.addr()), (Peer::Local, None));
        Ok(client.send(words)?)
    }
    let builder = Server::builder().subprotocols(["chat"]).unwrap();
    let server = TestServer::new(builder, report).unwrap();
    let connector = Connector::new().cookie("session", "e8bb").unwrap();
    let connector = connector.subprotocols(["chat"]).unwrap();
    let socket = server.connect_with(&connector, "ws://example.com/room?token=5f3a");
    let expected = r#"/room?token=5f3a Some("example.com") Some("e8bb") Some("chat")"#;
    assert_eq!(message(&mut socket.unwrap()), expected.into());
}

#[test]
fn a_rejected_client_gets_the_response() {
    let builder = Server::builder().max_clients(1);
    let builder = builder.on_request(|request| match request.path() {
        "/" => Reply::accept(),
        _ => Reply::reject(404, "nothing here"),
    });
    let server = TestServer::new(builder, echo).unwrap();
    let status = |url| match server.connect_with(&Connector::new(), url) {
        Err(Error::Handshake(error)) => match *error {
            HandshakeError::Status(response) => response.status(),
            other => panic!("{other}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(status("ws://localhost/other"), 404);
    crate::support::eventually("the place to be free", || {
        (server.handle().counters().open.is_empty() && server.handle().clients().is_empty())
            .then_some(())
    });
    let _full = crate::support::eventually("a place", || server.connect().ok());
    assert_eq!(status("ws://localhost/"), 503);
}

#[test]
fn a_builder_with_a_listener_is_an_error() {
    let builder = Server::builder().listen("127.0.0.1:0");
    let error = TestServer::new(builder, echo).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn both_ends_of_a_pair_are_used_on_one_thread() {
    let (mut client, mut socket) = pair().unwrap();
    client.join("lobby");
    socket.send("one").unwrap();
    assert_eq!(client.recv().unwrap(), Some("one".into()));
    client.send("two").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("two".into()));
    assert_eq!(client.server().rooms(), ["lobby"]);
    client.close(CloseCode::from(4001), "enough").unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let closed = socket.closed().unwrap();
    assert_eq!((closed.code.get(), &*closed.reason), (4001, "enough"));
}

/// Neither end waits for the other one for long, in either order.
#[test]
fn a_dropped_end_of_a_pair_closes_the_other() {
    super::in_no_time(|| {
        let (client, mut socket) = pair().unwrap();
        drop(client);
        assert_eq!(socket.recv().unwrap(), None);
        let (mut client, socket) = pair().unwrap();
        drop(socket);
        assert_eq!(client.recv().unwrap(), None);
        assert_ne!(client.state(), State::Ready);
    });
}
