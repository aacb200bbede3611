//! A long payload is sent without a copy, to one client or to many, in every version. While it waits in their
//! send queues, its memory is counted once.
//!
//! The servers here have small send buffers, so that unread bytes are soon in the send queue.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};

use stentor::{Connector, Message, Server, ServerBuilder, Version};

use crate::support::{Head, Loopback, Peer, becomes, dial_from, echo, eventually};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn run(
    handler: impl Fn(&mut stentor::Client) -> stentor::HandlerResult + Send + Sync + 'static,
) -> Loopback {
    Loopback::run_with_send_buffer(0, roomy(), handler)
}

fn roomy() -> ServerBuilder {
    Server::builder().send_queue_limit(16 * MIB)
}

/// Clients of all versions with small receive buffers, twice.
fn crowd(server: &Loopback) -> Vec<Peer> {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let versions = Version::ALL.into_iter().chain(Version::ALL);
    let open = |version| {
        let stream = dial_from(server.address, home, Some(8 * KIB));
        Peer::on(stream, version, &Head::of(version).bytes())
    };
    versions.map(open).collect()
}

fn page() -> Arc<str> {
    (0..MIB)
        .map(|at| char::from(b'a' + (at % 23) as u8))
        .collect::<String>()
        .into()
}

/// Lets all peers read the page, with `before` and `after` around it, and the server release it.
fn assert_received(peers: &mut [Peer], page: &Arc<str>, server: &Loopback) {
    for peer in peers {
        peer.expect_text("before");
        assert!(peer.hear_text() == **page, "{}", peer.version);
        peer.expect_text("after");
    }
    becomes(&0, || server.handle.counters().waiting);
    becomes(&1, || Arc::strong_count(page));
}

#[test]
fn broadcast_of_a_long_message_is_one_payload_for_all_members() {
    let server = run(echo);
    let mut peers = crowd(&server);
    becomes(&peers.len(), || server.handle.count());
    let page = page();
    server.handle.broadcast("before");
    server.handle.broadcast(Arc::clone(&page));
    server.handle.broadcast("after");
    becomes(&(3 * peers.len() as u64), || {
        server.handle.counters().messages_out
    });
    // The test's, and one for each of the two framings.
    becomes(&3, || Arc::strong_count(&page));
    let waiting = server.handle.counters().waiting;
    assert!((MIB..MIB + 64 * KIB).contains(&waiting), "{waiting}");
    assert_received(&mut peers, &page, &server);
}

#[test]
fn handles_send_one_payload_to_many_clients() {
    let server = run(echo);
    let mut peers = crowd(&server);
    becomes(&peers.len(), || server.handle.count());
    let page = page();
    let message = Message::from(Arc::clone(&page));
    for client in server.handle.clients() {
        client.send("before").unwrap();
        client.send(message.clone()).unwrap();
        client.send("after").unwrap();
    }
    drop(message);
    assert_eq!(Arc::strong_count(&page), 1 + peers.len());
    let waiting = server.handle.counters().waiting;
    assert!((MIB..MIB + 64 * KIB).contains(&waiting), "{waiting}");
    assert_received(&mut peers, &page, &server);
}

#[test]
fn handlers_send_one_payload_to_their_clients() {
    let page = page();
    let weak: Weak<str> = Arc::downgrade(&page);
    let server = run(move |client| {
        client.send("before")?;
        if let Some(page) = weak.upgrade() {
            client.send(page)?;
        }
        client.send("after")?;
        while client.recv()?.is_some() {}
        Ok(())
    });
    let mut peers = crowd(&server);
    becomes(&(1 + peers.len()), || Arc::strong_count(&page));
    assert_received(&mut peers, &page, &server);
}

#[test]
fn client_sends_a_payload_that_is_shared_and_leaves_it_as_it_is() {
    let server = Loopback::run(Server::builder(), |client| {
        let mut kept = Vec::new();
        while let Some(message) = client.recv()? {
            kept.push(message.clone());
            client.send(message)?;
        }
        assert!(kept.iter().all(|message| message == &kept[0]));
        Ok(())
    });
    let page = page();
    for version in Version::ALL {
        let url = format!("ws://{}/", server.address);
        let mut socket = Connector::new().version(version).connect(&url).unwrap();
        let message = Message::from(Arc::clone(&page));
        for _ in 0..3 {
            socket.send(message.clone()).unwrap();
            assert!(
                socket.recv().unwrap().as_ref() == Some(&message),
                "{version}"
            );
        }
        assert!(message.as_text() == Some(&*page), "{version}");
    }
    eventually("all payloads to be dropped", || {
        (Arc::strong_count(&page) == 1).then_some(())
    });
}
