//! A request beyond its headers: the address of the client, and the server that received it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crossbeam_channel::bounded;
use stentor::server::Peer as Other;
use stentor::{Reply, Request, Response, Server, Version};

#[cfg(all(feature = "unix", unix))]
use crate::support::{Folder, open_unix};
use crate::support::{Head, Loopback, Peer, ask, dial, echo, eventually};

fn peer_of(address: &SocketAddr) -> Other {
    Other::from(*address)
}

#[test]
fn the_hook_receives_the_address_of_each_client() {
    let (seen, hook_saw) = bounded(1);
    let builder = Server::builder().on_request(move |request| {
        seen.send((request.peer(), request.addr())).unwrap();
        Reply::accept()
    });
    let server = Loopback::run(builder, |client| {
        let own = (client.request().peer(), client.request().addr());
        assert_eq!(own, (client.peer(), client.addr()));
        // Each call returns the same request.
        assert!(std::ptr::eq(client.request(), client.request()));
        echo(client)
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        let own = peer.local_addr();
        assert_eq!(hook_saw.recv().unwrap(), (peer_of(&own), Some(own.ip())));
        peer.expect_echo("served");
        peer.leave();
    }
}

#[test]
fn a_trusted_proxy_names_the_address() {
    let page = |request: &Request| Response::text(format!("{:?}", request.addr())).into();
    let server = Loopback::run(
        Server::builder()
            .trust_forwarded_headers(true)
            .on_request(page),
        echo,
    );
    let asked = |more: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        String::from_utf8(ask(server.address, head.as_bytes()).body).unwrap()
    };
    let forwarded: IpAddr = "9.9.9.9".parse().unwrap();
    assert_eq!(
        asked("X-Forwarded-For: 1.1.1.1, 9.9.9.9\r\n"),
        format!("{:?}", Some(forwarded))
    );
    let own: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(asked(""), format!("{:?}", Some(own)));
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn a_client_of_a_unix_socket_has_no_address() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let (seen, hook_saw) = bounded(1);
    let builder = Server::builder().listen("127.0.0.1:0").listen_unix(&path);
    let builder = builder.on_request(move |request| {
        seen.send((request.peer(), request.addr())).unwrap();
        Reply::accept()
    });
    let _server = Loopback::start(builder.build().unwrap(), echo);
    let mut peer = open_unix(&path, Version::Rfc6455);
    assert_eq!(hook_saw.recv().unwrap(), (Other::Local, None));
    peer.leave();
}

/// No variable outside of the hook is needed for a page with the counters.
#[test]
fn the_hook_has_a_handle_of_the_server() {
    let builder =
        Server::builder().on_request(|request| match (request.version(), request.path()) {
            (None, "/count") => Response::text(request.server().count().to_string()).into(),
            (None, "/stop") => {
                request.server().shutdown(Duration::from_secs(5));
                Response::text("stopping").into()
            }
            (Some(_), _) => {
                request.server().broadcast("somebody comes");
                Reply::accept()
            }
            _ => Reply::reject(404, "nothing here"),
        });
    let mut server = Loopback::run(builder, echo);
    let page = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        ask(server.address, head.as_bytes())
    };
    assert_eq!(page("/count").body, b"0");
    let mut first = server.open(Version::Draft76);
    let mut second = server.open(Version::Rfc6455);
    first.expect_text("somebody comes");
    assert_eq!(page("/count").body, b"2");
    // A hook may stop the server, and its page is still sent.
    assert_eq!(page("/stop").body, b"stopping");
    first.answer_goodbye(1001, "the server is going down");
    second.answer_goodbye(1001, "the server is going down");
    server.join();
}

#[test]
fn an_acceptor_has_it_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let builder = Server::builder().on_request(|request| {
        let accepted = request.server().counters().accepted;
        Response::text(format!("{} {accepted}", request.peer())).into()
    });
    let acceptor = builder.acceptor().unwrap();
    let asking = std::thread::spawn(move || {
        let mut stream = dial(address);
        let own = stream.local_addr().unwrap();
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        (own, crate::support::read_answer(&mut stream).body)
    });
    acceptor.serve(listener.accept().unwrap().0, echo).unwrap();
    let (own, body) = asking.join().unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), format!("{own} 1"));
}

/// The hook belongs to the server, and so does all that it has captured.
#[test]
fn a_server_whose_hook_uses_handles_is_released() {
    let captured = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&captured);
    let builder = Server::builder().on_request(move |request| {
        let _kept = &captured;
        let handle = request.server();
        let clone = request.clone();
        assert_eq!(
            (clone.path(), handle.count()),
            (request.path(), clone.server().count())
        );
        Reply::accept()
    });
    let server = Loopback::run(builder, |client| {
        let _ = client.request();
        echo(client)
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("served");
        peer.leave();
    }
    assert!(weak.upgrade().is_some());
    drop(server);
    eventually("its release", || weak.upgrade().is_none().then_some(()));
}

/// A hook that keeps a handle keeps the memory of the server, but neither its threads nor its port.
#[test]
fn a_hook_that_keeps_a_handle_does_not_keep_the_server_running() {
    let kept = Mutex::new(None);
    let builder = Server::builder().on_request(move |request| {
        *kept.lock().unwrap() = Some(request.server());
        Reply::accept()
    });
    let mut server = Loopback::run(builder, echo);
    let mut peer = Peer::open_with(
        server.address,
        Version::Rfc6455,
        &Head::of(Version::Rfc6455),
    );
    server.handle.shutdown(Duration::from_secs(5));
    peer.answer_goodbye(1001, "the server is going down");
    server.join();
    assert!(std::net::TcpStream::connect(server.address).is_err());
    // The hub has ended, and a handle that is kept does not wait for it.
    assert_eq!(server.handle.room_counts(), []);
}
