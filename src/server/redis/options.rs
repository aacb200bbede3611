//! The options of shared rooms.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::net::tls::TlsClient;
use crate::protocol::Message;
use crate::server::history::resume::Gap;

use super::address::{Address, InvalidAddress};
use super::session::Times;
use super::stream::Target;

/// Rooms that several servers share through one Redis (6.2 or later) or Valkey: pass it to
/// [`History::redis`](crate::server::History::redis).
///
/// A message is stored in Redis before any member receives it, and the members on all servers receive the messages of a
/// room in one order. A client that has lost its connection resumes on any of the servers. `docs/rooms.md` says what
/// the servers promise, and what they do not.
///
/// ```
/// use stentor::Server;
/// use stentor::server::{History, Redis};
///
/// let redis = Redis::at("redis://127.0.0.1/")?.namespace("chat");
/// let server = Server::builder().history(History::new().redis(redis));
/// # Ok::<(), stentor::server::InvalidRedisAddress>(())
/// ```
#[derive(Clone)]
#[must_use = "pass it to `History::redis`"]
#[doc(alias = "valkey")]
#[doc(alias = "cluster")]
pub struct Redis {
    pub(crate) address: Address,
    pub(crate) namespace: String,
    pub(crate) may_be_down: bool,
    pub(crate) times: Times,
    pub(crate) on_gap: Option<Arc<OnGap>>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsClient>,
}

pub(crate) type OnGap = dyn Fn(&str, Gap) -> Option<Message> + Send + Sync;

/// The error for text that is not the address of a Redis. It contains no part of the text, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRedisAddress(InvalidAddress);

/// The namespace of a program that sets none.
const NAMESPACE: &str = "stentor";

impl Redis {
    /// Creates the options for the Redis at this address: `redis://HOST:PORT/DATABASE`,
    /// `rediss://HOST:PORT/DATABASE` with TLS (and the feature `tls`), or `redis+unix:///PATH/OF/SOCKET`. A user and a password can stand before the host, as in
    /// `redis://USER:PASSWORD@HOST/`; the defaults are port 6379 and database 0.
    ///
    /// # Errors
    /// If the text is not such an address, and for `rediss://` without the feature `tls`.
    pub fn at(address: &str) -> Result<Redis, InvalidRedisAddress> {
        let address: Address = address.parse().map_err(InvalidRedisAddress)?;
        Ok(Redis {
            address,
            namespace: NAMESPACE.to_owned(),
            may_be_down: false,
            times: Times {
                connect: Duration::from_secs(2),
                answer: Duration::from_secs(5),
                silence: Duration::from_secs(10),
                probe: Duration::from_secs(5),
                first_pause: Duration::from_millis(50),
                longest_pause: Duration::from_secs(3),
                publish: Duration::from_secs(5),
                notice: Duration::from_millis(250),
            },
            on_gap: None,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Sets the beginning of the names of all keys and channels in Redis. Default: `stentor`. Servers of one namespace
    /// share their rooms; different programs need different ones.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Redis {
            namespace: namespace.into(),
            ..self
        }
    }

    /// Sets the certificates that the server trusts at a Redis with TLS, whose address begins with `rediss://`. Default:
    /// the authorities that browsers trust ([`TlsClient::new`]). The name, or the address, must be in the certificate.
    /// With another address, [`ServerBuilder::build`](crate::ServerBuilder::build) returns an error.
    ///
    /// ```no_run
    /// use stentor::server::Redis;
    /// use stentor::tls::TlsClient;
    ///
    /// let tls = TlsClient::trusting_only(&std::fs::read("our-authority.pem")?)?;
    /// let redis = Redis::at("rediss://redis.example.com/")?.tls(tls);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: TlsClient) -> Self {
        Redis {
            tls: Some(tls),
            ..self
        }
    }

    /// Lets the server start although Redis cannot be reached: its shared rooms begin to work when it can. Without
    /// this, [`ServerBuilder::build`](crate::ServerBuilder::build) returns an error.
    pub fn may_be_down(self) -> Self {
        Redis {
            may_be_down: true,
            ..self
        }
    }

    /// Limits how long a message waits for Redis before it is sent. Default: 5 seconds. After that,
    /// [`publish`](crate::server::Audience::publish) returns
    /// [`Unavailable`](crate::server::PublishError::Unavailable), and the message is never sent. If it was sent, and
    /// the connection was lost before the answer came, `publish` returns
    /// [`Pending`](crate::server::PublishError::Pending) after twice this time. A resume, a page or a follower waits as
    /// long for the room's first entries.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.timed(|times| times.publish = timeout)
    }

    /// Limits how long the server waits for a connection to Redis, and again for its first answers. Default: 2 seconds.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.timed(|times| times.connect = timeout)
    }

    /// Limits how long the server waits for each later answer of Redis. Default: 5 seconds. After that it connects
    /// again, and repeats what was not answered.
    pub fn answer_timeout(self, timeout: Duration) -> Self {
        self.timed(|times| times.answer = timeout)
    }

    /// Sets how often the server checks that notifications still arrive, while there are none. Default: 10 seconds. It
    /// waits half of this time for the answer, and then connects again.
    pub fn check_interval(self, interval: Duration) -> Self {
        self.timed(|times| (times.silence, times.probe) = (interval, interval / 2))
    }

    /// Sets the longest pause between two attempts to connect. Default: 3 seconds. The pauses begin with up to 50 ms,
    /// and are random: so many servers do not come back at the same moment. They begin so again when a connection has
    /// worked for the longest pause. A room that Redis refuses to read is read again after the longest pause.
    pub fn max_pause(self, pause: Duration) -> Self {
        self.timed(|times| times.longest_pause = pause)
    }

    /// Sets the message that the members of a room receive where messages are missing, because Redis has lost them:
    /// the program gets the name of the room. Default: none, and members see only by the positions in the messages
    /// that some are missing. The function runs on the thread `stentor redis`: let it return soon. If it panics, there
    /// is no message.
    pub fn on_gap(
        self,
        on_gap: impl Fn(&str, Gap) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        Redis {
            on_gap: Some(Arc::new(on_gap)),
            ..self
        }
    }

    fn timed(mut self, set: impl FnOnce(&mut Times)) -> Self {
        set(&mut self.times);
        self
    }

    /// Returns the place of Redis, as the engine connects to it.
    ///
    /// # Errors
    /// If the options for TLS cannot be used.
    pub(crate) fn target(&self) -> io::Result<Target> {
        let (place, timeout) = (self.address.place.clone(), self.times.connect);
        #[cfg(feature = "tls")]
        let tls = match (&self.tls, self.address.is_secure) {
            (Some(_), false) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "Redis::tls has no effect without TLS: let the address of Redis begin with rediss://",
                ));
            }
            (None, true) => Some(TlsClient::usual().map_err(io::Error::other)?),
            (tls, _) => tls.clone(),
        };
        Ok(Target {
            place,
            timeout,
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// Returns the error for options that exclude each other.
    pub(crate) fn beside_journal() -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "History::journal and History::redis exclude each other: Redis stores the messages of shared rooms; use one of them",
        )
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .field("may_be_down", &self.may_be_down)
            .field("times", &self.times)
            .field("on_gap", &self.on_gap.is_some())
            .finish()
    }
}

impl fmt::Display for InvalidRedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for InvalidRedisAddress {}
