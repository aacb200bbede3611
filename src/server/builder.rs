//! A server's options, each with its default, its unit and its reason.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::addresses::PerAddress;
use crate::net::connection::OnState;
use crate::net::date;
use crate::net::link::ClientId;
use crate::net::rate_limit::{OnRateLimit, RateLimit};
use crate::net::send_queue::SlowClient;
use crate::net::timeouts::{MessageRate, Timeouts};
use crate::net::tls::TlsServer;
#[cfg(feature = "deflate")]
use crate::protocol::Deflate;
use crate::protocol::{Accept, Config, Limits, Rejection, Request, Response, Transition, Versions};

use super::teardown::CloseReport;

/// What `on_request` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The handshake goes on. Plain HTTP cannot be accepted: it is then refused with 400.
    Accept(Accept),
    /// The request is refused.
    Reject(Rejection),
    /// The request gets an ordinary HTTP answer: a page, a health check.
    Respond(Response),
}

impl Reply {
    /// Accepts, with nothing to add.
    pub fn accept() -> Reply {
        Reply::Accept(Accept::new())
    }

    /// Refuses with an HTTP status (400 to 599) and a reason, which is the body of the answer.
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

/// The options of a [`Server`](super::Server), whose [`builder`](super::Server::builder) makes
/// one with the defaults.
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
    /// The versions that are spoken. Default: all five. [`Versions::RFC6455`] leaves the old ones
    /// out: draft-75 proves nothing about who it speaks to, draft-76 little.
    pub fn versions(mut self, versions: Versions) -> Self {
        self.config().versions = versions;
        self
    }

    /// The sizes a peer may ask for: head, fields, message, fragments. Defaults: see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config().limits = limits;
        self
    }

    /// The most bytes of a message, its fragments together, and so of a frame. Default: 1 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config().limits.message = bytes;
        self
    }

    /// The subprotocols that are spoken; the client's order of preference decides. Default: none.
    pub fn subprotocols<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.config().subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Compresses messages with the clients that offer it. Default: no compression. See
    /// [`Deflate`] for what it costs, and
    /// [`protocol::deflate`](crate::protocol::deflate) for what can go wrong.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.config().deflate = Some(deflate);
        self
    }

    /// Whether TLS ends in front of this server, so that draft-75 and draft-76 must be told `wss`
    /// in their location. Default: no.
    pub fn secure(mut self, secure: bool) -> Self {
        self.config().secure = secure;
        self
    }

    /// Speaks TLS with everybody who comes over TCP, whatever the listener, but for
    /// [`and_bind_plain`](super::Server::and_bind_plain); those who come over a Unix socket are on
    /// this machine. Default: no TLS. Its handshake is part of the one that has a
    /// [deadline](ServerBuilder::handshake_timeout). For those who come over it, draft-75 and draft-76
    /// are told `wss` and the server's own origin is `https`, as with
    /// [`secure`](ServerBuilder::secure).
    ///
    /// Who speaks plain HTTP there is told so in plain HTTP, with 400. Who is
    /// turned away before its handshake, or too slow with it, is told by an alert: `internal_error`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Believes `X-Forwarded-Proto` and `X-Forwarded-For`, the last word of each: what stands
    /// before it may be the client's own. Default: no. Dangerous unless a proxy in front of this
    /// server writes both itself, and nobody gets past it: any client could claim any address.
    pub fn trust_forwarded_headers(mut self, trust: bool) -> Self {
        self.config().trust_forwarded = trust;
        self
    }

    /// Believes those headers of whoever comes over a Unix socket, whether or not it believes all
    /// others. Default: no. For a server that a proxy on the same machine reaches by a Unix
    /// socket, and others by a port: dangerous where others can reach the socket too.
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
    /// what is wrong by U+FFFD. Default: replace. The later versions always fail.
    pub fn fail_on_invalid_hixie_text(mut self, fail: bool) -> Self {
        self.config().fail_on_invalid_hixie_text = fail;
        self
    }

    /// Whether a close frame that answers a violation says in words which rule was broken, beside the
    /// code, in at most 123 bytes: for the person who looks for a fault in a client. Default: on. The
    /// words may name a limit of this server.
    pub fn close_reasons(mut self, on: bool) -> Self {
        self.config().close_reasons = on;
        self
    }

    /// How long a handshake may take, from the connection to the last byte of the request.
    /// Default: 10 s. Who is later is told 408.
    pub fn handshake_timeout(mut self, deadline: Duration) -> Self {
        self.timeouts().handshake = deadline;
        self
    }

    /// After how much silence a client is pinged, and how long it may then stay silent before it
    /// is given up. Default: 20 s and 20 s. `None` for never. Silence counts only while the
    /// client's handler waits for a message. Draft-75 and draft-76 cannot ping: for them TCP's
    /// own keepalive probes the same times.
    ///
    /// Bytes that come from the client are a sign of life, and so are bytes that its socket takes
    /// after it was full. A ping is sent once nothing waits before it, and its pong is due only
    /// once it has left towards the socket. The system's own buffer, of up to 4 MiB on Linux, comes
    /// after that: both times together must be enough for the slowest client to read that much. A
    /// client that takes nothing although something waits for it has the
    /// [write timeout](ServerBuilder::write_timeout).
    ///
    /// A message that has begun and does not end may bring no byte for as long as both times
    /// together, in every version: 40 s by default, and 40 s where `ping` is `None`. Then the client
    /// is given up with [`DisconnectReason::Unfinished`](crate::DisconnectReason::Unfinished).
    pub fn keepalive(mut self, ping: Option<Duration>, pong: Duration) -> Self {
        self.timeouts().ping = ping;
        self.timeouts().pong = pong;
        self
    }

    /// The least rate of a message that comes in: it may take `grace`, and one second more for
    /// every `bytes_per_second` bytes of it that have come. A client whose message takes longer is
    /// given up with [`DisconnectReason::Unfinished`](crate::DisconnectReason::Unfinished). Default: no least rate.
    ///
    /// Against clients that keep their place with a message that never ends, a byte now and then.
    /// Choose a grace in which a message of ordinary size comes on the slowest line that you serve.
    /// Time counts while the client's handler waits for a message, and not while a
    /// [rate](ServerBuilder::rate) holds the client back. The bytes are those of the message,
    /// without headers and pings between its fragments; of a compressed message, what it inflates
    /// to. A rate of 0 counts as 1.
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

    /// After how much silence a client is given up, whatever its version. A pong breaks the
    /// silence, and so does a full socket that takes more. Default: never.
    pub fn idle_timeout(mut self, deadline: Option<Duration>) -> Self {
        self.timeouts().idle = deadline;
        self
    }

    /// For how long a client may take nothing of what waits for it. Default: 10 s.
    pub fn write_timeout(mut self, deadline: Duration) -> Self {
        self.timeouts().write = deadline;
        self
    }

    /// How long a client may take to answer a close, and then to hang up. Default: 5 s.
    pub fn close_timeout(mut self, deadline: Duration) -> Self {
        self.timeouts().close = deadline;
        self
    }

    /// The most bytes that wait for a client whose socket takes no more. Default: 1 MiB. A message
    /// enters an empty queue whatever its size. The socket's own buffer, of up to 4 MiB on Linux,
    /// comes before.
    pub fn send_queue(mut self, bytes: usize) -> Self {
        self.settings.send_queue = bytes;
        self
    }

    /// What happens to a client whose outbox is full. Default: [`SlowClient::Close`].
    pub fn slow_client(mut self, policy: SlowClient) -> Self {
        self.settings.slow_client = policy;
        self
    }

    /// The most connections at a time, each of which costs a thread. Default: 10,000, or fewer
    /// where the system has less room: open files, memory mappings, threads; a warning says so.
    /// Who comes after that is told 503.
    ///
    /// So is a client for whose thread the process's limits of memory (`RLIMIT_AS`, `RLIMIT_DATA`)
    /// leave no room when it comes. Of these limits a 32nd is kept for everything that is no thread,
    /// 12 MiB at least; and [`total_send_queue_limit`](ServerBuilder::total_send_queue_limit) and
    /// [`total_incoming_limit`](ServerBuilder::total_incoming_limit) are lowered to a quarter of that
    /// each. With glibc, the first threads of a process take 64 MiB of address space each: below a
    /// gigabyte of it, set `MALLOC_ARENA_MAX=1` in the environment.
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.settings.max_clients = clients;
        self
    }

    /// Sets the stack of each client's thread, in bytes. Default: 1 MiB, which is enough to read a
    /// message that is nested as deeply as serde_json allows, in a debug build too.
    ///
    /// A handler that overflows its stack aborts the whole process: unlike a panic, an overflow
    /// cannot be caught. A handler that recurses as deeply as a client's message says needs a limit
    /// on that depth, or a larger stack. Pages that were never touched cost only address space,
    /// which [`max_clients`](ServerBuilder::max_clients) takes into account.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = bytes;
        self
    }

    /// Sends without waiting for more to send (TCP_NODELAY). Default: on.
    pub fn no_delay(mut self, on: bool) -> Self {
        self.settings.no_delay = on;
        self
    }

    /// Sees each request before it is answered, plain HTTP (GET and HEAD) too, on the client's own
    /// thread. It runs after the version's checks and the origin's. Default: accept what is an upgrade,
    /// refuse the rest with 400.
    pub fn on_request<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        self.settings.on_request = Some(Arc::new(hook));
        self
    }

    /// Is told how each client's conversation ended, exactly once per client that was open, on
    /// the client's own thread.
    pub fn on_close<F>(mut self, hook: F) -> Self
    where
        F: Fn(&CloseReport) + Send + Sync + 'static,
    {
        self.settings.on_close = Some(Arc::new(hook));
        self
    }

    /// Sees each change of a connection's state, on the client's own thread.
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
            .field("deadlines", &self.timeouts)
            .field("outbox", &self.send_queue)
            .field("all_outboxes", &self.total_send_queue_limit)
            .field("all_incoming", &self.all_incoming)
            .field("slow_client", &self.slow_client)
            .field("rate", &self.rate)
            .field("fast_client", &self.on_rate_limit)
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
