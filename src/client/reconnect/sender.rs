//! The handle with which other threads use a connection that stays connected.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::protocol::{CloseCode, Message};

use super::shared::Shared;

/// A handle of a [`Reconnecting`](super::Reconnecting) connection: it sends messages on whichever connection
/// there is, and ends all. Any thread can use it. A clone is cheap. A sender keeps nothing open.
///
/// ```no_run
/// # use std::{thread, time::Duration};
/// use stentor::Connector;
/// use stentor::client::Reconnect;
///
/// let mut feed = Connector::new().stay_connected("ws://127.0.0.1:8000/", Reconnect::new())?;
/// let sender = feed.sender();
/// thread::spawn(move || {
///     thread::sleep(Duration::from_secs(60));
///     sender.close(stentor::CloseCode::NORMAL, "enough")
/// });
/// while let Some(update) = feed.recv()? {
///     println!("{update:?}");
/// }
/// # Ok::<(), stentor::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ReconnectingSender {
    pub(super) shared: Arc<Shared>,
}

impl ReconnectingSender {
    /// Sends a message, or lets it wait for the next connection.
    ///
    /// While there is a connection, this method is that of [`Sender::send`](crate::Sender::send): it waits
    /// while the [send queue](crate::Connector::send_queue_limit) is full. Without a connection it never
    /// waits. The message itself waits then, within the
    /// [queue limit](super::Reconnect::queue_limit), until the reading thread calls
    /// [`recv`](super::Reconnecting::recv) after it has received
    /// [`Update::Connected`](super::Update::Connected). The messages that wait are sent in the order in
    /// which they were accepted. The end of a connection changes nothing in this order.
    ///
    /// `Ok` means that the message was accepted, and not that it has arrived: see
    /// [`Reconnecting`](super::Reconnecting).
    ///
    /// # Errors
    /// - [`Error::QueueFull`] if there is no connection, and the message does not fit beside those that wait.
    /// - [`Error::Send`] if the version cannot carry the message: binary, in draft-75 and draft-76.
    /// - [`Error::Closed`] if there will be no more connection.
    #[doc(alias = "backpressure")]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.shared.send(message.into())
    }

    /// Ends all: starts the closing handshake with a code and a reason, if there is a connection, and makes
    /// no more attempts. Messages that still wait for a connection are dropped.
    ///
    /// This method returns at once. A thread that waits in [`recv`](super::Reconnecting::recv) gets
    /// `Ok(None)`: at once, if there is no connection, or else when the server has answered, or when the
    /// close timeout has passed. Only the first close counts.
    ///
    /// An attempt that has begun already ends by itself, within the connect timeout and the handshake
    /// timeout. Nothing waits for it, and its connection is aborted.
    ///
    /// # Errors
    /// [`Error::Send`] for a code that may not be sent, or a reason longer than 123 bytes. Nothing is closed
    /// then.
    #[doc(alias = "stop")]
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared.close(code, reason)
    }

    /// Ends all at once, without a closing handshake: as [`close`](ReconnectingSender::close), but aborts
    /// the connection. A thread that waits in [`recv`](super::Reconnecting::recv) gets `Ok(None)` at once.
    pub fn abort(&self) {
        self.shared.abort();
    }

    /// Returns whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.shared.is_connected()
    }

    /// Returns the number of bytes that wait for the next connection, as
    /// [`queue_limit`](super::Reconnect::queue_limit) counts them.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting_bytes()
    }
}

impl fmt::Debug for ReconnectingSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingSender")
            .field("connected", &self.is_connected())
            .field("waiting_bytes", &self.waiting_bytes())
            .finish()
    }
}
