//! The options of a server, each with its default, its unit and its reason.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::connection::OnState;
use crate::net::date;
use crate::net::rate_limit::{OnRateLimit, RateLimit};
use crate::net::send_queue::SlowClient;
use crate::net::timeouts::{MessageRate, Timeouts};
use crate::net::tls::TlsServer;
#[cfg(feature = "deflate")]
use crate::protocol::Deflate;
use crate::protocol::{Accept, Config, Limits, Rejection, Request, Response, Transition, Versions};

use super::addresses::PerAddress;
use super::teardown::CloseReport;

/// The response of an `on_request` hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Continues the handshake. Plain HTTP cannot be accepted: it is then rejected with 400.
    Accept(Accept),
    /// Rejects the request.
    Reject(Rejection),
    /// Sends an ordinary HTTP response: a page, a health check.
    Respond(Response),
}

impl Reply {
    /// Accepts the request, without further options.
    pub fn accept() -> Reply {
        Reply::Accept(Accept::new())
    }

    /// Rejects with an HTTP status (400 to 599) and a reason, which is the body of the response.
    pub fn reject(status: u16, reason: impl Into<String>) -> Reply {
        Reply::Reject(Rejection::Application {
            status: if (400..600).contains(&status) {
                status
            } else {
                500
            },
            reason: reason.into(),
        })
    }
}

impl From<Accept> for Reply {
    fn from(accept: Accept) -> Reply {
        Reply::Accept(accept)
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Respond(response)
    }
}

type OnRequest = dyn Fn(&Request) -> Reply + Send + Sync;
type OnClose = dyn Fn(&CloseReport) + Send + Sync;

/// The options of a [`Server`](super::Server). [`Server::builder`](super::Server::builder) returns
/// them at their defaults.
#[derive(Debug, Clone, Default)]
pub struct ServerBuilder {
    pub(super) settings: Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) config: Arc<Config>,
    pub(crate) trust_local_proxy: bool,
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) send_queue: usize,
    pub(crate) total_send_queue_limit: usize,
    pub(crate) all_incoming: usize,
    pub(crate) slow_client: SlowClient,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) on_rate_limit: OnRateLimit,
    pub(crate) max_clients: usize,
    pub(crate) per_address: PerAddress,
    pub(crate) max_rooms_per_client: usize,
    pub(crate) max_memberships: usize,
    pub(crate) stack_size: usize,
    pub(crate) no_delay: bool,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) on_request: Option<Arc<OnRequest>>,
    pub(crate) on_close: Option<Arc<OnClose>>,
    pub(crate) on_state: Option<Arc<OnState>>,
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config {
            date: Some(date::now),
            ..Config::default()
        };
        Settings {
            config: Arc::new(config),
            trust_local_proxy: false,
            timeouts: Arc::default(),
            send_queue: 1024 * 1024,
            total_send_queue_limit: 256 * 1024 * 1024,
            all_incoming: 256 * 1024 * 1024,
            slow_client: SlowClient::Close,
            rate: None,
            on_rate_limit: OnRateLimit::Delay,
            max_clients: 10_000,
            per_address: PerAddress::default(),
            max_rooms_per_client: 1000,
            max_memberships: 1_000_000,
            stack_size: 1024 * 1024,
            no_delay: true,
            tls: None,
            on_request: None,
            on_close: None,
            on_state: None,
        }
    }
}

impl ServerBuilder {
    /// Sets the versions that the server speaks. Default: all five. [`Versions::RFC6455`] leaves the old
    /// ones out: the handshake of draft-75 proves nothing about the peer, that of draft-76 little.
    pub fn versions(mut self, versions: Versions) -> Self {
        self.config().versions = versions;
        self
    }

    /// Sets the largest sizes that a peer may use: header block, headers, message, fragments. Defaults: see
    /// [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config().limits = limits;
        self
    }

    /// Sets the most bytes of a message, its fragments together, and so of a frame. Default: 1 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config().limits.message = bytes;
        self
    }

    /// Sets the subprotocols that the server speaks; the client's order of preference decides. Default:
    /// none.
    pub fn subprotocols<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.config().subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Compresses messages for the clients that offer it. Default: no compression. See [`Deflate`]
    /// for the cost, and [`protocol::deflate`](crate::protocol::deflate) for the risks.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.config().deflate = Some(deflate);
        self
    }

    /// Sets whether a proxy in front of this server ends TLS, so that the location that draft-75 and
    /// draft-76 receive must begin with `wss`. Default: no.
    pub fn behind_tls(mut self, behind_tls: bool) -> Self {
        self.config().secure = behind_tls;
        self
    }

    /// Uses TLS for all clients that connect over TCP, on every listener except those of
    /// [`and_bind_plain`](super::Server::and_bind_plain). Clients of a Unix socket do not use TLS, since
    /// they are on this machine. Default: no TLS. The [handshake
    /// timeout](ServerBuilder::handshake_timeout) includes the TLS handshake. For TLS clients, the
    /// location of draft-75 and draft-76 begins with `wss` and the server's own origin is `https`, as
    /// with [`behind_tls`](ServerBuilder::behind_tls).
    ///
    /// A client that sends plain HTTP to a TLS port receives a 400 in plain HTTP. A client that is
    /// rejected before its TLS handshake, or too slow with it, receives the alert `internal_error`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Trusts `X-Forwarded-Proto` and `X-Forwarded-For`, the last word of each: the client itself may
    /// have written the words before it. Default: no. Dangerous unless a proxy in front of this server
    /// writes both itself, and no client can get past the proxy: any client could claim any address.
    pub fn trust_forwarded_headers(mut self, trust: bool) -> Self {
        self.config().trust_forwarded = trust;
        self
    }

    /// Trusts these headers from every peer that connects over a Unix socket, whether or not the server
    /// trusts them from others. Default: no. For a server that a proxy on the same machine reaches
    /// over a Unix socket, and other clients over a port: dangerous if other programs can reach the
    /// socket too.
    pub fn trust_local_proxy(mut self, trust: bool) -> Self {
        self.settings.trust_local_proxy = trust;
        self
    }

    /// Fails draft-75 and draft-76 connections on frames other than text, instead of skipping
    /// them. Default: skip; the drafts allow both.
    pub fn fail_on_unknown_frames(mut self, fail: bool) -> Self {
        self.config().fail_on_unknown_frames = fail;
        self
    }

    /// Fails draft-75 and draft-76 connections on text that is not UTF-8, instead of replacing
    /// invalid parts by U+FFFD. Default: replace. The later versions always fail.
    pub fn fail_on_invalid_hixie_text(mut self, fail: bool) -> Self {
        self.config().fail_on_invalid_hixie_text = fail;
        self
    }

    /// Sets whether a close frame after a protocol error names the broken rule in words, beside the
    /// code, in at most 123 bytes: this helps to find faults in a client. Default: on. The words may
    /// name a limit of this server.
    pub fn close_reasons(mut self, on: bool) -> Self {
        self.config().close_reasons = on;
        self
    }

    /// Sets how long a handshake may take, from the connection to the last byte of the request.
    /// Default: 10 s. A client that takes longer receives 408.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts().handshake = timeout;
        self
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
    /// is disconnected with [`DisconnectReason::Unfinished`](crate::DisconnectReason::Unfinished).
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.timeouts().ping = interval;
        self
    }

    /// Sets the time in which a pong, or any other sign of life, must follow a ping that has left.
    /// Default: 20 s. Without it the connection is ended with
    /// [`DisconnectReason::NoPong`](crate::DisconnectReason::NoPong).
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts().pong = timeout;
        self
    }

    /// Sets the least rate of an incoming message: it may take `grace`, and one second more for every
    /// `bytes_per_second` bytes of it that have arrived. A client whose message takes longer is
    /// disconnected with [`DisconnectReason::Unfinished`](crate::DisconnectReason::Unfinished).
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
    pub fn min_message_rate(mut self, bytes_per_second: u32, grace: Duration) -> Self {
        let rate = MessageRate::new(bytes_per_second, grace);
        self.timeouts().message_rate = Some(rate);
        self
    }

    /// Sets the idle timeout: after this much silence a client of any version is disconnected. A pong
    /// ends the silence, and so does a full socket that accepts more. Default: never.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeouts().idle = timeout;
        self
    }

    /// Sets how long a client may accept no byte while bytes wait for it. Default: 10 s.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts().write = timeout;
        self
    }

    /// Sets how long a client may take to answer a close frame, and then to close the TCP connection.
    /// Default: 5 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts().close = timeout;
        self
    }

    /// Limits the bytes that wait in the send queue of a client whose socket is full (backpressure).
    /// Default: 1 MiB. An empty queue accepts a message of any size. The socket's own buffer, of up
    /// to 4 MiB on Linux, comes before the queue.
    pub fn send_queue_limit(mut self, bytes: usize) -> Self {
        self.settings.send_queue = bytes;
        self
    }

    /// Sets the policy for a slow consumer: a client whose send queue is full. Default:
    /// [`SlowClient::Close`].
    pub fn slow_client(mut self, policy: SlowClient) -> Self {
        self.settings.slow_client = policy;
        self
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
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.settings.max_clients = clients;
        self
    }

    /// Sets the stack of each client's thread, in bytes. Default: 1 MiB, which is enough to read a
    /// message that is nested as deeply as serde_json allows, in a debug build too.
    ///
    /// A handler that overflows its stack aborts the whole process: unlike a panic, an overflow
    /// cannot be caught. A handler that recurses as deeply as a client's message is nested needs a
    /// limit on that depth, or a larger stack. Pages that were never touched cost only address space,
    /// which [`max_clients`](ServerBuilder::max_clients) takes into account.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = bytes;
        self
    }

    /// Sets whether the system sends at once, without waiting for more bytes (TCP_NODELAY). Default: on.
    pub fn no_delay(mut self, on: bool) -> Self {
        self.settings.no_delay = on;
        self
    }

    /// Sets a hook that receives each request before the response, plain HTTP (GET and HEAD) too, on the
    /// client's own thread. It runs after the checks of the version and the origin. Default: accept
    /// requests for an upgrade, reject all others with 400.
    pub fn on_request<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        self.settings.on_request = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that receives the report of each closed connection, exactly once per client that was
    /// open, on the client's own thread.
    pub fn on_close<F>(mut self, hook: F) -> Self
    where
        F: Fn(&CloseReport) + Send + Sync + 'static,
    {
        self.settings.on_close = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that receives each change of a connection's state, on the client's own thread.
    pub fn on_state<F>(mut self, hook: F) -> Self
    where
        F: Fn(ClientId, Transition) + Send + Sync + 'static,
    {
        self.settings.on_state = Some(Arc::new(hook));
        self
    }

    pub(super) fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.settings.config)
    }

    fn timeouts(&mut self) -> &mut Timeouts {
        Arc::make_mut(&mut self.settings.timeouts)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("config", &self.config)
            .field("trust_local_proxy", &self.trust_local_proxy)
            .field("timeouts", &self.timeouts)
            .field("send_queue", &self.send_queue)
            .field("total_send_queue_limit", &self.total_send_queue_limit)
            .field("all_incoming", &self.all_incoming)
            .field("slow_client", &self.slow_client)
            .field("rate", &self.rate)
            .field("on_rate_limit", &self.on_rate_limit)
            .field("max_clients", &self.max_clients)
            .field("per_address", &self.per_address)
            .field("max_rooms_per_client", &self.max_rooms_per_client)
            .field("max_memberships", &self.max_memberships)
            .field("stack_size", &self.stack_size)
            .field("no_delay", &self.no_delay)
            .field("tls", &self.tls)
            .field("on_request", &self.on_request.is_some())
            .field("on_close", &self.on_close.is_some())
            .field("on_state", &self.on_state.is_some())
            .finish()
    }
}
