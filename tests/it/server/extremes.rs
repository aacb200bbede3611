//! Options at their extremes: no time at all, and more than there is.

use std::time::Duration;

use stentor::{Connector, RateLimit, Received, Server, Version};

use crate::support::Loopback;

/// A timeout without an end is no timeout, and nothing that is computed with it overflows.
#[test]
fn the_longest_of_all_durations_is_no_timeout() {
    const EVER: Duration = Duration::MAX;
    let builder = Server::builder()
        .handshake_timeout(EVER)
        .ping_interval(Some(EVER))
        .pong_timeout(EVER)
        .idle_timeout(Some(EVER))
        .write_timeout(EVER)
        .close_timeout(EVER)
        .rate_limit(RateLimit::per_second().messages(1000).burst(EVER))
        .handshakes_per_address(u32::MAX, EVER);
    let mut server = Loopback::run(builder, |client| {
        while let Received::Message(message) = client.recv_timeout(EVER)? {
            client.send(message)?;
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.expect_echo("hello");
        peer.leave();
        let connector = Connector::new()
            .version(version)
            .connect_timeout(EVER)
            .handshake_timeout(EVER)
            .ping_interval(Some(EVER))
            .pong_timeout(EVER)
            .idle_timeout(Some(EVER))
            .write_timeout(EVER)
            .close_timeout(EVER);
        let url = format!("ws://{}/", server.address);
        let mut connection = connector.connect(&url).unwrap();
        connection.send("hello").unwrap();
        let echo = connection.recv_timeout(EVER).unwrap();
        assert_eq!(echo, Received::Message("hello".into()), "{version}");
    }
    server.wait_until_empty();
    server.handle.shutdown(EVER);
    server.join();
}

/// So many in no time is no limit, and those of a rate go on.
#[test]
fn a_period_of_no_length_limits_nothing() {
    let builder = Server::builder()
        .handshakes_per_address(1, Duration::ZERO)
        .rate_limit(RateLimit::per_second().messages(1000).burst(Duration::ZERO));
    let server = Loopback::echo(builder);
    for version in Version::ALL {
        for _ in 0..3 {
            let mut peer = server.open(version);
            peer.expect_echo("hello");
            peer.leave();
        }
    }
}
