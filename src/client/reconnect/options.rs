//! When a client connects again, and how much waits meanwhile.

use std::time::Duration;

use crate::protocol::CloseCode;

/// The options of a connection that [stays connected](crate::Connector::stay_connected).
///
/// ```
/// use std::time::Duration;
/// use stentor::client::Reconnect;
///
/// // At most 5 s between two attempts, and nothing waits for the next connection.
/// let options = Reconnect::new()
///     .max_delay(Duration::from_secs(5))
///     .queue_limit(0);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[doc(alias = "backoff")]
pub struct Reconnect {
    pub(super) first_delay: Duration,
    pub(super) factor: f64,
    pub(super) max_delay: Duration,
    pub(super) jitter: bool,
    pub(super) stable_after: Duration,
    pub(super) max_attempts: Option<u32>,
    pub(super) give_up_after: Option<Duration>,
    pub(super) queue_limit: usize,
    pub(super) final_codes: Vec<CloseCode>,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect::new()
    }
}

impl Reconnect {
    /// Creates options, all at their defaults.
    pub fn new() -> Reconnect {
        Reconnect {
            first_delay: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Duration::from_secs(60),
            jitter: true,
            stable_after: Duration::from_secs(10),
            max_attempts: None,
            give_up_after: None,
            queue_limit: 1024 * 1024,
            final_codes: vec![
                CloseCode::NORMAL,
                CloseCode::POLICY,
                CloseCode::UNAUTHORIZED,
                CloseCode::FORBIDDEN,
            ],
        }
    }

    /// Sets the delay before the second attempt. Default: 1 s. The first attempt has no delay.
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay;
        self
    }

    /// Sets by how much the delay grows after each further failure. Default: 2, so the delay doubles. A
    /// factor below 1 counts as 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest delay. Default: 60 s. It also limits the header `Retry-After` of a server.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets whether a delay is random. Default: yes. Each delay is then drawn from all times between 0 and
    /// the computed delay ("full jitter"), so that the clients of a server that restarts do not all return
    /// in the same moment (RFC 6455 §7.2.3).
    pub fn jitter(mut self, on: bool) -> Self {
        self.jitter = on;
        self
    }

    /// Sets how long a connection must be open before it counts as a success. Default: 10 s. After a
    /// success, the delays begin with the first one again. A connection that ends earlier counts as one more
    /// failure: so a server that accepts each connection and closes it at once is not flooded with requests.
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Gives up after this many failures in a row. Default: never. A connection that ends early is a failure
    /// too: see [`stable_after`](Reconnect::stable_after). 0 counts as 1.
    #[doc(alias = "retries")]
    pub fn max_attempts(mut self, attempts: Option<u32>) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Gives up with the first failure that is this long after the first failure in a row. Default: never.
    pub fn give_up_after(mut self, time: Option<Duration>) -> Self {
        self.give_up_after = time;
        self
    }

    /// Limits the bytes of the messages that wait for the next connection. Default: 1 MiB. Each message
    /// counts with its payload and 64 bytes more. A message that does not fit is not accepted: the sender
    /// gets [`Error::QueueFull`](crate::Error::QueueFull). With 0, no message waits. The next connection takes all
    /// of them at once into its [send queue](crate::Connector::send_queue_limit), also above the limit of that.
    #[doc(alias = "buffer")]
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.queue_limit = bytes;
        self
    }

    /// Sets the codes of a server's close frame after which the client does not connect again. They replace
    /// the default: 1000 (the purpose is fulfilled), 1008 (policy violated), 3000 (unauthorized) and 3003
    /// (forbidden). Draft-75 and draft-76 have no codes: their closes count as 1005.
    pub fn final_codes(mut self, codes: impl IntoIterator<Item = CloseCode>) -> Self {
        self.final_codes = codes.into_iter().collect();
        self
    }
}
