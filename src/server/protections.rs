//! The options of a server that anybody can reach, each with the attack that it protects against.

use std::time::Duration;

use crate::net::rate_limit::{OnRateLimit, RateLimit};
use crate::protocol::{InvalidHost, InvalidOrigin};

use super::ServerBuilder;
use super::addresses::Handshakes;

/// Options that protect a server that anybody can reach. Origins and hosts protect the users of
/// browsers from other sites' pages; they prove nothing about other programs, least of all in draft-75
/// and draft-76, whose handshakes prove nothing about the peer: any program can send any header.
impl ServerBuilder {
    /// Sets the allowed origins, each compared exactly by scheme, host and port; `null` is allowed only
    /// if it is in the list. The list can name every origin that clients send: `https://example.com`,
    /// `file://`, `chrome-extension://…`, `capacitor://localhost`. With a list, a request without an
    /// origin is rejected. Default: any origin, and requests without one.
    ///
    /// Protects against other sites' pages, which may open a WebSocket here with their visitor's
    /// cookies. Other origins receive 403, in every version.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for an origin without a scheme, or without a host if the scheme must have one.
    pub fn allowed_origins<I>(mut self, allowed_origins: I) -> Result<Self, InvalidOrigin>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let allowed_origins = allowed_origins
            .into_iter()
            .map(|origin| origin.as_ref().parse());
        self.config().allowed_origins = Some(allowed_origins.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Allows only pages that this server has served itself: their origin has the host and the port of
    /// the `Host` header, and the scheme that [`behind_tls`](ServerBuilder::behind_tls) or a trusted proxy
    /// sets. Default: off. With [`allowed_origins`](ServerBuilder::allowed_origins) too, the origins
    /// in that list are also allowed.
    ///
    /// Protects against other sites' pages, as `allowed_origins` does, but the program need not know the
    /// server's name. A proxy in front must pass `Host` on unchanged. A page whose own host name was
    /// made to lead here has the same origin: [`allowed_hosts`](ServerBuilder::allowed_hosts) protects
    /// against that.
    ///
    /// A request without an origin is allowed, unless there is a list: browsers always send one,
    /// and other programs could send any. Draft-75 and draft-76 require one from every client.
    pub fn same_origin(mut self) -> Self {
        self.config().same_origin = true;
        self
    }

    /// Sets the allowed hosts, by name or address and without a port: every port is allowed. Every
    /// request is checked, also a request for a page; health checks too must name an allowed host.
    /// Default: any host.
    ///
    /// Protects against DNS rebinding: an attacker's host name is made to lead here, so that the
    /// attacker's page has the same origin as this server, even if the server is behind a firewall. A
    /// request that names another host receives 421 (RFC 9110 §15.5.20), in every version.
    ///
    /// ```
    /// let server = stentor::Server::builder()
    ///     .allowed_hosts(["chat.example.com", "localhost", "127.0.0.1", "[::1]"])?
    ///     .same_origin();
    /// # Ok::<(), stentor::InvalidHost>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidHost`] for a host with a port, and for text that is not a host's name.
    pub fn allowed_hosts<I>(mut self, allowed_hosts: I) -> Result<Self, InvalidHost>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let allowed_hosts = allowed_hosts.into_iter().map(|host| host.as_ref().parse());
        self.config().allowed_hosts = Some(allowed_hosts.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Sets the rate limit for the messages of each client: see [`RateLimit`]. Default: no limit.
    pub fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.settings.rate = Some(rate);
        self
    }

    /// Sets the policy for a client that exceeds its rate limit. Default: [`OnRateLimit::Delay`].
    pub fn on_rate_limit(mut self, policy: OnRateLimit) -> Self {
        self.settings.on_rate_limit = policy;
        self
    }

    /// Limits the connections at a time from one address, so that one peer cannot take all places. Of
    /// an IPv6 address, the first 64 bits count, since the owner of one address has them all.
    /// Default: no limit. Further connections receive 503.
    ///
    /// Behind a proxy, all connections come from one address. With
    /// [`trust_forwarded_headers`](ServerBuilder::trust_forwarded_headers), the last address in
    /// `X-Forwarded-For` counts, once the request has arrived; until then, a
    /// connection counts only for [`max_clients`](ServerBuilder::max_clients).
    pub fn max_clients_per_address(mut self, clients: Option<usize>) -> Self {
        self.settings.per_address.connections = clients;
        self
    }

    /// Limits the handshakes from one address: `count` at once, and over time `count` in each
    /// `period`. Protects against a peer that connects again and again, or tries passwords. Every
    /// connection counts, also a request for a page; addresses are those of
    /// [`max_clients_per_address`](ServerBuilder::max_clients_per_address). Default: no limit. Beyond
    /// the limit, a client receives 429 and the time to try again; this attempt does not count. With a
    /// `period` of [`Duration::MAX`] the limit never refills; one of zero is no limit; a `count` of 0
    /// counts as 1.
    ///
    /// Behind a proxy whose headers are trusted, every request counts for the address that it names,
    /// also a request that is then rejected for its host, origin, version or another reason. Bytes that
    /// are not a request name no address and count for none: they must not use up the proxy's own
    /// share, which all clients with an unknown address have in common.
    ///
    /// No more than 131,072 addresses are remembered: this does not stop an attacker with more.
    pub fn handshakes_per_address(mut self, count: u32, period: Duration) -> Self {
        self.settings.per_address.handshakes = Some(Handshakes { count, period });
        self
    }

    /// Limits the rooms that one client may be in at a time. Default: 1,000. Each room that a client is in
    /// costs the server some 200 bytes and the room's name, which has 256 bytes at most.
    ///
    /// Beyond the limit, a client does not enter the room: [`Client::join`](crate::Client::join) logs
    /// and counts that, [`Client::try_join`](crate::Client::try_join) returns an error.
    pub fn max_rooms_per_client(mut self, rooms: usize) -> Self {
        self.settings.max_rooms_per_client = rooms;
        self
    }

    /// Limits the memberships of all clients together; one client in one room is one membership.
    /// Default: 1,000,000: a quarter of a gigabyte if each is in a room of its own with a short name,
    /// and less if many share a room. Beyond the limit, no client enters a room until a client leaves
    /// one, as with [`max_rooms_per_client`](ServerBuilder::max_rooms_per_client).
    pub fn max_memberships(mut self, memberships: usize) -> Self {
        self.settings.max_memberships = memberships;
        self
    }

    /// Limits the memory of the send queues of all clients together, in bytes. Default: 256 MiB, which
    /// is room for 256 clients whose send queues are full of messages for them alone, and small enough
    /// for a small machine. A message that is broadcast to many clients is counted once.
    ///
    /// Beyond the limit, clients are evicted until an eighth is free again, under every
    /// [`slow_client`](ServerBuilder::slow_client) policy. The clients whose queues take most memory
    /// are evicted first, and the older ones of equals; of shared messages, each client's share
    /// counts. The limit is exceeded at most by the messages that are being sent at that moment: a
    /// batch of broadcasts, and a message of each thread that sends.
    ///
    /// The [`Body`](crate::Body) of a response counts too, from 16 KiB on and unless it is static, once
    /// for all clients that share it. A client for whose page there is no room gets 503, and no client
    /// is evicted for it.
    pub fn total_send_queue_limit(mut self, bytes: usize) -> Self {
        self.settings.total_send_queue_limit = bytes;
        self
    }

    /// Limits the bytes of memory that all clients together hold for input: messages that are not
    /// finished, receive buffers, and decompressors. Default: 256 MiB, which is room for 256
    /// clients in the middle of the largest message.
    ///
    /// Protects against many clients that each begin a message and never finish it. Beyond the limit, the
    /// clients that hold most are closed with 1013 (try again later) until an eighth is free again;
    /// in draft-76 with its `FF 00`, in draft-75 by closing the TCP connection. Their `recv` returns
    /// `Ok(None)`, and [`Counters::incoming_exceeded`](crate::Counters::incoming_exceeded) counts them.
    ///
    /// The limit is exceeded at most by the input that is being read at that moment: a message of each
    /// thread that reads. Less than 8 KiB of one client is not counted: all of them hold at most
    /// [`max_clients`](ServerBuilder::max_clients) times that beside it, 80 MiB by default. Messages
    /// that a handler has received do not count.
    pub fn total_incoming_limit(mut self, bytes: usize) -> Self {
        self.settings.all_incoming = bytes;
        self
    }
}
