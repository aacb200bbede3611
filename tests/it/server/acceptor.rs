//! Clients without a server's loop: `Acceptor`.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use stentor::protocol::Rejection;
use stentor::{DisconnectReason, Error, Reply, Response, Server, Version};

use crate::support::{Head, Peer, ask, dial, echo, read_answer};

fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn one_stream_is_served_without_a_server() {
    let (listener, address) = listen();
    let acceptor = Server::builder().acceptor().unwrap();
    let served = thread::spawn(move || {
        for _ in Version::ALL {
            let mut client = acceptor.accept(listener.accept().unwrap().0).unwrap();
            let message = client.recv().unwrap().unwrap();
            client.send(message).unwrap();
            // Dropping the value ends the conversation.
        }
    });
    for version in Version::ALL {
        let mut peer = Peer::open(address, version);
        peer.expect_echo("hello");
        peer.answer_goodbye(1000, "");
    }
    served.join().unwrap();
}

#[test]
fn detached_clients_have_rooms_and_a_handle() {
    let (listener, address) = listen();
    let acceptor = Server::builder().acceptor().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                let stream = listener.accept().unwrap().0;
                let mut client = acceptor.accept(stream).unwrap();
                scope.spawn(move || {
                    client.join("lobby");
                    while let Some(message) = client.recv().unwrap() {
                        client.room("lobby").broadcast(message);
                    }
                });
            }
        });
        let mut one = Peer::open(address, Version::Draft76);
        let mut two = Peer::open(address, Version::Rfc6455);
        crate::support::eventually("both in the room", || {
            (acceptor.handle().room("lobby").members().len() == 2).then_some(())
        });
        one.say("hello");
        one.expect_text("hello");
        two.expect_text("hello");
        assert_eq!(acceptor.handle().count(), 2);
        acceptor.handle().broadcast("to all");
        one.expect_text("to all");
        two.expect_text("to all");
        one.leave();
        two.leave();
    });
    assert_eq!(acceptor.handle().count(), 0);
    assert_eq!(acceptor.handle().counters().connections, 0);
}

#[test]
fn a_connection_that_becomes_no_client_is_an_error_with_its_reason() {
    let (listener, address) = listen();
    let acceptor = Server::builder()
        .on_request(|request| match request.path() {
            "/page" => Response::text("a page").into(),
            "/secret" => Reply::reject(403, "not for you"),
            _ => Reply::accept(),
        })
        .acceptor()
        .unwrap();
    let accept = || acceptor.accept(listener.accept().unwrap().0).map(drop);
    let asked = |request: &'static [u8]| thread::spawn(move || ask(address, request));

    let answer = asked(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(accept(), Err(Error::Answered)));
    assert_eq!(answer.join().unwrap().body, b"a page");

    let answer = asked(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(
        accept(),
        Err(Error::Rejected(Rejection::Method(_)))
    ));
    assert_eq!(answer.join().unwrap().status(), 405);

    let answer = asked(b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(
        accept(),
        Err(Error::Rejected(Rejection::Application { status: 403, .. }))
    ));
    assert_eq!(answer.join().unwrap().status(), 403);

    drop(dial(address));
    assert!(matches!(
        accept(),
        Err(Error::Disconnected(DisconnectReason::EndOfStream))
    ));
}

#[test]
fn a_detached_server_that_is_shut_down_rejects_new_clients_and_closes_the_others() {
    let (listener, address) = listen();
    let acceptor = Server::builder().acceptor().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = acceptor.accept(listener.accept().unwrap().0).unwrap();
            echo(&mut client).unwrap();
        });
        let mut peer = Peer::open(address, Version::Rfc6455);
        peer.expect_echo("hello");
        acceptor.handle().shutdown(std::time::Duration::ZERO);
        peer.answer_goodbye(1001, "the server is going down");
    });
    let mut late = dial(address);
    late.write_all(&Head::of(Version::Rfc6455).bytes()).unwrap();
    let rejected = acceptor.accept(listener.accept().unwrap().0).map(drop);
    assert!(
        matches!(rejected, Err(Error::Rejected(Rejection::ShuttingDown))),
        "{rejected:?}"
    );
    assert_eq!(read_answer(&mut late).status(), 503);
}
