//! The options of a server, each with its default, its unit and its reason; and its listeners.

use std::io;
use std::net::ToSocketAddrs;
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
use crate::protocol::{InvalidHeader, InvalidHost, InvalidOrigin, Limits, Transition, Versions};

use super::acceptor::Acceptor;
use super::addresses::Handshakes;
#[cfg(feature = "history")]
use super::history::History;
use super::listener::{Listener, Listeners, Source};
use super::proxy_protocol::TrustedProxies;
use super::reply::Reply;
use super::request::Request;
use super::run::Server;
use super::settings::{Settings, parsed};
use super::teardown::CloseReport;

/// Collects the listeners and the options of a [`Server`], then builds it. [`Server::builder`] returns it
/// without listeners and with all options at their defaults.
///
/// One thread serves all listeners in turn: none can starve another, and their clients are in the same rooms.
/// If a listener cannot be bound, [`build`](ServerBuilder::build) returns the error.
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
/// The allowed origins and hosts protect the users of browsers from pages of other sites. They prove nothing
/// about other programs, least of all in draft-75 and draft-76: any program can send any header.
#[derive(Debug, Default)]
#[doc(alias("timeout", "timeouts"))]
#[must_use = "a builder does nothing until `build` or `acceptor` is called"]
pub struct ServerBuilder {
    pub(crate) listeners: Listeners,
    pub(crate) settings: Settings,
}

impl ServerBuilder {
    /// Listens on an address. If a name has several addresses, the server listens on the first one that is
    /// free. The name is resolved now; [`build`](ServerBuilder::build) binds the address.
    ///
    /// `[::]` accepts IPv4 too, on every system that allows it, independent of the system's default. So
    /// `[::]:80` and `0.0.0.0:80` cannot both be bound.
    #[doc(alias = "bind")]
    pub fn listen(self, address: impl ToSocketAddrs) -> Self {
        self.add(Source::tcp(address))
    }

    /// On a server with [TLS](ServerBuilder::tls), listens on one more address without TLS. Browsers that are
    /// older than TLS 1.2 need it. They are in the same rooms as all other clients.
    #[cfg(feature = "tls")]
    pub fn listen_plain(self, address: impl ToSocketAddrs) -> Self {
        self.add(Source::plain(address))
    }

    /// Listens on the path of a Unix socket, for clients on this machine, such as a proxy.
    ///
    /// The server removes the file when it ends, and replaces a file that a dead server has left. It does not
    /// change the file of a running server or any other file: then `build` returns
    /// [`AddrInUse`](io::ErrorKind::AddrInUse). (On systems other than Linux, a server with a full queue of
    /// connections looks the same as a dead one.) Not on Windows.
    ///
    /// Every user with write permission for the file can connect. The process's umask and the folder decide
    /// that; often only the process's own user can. Exclude other users by the folder or the umask: a later
    /// change of the file's permissions is too late for clients that have connected.
    ///
    /// Nginx in front needs these lines. From the last two, with
    /// [`trust_local_proxy`](ServerBuilder::trust_local_proxy), the server knows a client's address and scheme.
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
    #[cfg(all(feature = "unix", unix))]
    pub fn listen_unix(self, path: impl AsRef<std::path::Path>) -> Self {
        self.add(Source::Unix(path.as_ref().to_owned()))
    }

    /// Serves the clients of an existing listener: a `TcpListener` or a `UnixListener`. The server does not
    /// remove the file of such a Unix socket. A socket that does not listen is an error of `build`.
    pub fn listener(self, listener: impl Into<Listener>) -> Self {
        self.add(Source::Existing(listener.into()))
    }

    /// Serves the clients of all listeners that systemd, or another program with the same protocol, has
    /// passed to this process. For `chat.service`, these are the listeners of a unit such as `chat.socket`:
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
    /// [`build`](ServerBuilder::build) takes the listeners, once in a process, and changes the environment.
    /// Call it before the program starts threads that read the environment. It returns
    /// [`NotFound`](io::ErrorKind::NotFound) if there are none, or another server of this process has taken
    /// them, and [`InvalidInput`](io::ErrorKind::InvalidInput) if one is not a listener for streams, or if
    /// this method was called twice. The files of Unix sockets are not removed: clients wait there while the
    /// service restarts. Not on Windows.
    #[cfg(feature = "systemd")]
    #[cfg(unix)]
    #[doc(alias = "LISTEN_FDS")]
    pub fn systemd(self) -> Self {
        self.add(Source::Systemd)
    }

    /// Binds all listeners, in the order in which they were added, and starts the hub and the watchdog.
    /// Clients wait in the kernel's queue until [`Server::run`].
    ///
    /// # Errors
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no listener, or one does not listen.
    /// - The error of the first listener that cannot be resolved or bound. If it cannot be bound, the error
    ///   has its address or path: for example [`AddrInUse`](io::ErrorKind::AddrInUse), or `InvalidInput` for
    ///   a path that is longer than the system allows (107 bytes on Linux).
    /// - An error if a thread cannot be started.
    ///
    /// No listener stays bound after an error.
    pub fn build(self) -> io::Result<Server> {
        Server::new(self.listeners.bind()?, self.settings)
    }

    /// Builds a server without a listener, for programs with their own accept loop, which pass accepted
    /// streams one by one.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a listener was added, since its clients would never
    /// be served. Also if a thread cannot be started.
    #[doc(alias = "upgrade")]
    pub fn acceptor(self) -> io::Result<Acceptor> {
        self.listeners.check_none()?;
        Acceptor::new(self.settings)
    }

    /// Sets the versions that the server speaks. Default: all five. Clients of other versions are rejected:
    /// with 426, which lists the allowed versions, or with 400 if the allowed versions have no numbers
    /// (draft-75, draft-76). [`Versions::RFC6455`] excludes the old ones: the handshake of draft-75 proves
    /// nothing about the peer, and that of draft-76 proves little.
    pub fn versions(self, versions: Versions) -> Self {
        self.connection(|options| options.config().versions = versions)
    }

    /// Sets the largest sizes that a peer may use: header block, headers, message, fragments. Defaults: see
    /// [`Limits`].
    pub fn limits(self, limits: Limits) -> Self {
        self.connection(|options| options.config().limits = limits)
    }

    /// Limits the size of a message in bytes. Its fragments count together, so the limit holds for each
    /// frame too. Default: 1 MiB. A larger message fails the connection with 1009 (1004 in versions 7 and
    /// 8). Draft-75 and draft-76 have no codes: the server closes the TCP connection. The handler's `recv`
    /// returns [`Error::Protocol`](crate::Error::Protocol).
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.connection(|options| options.config().limits.message = bytes)
    }

    /// Adds subprotocols that the server speaks. Default: none. The client lists its subprotocols in its
    /// order of preference, and the server chooses the first one that it speaks.
    ///
    /// # Errors
    /// [`InvalidHeader`] for a name that is empty, has an invalid byte, or was added already.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, InvalidHeader>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        add_subprotocols(&mut self.settings.connection.config().subprotocols, names)?;
        Ok(self)
    }

    /// Compresses messages for the clients that offer compression. Default: no compression. See [`Deflate`]
    /// for the cost, and [`protocol::deflate`](crate::protocol::deflate) for the risks.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: Deflate) -> Self {
        self.connection(|options| options.config().deflate = Some(deflate))
    }

    /// Sets whether a proxy in front of this server handles TLS. Default: no. If so, the WebSocket URL in the
    /// handshake response of draft-75 and draft-76 begins with `wss`, and the [own
    /// origin](ServerBuilder::same_origin) with `https`.
    pub fn behind_tls(self, behind_tls: bool) -> Self {
        self.connection(|options| options.config().behind_tls = behind_tls)
    }

    /// Uses TLS for all clients that connect over TCP, on every listener except those of
    /// [`listen_plain`](ServerBuilder::listen_plain). Default: no TLS. Clients of a Unix socket do not use
    /// TLS, since they are on this machine. The [handshake timeout](ServerBuilder::handshake_timeout)
    /// includes the TLS handshake. For TLS clients, URLs and origins are those of
    /// [`behind_tls`](ServerBuilder::behind_tls).
    ///
    /// A client that sends plain HTTP to a TLS port receives a 400 in plain HTTP. A client that is rejected
    /// before its TLS handshake, or too slow with it, receives the alert `internal_error`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: TlsServer) -> Self {
        self.set(|settings| settings.tls = Some(tls))
    }

    /// Sets whether the server trusts the headers `X-Forwarded-Proto` and `X-Forwarded-For`. Default: no. The
    /// server uses only the last value of each: the client itself may have written the values before it. This
    /// is dangerous, unless a proxy in front of the server writes both headers itself and no client can reach
    /// the server without the proxy. Otherwise any client can claim any address.
    pub fn trust_forwarded_headers(self, trust: bool) -> Self {
        self.connection(|options| options.config().trust_forwarded_headers = trust)
    }

    /// Sets whether the server trusts `X-Forwarded-Proto` and `X-Forwarded-For` from every peer that connects
    /// over a Unix socket, even if it does not trust them from other peers. Default: no. Use this for a proxy
    /// on the same machine that connects over a Unix socket, while other clients use a port. It is dangerous
    /// if other programs can reach the socket.
    pub fn trust_local_proxy(self, trust: bool) -> Self {
        self.set(|settings| settings.trust_local_proxy = trust)
    }

    /// Sets the proxies that send the PROXY protocol: each of their connections must begin with a header that
    /// names the client. Default: none. See [`TrustedProxies`] for the rules.
    #[doc(alias = "PROXY protocol")]
    pub fn proxy_protocol(self, trusted: TrustedProxies) -> Self {
        self.set(|settings| settings.trusted_proxies = trusted)
    }

    /// Sets whether a frame other than text fails a draft-75 or draft-76 connection. Default: no, the server
    /// skips such a frame; the drafts allow both.
    pub fn fail_on_unknown_frames(self, fail: bool) -> Self {
        self.connection(|options| options.config().fail_on_unknown_frames = fail)
    }

    /// Sets whether text that is not UTF-8 fails a connection of the hixie versions, draft-75 and draft-76.
    /// (Hixie is the nickname of their author.) Default: no, U+FFFD replaces the invalid parts. In the later
    /// versions, such text always fails the connection.
    pub fn fail_on_invalid_hixie_text(self, fail: bool) -> Self {
        self.connection(|options| options.config().fail_on_invalid_hixie_text = fail)
    }

    /// Sets whether a close frame after a protocol error has a reason beside the code: the broken rule in
    /// words, in at most 123 bytes. Default: yes. It helps to find faults in a client. The words may name a
    /// limit of this server.
    pub fn close_reasons(self, on: bool) -> Self {
        self.connection(|options| options.config().close_reasons = on)
    }

    /// Sets how long a handshake may take, from the connection to the last byte of the request. Default:
    /// 10 s. A client that takes longer receives 408.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().handshake = timeout)
    }

    /// Sets the keepalive: the server pings a client that shows no sign of life for this time. Default: 20 s.
    /// If none comes within the [pong timeout](ServerBuilder::pong_timeout) after the ping, the server
    /// disconnects the client. With `None` there is no keepalive. A client that vanishes without a close, for
    /// example in a power failure, then stays connected until the [idle
    /// timeout](ServerBuilder::idle_timeout), or until sending to it fails.
    ///
    /// A sign of life is a byte from the client, or a full socket that accepts more bytes. Time counts only
    /// while the client's handler waits for a message. Draft-75 and draft-76 cannot ping: TCP's keepalive
    /// uses the same times there.
    ///
    /// A ping is sent only when the send queue is empty; before that, the [write
    /// timeout](ServerBuilder::write_timeout) applies. The pong timeout starts when the system has accepted
    /// the ping. The system's own buffer may still hold bytes before the ping, up to 4 MiB on Linux. A late
    /// client that is still reading them is not disconnected, and has the pong timeout again after the last
    /// of them. A client that reads none of them for the write timeout is disconnected. (Over a Unix socket,
    /// or not on Linux, it has one write timeout for all. On Windows, only a full buffer counts as such bytes.)
    ///
    /// An unfinished message has a timeout too, in every version: the interval and the pong timeout together.
    /// This is 40 s by default, and also if the interval is `None`. If the client sends no byte for this
    /// time, the server disconnects it with
    /// [`UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    #[doc(alias("keepalive", "ping", "heartbeat"))]
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().ping = interval)
    }

    /// Sets the time in which a pong, or any other sign of life, must follow a ping that the system has
    /// accepted. Default: 20 s. Otherwise the server disconnects the client, with
    /// [`DisconnectReason::PongTimeout`](crate::DisconnectReason::PongTimeout).
    #[doc(alias = "keepalive")]
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().pong = timeout)
    }

    /// Sets the minimum rate of an incoming message. Default: none. A message may take the time `grace`, and
    /// one second more for every `bytes_per_second` bytes of it that have arrived. If it takes longer, the
    /// server disconnects the client with [`UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    ///
    /// This protects against clients that occupy a connection with a message that never ends, and send a byte
    /// now and then. Choose a `grace` in which a message of ordinary size arrives on your slowest client's
    /// line. Time counts only while the client's handler waits for a message, and not while a [rate
    /// limit](ServerBuilder::rate_limit) delays the client. Frame headers, and pings between the fragments,
    /// do not count as bytes of the message. A compressed message counts decompressed. A rate of 0 counts
    /// as 1.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let server = stentor::Server::builder().min_message_rate(500, Duration::from_secs(20));
    /// ```
    pub fn min_message_rate(self, bytes_per_second: u32, grace: Duration) -> Self {
        let rate = MessageRate::new(bytes_per_second, grace);
        self.connection(|options| options.timeouts().message_rate = Some(rate))
    }

    /// Sets the idle timeout: a client of any version that shows no sign of life for this time is
    /// disconnected. Default: never. A pong is a sign of life, and so is a full socket that accepts more
    /// bytes. So a client that answers pings never reaches an idle timeout that is longer than the [ping
    /// interval](ServerBuilder::ping_interval).
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().idle = timeout)
    }

    /// Sets how long a client may accept no byte while bytes wait for it. Default: 10 s. After that, the
    /// server disconnects the client. Each byte that the client accepts starts the time again.
    pub fn write_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().write = timeout)
    }

    /// Sets how long a client may take to answer a close frame, and then again to close the TCP connection.
    /// Default: 5 s. While the client is still reading the bytes before the close frame, only the write
    /// timeout applies.
    pub fn close_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().close = timeout)
    }

    /// Limits the bytes in the send queue of one client, where they wait for its socket (backpressure).
    /// Default: 1 MiB. An empty queue accepts a message of any size. The system's own buffer, up to 4 MiB on
    /// Linux, fills first.
    #[doc(alias = "backpressure")]
    pub fn send_queue_limit(self, bytes: usize) -> Self {
        self.connection(|options| options.send_queue_limit = bytes)
    }

    /// Sets the policy for a slow consumer: a client whose send queue is full. Default:
    /// [`SlowClient::Close`].
    #[doc(alias("slow consumer", "backpressure"))]
    pub fn slow_client(self, policy: SlowClient) -> Self {
        self.set(|settings| settings.slow_client = policy)
    }

    /// Limits the connections at one time, each of which costs a thread. Default: 10,000. If the system
    /// allows fewer (open files, memory mappings, threads), the limit is lower, and the log has a warning.
    /// Further clients receive 503.
    ///
    /// A client also receives 503 if the process's memory limits (`RLIMIT_AS`, `RLIMIT_DATA`) leave no room
    /// for its thread. The server reserves a 32nd of each such limit, at least 12 MiB, for everything
    /// except threads. [`total_send_queue_limit`](ServerBuilder::total_send_queue_limit) is then at most a
    /// quarter of this reserve, and [`total_incoming_limit`](ServerBuilder::total_incoming_limit)
    /// at most an eighth. With such a limit and glibc, set `MALLOC_ARENA_MAX=1` in the environment: each of
    /// glibc's heaps takes 64 MiB of address space and keeps freed memory, of which this reserve knows
    /// nothing. Without `/proc`, such a limit is not kept, and the log warns at start.
    pub fn max_clients(self, clients: usize) -> Self {
        self.set(|settings| settings.max_clients = clients)
    }

    /// Sets the stack of each client's thread, in bytes. Default: 1 MiB. This is enough to read a message
    /// that is nested as deeply as serde_json allows, in a debug build too.
    ///
    /// A handler that overflows its stack aborts the whole process: unlike a panic, an overflow cannot be
    /// caught. A handler that recurses into a nested message needs a limit on the depth, or a larger stack.
    /// Pages that were never touched cost only address space, which the check for
    /// [`max_clients`](ServerBuilder::max_clients) includes.
    pub fn stack_size(self, bytes: usize) -> Self {
        self.set(|settings| settings.stack_size = bytes)
    }

    /// Sets whether the system sends at once, without waiting for more bytes (TCP_NODELAY). Default: on.
    pub fn no_delay(self, on: bool) -> Self {
        self.connection(|options| options.no_delay = on)
    }

    /// Sets a hook that receives each valid request before the server responds, also plain HTTP requests
    /// (GET and HEAD; others receive 405 or 501), on the client's own thread. Before it, the server checks the
    /// limits per address and the host; for WebSocket requests, also the version and the origin. If the hook
    /// panics, the client receives 500. Default: accept WebSocket requests, reject all others with 400.
    #[doc(alias = "upgrade")]
    #[doc(alias = "header")]
    pub fn on_request<F>(self, hook: F) -> Self
    where
        F: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_request = Some(Arc::new(hook)))
    }

    /// Sets a hook that receives the report of each closed connection, on the client's own thread. It runs
    /// exactly once for each client that was open. A panic of the hook is logged.
    pub fn on_close<F>(self, hook: F) -> Self
    where
        F: Fn(&CloseReport) + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_close = Some(Arc::new(hook)))
    }

    /// Sets a hook that receives each change of a connection's state, on the client's own thread. A request that
    /// receives a page ends in [`Rejected`](crate::protocol::State::Rejected) too; its number is in no report.
    pub fn on_state<F>(self, hook: F) -> Self
    where
        F: Fn(ClientId, Transition) + Send + Sync + 'static,
    {
        self.set(|settings| settings.on_state = Some(Arc::new(hook)))
    }

    /// Sets the allowed origins, each compared exactly by scheme, host and port. Default: any origin, and
    /// requests without one. With a list, a request without an origin is rejected, and `null` is allowed only
    /// if it is in the list. The list can contain every origin that clients send: `https://example.com`,
    /// `file://`, `chrome-extension://…`, `capacitor://localhost`. Other origins receive 403, in every
    /// version.
    ///
    /// This protects against pages of other sites (cross-site WebSocket hijacking). Such a page can open a
    /// WebSocket to this server, and the browser adds the user's cookies to the request.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for an origin without a scheme, or without a host if the scheme must have one.
    pub fn allowed_origins<I>(self, allowed_origins: I) -> Result<Self, InvalidOrigin>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let allowed_origins = parsed(allowed_origins)?;
        Ok(self.connection(|options| options.config().allowed_origins = Some(allowed_origins)))
    }

    /// Allows only pages that this server has served itself. Default: off. Their origin has the host and the
    /// port of the `Host` header. Its scheme is `https` with TLS, with
    /// [`behind_tls`](ServerBuilder::behind_tls), or if a trusted proxy reports it; otherwise it is `http`.
    /// The origins in [`allowed_origins`](ServerBuilder::allowed_origins) are also allowed.
    ///
    /// This protects like `allowed_origins`, but the program need not know the server's name. A proxy in
    /// front must pass `Host` on unchanged. Add [`allowed_hosts`](ServerBuilder::allowed_hosts) against DNS
    /// rebinding, which gives another site's page the same origin.
    ///
    /// A request without an origin is allowed, unless there is a list: browsers always send one, and other
    /// programs can send any. Draft-75 and draft-76 require one from every client.
    pub fn same_origin(self) -> Self {
        self.connection(|options| options.config().same_origin = true)
    }

    /// Sets the allowed hosts, by name or address and without a port: every port is allowed. Default: any
    /// host. The header `Host` of every request is checked, also of a request for a page: a health check must
    /// name an allowed host too. Another host receives 421 (RFC 9110 §15.5.20), in every version.
    ///
    /// This protects against DNS rebinding: an attacker points a host name of its own to this server's
    /// address. Then the attacker's page has the same origin as this server, even if the server is behind a
    /// firewall.
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
    pub fn allowed_hosts<I>(self, allowed_hosts: I) -> Result<Self, InvalidHost>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let allowed_hosts = parsed(allowed_hosts)?;
        Ok(self.connection(|options| options.config().allowed_hosts = Some(allowed_hosts)))
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

    /// Limits the connections at one time from one address, so that one peer cannot take all connections.
    /// Default: no limit. Further connections receive 503. IPv6 addresses with the same first 64 bits count
    /// as one address, since one client usually owns all of them.
    ///
    /// Behind a proxy, all connections come from one address. If the server trusts the proxy's headers, the
    /// last address in `X-Forwarded-For` counts, once the request has arrived; with the [PROXY
    /// protocol](ServerBuilder::proxy_protocol), the address in its header. Until then, the connection
    /// counts only for [`max_clients`](ServerBuilder::max_clients).
    pub fn max_clients_per_address(self, clients: Option<usize>) -> Self {
        self.set(|settings| settings.per_address.connections = clients)
    }

    /// Limits the handshakes from one address: it may make `count` at once, and regains them evenly,
    /// `count` in each `period`. Default: no limit. This protects against a peer that connects again and
    /// again, or tries passwords. Each connection below the limit counts, also a request for a page.
    /// Addresses are those of [`max_clients_per_address`](ServerBuilder::max_clients_per_address). A client
    /// beyond the limit receives 429 and the time to try again; this attempt does not count. With a
    /// `period` of [`Duration::MAX`], the `count` is never restored. A `period` of zero is no limit. A
    /// `count` of 0 counts as 1.
    ///
    /// Behind a proxy whose headers are trusted, every request counts for the address that its header names,
    /// even if it is rejected for its host, origin or version. Bytes that are not a request name no address,
    /// and do not count. Otherwise they would use up the limit of the proxy's own address, which all clients
    /// with an unknown address share. The server remembers at most 131,072 addresses: this does not stop an
    /// attacker with more.
    pub fn handshakes_per_address(self, count: u32, period: Duration) -> Self {
        self.set(|settings| settings.per_address.handshakes = Some(Handshakes { count, period }))
    }

    /// Limits the rooms that one client may be in at one time. Default: 1,000. Each of them costs the server
    /// some 200 bytes and the room's name, which has 256 bytes at most. Beyond the limit, the client does not
    /// enter the room: [`Client::join`](crate::Client::join) logs and counts that,
    /// [`Client::try_join`](crate::Client::try_join) returns an error.
    pub fn max_rooms_per_client(self, rooms: usize) -> Self {
        self.set(|settings| settings.max_rooms_per_client = rooms)
    }

    /// Limits the memberships of all clients together; one client in one room is one membership. Default:
    /// 1,000,000. A million cost a quarter of a gigabyte if each is in a room of its own with a short name,
    /// and less if many share a room. At the limit, no client enters a further room until one leaves
    /// a room: see [`JoinError`](crate::server::JoinError).
    pub fn max_memberships(self, memberships: usize) -> Self {
        self.set(|settings| settings.max_memberships = memberships)
    }

    /// Keeps the newest messages of each room, for clients that come back: see [`History`]. Default: none.
    #[cfg(feature = "history")]
    pub fn history(self, history: History) -> Self {
        self.set(|settings| settings.history = Some(history))
    }

    /// Limits the memory of the send queues of all clients together, in bytes. Default: 256 MiB. This is room
    /// for 256 clients whose queues are full of messages for them alone, and small enough for a small
    /// machine. A message that is broadcast to many clients is counted once.
    ///
    /// Beyond the limit, the server evicts clients until an eighth is free again, under every
    /// [`slow_client`](ServerBuilder::slow_client) policy: it disconnects them with
    /// [`DisconnectReason::TotalSendQueue`](crate::DisconnectReason::TotalSendQueue), the largest queue
    /// first. The limit is exceeded at most by the messages that are being sent at that moment: a batch of
    /// broadcasts, and a message of each thread that sends.
    ///
    /// The [`Body`](crate::protocol::Body) of a response counts too, if it has 16 KiB or more and is not
    /// static. It counts once for all clients that share it. If there is no room for a body, its client
    /// receives 503, and no client is evicted for it.
    pub fn total_send_queue_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.total_send_queue_limit = bytes)
    }

    /// Limits the bytes of memory that all clients together hold for input: unfinished messages, receive
    /// buffers, decompressors, and large requests. Default: 256 MiB, which is room for 256 clients in the
    /// middle of the largest message. Messages that a handler has received do not count.
    ///
    /// This protects against many clients that each begin a message and never finish it. Beyond the limit,
    /// the server closes the clients that hold most, with 1013 (try again later), until an eighth is free
    /// again. Draft-76 has only its `FF 00`, and for draft-75 the TCP connection is closed. The client's
    /// `recv` returns `Ok(None)`, and
    /// [`Counters::incoming_exceeded`](crate::server::Counters::incoming_exceeded) counts the client.
    ///
    /// The limit is exceeded at most by the input that is being read at that moment: a message of each thread
    /// that reads. A client that holds less than 8 KiB is not counted. All such clients hold in addition at
    /// most 8 KiB for each of [`max_clients`](ServerBuilder::max_clients), about 80 MiB by default.
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
