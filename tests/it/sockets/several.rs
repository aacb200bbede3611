//! One server on several sockets.

use std::io::ErrorKind;
#[cfg(all(feature = "unix", unix))]
use std::net::TcpStream;
use std::net::{SocketAddr, TcpListener};
#[cfg(all(feature = "unix", unix))]
use std::os::fd::OwnedFd;
#[cfg(all(feature = "unix", unix))]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(all(feature = "unix", unix))]
use std::time::Duration;

use stentor::server::Endpoint;
#[cfg(all(feature = "unix", unix))]
use stentor::{Client, HandlerResult};
use stentor::{Server, Version};

#[cfg(all(feature = "unix", unix))]
use crate::support::{Folder, Head, dial_unix, eventually, open_unix};
use crate::support::{Loopback, Peer, dial, echo, read_answer};

#[cfg(all(feature = "unix", unix))]
use super::on_port_and_path;

const ANY: &str = "127.0.0.1:0";

#[cfg(all(feature = "unix", unix))]
fn chat(client: &mut Client) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        client.room("lobby").broadcast(message);
    }
    Ok(())
}

/// Returns the addresses, without the Unix sockets.
fn addresses(server: &Server) -> Vec<SocketAddr> {
    let endpoints = server.endpoints().unwrap();
    let addresses = endpoints.iter().filter_map(|endpoint| match endpoint {
        Endpoint::Net(address) => Some(*address),
        _ => None,
    });
    addresses.collect()
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn clients_of_both_families_and_of_unix_sockets_are_in_one_room() {
    let folder = Folder::new();
    let (own, given) = (folder.file("own"), folder.file("given"));
    let server = Server::builder()
        .listen(ANY)
        .listen("[::1]:0")
        .listen_unix(&own)
        .listener(UnixListener::bind(&given).unwrap())
        .listener(TcpListener::bind(ANY).unwrap())
        .build()
        .unwrap();
    let addresses = addresses(&server);
    assert_eq!(addresses.len(), 3);
    let server = Loopback::start(server, chat);
    let mut peers = Vec::new();
    for version in Version::ALL {
        peers.extend(
            addresses
                .iter()
                .map(|address| Peer::open(*address, version)),
        );
        peers.extend([&own, &given].map(|path| open_unix(path, version)));
    }
    server.wait_for_members("lobby", peers.len());
    for speaker in 0..peers.len() {
        let words = format!("{speaker} speaks");
        peers[speaker].say(&words);
        peers.iter_mut().for_each(|peer| peer.expect_text(&words));
    }
    peers.iter_mut().for_each(Peer::leave);
    server.wait_until_empty();
}

#[test]
fn an_unspecified_ipv6_address_takes_ipv4_too_and_shows_it_as_such() {
    let server = Server::bind("[::]:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let server = Loopback::start(server, |client| {
        client.send(client.peer().to_string())?;
        client.send(client.addr().unwrap().to_string())?;
        echo(client)
    });
    for version in Version::ALL {
        let mut four = Peer::open(SocketAddr::from(([127, 0, 0, 1], port)), version);
        four.expect_text(&four.local_addr().to_string());
        four.expect_text("127.0.0.1");
        let mut six = Peer::open(format!("[::1]:{port}").parse().unwrap(), version);
        six.expect_text(&six.local_addr().to_string());
        six.expect_text("::1");
        assert_eq!(server.client(&four).peer().addr(), Some(four.local_addr()));
    }
}

/// An address counts as the same in the limits, whichever socket it came by.
#[test]
fn an_address_counts_once_at_all_sockets() {
    let builder = Server::builder().max_clients_per_address(Some(2));
    let server = builder.listen("[::]:0").listen(ANY).build().unwrap();
    let addresses = addresses(&server);
    let [by_six, by_four] = addresses[..] else {
        panic!("{addresses:?}");
    };
    let by_six = SocketAddr::from(([127, 0, 0, 1], by_six.port()));
    let _server = Loopback::start(server, echo);
    let mut peers = [by_six, by_four].map(|address| Peer::open(address, Version::Rfc6455));
    for address in [by_six, by_four] {
        assert_eq!(read_answer(&mut dial(address)).status(), 503);
    }
    peers[0].expect_echo("hello");
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn a_server_says_where_it_listens() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let server = Server::builder().listen_unix(&path).build().unwrap();
    let error = server.local_addr().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    drop(server);
    let server = Server::builder().listen_unix(&path).listen(ANY).listen(ANY);
    let server = server.build().unwrap();
    let [unix, first, second] = &server.endpoints().unwrap()[..] else {
        panic!("{server:?}");
    };
    assert_eq!(*unix, Endpoint::Unix(Some(path.clone())));
    assert_eq!(unix.to_string(), path.to_str().unwrap());
    let address = server.local_addr().unwrap();
    assert_eq!(*first, Endpoint::Net(address));
    assert_eq!(first.to_string(), address.to_string());
    assert_ne!(first, second);
}

#[test]
fn an_address_that_cannot_be_bound_is_an_error_that_names_it() {
    let taken = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
    let _server = Server::bind(taken).unwrap();
    let behind = Server::builder().listen(ANY).listen(taken);
    for error in [Server::bind(taken), behind.build()].map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }
    let error = Server::bind(&[][..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

/// Names below `.invalid` never resolve (RFC 6761 §6.4).
#[test]
fn a_name_that_does_not_resolve_is_an_error_of_build() {
    let builder = Server::builder().listen(ANY).listen("name.invalid:80");
    let error = builder.build().unwrap_err();
    assert!(error.to_string().contains("cannot resolve"), "{error}");
    let error = Server::bind("no port").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn a_server_without_a_listener_and_an_acceptor_with_one_are_errors_that_name_the_remedy() {
    let error = Server::builder().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("call listen"), "{error}");
    let error = Server::builder().listen(ANY).acceptor().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("call build"), "{error}");
}

/// A type of the standard library proves nothing about its descriptor.
#[cfg(all(feature = "unix", unix, not(target_vendor = "apple")))]
#[test]
fn a_socket_that_does_not_listen_is_an_error_of_build() {
    let (near, _far) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind(ANY).unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let builders = [
        Server::builder().listener(UnixListener::from(OwnedFd::from(near))),
        Server::builder().listener(TcpListener::from(OwnedFd::from(connected))),
    ];
    for builder in builders {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("does not listen"), "{error}");
    }
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn nothing_stays_bound_if_one_listener_fails() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let taken = TcpListener::bind(ANY).unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    let builder = Server::builder().listen_unix(&path).listen(taken.1);
    assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::AddrInUse);
    assert!(!path.exists());
}

#[test]
fn of_several_addresses_the_first_possible_one_is_bound() {
    let taken = Server::bind(ANY).unwrap().local_addr().unwrap();
    let holder = Server::bind(taken).unwrap();
    let any: SocketAddr = ANY.parse().unwrap();
    let server = Server::bind(&[taken, any, any][..]).unwrap();
    assert_ne!(server.local_addr().unwrap(), holder.local_addr().unwrap());
    assert_eq!(server.endpoints().unwrap().len(), 1);
}

/// A single client of one socket does not wait behind all the clients of another.
#[cfg(all(feature = "unix", unix))]
#[test]
fn sockets_take_turns() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let server = on_port_and_path(&path);
    let address = server.local_addr().unwrap();
    // They wait in the kernel's queues: the server does not run yet.
    let members: Vec<_> = (0..200).map(|_| dial(address)).collect();
    let head = Head::of(Version::Rfc6455).bytes();
    let mut alone = dial_unix(&path);
    std::io::Write::write_all(&mut alone, &head).unwrap();
    let server = Loopback::start(server, |client| {
        client.send(client.id().to_string())?;
        echo(client)
    });
    let mut alone = Peer::after(alone, Version::Rfc6455, head.len());
    let number: u64 = alone.hear_text().parse().unwrap();
    assert!(number <= 65, "{number} came before");
    drop(members);
    alone.leave();
    server.wait_until_empty();
}

/// On Windows, no program can break a listening socket.
#[cfg(all(feature = "unix", unix))]
#[test]
fn a_socket_that_breaks_does_not_end_the_others() {
    let broken = TcpListener::bind(ANY).unwrap();
    let address = broken.local_addr().unwrap();
    let builder = Server::builder().listen(ANY);
    let builder = builder.listener(broken.try_clone().unwrap());
    let server = builder.build().unwrap();
    let server = Loopback::start(server, echo);
    Peer::open(address, Version::Draft75).expect_echo("before");
    rustix::net::shutdown(&broken, rustix::net::Shutdown::Both).unwrap();
    for _ in 0..10 {
        server.open(Version::Draft76).expect_echo("after");
    }
    assert!(!server.has_ended());
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn a_server_whose_sockets_are_all_broken_says_so() {
    let listeners = [(); 2].map(|()| TcpListener::bind(ANY).unwrap());
    let [one, two] = listeners.each_ref().map(|own| own.try_clone().unwrap());
    let server = Server::builder()
        .listener(one)
        .listener(two)
        .build()
        .unwrap();
    let running = std::thread::spawn(move || server.run(echo));
    for listener in &listeners {
        assert!(!running.is_finished());
        rustix::net::shutdown(listener, rustix::net::Shutdown::Both).unwrap();
    }
    eventually("its end", || running.is_finished().then_some(()));
    let error = running.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn a_shutdown_closes_all_sockets_and_all_clients() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let server = on_port_and_path(&path);
    let mut server = Loopback::start(server, echo);
    let mut peers = [
        server.open(Version::Draft76),
        open_unix(&path, Version::Draft76),
        open_unix(&path, Version::Rfc6455),
    ];
    server.handle.shutdown(Duration::from_secs(10));
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    server.join();
    let rejected = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(rejected.kind(), ErrorKind::ConnectionRefused);
    assert!(!path.exists());
}
