//! A server on a thread of its own.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use stentor::{Server, Version};

#[cfg(all(feature = "unix", unix))]
use crate::support::Folder;
use crate::support::{Peer, echo, eventually};

#[test]
fn it_serves_until_its_shutdown_and_join_returns_then() {
    let server = Server::bind("127.0.0.1:0").unwrap().spawn(echo).unwrap();
    let address = server.local_addr().unwrap();
    assert_eq!(server.endpoints().len(), 1);
    let mut peers = Version::ALL.map(|version| Peer::open(address, version));
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
    assert_eq!(server.handle().count(), 5);
    server.handle().shutdown(Duration::from_secs(5));
    let joining = thread::spawn(move || server.join());
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    joining.join().unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn it_runs_on_after_a_drop_and_its_handle_ends_it() {
    let server = Server::bind("127.0.0.1:0").unwrap().spawn(echo).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    drop(server);
    let mut peer = Peer::open(address, Version::Rfc6455);
    peer.expect_echo("still here");
    handle.shutdown(Duration::from_secs(5));
    peer.answer_goodbye(1001, "the server is going down");
    eventually("its end", || {
        TcpStream::connect(address).is_err().then_some(())
    });
}

#[test]
fn a_panic_of_a_handler_is_no_panic_of_the_server() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let server = server.spawn(crate::support::panic_when_told).unwrap();
    let mut peer = Peer::open(server.local_addr().unwrap(), Version::Rfc6455);
    crate::support::hush("panicking on purpose");
    peer.say("panic");
    peer.expect_goodbye(1011, "");
    drop(peer);
    server.handle().shutdown(Duration::from_secs(5));
    server.join().unwrap();
}

#[cfg(all(feature = "unix", unix))]
#[test]
fn without_a_tcp_port_it_has_no_address() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let server = Server::builder().listen_unix(&path).build().unwrap();
    let server = server.spawn(echo).unwrap();
    let error = server.local_addr().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    assert_eq!(
        server.endpoints()[0].to_string(),
        path.display().to_string()
    );
    server.handle().shutdown(Duration::ZERO);
    server.join().unwrap();
}

/// Linux shows the first 15 bytes.
#[cfg(target_os = "linux")]
#[test]
fn its_thread_has_a_name() {
    let names = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names
            .filter(|name| name.trim() == "stentor listene")
            .count()
    };
    let server = Server::bind("127.0.0.1:0").unwrap().spawn(echo).unwrap();
    eventually("its name", || (names() > 0).then_some(()));
    server.handle().shutdown(Duration::ZERO);
    server.join().unwrap();
}
