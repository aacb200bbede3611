//! The news of a connection that stays connected.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::protocol::{Closed, Message};

/// News of a [`Reconnecting`](super::Reconnecting) connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update {
    /// A connection is open. The server knows nothing of the connection before it. So this is the moment to
    /// log in and to subscribe again, with [`Reconnecting::send`](super::Reconnecting::send): these messages
    /// are sent before all messages that wait.
    #[non_exhaustive]
    Connected {
        /// Whether this is the first connection.
        first: bool,
        /// The number of attempts that were necessary, this one included.
        attempts: u32,
    },
    /// A message.
    Message(Message),
    /// The connection has ended, or an attempt to connect has failed, and the client tries again.
    #[non_exhaustive]
    Disconnected {
        /// The cause.
        outage: Outage,
        /// The delay before the next attempt, counted from this event.
        retry_in: Duration,
    },
    /// Nothing has happened within the time. Only
    /// [`recv_timeout`](super::Reconnecting::recv_timeout) returns this.
    Nothing,
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outage {
    /// The connection was closed with a close frame or, in draft-75 and draft-76, in the way of that version.
    Closed(Closed),
    /// The connection was lost, or was not established.
    Failed(Error),
}

impl Update {
    /// Returns the message, if this is one.
    #[must_use]
    pub fn into_message(self) -> Option<Message> {
        match self {
            Update::Message(message) => Some(message),
            _ => None,
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outage::Closed(closed) => write!(f, "closed: {closed}"),
            Outage::Failed(error) => error.fmt(f),
        }
    }
}
