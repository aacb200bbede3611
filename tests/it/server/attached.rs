//! Values that `on_request` attaches to a connection.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use crossbeam_channel::{Sender, bounded};
use stentor::{Accept, Connector, Reply, Response, Server, Version};

use crate::support::{Head, Loopback, PATIENCE, Peer, ask, echo, eventually, hush, local_pair};

#[derive(Debug, PartialEq)]
struct User(String);

/// A value that reports when it is dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A value whose drop panics.
struct Fatal;

impl Drop for Fatal {
    fn drop(&mut self) {
        panic!("panicking on purpose");
    }
}

#[test]
fn a_value_of_the_hook_reaches_the_handler_and_the_handles_in_every_version() {
    let builder = Server::builder().on_request(|request| {
        let user = User(request.query().unwrap_or_default().to_owned());
        Accept::new()
            .with(User("replaced".to_owned()))
            .with(7_u64)
            .with(user)
            .into()
    });
    let server = Loopback::run(builder, |client| {
        assert_eq!(client.get::<u64>().as_deref(), Some(&7));
        assert_eq!(client.get::<u32>(), None);
        let user = client.get::<User>().unwrap();
        client.send(user.0.as_str())?;
        echo(client)
    });
    for version in Version::ALL {
        let head = Head::of(version).line("GET /?ada HTTP/1.1");
        let mut peer = Peer::open_with(server.address, version, &head);
        peer.expect_text("ada");
        let handle = server.client(&peer);
        let user = handle.get::<User>().unwrap();
        assert_eq!(*user, User("ada".to_owned()));
        assert_eq!(handle.get::<String>(), None);
        peer.leave();
        // A handle does not keep the values; an `Arc` that it has returned does.
        eventually("the end of the values", || {
            handle.get::<User>().is_none().then_some(())
        });
        assert_eq!(Arc::strong_count(&user), 1);
    }
    assert_eq!(server.wait_until_empty().failed_handlers, 0);
}

#[test]
fn without_values_there_is_nothing_to_get() {
    let server = Loopback::run(Server::builder(), |client| {
        assert_eq!(client.get::<()>(), None);
        echo(client)
    });
    let mut peer = server.open(Version::Rfc6455);
    peer.expect_echo("hello");
    assert_eq!(server.client(&peer).get::<()>(), None);
}

#[test]
fn clones_of_an_acceptance_share_its_values() {
    let accept = Accept::new().with(AtomicUsize::new(0));
    let other = Accept::new().with(AtomicUsize::new(0));
    assert_eq!(accept, accept.clone());
    assert_ne!(accept, other);
    assert_ne!(accept, Accept::new());
    assert!(!format!("{:?}", Accept::new().with("s3cret")).contains("s3cret"));
    let extended = accept.clone().with(User("ada".to_owned()));
    assert_ne!(accept, extended);
    let server = Loopback::run(
        Server::builder().on_request(move |_| extended.clone().into()),
        |client| {
            let before = client.get::<AtomicUsize>().unwrap();
            let before = before.fetch_add(1, SeqCst);
            client.send(before.to_string())?;
            echo(client)
        },
    );
    for before in ["0", "1"] {
        server.open(Version::Rfc6455).expect_text(before);
    }
}

#[test]
fn values_are_dropped_with_the_client_and_with_a_connection_that_does_not_open() {
    let (gone, dropped) = bounded(1);
    let builder = Server::builder().on_request(move |_| {
        let value = Dropped(gone.clone());
        Accept::new().with(value).into()
    });
    let server = Loopback::run(builder, echo);
    let mut peer = server.open(Version::Rfc6455);
    peer.expect_echo("hello");
    let handle = server.client(&peer);
    assert!(dropped.is_empty());
    peer.leave();
    dropped.recv_timeout(PATIENCE).unwrap();
    assert!(handle.get::<Dropped>().is_none());
    // Plain HTTP cannot be accepted.
    let page = ask(server.address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(page.status(), 400);
    dropped.recv_timeout(PATIENCE).unwrap();
    // The proof of draft-76 is missing.
    drop(Peer::without_key3(server.address));
    dropped.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_value_whose_drop_panics_ends_nothing_else() {
    hush("panicking on purpose");
    let builder = Server::builder().on_request(|request| match request.version() {
        Some(_) => Accept::new().with(Fatal).into(),
        None => Reply::from(Response::text("still here")),
    });
    let mut server = Loopback::run(builder, echo);
    for version in Version::ALL {
        server.open(version).leave();
    }
    assert_eq!(server.wait_until_empty().failed_handlers, 0);
    let page = ask(
        server.address,
        b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(page.body, b"still here");
    server.handle.shutdown(PATIENCE);
    server.join();
}

#[test]
fn a_client_of_an_acceptor_has_its_values() {
    let builder = Server::builder().on_request(|_| Accept::new().with(User("ada".into())).into());
    let acceptor = builder.acceptor().unwrap();
    let (own, other) = local_pair();
    let peer = thread::spawn(move || {
        drop(Connector::new().connect_over(other, "ws://localhost/"));
    });
    let client = acceptor.accept(own).unwrap();
    assert_eq!(*client.get::<User>().unwrap(), User("ada".to_owned()));
    drop(client);
    peer.join().unwrap();
}
