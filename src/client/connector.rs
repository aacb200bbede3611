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
use crate::net::transport::{Transport, bridge};
#[cfg(feature = "deflate")]
use crate::protocol::Deflate;
use crate::protocol::{
    ClientRequest, Connection, InvalidHeader, InvalidOrigin, Limits, Origin, Version,
};

use super::connect::dial;
use super::entropy;
use super::proxy;
use super::proxy::Proxy;
use super::reconnect::{Destination, Reconnect, Reconnecting};
use super::redirects::{Chain, Redirects};
use super::runtime::Runtime;
use super::websocket::WebSocket;

/// Opens client connections with these options. One connector can open any number of connections.
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
#[doc(alias = "timeout")]
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

    /// Sets the version of the handshake. Default: RFC 6455. The other versions are for old servers. A client
    /// cannot offer several versions at once.
    pub fn version(mut self, version: Version) -> Self {
        self.request = self.request.version(version);
        self
    }

    /// Offers subprotocols, the best first, after those that are offered already. Default: none. Draft-75 and
    /// draft-76 have no lists: the client requests only the first subprotocol of all, and the server must
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

    /// Adds a header to the request, such as `Authorization` or `User-Agent`. Default: none.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the header would break the request, or if the handshake itself writes this
    /// header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.request = self.request.header(name, value)?;
        Ok(self)
    }

    /// Adds a cookie to the request. Default: none. The connector does not keep cookies that servers set.
    ///
    /// # Errors
    /// [`InvalidHeader`] for an invalid name or value.
    pub fn cookie(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.request = self.request.cookie(name, value)?;
        Ok(self)
    }

    /// Sets the origin, which names the page that opens the connection. Default: none, since a program has no
    /// page. Draft-75 and draft-76 require an origin: by default it is the server's own.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if `origin` is not an origin.
    pub fn origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        self.request = self.request.origin(origin.parse::<Origin>()?);
        Ok(self)
    }

    /// Sets the timeout for the steps before the handshake: resolving the server's name, connecting, and the
    /// request to a proxy. Default: 10 s.
    ///
    /// The system's resolver has no timeout. So a lookup may continue on a thread of its own after this
    /// timeout. A process has at most 64 such threads. Further lookups wait until one of these threads ends,
    /// within this timeout.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the timeout for the handshake. Default: 10 s. The time begins when the TCP connection, or the
    /// proxy's tunnel, is ready. It ends with the last byte of the server's response, and includes the TLS
    /// handshake.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().handshake = timeout)
    }

    /// Sets how long the server may accept no byte while bytes wait for it. Default: 10 s. After that, this
    /// side disconnects. Each byte that the server accepts starts the time again.
    pub fn write_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().write = timeout)
    }

    /// Sets how long the server may take to answer a close frame, and then again to close the TCP connection.
    /// Default: 5 s.
    pub fn close_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().close = timeout)
    }

    /// Sets the keepalive: this side pings the server if it shows no sign of life for this time. Default:
    /// 20 s. If no sign of life comes within the [pong timeout](Connector::pong_timeout) after the ping, this
    /// side disconnects. With `None` there is no keepalive: the loss of the network may stay unnoticed until
    /// sending fails.
    ///
    /// A sign of life is a byte from the server, or a full socket that accepts more bytes. Time counts only
    /// while a thread waits in `recv`. Draft-75 and draft-76 have no ping: TCP's own keepalive uses the same
    /// times for them.
    ///
    /// A ping is sent only when the send queue is empty; before that, the [write
    /// timeout](Connector::write_timeout) applies. The pong timeout starts when the system has accepted the
    /// ping. The system's own buffer may still hold bytes before the ping, up to 4 MiB on Linux. While the
    /// server is still reading them, it has more time, and then the pong timeout again.
    /// [`ServerBuilder::ping_interval`](crate::ServerBuilder::ping_interval) explains this in detail.
    ///
    /// An unfinished message has a timeout too, in every version: the interval and the pong timeout together.
    /// This is 40 s by default, and also if the interval is `None`. If the server sends no byte for this
    /// time, this side disconnects with
    /// [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    #[doc(alias = "keepalive")]
    #[doc(alias = "ping")]
    #[doc(alias = "heartbeat")]
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().ping = interval)
    }

    /// Sets the time in which a pong, or any other sign of life, must follow a ping that the system has
    /// accepted. Default: 20 s. Otherwise this side disconnects with
    /// [`DisconnectReason::PongTimeout`](crate::DisconnectReason::PongTimeout).
    #[doc(alias = "keepalive")]
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        self.connection(|options| options.timeouts().pong = timeout)
    }

    /// Sets the minimum rate of an incoming message. Default: none. A message may take the time `grace`, and
    /// one second more for every `bytes_per_second` bytes of it that have arrived. If it takes longer, this
    /// side disconnects with
    /// [`DisconnectReason::UnfinishedMessage`](crate::DisconnectReason::UnfinishedMessage).
    ///
    /// Time counts only while a thread waits in `recv`. Frame headers, and pings between the fragments, do
    /// not count as bytes of the message. A compressed message counts decompressed. A rate of 0 counts as 1.
    pub fn min_message_rate(self, bytes_per_second: u32, grace: Duration) -> Self {
        let rate = MessageRate::new(bytes_per_second, grace);
        self.connection(|options| options.timeouts().message_rate = Some(rate))
    }

    /// Sets the idle timeout: if the server shows no sign of life for this time, this side disconnects, in
    /// every version. Default: never. A pong is a sign of life, and so is a full socket that accepts more
    /// bytes. So a server that answers pings never reaches an idle timeout that is longer than the [ping
    /// interval](Connector::ping_interval).
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        self.connection(|options| options.timeouts().idle = timeout)
    }

    /// Sets the largest sizes that a server may use: header block, headers, message, fragments. Defaults: see
    /// [`Limits`].
    pub fn limits(self, limits: Limits) -> Self {
        self.connection(|options| options.config().limits = limits)
    }

    /// Limits the size of a message in bytes. Its fragments count together, so the limit holds for each
    /// frame too. Default: 1 MiB. A larger message fails the connection with 1009 (1004 in versions 7 and
    /// 8), and `recv` returns [`Error::Protocol`]. Draft-75 and draft-76 have no codes: this side closes
    /// the TCP connection.
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.connection(|options| options.config().limits.message = bytes)
    }

    /// Sets whether a close frame after a protocol error has a reason beside the code: the broken rule in
    /// words, in at most 123 bytes. Default: yes. It helps to find faults in a server. The words may name a
    /// limit of this client.
    pub fn close_reasons(self, on: bool) -> Self {
        self.connection(|options| options.config().close_reasons = on)
    }

    /// Offers compression to the server, in RFC 6455 only. Default: no compression. See [`Deflate`] for the
    /// costs, and [`protocol::deflate`](crate::protocol::deflate) for the risks. If a server requires context
    /// takeover and this side does not allow it, messages are not compressed.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: Deflate) -> Self {
        self.connection(|options| options.config().deflate = Some(deflate))
    }

    /// Limits the bytes in the send queue, where they wait for a server that reads too slowly. Default:
    /// 1 MiB. If the queue is full, sending waits (backpressure). The system's own buffer, up to 4 MiB on
    /// Linux, fills first.
    #[doc(alias = "backpressure")]
    pub fn send_queue_limit(self, bytes: usize) -> Self {
        self.connection(|options| options.send_queue_limit = bytes)
    }

    /// Sets whether the system sends at once, without waiting for more bytes (TCP_NODELAY). Default: on.
    pub fn no_delay(self, on: bool) -> Self {
        self.connection(|options| options.no_delay = on)
    }

    /// Sets the local address from which to connect. Default: the system's choice.
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.local = Some(address);
        self
    }

    /// Connects through a proxy. Default: no proxy. The proxy resolves the server's name.
    ///
    /// - `http://host:port`, or only `host:port`: an HTTP proxy, with the method CONNECT. The default port
    ///   is 80.
    /// - `socks5://host:port`: a SOCKS5 proxy (RFC 1928). The default port is 1080. `socks5h://` is the same:
    ///   unlike curl, Stentor never resolves names itself here.
    ///
    /// If the proxy requires a login, `user:password@` comes before the host, percent-encoded. Both are sent
    /// to the proxy in clear text, and never to the server.
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

    /// Connects through the proxy that the environment names, or directly if it names none. Default:
    /// directly. For `ws` URLs, the variable is `http_proxy`; for `wss` URLs, it is `https_proxy` or
    /// `HTTPS_PROXY`. If it is not set, or empty, `all_proxy` or `ALL_PROXY` is used for both. The values
    /// are the URLs of [`proxy`](Connector::proxy). `HTTP_PROXY` is not used: if a program answers web
    /// requests through CGI, anybody can set it.
    ///
    /// The hosts in `no_proxy` or `NO_PROXY` are reached directly. Commas separate the entries:
    ///
    /// - `*` is every host.
    /// - `example.com` or `.example.com` is this host and all hosts below it.
    /// - `10.0.0.1` or `::1` is this address, if the URL has an address instead of a name.
    /// - `10.0.0.0/8` or `fd00::/8` is a block of such addresses.
    ///
    /// Other entries are ignored, also those with a port.
    #[doc(alias = "http_proxy")]
    #[doc(alias = "https_proxy")]
    #[doc(alias = "no_proxy")]
    pub fn proxy_from_env(mut self) -> Self {
        self.way = Way::AsUsual;
        self
    }

    /// Sets the redirects that [`connect`](Connector::connect) follows. Default: none. The other methods
    /// cannot open a second stream, so a redirect is an error there. Each request of the chain has the
    /// connect timeout and the handshake timeout anew.
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

    /// Sets the trusted certificates for `wss` URLs. Default: those of the authorities that Mozilla trusts
    /// ([`TlsClient::new`]).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connects to a server and performs the handshake. The URL is `ws://host:port/path?query`, or begins
    /// with `wss` if the library was built with its feature `tls`. All addresses of the host are tried, IPv6
    /// and IPv4 in turn. Redirects are followed only with
    /// [`follow_redirects`](Connector::follow_redirects).
    ///
    /// # Errors
    /// - [`Error::Url`] if the URL is not a WebSocket URL.
    /// - [`Error::Io`] if the host does not exist, no address of the host answers, or the proxy does not
    ///   answer within the [connect timeout](Connector::connect_timeout). Also for `wss`, if the library was
    ///   built without `tls`.
    /// - [`Error::Proxy`] if the proxy rejects the request, or its URL in the environment is invalid.
    /// - `Error::Tls` if the server does not prove that it is the server of that name, or TLS fails in
    ///   another way.
    /// - [`Error::Handshake`] if the server rejects the request, does not speak the version, or closes the
    ///   connection before its response is complete. After a rejection, the error contains the server's
    ///   response.
    /// - [`Error::Disconnected`] if the [handshake timeout](Connector::handshake_timeout) passes.
    /// - [`Error::Redirect`] for a redirect that may not be followed.
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

    /// Returns a connection that stays connected: after the end of a connection, and after a failed attempt,
    /// it connects again, with these options, after a delay that grows. This method does not connect yet: the
    /// first [`recv`](Reconnecting::recv) does.
    ///
    /// ```no_run
    /// use stentor::Connector;
    /// use stentor::client::{Update, Reconnect};
    ///
    /// let mut feed = Connector::new().stay_connected("ws://127.0.0.1:8000/", Reconnect::new())?;
    /// while let Some(update) = feed.recv()? {
    ///     match update {
    ///         Update::Connected { .. } => feed.send("subscribe prices")?,
    ///         Update::Message(message) => println!("{message}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), stentor::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::Url`] if the URL is not a WebSocket URL.
    /// - `Error::Tls` if a certificate cannot prove the host of a `wss` URL, and [`Error::Io`] for `wss` if
    ///   the library was built without `tls`.
    #[doc(alias = "reconnect")]
    pub fn stay_connected(&self, url: &str, options: Reconnect) -> Result<Reconnecting, Error> {
        Ok(Reconnecting::new(self.destination(url)?, options))
    }

    /// Performs the handshake like [`connect`](Connector::connect), on a connection that exists already: TCP,
    /// or a Unix socket. The URL names the requested resource.
    ///
    /// # Errors
    /// The same as [`connect`](Connector::connect), and [`Error::Io`] if the stream is not connected.
    pub fn connect_over(&self, stream: impl Into<Stream>, url: &str) -> Result<WebSocket, Error> {
        let request = self.request.at(url)?;
        let tls = self.tls_for(&request)?;
        self.begin(stream.into(), tls, &request)
    }

    /// Performs the handshake like [`connect_over`](Connector::connect_over), on any [`Transport`] that reads
    /// and writes bytes. With `wss`, the transport must encrypt: the library adds no TLS here.
    ///
    /// The connection itself uses a local socket. Three threads connect this socket and the transport: two
    /// copy the bytes, one in each direction, and the third waits for the end of the connection.
    ///
    /// # Errors
    /// The same as [`connect_over`](Connector::connect_over), and [`Error::Io`] if these threads cannot be
    /// started.
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

    /// Returns these options with a URL that was checked.
    pub(super) fn destination(&self, url: &str) -> Result<Destination, Error> {
        let request = self.request.at(url)?;
        self.tls_for(&request)?;
        Ok(Destination {
            connector: self.clone(),
            url: url.to_owned(),
            version: request.version,
        })
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
        WebSocket::open(talk, local)
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
