//! The options of a client connection, each with its default, its unit and its reason.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ProxyError};
use crate::net::connection::Conversation;
use crate::net::deadline::Deadline;
use crate::net::options::ConnectionOptions;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::timeouts::MessageRate;
use crate::net::tls::{TlsClient, TlsSession};
#[cfg(feature = "deflate")]
use crate::protocol::Deflate;
use crate::protocol::{
    ClientRequest, Connection, InvalidHeader, InvalidOrigin, Limits, Origin, Version,
};

use super::connect::dial;
use super::entropy;
use super::proxy;
use super::proxy::Proxy;
use super::redirects::{Chain, Redirects};
use super::runtime::Runtime;
use super::transport::{Transport, bridge};
use super::websocket::WebSocket;

/// Opens connections with these options; one connector can open any number of them.
///
/// ```no_run
/// use std::time::Duration;
///
/// let socket = stentor::Connector::new()
///     .subprotocols(["chat"])?
///     .cookie("session", "e8bb43229de9")?
///     .handshake_timeout(Duration::from_secs(3))
///     .connect("ws://127.0.0.1:8000/chat")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[doc(alias = "timeouts")]
#[must_use = "a connector does nothing until `connect` is called"]
pub struct Connector {
    /// The request, without the URL.
    request: ClientRequest,
    connection: ConnectionOptions,
    connect_timeout: Duration,
    local: Option<IpAddr>,
    way: Way,
    redirects: Option<Redirects>,
    tls: Option<TlsClient>,
}

#[derive(Debug, Clone)]
enum Way {
    Straight,
    Through(Proxy),
    /// Through the proxy that the environment names, if it does.
    AsUsual,
}

impl Default for Connector {
    fn default() -> Connector {
        Connector::new()
    }
}

/// Connects to a server, with all options at their defaults.
///
/// ```no_run
/// let mut socket = stentor::connect("ws://127.0.0.1:8000/chat")?;
/// socket.send("hello")?;
/// while let Some(message) = socket.recv()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), stentor::Error>(())
/// ```
///
/// # Errors
/// The same as [`Connector::connect`].
pub fn connect(url: &str) -> Result<WebSocket, Error> {
    Connector::new().connect(url)
}

impl Connector {
    /// Creates a connector with all options at their defaults.
    pub fn new() -> Connector {
        Connector {
            request: ClientRequest::nowhere(),
            connection: ConnectionOptions::default(),
            connect_timeout: Duration::from_secs(10),
            local: None,
            way: Way::Straight,
            redirects: None,
            tls: None,
        }
    }

    /// Sets the version of the handshake. Default: RFC 6455. The others are for old servers; a client
    /// cannot offer several.
    pub fn version(mut self, version: Version) -> Self {
        self.request = self.request.version(version);
        self
    }

    /// Offers subprotocols, the best first, after those that are offered already. Default: none.
    /// Draft-75 and draft-76 have no lists: only the first of all is requested, and the server must
    /// accept it.
    ///
    /// # Errors
    /// [`InvalidHeader`] for a name that is empty, has an invalid byte, or is offered already.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, InvalidHeader>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.request = self.request.subprotocols(names)?;
        Ok(self)
    }

    /// Adds a header to the request: `Authorization`, `User-Agent`. Default: none.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the header would break the request or belongs to the handshake.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.request = self.request.header(name, value)?;
        Ok(self)
    }

    /// Adds a cookie. Default: none; cookies that servers set are not kept.
    ///
    /// # Errors
    /// [`InvalidHeader`] for an invalid name or value.
    pub fn cookie(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.request = self.request.cookie(name, value)?;
        Ok(self)
    }

    /// Sets the origin: the page that opens the connection. Default: none, as programs have no page;
    /// draft-75 and draft-76 require an origin, and get the server's own.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if `origin` is not an origin.
    pub fn origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        self.request = self.request.origin(origin.parse::<Origin>()?);
        Ok(self)
    }

    /// Sets the timeout for resolving the server's name, connecting, and passing a proxy. Default: 10 s.
    /// The system's resolver has no timeout: a lookup may continue, on its own thread, after this
    /// timeout. A process has 64 such threads at most; further names wait, within this timeout, for one
    /// to end.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the timeout for the handshake after that, up to the last byte of the response. Default:
    /// 10 s.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().handshake = timeout)
    }

    /// Sets how long the server may read nothing of the queued bytes. Default: 10 s.
    pub fn write_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().write = timeout)
    }

    /// Sets how long the server may take to answer a close, and then to close the TCP connection.
    /// Default: 5 s.
    pub fn close_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().close = timeout)
    }

    /// Sets the keepalive: the silence after which the server is pinged. Default: 20 s; `None` never
    /// pings. The server may then stay silent for the [pong timeout](Connector::pong_timeout) before
    /// this side disconnects. Silence counts only while a thread waits in `recv`. Draft-75 and draft-76
    /// have no ping: for them TCP's keepalive uses the same times.
    ///
    /// Bytes that come from the server are a sign of life, and so are bytes that the socket takes
    /// after it was full. A ping is sent once nothing waits before it, and its pong is due only
    /// once it has left towards the socket. The system's own buffer, of up to 4 MiB on Linux, comes
    /// after that: both times together must be enough for the server to read that much. A server
    /// that takes nothing although something waits for it has the
    /// [write timeout](Connector::write_timeout).
    ///
    /// A message that has begun and does not end may bring no byte for as long as both times
    /// together, in every version: 40 s by default, and 40 s if the interval is `None`. Then the server
    /// is given up with [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
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

    /// Sets the minimum rate of an incoming message: it may take `grace`, and one second more for
    /// every `bytes_per_second` bytes of it that were received. If a message takes longer, this side
    /// disconnects with [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage). Default: no minimum rate.
    ///
    /// Time counts while a thread waits in `recv`. The bytes are those of the message, without
    /// headers and pings between its fragments; a compressed message counts decompressed. A rate of 0
    /// counts as 1.
    pub fn min_message_rate(self, bytes_per_second: u32, grace: Duration) -> Self {
        let rate = MessageRate::new(bytes_per_second, grace);
        self.connection(|options| options.timeouts().message_rate = Some(rate))
    }

    /// Sets the silence after which this side disconnects, in every version. A pong ends the silence,
    /// and so does a full socket that accepts more bytes. Default: never.
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().idle = timeout)
    }

    /// Sets the limits for the server's input: header block, headers, message, fragments. Defaults: see
    /// [`Limits`].
    pub fn limits(self, limits: Limits) -> Self {
        self.connection(|options| options.config().limits = limits)
    }

    /// Sets the most bytes of a message, its fragments together, and so of a frame. Default: 1 MiB.
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.connection(|options| options.config().limits.message = bytes)
    }

    /// Sets whether the close frame after a protocol error names the broken rule as its reason, beside
    /// the code, in at most 123 bytes: it helps to find the fault in a server. Default: on. The reason
    /// may name a limit of this client.
    pub fn close_reasons(self, on: bool) -> Self {
        self.connection(|options| options.config().close_reasons = on)
    }

    /// Offers compression to the server. Default: none. In RFC 6455 only; see [`Deflate`] for the
    /// costs, and [`protocol::deflate`](crate::protocol::deflate) for the risks. If a server requires
    /// context takeover and it is not allowed here, messages are not compressed.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: Deflate) -> Self {
        self.connection(|options| options.config().deflate = Some(deflate))
    }

    /// Sets the limit of the send queue, for a server that reads too slowly; sending beyond the limit
    /// waits (backpressure). Default: 1 MiB. The system's own buffer, of up to 4 MiB on Linux, is filled
    /// first.
    #[doc(alias = "backpressure")]
    pub fn send_queue_limit(self, bytes: usize) -> Self {
        self.connection(|options| options.send_queue_limit = bytes)
    }

    /// Sets TCP_NODELAY: the system sends at once, without waiting for more bytes. Default: on.
    pub fn no_delay(self, on: bool) -> Self {
        self.connection(|options| options.no_delay = on)
    }

    /// Sets the local address to connect from. Default: the system's choice.
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.local = Some(address);
        self
    }

    /// Connects through a proxy. Default: directly. The proxy resolves the server's name.
    ///
    /// - `http://host:port`: an HTTP proxy, by CONNECT. `http://` may be missing; the port is 80 unless
    ///   it is given.
    /// - `socks5://host:port`: a SOCKS5 proxy (RFC 1928); the port is 1080 unless it is given.
    ///   `socks5h://` is the same: unlike in curl, names are never resolved here.
    ///
    /// If the proxy requires a name and a password, `user:password@` stands before the host,
    /// percent-encoded. Both are sent to it in clear text, and never to the server.
    ///
    /// ```no_run
    /// let socket = stentor::Connector::new()
    ///     .proxy("socks5://user:password@proxy.example:1080")?
    ///     .connect("ws://chat.example/")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProxyError::InvalidUrl`] if `url` is not the URL of a proxy; for SOCKS5, also if the user name
    /// is empty, or if user name or password have more than 255 bytes.
    #[doc(alias = "CONNECT")]
    #[doc(alias = "SOCKS")]
    #[doc(alias = "Tor")]
    pub fn proxy(mut self, url: &str) -> Result<Self, ProxyError> {
        self.way = Way::Through(url.parse()?);
        Ok(self)
    }

    /// Connects through the proxy that the environment names, if it does: `http_proxy` for `ws`,
    /// `https_proxy` or `HTTPS_PROXY` for `wss`; if that is not set, or empty, `all_proxy` or `ALL_PROXY`
    /// for both. Their values are the URLs of [`proxy`](Connector::proxy). Directly to the hosts in
    /// `no_proxy` or `NO_PROXY`, separated by commas: `*` for everything; `example.com` or `.example.com` for that host and all
    /// below it; for URLs with an address instead of a name, `10.0.0.1` and `::1` for that one,
    /// `10.0.0.0/8` and `fd00::/8` for a block. Ports are not supported, and other entries are ignored.
    /// `HTTP_PROXY` is not used: if a program answers web requests through CGI, anybody can set it.
    /// Default: directly.
    pub fn proxy_from_env(mut self) -> Self {
        self.way = Way::AsUsual;
        self
    }

    /// Follows these redirects in [`connect`](Connector::connect); in the other methods, which have no
    /// other stream, a redirect is an error. Default: none. Each request of the chain has the connect
    /// timeout and the handshake timeout anew.
    ///
    /// ```no_run
    /// use stentor::client::Redirects;
    ///
    /// let socket = stentor::Connector::new()
    ///     .follow_redirects(Redirects::same_host(5))
    ///     .connect("ws://chat.example/")?;
    /// # Ok::<(), stentor::Error>(())
    /// ```
    pub fn follow_redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = Some(redirects);
        self
    }

    /// Sets the trusted certificates for `wss` URLs. Default: those of the authorities that Mozilla
    /// trusts ([`TlsClient::new`]).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects and performs the handshake: `ws://host:port/path?query`, or `wss` if the library was
    /// built with its feature `tls`. All addresses of the host are tried, IPv6 and IPv4 in turn.
    /// Redirects are not followed, unless [`follow_redirects`](Connector::follow_redirects) is set.
    ///
    /// # Errors
    /// [`Error::Url`] if the URL is not such a URL; [`Error::Io`] if there is no such host, or if none
    /// of its addresses answers, or not in time; [`Error::Proxy`] if the proxy rejects the request;
    /// [`Error::Handshake`] if the server rejects it, with its response, or does not speak the version;
    /// [`Error::Disconnected`] if the server disconnects, or if the handshake takes too long;
    /// [`Error::Redirect`] for a redirect that is not to be followed. With `wss`,
    /// `Error::Tls` if the server does not prove to be the server of that name, and [`Error::Io`] if
    /// the library was built without `tls`.
    pub fn connect(&self, url: &str) -> Result<WebSocket, Error> {
        let mut request = self.request.at(url)?;
        let Some(redirects) = &self.redirects else {
            return self.attempt(&request);
        };
        let mut chain = Chain::new(redirects);
        loop {
            match self.attempt(&request) {
                Err(error) => request = chain.after(&request, error)?,
                open => return open,
            }
        }
    }

    /// Like [`connect`](Connector::connect), over an existing connection: TCP, or a Unix socket. The
    /// URL names the requested resource.
    ///
    /// # Errors
    /// The same as [`connect`](Connector::connect), and [`Error::Io`] if the stream is not connected.
    pub fn connect_over(&self, stream: impl Into<Stream>, url: &str) -> Result<WebSocket, Error> {
        let request = self.request.at(url)?;
        let tls = self.tls_for(&request)?;
        self.begin(stream.into(), tls, &request)
    }

    /// Like [`connect_over`](Connector::connect_over), over anything that reads and writes. Three
    /// threads bridge it to a socket: they copy the bytes in both directions, and wait for the end.
    /// With `wss`, the transport must encrypt.
    ///
    /// # Errors
    /// The same as [`connect_over`](Connector::connect_over), and [`Error::Io`] if the threads of the
    /// bridge cannot be started.
    pub fn connect_through(
        &self,
        transport: impl Transport,
        url: &str,
    ) -> Result<WebSocket, Error> {
        let request = self.request.at(url)?;
        let (near, bridge) = bridge(transport, self.connection.timeouts.close)?;
        let mut socket = self.begin(near.into(), None, &request)?;
        socket.bridge = Some(bridge);
        Ok(socket)
    }

    /// Connects to the server of one request.
    fn attempt(&self, request: &ClientRequest) -> Result<WebSocket, Error> {
        let tls = self.tls_for(request)?;
        let limit = Deadline::after(self.connect_timeout);
        let proxy = match &self.way {
            Way::Straight => None,
            Way::Through(proxy) => Some(proxy.clone()),
            Way::AsUsual => proxy::from_env(request)?,
        };
        let stream = match proxy {
            None => dial(request.host(), request.port(), self.local, limit)?,
            Some(proxy) => {
                let mut stream = dial(&proxy.host, proxy.port, self.local, limit)?;
                proxy.pass(&mut stream, request, &self.connection.config.limits, limit)?;
                stream
            }
        };
        self.begin(stream.into(), tls, request)
    }

    /// Starts the connection on a connected stream, and performs the handshake.
    fn begin(
        &self,
        stream: Stream,
        tls: Option<TlsSession>,
        request: &ClientRequest,
    ) -> Result<WebSocket, Error> {
        // Before anything is sent: without random bytes a client could send no frame.
        entropy::check()?;
        let common = Runtime::get()?;
        let options = &self.connection;
        let (peer, local) = (stream.peer()?, stream.local_addr());
        stream.set_blocking()?;
        let socket = Arc::new(match tls {
            Some(tls) => Socket::secured(stream, tls),
            None => Socket::new(stream),
        });
        if options.no_delay {
            socket.set_no_delay();
        }
        let link = common.watch(&socket, peer, options);
        let connection = Connection::client(Arc::clone(&options.config), request, entropy::fill);
        let watchdog = Arc::clone(&common.watchdog);
        let talk = Conversation::new(connection, link, socket, watchdog);
        WebSocket::open(talk, request.target(), local)
    }

    /// Returns a TLS session for a `wss` URL, with the server that it names, and no other.
    fn tls_for(&self, request: &ClientRequest) -> Result<Option<TlsSession>, Error> {
        if !request.is_secure() {
            return Ok(None);
        }
        let session = match &self.tls {
            Some(tls) => tls.session(request.host())?,
            None => TlsClient::usual()?.session(request.host())?,
        };
        Ok(Some(session))
    }

    fn connection(mut self, set: impl FnOnce(&mut ConnectionOptions)) -> Self {
        set(&mut self.connection);
        self
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the request: it contains cookies and passwords, and logs are kept.
        f.debug_struct("Connector")
            .field("connection", &self.connection)
            .field("connect_timeout", &self.connect_timeout)
            .field("local", &self.local)
            .field("way", &self.way)
            .field("redirects", &self.redirects)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
