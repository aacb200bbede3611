//! The file of a Unix socket: when it is replaced, when it is left alone, when it is removed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Barrier;
use std::thread;

use rustix::net::listen;
use stentor::server::Endpoint;
use stentor::{Server, Version};

use crate::support::{Folder, Loopback, echo, open_unix};

use super::on_port_and_path;

#[test]
fn a_dead_servers_file_is_taken_over() {
    let folder = Folder::new();
    let path = folder.file("socket");
    // The file that stays if nobody removes it.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = on_port_and_path(&path);
    let _server = Loopback::start(server, echo);
    open_unix(&path, Version::Rfc6455).expect_echo("hello");
}

#[test]
fn a_living_servers_file_is_left_alone() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let first = on_port_and_path(&path);
    let error = Server::builder().listen_unix(&path).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let named = error.to_string().contains(path.to_str().unwrap());
    assert!(named, "{error}");
    let _first = Loopback::start(first, echo);
    open_unix(&path, Version::Rfc6455).expect_echo("still here");
}

/// Connecting to it would wait for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_living_server_whose_queue_is_full_is_left_alone() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let living = UnixListener::bind(&path).unwrap();
    listen(&living, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let error = Server::builder().listen_unix(&path).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
    living.accept().unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_file_that_is_no_servers_is_left_alone() {
    let folder = Folder::new();
    let (text, mail, link) = (
        folder.file("text"),
        folder.file("mail"),
        folder.file("link"),
    );
    fs::write(&text, "precious").unwrap();
    let _mail = UnixDatagram::bind(&mail).unwrap();
    std::os::unix::fs::symlink(folder.file("nowhere"), &link).unwrap();
    for path in [&text, &mail, &link] {
        let error = Server::builder().listen_unix(path).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        assert!(path.symlink_metadata().is_ok());
    }
    assert_eq!(fs::read_to_string(&text).unwrap(), "precious");
}

#[test]
fn the_file_goes_with_the_server() {
    let folder = Folder::new();
    let (ran, idle) = (folder.file("ran"), folder.file("idle"));
    let server = on_port_and_path(&ran);
    drop(Loopback::start(server, echo));
    assert!(!ran.exists());
    let server = Server::builder().listen_unix(&idle).build().unwrap();
    assert!(idle.exists());
    drop(server);
    assert!(!idle.exists());
}

#[test]
fn the_file_of_a_listener_that_was_given_stays() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = Server::builder().listener(listener).build().unwrap();
    let endpoints = server.endpoints().unwrap();
    assert_eq!(endpoints, [Endpoint::Unix(Some(path.clone()))]);
    drop(server);
    assert!(path.exists());
}

#[test]
fn a_file_that_is_another_servers_by_now_stays() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let first = Server::builder().listen_unix(&path).build().unwrap();
    fs::remove_file(&path).unwrap();
    let second = on_port_and_path(&path);
    drop(first);
    let _second = Loopback::start(second, echo);
    open_unix(&path, Version::Rfc6455).expect_echo("hello");
}

/// Otherwise one of them would remove the socket that another has just bound.
#[test]
fn of_many_servers_that_find_a_dead_servers_file_at_once_one_gets_it() {
    const SERVERS: usize = 8;
    const ROUNDS: usize = 200;
    let folder = Folder::new();
    for round in 0..ROUNDS {
        let path = &folder.file(&round.to_string());
        drop(UnixListener::bind(path).unwrap());
        let (ready, done) = (&Barrier::new(SERVERS), &Barrier::new(SERVERS));
        let bound = thread::scope(|scope| {
            let servers: Vec<_> = (0..SERVERS)
                .map(|_| {
                    scope.spawn(move || {
                        ready.wait();
                        let server = Server::builder().listen_unix(path).build();
                        // None is dropped before all have tried.
                        done.wait();
                        server.is_ok()
                    })
                })
                .collect();
            let bound = servers.into_iter().map(|server| server.join().unwrap());
            bound.filter(|bound| *bound).count()
        });
        assert_eq!(bound, 1, "in round {round}");
        assert!(!path.exists());
    }
}

#[test]
fn a_path_that_is_too_long_is_an_error() {
    let folder = Folder::new();
    let path = folder.file(&"x".repeat(120));
    let error = Server::builder().listen_unix(&path).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}
