//! The number of a connection.

use std::fmt;

/// A client's number: unique within a server's life, in the order of arrival, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    not(feature = "server"),
    expect(unreachable_pub, reason = "only a server shows it")
)]
pub struct ClientId(pub(crate) u64);

impl ClientId {
    /// Returns the number.
    #[cfg(feature = "server")]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for ClientId {
    fn from(number: u64) -> Self {
        ClientId(number)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
