//! Pages that many ask for: one copy for all of them, counted before it is sent.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;

use stentor::protocol::Body;
use stentor::{DisconnectReason, Reply, Response, Server, ServerBuilder};

use crate::support::{Loopback, ask, becomes, dial_from, echo, read_answer};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

fn serving(builder: ServerBuilder, page: impl Fn() -> Body + Send + Sync + 'static) -> Loopback {
    let builder = builder.on_request(move |_| Reply::Respond(Response::html(page())));
    Loopback::run_with_send_buffer(0, builder, echo)
}

/// Clients that ask and read nothing.
fn non_readers(server: &Loopback, count: usize) -> Vec<TcpStream> {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let client_handshake = (0..count).map(|_| {
        let mut stream = dial_from(server.address, home, Some(8 * KIB));
        stream.write_all(REQUEST).unwrap();
        stream
    });
    client_handshake.collect()
}

#[test]
fn a_page_that_many_ask_for_is_in_memory_once() {
    const CROWD: usize = 100;
    let shared: Arc<[u8]> = vec![b'x'; 4 * MIB].into();
    let body = Body::from(Arc::clone(&shared));
    let server = serving(Server::builder(), move || body.clone());
    let mut members = non_readers(&server, CROWD);
    becomes(&(CROWD as u64), || server.handle.counters().answered);
    let waiting = server.handle.counters().waiting;
    assert!((4 * MIB..5 * MIB).contains(&waiting), "{waiting}");
    // This test's, the hook's, and one for all clients.
    assert_eq!(Arc::strong_count(&shared), 3);
    let answer = read_answer(&mut members[0]);
    assert_eq!((answer.status(), answer.body.len()), (200, 4 * MIB));
    assert!(answer.body == shared[..]);
    drop(members);
    let counters = server.wait_until_empty();
    assert_eq!(counters.waiting, 0);
    assert_eq!(Arc::strong_count(&shared), 2);
}

/// Clients that wait already keep their places.
#[test]
fn a_page_for_which_there_is_no_room_is_a_503_for_the_newcomer() {
    let builder = Server::builder().total_send_queue_limit(3 * MIB);
    let server = serving(builder, || vec![b'x'; MIB].into());
    let members = non_readers(&server, 2);
    becomes(&2, || server.handle.counters().answered);
    let answer = ask(server.address, REQUEST);
    assert_eq!(answer.status(), 503);
    becomes(&2, || server.handle.counters().connections);
    let counters = server.handle.counters();
    assert_eq!(counters.evicted, 0);
    assert_eq!(
        counters.disconnected.get(&DisconnectReason::TotalSendQueue),
        None
    );
    drop(members);
    server.wait_until_empty();
    assert_eq!(ask(server.address, REQUEST).body.len(), MIB);
}

#[test]
fn a_static_page_costs_no_memory() {
    static PAGE: [u8; MIB] = [b'x'; MIB];
    let builder = Server::builder().total_send_queue_limit(MIB / 2);
    let server = serving(builder, || Body::from_static(&PAGE));
    let members = non_readers(&server, 20);
    becomes(&20, || server.handle.counters().answered);
    let waiting = server.handle.counters().waiting;
    assert!(waiting < 100 * KIB, "{waiting}");
    assert_eq!(ask(server.address, REQUEST).body.len(), MIB);
    drop(members);
}

/// With a large body that the status, or the method, leaves out.
#[test]
fn an_answer_without_a_body_has_none_however_large_it_was() {
    let builder = Server::builder().on_request(|request| {
        let status = if request.path() == "/304" { 304 } else { 200 };
        Reply::Respond(Response::new(status).body("text/plain", vec![b'x'; MIB]))
    });
    let server = Loopback::run(builder, echo);
    for line in ["GET /304 HTTP/1.1", "HEAD / HTTP/1.1"] {
        let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut stream = dial_from(server.address, home, None);
        let request = format!("{line}\r\nHost: example.com\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(b"\r\n\r\n"), "{line}");
        assert!(answer.len() < 1000, "{line}");
    }
}
