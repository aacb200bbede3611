//! The options of a server that anybody can reach, each with what it protects against.

use std::time::Duration;

use crate::protocol::{BadHost, BadOrigin};
use crate::shell::addresses::Handshakes;
use crate::shell::rate::{FastClient, Rate};

use super::ServerBuilder;

/// What protects a server that anybody can reach. Origins and hosts protect the users of browsers
/// from other sites' pages; they prove nothing about who else is there, least of all in draft-75
/// and draft-76, whose handshakes prove nothing about the peer: any program can send any header.
impl ServerBuilder {
    /// The origins that are let in, each compared exactly by scheme, host and port: `null` only
    /// where it is in the list. Whatever clients send can be named: `https://example.com`, `file://`,
    /// `chrome-extension://…`, `capacitor://localhost`. With a list, a request without an origin is refused. Default: any
    /// origin, and requests without one.
    ///
    /// Against other sites' pages, which may open a WebSocket here with their visitor's cookies.
    /// Who is not let in is told 403, in every version.
    ///
    /// # Errors
    /// [`BadOrigin`] for one that is not a scheme and a host, as far as the scheme must have one.
    pub fn origins<I>(mut self, origins: I) -> Result<Self, BadOrigin>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let origins = origins.into_iter().map(|origin| origin.as_ref().parse());
        self.config().origins = Some(origins.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Lets in the pages that this server has served itself: those whose origin has the host and
    /// the port of the `Host` field, and the scheme that [`secure`](ServerBuilder::secure) says,
    /// or a proxy that is believed. Default: off. With [`origins`](ServerBuilder::origins) too,
    /// what is on that list is let in as well.
    ///
    /// Against other sites' pages, as `origins` is, without having to know one's own name. A proxy
    /// in front must pass `Host` on as it came. A page whose own name was made to lead here is of
    /// the same origin: against that there is [`hosts`](ServerBuilder::hosts).
    ///
    /// A request without an origin is let in, unless there is a list: browsers always name one,
    /// and other programs could name any. Draft-75 and draft-76 demand one of everybody.
    pub fn same_origin(mut self) -> Self {
        self.config().same_origin = true;
        self
    }

    /// The hosts that are served, by name or address and without a port: any port will do. Every
    /// request is held against them, also one that only asks for a page; health checks too must
    /// name one. Default: any host.
    ///
    /// Against DNS rebinding: an attacker's name that is made to lead here, so that the attacker's
    /// page is of the same origin as this server, behind whatever wall the server is. Who names
    /// another host is told 421 (RFC 9110 §15.5.20), in every version.
    ///
    /// ```
    /// let server = stentor::Server::builder()
    ///     .hosts(["chat.example.com", "localhost", "127.0.0.1", "[::1]"])?
    ///     .same_origin();
    /// # Ok::<(), stentor::BadHost>(())
    /// ```
    ///
    /// # Errors
    /// [`BadHost`] for one with a port, and for what is no host's name.
    pub fn hosts<I>(mut self, hosts: I) -> Result<Self, BadHost>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let hosts = hosts.into_iter().map(|host| host.as_ref().parse());
        self.config().hosts = Some(hosts.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// How much each client may say: see [`Rate`]. Default: as much as it can.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.settings.rate = Some(rate);
        self
    }

    /// What happens to a client that exceeds its rate. Default: [`FastClient::Delay`].
    pub fn fast_client(mut self, policy: FastClient) -> Self {
        self.settings.fast_client = policy;
        self
    }

    /// The most connections at a time from one address: against one who takes all the room. Of
    /// IPv6, the first 64 bits are the address, since who has one address there has them all.
    /// Default: no limit. Who comes after that is told 503.
    ///
    /// Behind a proxy, all connections come from one address. With
    /// [`trust_forwarded_headers`](ServerBuilder::trust_forwarded_headers) it is the one that
    /// `X-Forwarded-For` names last that counts, once the request is there; until then, a
    /// connection counts only for [`max_clients`](ServerBuilder::max_clients).
    pub fn max_clients_per_address(mut self, clients: Option<usize>) -> Self {
        self.settings.per_address.connections = clients;
        self
    }

    /// The most handshakes from one address: so many at once, and over time so many in each
    /// `period`. Against one who comes and goes all the time, or tries passwords. Every connection
    /// counts, one that only asks for a page too; addresses are those of
    /// [`max_clients_per_address`](ServerBuilder::max_clients_per_address). Default: no limit. Who
    /// comes too often is told 429, and when to try again; that does not count. A `period` of
    /// [`Duration::MAX`] makes it so many ever; one of zero is no limit; a `count` of 0 is taken for 1.
    ///
    /// Behind a proxy whose headers are trusted, every request counts for the address that it names,
    /// also one that is then refused for its host, origin, version or whatever else. What is no request
    /// at all names no address and counts for none: it must not use up the proxy's own share, which all
    /// whose address is unknown have in common.
    ///
    /// No more than 131,072 addresses are remembered: this does not stop an attacker who has more.
    pub fn handshakes_per_address(mut self, count: u32, period: Duration) -> Self {
        self.settings.per_address.handshakes = Some(Handshakes { count, period });
        self
    }

    /// The most rooms that one client may be in at a time. Default: 1,000. Each room that a client is in
    /// costs the server some 200 bytes and the room's name, which has 256 bytes at most.
    ///
    /// A client that is to enter one more stays outside: [`Client::join`](crate::Client::join) logs
    /// and counts that, [`Client::try_join`](crate::Client::try_join) returns it.
    pub fn max_rooms_per_client(mut self, rooms: usize) -> Self {
        self.settings.max_rooms_per_client = rooms;
        self
    }

    /// The most memberships of all clients together, a client in a room being one. Default:
    /// 1,000,000: a quarter of a gigabyte, where each is in a room of its own with a short name, and
    /// less where many share a room. Beyond it, nobody enters a room until somebody leaves one, as with
    /// [`max_rooms_per_client`](ServerBuilder::max_rooms_per_client).
    pub fn max_memberships(mut self, memberships: usize) -> Self {
        self.settings.max_memberships = memberships;
        self
    }

    /// The most bytes of memory that wait for all clients together. Default: 256 MiB, which is room
    /// for 256 clients whose outboxes are full of what is theirs alone, and small enough for a
    /// small machine. What is broadcast to many is counted once.
    ///
    /// Beyond it, clients are evicted until an eighth is free again, whatever
    /// [`slow_client`](ServerBuilder::slow_client) says: those first whose queues take most
    /// memory, of what they share with others their share, and the older ones of equals. It is
    /// exceeded at most by what is being sent at that moment: a batch of broadcasts, and a message
    /// of each thread that sends.
    ///
    /// The [`Body`](crate::Body) of a response counts too, from 16 KiB on and unless it is static, once
    /// for all clients that share it. A client for whose page there is no room is sent 503, and nobody
    /// is evicted for it.
    pub fn all_outboxes(mut self, bytes: usize) -> Self {
        self.settings.all_outboxes = bytes;
        self
    }

    /// Limits the bytes of memory that all clients together hold for what has come in: messages that
    /// are not finished, receive buffers, and decompressors. Default: 256 MiB, which is room for 256
    /// clients in the middle of the largest message.
    ///
    /// Against many clients that each begin a message and never finish it. Beyond the limit, the
    /// clients that hold most are closed with 1013 (try again later) until an eighth is free again;
    /// in draft-76 with its `FF 00`, in draft-75 by closing the TCP connection. Their `recv` returns
    /// `Ok(None)`, and [`Counters::incoming_exceeded`](crate::Counters::incoming_exceeded) counts them.
    ///
    /// The limit is exceeded at most by what is being read at that moment: a message of each thread
    /// that reads. Less than 8 KiB of one client is not counted: all of them hold at most
    /// [`max_clients`](ServerBuilder::max_clients) times that beside it, 80 MiB by default. Messages
    /// that a handler has received are its own.
    pub fn total_incoming_limit(mut self, bytes: usize) -> Self {
        self.settings.all_incoming = bytes;
        self
    }
}
