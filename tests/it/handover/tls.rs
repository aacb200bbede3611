//! TLS: what was read before belongs to the stream as it was accepted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use stentor::server::Handover;
use stentor::{Server, Version};

use super::{Site, parse, read_head};
use crate::support::{Head, Identity, Peer, becomes, dial, echo, read_answer, tunnel};

/// Reads that many bytes before the stream is handed over.
fn after(mut stream: TcpStream, count: usize) -> Handover {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    Handover::new(stream).already_read(bytes)
}

#[test]
fn the_beginning_of_a_tls_handshake_may_have_been_read() {
    let count = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&count);
    let builder = Server::builder().tls(Identity::common().server());
    let site = Site::run(
        builder,
        move |stream| after(stream, read.load(SeqCst)),
        echo,
    );
    for (version, some) in Version::ALL.into_iter().zip([0, 1, 5, 43, 150]) {
        count.store(some, SeqCst);
        let head = Head::of(version).bytes();
        let mut peer = Peer::on(tunnel(site.address), version, &head);
        peer.expect_echo("hello");
        peer.leave();
    }
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn plain_bytes_before_a_tls_handshake_are_rejected() {
    let builder = Server::builder().tls(Identity::common().server());
    let site = Site::run(builder, |stream| after(stream, 20), echo);
    let mut stream = dial(site.address);
    stream
        .write_all(&Head::of(Version::Rfc6455).bytes())
        .unwrap();
    assert_eq!(read_answer(&mut stream).status(), 400);
    becomes(&1, || site.counters().rejected.len());
    site.wait_until_empty();
}

#[test]
fn a_stream_with_a_parsed_request_is_not_encrypted_again() {
    let builder = Server::builder().tls(Identity::common().server());
    let serve = |stream: TcpStream| {
        let request = parse(&read_head(&stream));
        Handover::new(stream).request(request)
    };
    let site = Site::run(builder, serve, echo);
    for version in Version::ALL {
        let mut peer = site.open(version);
        peer.expect_echo("hello");
        peer.leave();
    }
}
