//! The timeouts of a connection.

use std::time::Duration;

/// The timeouts of one connection; the watchdog enforces them.
#[derive(Debug, Clone)]
pub(crate) struct Timeouts {
    pub(crate) handshake: Duration,
    pub(crate) ping: Option<Duration>,
    pub(crate) pong: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Duration,
    pub(crate) close: Duration,
    pub(crate) message_rate: Option<MessageRate>,
}

/// The lowest rate at which a message may arrive.
#[derive(Debug, Clone)]
pub(crate) struct MessageRate {
    /// Bytes a second, at least 1.
    bytes: u32,
    /// The time that each message may take in addition.
    grace: Duration,
}

/// The watchdog's longest tick.
pub(crate) const SELDOM: Duration = Duration::from_millis(500);

/// The watchdog's shortest tick.
const OFTEN: Duration = Duration::from_millis(2);

/// How long an unfinished message may stay without a new byte if there are no pings: as long as the
/// defaults of ping and pong allow.
const UNFINISHED: Duration = Duration::from_secs(40);

impl Timeouts {
    /// Returns the watchdog's tick: a tenth of the shortest timeout, between 2 ms and 500 ms.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = [self.handshake, self.pong, self.write, self.close]
            .into_iter()
            .chain(self.ping)
            .chain(self.idle)
            .chain(self.message_rate.as_ref().map(|rate| rate.grace))
            .min()
            .unwrap_or_default();
        (shortest / 10).clamp(OFTEN, SELDOM)
    }

    /// Returns these timeouts without pings: for a stream that cannot be written while it is read.
    #[cfg(feature = "server")]
    pub(crate) fn without_pings(&self) -> Timeouts {
        Timeouts {
            ping: None,
            ..self.clone()
        }
    }

    /// Returns how long an unfinished message may stay without a new byte: as long as a client that does
    /// not answer its ping may be silent, also in the versions without a ping.
    pub(crate) fn unfinished(&self) -> Duration {
        match self.ping {
            Some(ping) => ping.saturating_add(self.pong),
            None => UNFINISHED,
        }
    }
}

impl MessageRate {
    pub(crate) fn new(bytes_per_second: u32, grace: Duration) -> MessageRate {
        let bytes = bytes_per_second.max(1);
        MessageRate { bytes, grace }
    }

    /// Returns how long a message may take if so many of its bytes have arrived.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        let seconds = Duration::from_secs(bytes / u64::from(self.bytes));
        self.grace.saturating_add(seconds)
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(10),
            ping: Some(Duration::from_secs(20)),
            pong: Duration::from_secs(20),
            idle: None,
            write: Duration::from_secs(10),
            close: Duration::from_secs(5),
            message_rate: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MessageRate, Timeouts};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_unfinished_message_has_as_long_as_ping_and_pong_together() {
        let with = |ping, pong| {
            let timeouts = Timeouts::default();
            Timeouts {
                ping,
                pong,
                ..timeouts
            }
            .unfinished()
        };
        assert_eq!(Timeouts::default().unfinished(), 40 * SECOND);
        assert_eq!(with(Some(3 * SECOND), 4 * SECOND), 7 * SECOND);
        assert_eq!(with(None, SECOND), 40 * SECOND);
        assert_eq!(with(Some(Duration::MAX), Duration::MAX), Duration::MAX);
    }

    #[test]
    fn a_message_has_its_grace_and_the_time_for_its_bytes() {
        let rate = MessageRate::new(1000, 5 * SECOND);
        assert_eq!(rate.time_for(1), 5 * SECOND);
        assert_eq!(rate.time_for(10_000), 15 * SECOND);
        let slowest = MessageRate::new(0, Duration::MAX);
        assert_eq!(slowest.time_for(u64::MAX), Duration::MAX);
    }
}
