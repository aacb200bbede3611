//! How long the steps of a connection may take.

use std::time::Duration;

/// Each connection's own; the warden holds them.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    pub(crate) handshake: Duration,
    pub(crate) ping: Option<Duration>,
    pub(crate) pong: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Duration,
    pub(crate) close: Duration,
}

/// How often the warden looks at least.
pub(crate) const SELDOM: Duration = Duration::from_millis(500);

/// How often it looks at most.
const OFTEN: Duration = Duration::from_millis(2);

impl Deadlines {
    /// How often the warden looks: a tenth of the shortest deadline, twice a second at least.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = [self.handshake, self.pong, self.write, self.close]
            .into_iter()
            .chain(self.ping)
            .chain(self.idle)
            .min()
            .unwrap_or_default();
        (shortest / 10).clamp(OFTEN, SELDOM)
    }
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines {
            handshake: Duration::from_secs(10),
            ping: Some(Duration::from_secs(20)),
            pong: Duration::from_secs(20),
            idle: None,
            write: Duration::from_secs(10),
            close: Duration::from_secs(5),
        }
    }
}
