//! The options of a server, each with its default, its unit and its reason; and its listeners.

use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::options::ConnectionOptions;
use crate::net::rate_limit::{OnRateLimit, RateLimit};
use crate::net::send_queue::SlowClient;
use crate::net::timeouts::MessageRate;
#[cfg(feature = "tls")]
use crate::net::tls::TlsServer;
#[cfg(feature = "deflate")]
use crate::protocol::Deflate;
use crate::protocol::handshake::add_subprotocols;
use crate::protocol::{
    InvalidHeader, InvalidHost, InvalidOrigin, Limits, Request, Transition, Versions,
};

use super::acceptor::Acceptor;
use super::addresses::Handshakes;
use super::listener::{Listener, Listeners, Source};
use super::reply::Reply;
use super::run::Server;
use super::settings::Settings;
use super::teardown::CloseReport;

/// Collects the listeners and the options of a [`Server`], then builds it. [`Server::builder`] returns
/// it without listeners and with all options at their defaults.
///
/// One thread serves all listeners in turn: none can starve another, and their clients are in the same
/// rooms. A listener that cannot be bound is reported by [`build`](ServerBuilder::build).
///
/// ```no_run
/// use std::time::Duration;
///
/// let server = stentor::Server::builder()
///     .listen("[::]:8000")
///     .listen_unix("/run/chat/socket")
///     .max_message_size(64 * 1024)
///     .idle_timeout(Some(Duration::from_secs(600)))
///     .build()?;
/// server.run(|client| {
///     println!("{} has connected", client.peer());
///     Ok(())
/// })
/// # ; Ok::<(), std::io::Error>(())
/// ```
///
/// The allowed origins and hosts protect the users of browsers from other sites' pages; they prove
/// nothing about other programs, least of all in draft-75 and draft-76: any program can send any header.
#[derive(Debug, Default)]
#[doc(alias = "timeouts")]
#[must_use = "a builder does nothing until `build` or `acceptor` is called"]
pub struct ServerBuilder {
    listeners: Listeners,
    settings: Settings,
}

impl ServerBuilder {
    /// Listens on an address; if a name has several addresses, on the first that is free. A name is
    /// resolved now, the address is bound by [`build`](ServerBuilder::build).
    ///
    /// `[::]` accepts IPv4 too, on every system that allows it, independent of the system's default: so
    /// `[::]:80` and `0.0.0.0:80` cannot both be bound.
    #[doc(alias = "bind")]
    pub fn listen(self, address: impl ToSocketAddrs) -> Self {
        self.add(Source::tcp(address))
    }

    /// Listens on one more address without TLS, on a server with [TLS](ServerBuilder::tls): for
    /// browsers that are older than TLS 1.2, in the same rooms as today's.
    #[cfg(feature = "tls")]
    pub fn listen_plain(self, address: impl ToSocketAddrs) -> Self {
        self.add(Source::plain(address))
    }

    /// Listens on the path of a Unix socket, for clients on this machine, such as a proxy.
    ///
    /// The file is removed when the server ends. A file that a dead server has left is replaced; if
    /// there is the file of a running server, or any other file, it is left unchanged, and `build`
    /// returns [`AddrInUse`](io::ErrorKind::AddrInUse). (On systems other than Linux, a server with a
    /// full queue looks the same as a dead one.)
    ///
    /// Every user with write permission for the file may connect. The process's umask (and the folder)
    /// decide that; often only the process's own user may. Exclude other users by the folder or the
    /// umask: a later change of the file's permissions is too late for clients that have connected.
    ///
    /// Nginx in front needs these lines; with the last of them, and
    /// [`trust_local_proxy`](ServerBuilder::trust_local_proxy), clients have addresses.
    ///
    /// ```text
    /// proxy_pass http://unix:/run/chat/socket;
    /// proxy_http_version 1.1;
    /// proxy_set_header Host $http_host;
    /// proxy_set_header Upgrade $http_upgrade;
    /// proxy_set_header Connection $http_connection;
    /// proxy_set_header X-Forwarded-For $remote_addr;
    /// proxy_set_header X-Forwarded-Proto $scheme;
    /// ```
    pub fn listen_unix(self, path: impl AsRef<Path>) -> Self {
        self.add(Source::Unix(path.as_ref().to_owned()))
    }

    /// Serves the clients of an existing listener: a `TcpListener` or a `UnixListener`. A Unix socket's
    /// file is not removed.
    pub fn listener(self, listener: impl Into<Listener>) -> Self {
        self.add(Source::Existing(listener.into()))
    }

    /// Serves the clients of all listeners that systemd, or another program with the same protocol, has
    /// passed to this process: those of a unit such as `chat.socket`, for `chat.service`.
    ///
    /// ```text
    /// [Socket]
    /// ListenStream=80
    /// ListenStream=/run/chat/socket
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    ///
    /// [`build`](ServerBuilder::build) takes them, once in a process, and changes the environment: call
    /// it before the program starts threads that read the environment. It returns
    /// [`NotFound`](io::ErrorKind::NotFound) if no sockets were passed to this process, and
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if one of them is not a listener for streams. The
    /// files of Unix sockets are not removed: they belong to systemd, and clients wait there while the
    /// service restarts.
    #[cfg(feature = "systemd")]
    #[doc(alias = "LISTEN_FDS")]
    pub fn systemd(self) -> Self {
        self.add(Source::Systemd)
    }

    /// Binds all listeners, in the order in which they were added, and starts the hub and the watchdog.
    /// Clients wait in the kernel's queue until [`Server::run`].
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) without a listener. If a name could not be resolved,
    /// or a listener cannot be bound, the error of the first one. It contains the address or the path
    /// that cannot be bound: for example [`AddrInUse`](io::ErrorKind::AddrInUse), or `InvalidInput` for a
    /// path that is longer than the system allows (107 bytes on Linux). Also if a thread cannot be
    /// started. No listener stays bound after an error.
    pub fn build(self) -> io::Result<Server> {
        Server::new(self.listeners.bind()?, self.settings)
    }

    /// Builds a server without a listener, for programs with their own accept loop, which pass accepted
    /// streams one by one.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a listener was added, since no client of it would
    /// ever be served. Also if a thread cannot be started.
    #[doc(alias = "upgrade")]
    pub fn acceptor(self) -> io::Result<Acceptor> {
        self.listeners.check_none()?;
        Acceptor::new(self.settings)
    }

    /// Sets the versions that the server speaks. Default: all five. [`Versions::RFC6455`] leaves the old
    /// ones out: the handshake of draft-75 proves nothing about the peer, that of draft-76 little.
    pub fn versions(self, versions: Versions) -> Self {
        self.connection(|options| options.config().versions = versions)
    }

    /// Sets the largest sizes that a peer may use: header block, headers, message, fragments. Defaults: see
    /// [`Limits`].
    pub fn limits(self, limits: Limits) -> Self {
        self.connection(|options| options.config().limits = limits)
    }

    /// Sets the most bytes of a message, its fragments together, and so of a frame. Default: 1 MiB.
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.connection(|options| options.config().limits.message = bytes)
    }

    /// Adds subprotocols that the server speaks; the client's order of preference decides. Default:
    /// none.
    ///
    /// # Errors
    /// [`InvalidHeader`] for a name that is empty, has an invalid byte, or was added already.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, InvalidHeader>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let own = &mut self.settings.connection.config().subprotocols;
        add_subprotocols(own, names)?;
        Ok(self)
    }

    /// Compresses messages for the clients that offer it. Default: no compression. See [`Deflate`]
    /// for the cost, and [`protocol::deflate`](crate::protocol::deflate) for the risks.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: Deflate) -> Self {
        self.connection(|options| options.config().deflate = Some(deflate))
    }

    /// Sets whether a proxy in front of this server ends TLS, so that the location that draft-75 and
    /// draft-76 receive must begin with `wss`. Default: no.
    pub fn behind_tls(self, behind_tls: bool) -> Self {
        self.connection(|options| options.config().behind_tls = behind_tls)
    }

    /// Uses TLS for all clients that connect over TCP, on every listener except those of
    /// [`listen_plain`](ServerBuilder::listen_plain). Clients of a Unix socket do not use TLS, since
    /// they are on this machine. Default: no TLS. The [handshake
    /// timeout](ServerBuilder::handshake_timeout) includes the TLS handshake. For TLS clients, the
    /// location of draft-75 and draft-76 begins with `wss` and the server's own origin is `https`, as
    /// with [`behind_tls`](ServerBuilder::behind_tls).
    ///
    /// A client that sends plain HTTP to a TLS port receives a 400 in plain HTTP. A client that is
    /// rejected before its TLS handshake, or too slow with it, receives the alert `internal_error`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: TlsServer) -> Self {
        self.set(|settings| settings.tls = Some(tls))
    }

    /// Trusts `X-Forwarded-Proto` and `X-Forwarded-For`, the last word of each: the client itself may
    /// have written the words before it. Default: no. Dangerous unless a proxy in front of this server
    /// writes both itself, and no client can get past the proxy: any client could claim any address.
    pub fn trust_forwarded_headers(self, trust: bool) -> Self {
        self.connection(|options| options.config().trust_forwarded_headers = trust)
    }

    /// Trusts these headers from every peer that connects over a Unix socket, whether or not the server
    /// trusts them from others. Default: no. For a server that a proxy on the same machine reaches
    /// over a Unix socket, and other clients over a port: dangerous if other programs can reach the
    /// socket too.
    pub fn trust_local_proxy(self, trust: bool) -> Self {
        self.set(|settings| settings.trust_local_proxy = trust)
    }

    /// Fails draft-75 and draft-76 connections on frames other than text, instead of skipping
    /// them. Default: skip; the drafts allow both.
    pub fn fail_on_unknown_frames(self, fail: bool) -> Self {
        self.connection(|options| options.config().fail_on_unknown_frames = fail)
    }

    /// Fails draft-75 and draft-76 connections on text that is not UTF-8, instead of replacing
    /// invalid parts by U+FFFD. Default: replace. The later versions always fail.
    pub fn fail_on_invalid_hixie_text(self, fail: bool) -> Self {
        self.connection(|options| options.config().fail_on_invalid_hixie_text = fail)
    }

    /// Sets whether a close frame after a protocol error names the broken rule in words, beside the
    /// code, in at most 123 bytes: this helps to find faults in a client. Default: on. The words may
    /// name a limit of this server.
    pub fn close_reasons(self, on: bool) -> Self {
        self.connection(|options| options.config().close_reasons = on)
    }

    /// Sets how long a handshake may take, from the connection to the last byte of the request.
    /// Default: 10 s. A client that takes longer receives 408.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().handshake = timeout)
    }

    /// Sets the keepalive: after how much silence the server pings a client. Default: 20 s; `None` never
    /// pings. The client may then stay silent for the [pong timeout](ServerBuilder::pong_timeout) before
    /// it is disconnected. Silence counts only while the client's handler waits for a message. Draft-75
    /// and draft-76 cannot ping: for them TCP's own keepalive uses the same times.
    ///
    /// Bytes from the client are a sign of life, and so are bytes that its socket accepts after it was
    /// full. A ping is sent once no bytes wait before it, and its pong is due only once the ping has
    /// left towards the socket. The system's own buffer, of up to 4 MiB on Linux, comes
    /// after that: both times together must be enough for the slowest client to read that much. A
    /// client that accepts no bytes although bytes wait for it has the
    /// [write timeout](ServerBuilder::write_timeout).
    ///
    /// While a message is unfinished, the client may send no byte for as long as both times
    /// together, in every version: 40 s by default, and 40 s if the interval is `None`. Then the client
    /// is disconnected with [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    #[doc(alias = "keepalive")]
    #[doc(alias = "ping")]
    #[doc(alias = "heartbeat")]
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().ping = interval)
    }

    /// Sets the time in which a pong, or any other sign of life, must follow a ping that has left.
    /// Default: 20 s. Without it the connection is ended with
    /// [`DisconnectReason::PongTimeout`](crate::DisconnectReason::PongTimeout).
    #[doc(alias = "keepalive")]
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().pong = timeout)
    }

    /// Sets the least rate of an incoming message: it may take `grace`, and one second more for every
    /// `bytes_per_second` bytes of it that have arrived. A client whose message takes longer is
    /// disconnected with [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    /// Default: no least rate.
    ///
    /// Protects against clients that keep their place with a message that never ends, a byte now and
    /// then. Choose a grace in which a message of ordinary size arrives on your slowest client's line.
    /// Time counts while the client's handler waits for a message, and not while a
    /// [rate limit](ServerBuilder::rate_limit) delays the client. The bytes are those of the message, without
    /// frame headers and pings between its fragments; of a compressed message, the inflated bytes. A
    /// rate of 0 counts as 1.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let server = stentor::Server::builder().min_message_rate(500, Duration::from_secs(20));
    /// ```
    pub fn min_message_rate(self, bytes_per_second: u32, grace: Duration) -> Self {
        let rate = MessageRate::new(bytes_per_second, grace);
        self.connection(|options| options.timeouts().message_rate = Some(rate))
    }

    /// Sets the idle timeout: after this much silence a client of any version is disconnected. A pong
    /// ends the silence, and so does a full socket that accepts more. Default: never.
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().idle = timeout)
    }

    /// Sets how long a client may accept no byte while bytes wait for it. Default: 10 s.
    pub fn write_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().write = timeout)
    }

    /// Sets how long a client may take to answer a close frame, and then to close the TCP connection.
    /// Default: 5 s.
    pub fn close_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().close = timeout)
    }

    /// Limits the bytes that wait in the send queue of a client whose socket is full (backpressure).
    /// Default: 1 MiB. An empty queue accepts a message of any size. The socket's own buffer, of up
    /// to 4 MiB on Linux, comes before the queue.
    #[doc(alias = "backpressure")]
    pub fn send_queue_limit(self, bytes: usize) -> Self {
        self.connection(|options| options.send_queue_limit = bytes)
    }

    /// Sets the policy for a slow consumer: a client whose send queue is full. Default:
    /// [`SlowClient::Close`].
    #[doc(alias = "slow consumer")]
    #[doc(alias = "backpressure")]
    pub fn slow_client(self, policy: SlowClient) -> Self {
        self.set(|settings| settings.slow_client = policy)
    }

    /// Limits the connections at a time, each of which costs a thread. Default: 10,000, or fewer if
    /// the system allows less: open files, memory mappings, threads; a warning reports that. Further
    /// clients receive 503.
    ///
    /// A client also receives 503 if the process's limits of memory (`RLIMIT_AS`, `RLIMIT_DATA`) leave
    /// no room for its thread. Of these limits a 32nd is kept for everything except threads,
    /// 12 MiB at least; and [`total_send_queue_limit`](ServerBuilder::total_send_queue_limit) and
    /// [`total_incoming_limit`](ServerBuilder::total_incoming_limit) are lowered to a quarter of that
    /// each. With glibc, the first threads of a process take 64 MiB of address space each: with a
    /// limit below a gigabyte, set `MALLOC_ARENA_MAX=1` in the environment.
    pub fn max_clients(self, clients: usize) -> Self {
        self.set(|settings| settings.max_clients = clients)
    }

    /// Sets the stack of each client's thread, in bytes. Default: 1 MiB, which is enough to read a
    /// message that is nested as deeply as serde_json allows, in a debug build too.
    ///
    /// A handler that overflows its stack aborts the whole process: unlike a panic, an overflow
    /// cannot be caught. A handler that recurses as deeply as a client's message is nested needs a
    /// limit on that depth, or a larger stack. Pages that were never touched cost only address space,
    /// which [`max_clients`](ServerBuilder::max_clients) takes into account.
    pub fn stack_size(self, bytes: usize) -> Self {
        self.set(|settings| settings.stack_size = bytes)
    }

    /// Sets whether the system sends at once, without waiting for more bytes (TCP_NODELAY). Default: on.
    pub fn no_delay(self, on: bool) -> Self {
        self.connection(|options| options.no_delay = on)
    }

    /// Sets a hook that receives each request before the response, plain HTTP (GET and HEAD) too, on the
    /// client's own thread. It runs after the checks of the version and the origin. Default: accept
    /// requests for an upgrade, reject all others with 400.
    pub fn on_request<F>(self, hook: F) -> Self
    where
        F: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_request = Some(Arc::new(hook)))
    }

    /// Sets a hook that receives the report of each closed connection, exactly once per client that was
    /// open, on the client's own thread.
    pub fn on_close<F>(self, hook: F) -> Self
    where
        F: Fn(&CloseReport) + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_close = Some(Arc::new(hook)))
    }

    /// Sets a hook that receives each change of a connection's state, on the client's own thread.
    pub fn on_state<F>(self, hook: F) -> Self
    where
        F: Fn(ClientId, Transition) + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_state = Some(Arc::new(hook)))
    }

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
        self.settings.connection.config().allowed_origins =
            Some(allowed_origins.collect::<Result<_, _>>()?);
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
    pub fn same_origin(self) -> Self {
        self.connection(|options| options.config().same_origin = true)
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
    /// # Ok::<(), stentor::protocol::InvalidHost>(())
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
        self.settings.connection.config().allowed_hosts =
            Some(allowed_hosts.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Sets the rate limit for the messages of each client: see [`RateLimit`]. Default: no limit.
    #[doc(alias = "rate limit")]
    #[doc(alias = "throttle")]
    pub fn rate_limit(self, rate: RateLimit) -> Self {
        self.set(|settings| settings.rate = Some(rate))
    }

    /// Sets the policy for a client that exceeds its rate limit. Default: [`OnRateLimit::Delay`].
    pub fn on_rate_limit(self, policy: OnRateLimit) -> Self {
        self.set(|settings| settings.on_rate_limit = policy)
    }

    /// Limits the connections at a time from one address, so that one peer cannot take all places. Of
    /// an IPv6 address, the first 64 bits count, since the owner of one address has them all.
    /// Default: no limit. Further connections receive 503.
    ///
    /// Behind a proxy, all connections come from one address. With
    /// [`trust_forwarded_headers`](ServerBuilder::trust_forwarded_headers), the last address in
    /// `X-Forwarded-For` counts, once the request has arrived; until then, a
    /// connection counts only for [`max_clients`](ServerBuilder::max_clients).
    pub fn max_clients_per_address(self, clients: Option<usize>) -> Self {
        self.set(|settings| settings.per_address.connections = clients)
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
    pub fn handshakes_per_address(self, count: u32, period: Duration) -> Self {
        self.set(|settings| settings.per_address.handshakes = Some(Handshakes { count, period }))
    }

    /// Limits the rooms that one client may be in at a time. Default: 1,000. Each room that a client is in
    /// costs the server some 200 bytes and the room's name, which has 256 bytes at most.
    ///
    /// Beyond the limit, a client does not enter the room: [`Client::join`](crate::Client::join) logs
    /// and counts that, [`Client::try_join`](crate::Client::try_join) returns an error.
    pub fn max_rooms_per_client(self, rooms: usize) -> Self {
        self.set(|settings| settings.max_rooms_per_client = rooms)
    }

    /// Limits the memberships of all clients together; one client in one room is one membership.
    /// Default: 1,000,000: a quarter of a gigabyte if each is in a room of its own with a short name,
    /// and less if many share a room. Beyond the limit, no client enters a room until a client leaves
    /// one, as with [`max_rooms_per_client`](ServerBuilder::max_rooms_per_client).
    pub fn max_memberships(self, memberships: usize) -> Self {
        self.set(|settings| settings.max_memberships = memberships)
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
    /// The [`Body`](crate::protocol::Body) of a response counts too, from 16 KiB on and unless it is static, once
    /// for all clients that share it. A client for whose page there is no room gets 503, and no client
    /// is evicted for it.
    pub fn total_send_queue_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.total_send_queue_limit = bytes)
    }

    /// Limits the bytes of memory that all clients together hold for input: messages that are not
    /// finished, receive buffers, and decompressors. Default: 256 MiB, which is room for 256
    /// clients in the middle of the largest message.
    ///
    /// Protects against many clients that each begin a message and never finish it. Beyond the limit, the
    /// clients that hold most are closed with 1013 (try again later) until an eighth is free again;
    /// in draft-76 with its `FF 00`, in draft-75 by closing the TCP connection. Their `recv` returns
    /// `Ok(None)`, and [`Counters::incoming_exceeded`](crate::server::Counters::incoming_exceeded) counts them.
    ///
    /// The limit is exceeded at most by the input that is being read at that moment: a message of each
    /// thread that reads. Less than 8 KiB of one client is not counted: all of them hold at most
    /// [`max_clients`](ServerBuilder::max_clients) times that beside it, 80 MiB by default. Messages
    /// that a handler has received do not count.
    pub fn total_incoming_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.all_incoming = bytes)
    }

    fn add(mut self, source: Source) -> Self {
        self.listeners.add(source);
        self
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    fn connection(self, set: impl FnOnce(&mut ConnectionOptions)) -> Self {
        self.set(|settings| set(&mut settings.connection))
    }
}
