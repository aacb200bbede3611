//! The result of a wait for a message that has a timeout, or of a look for one.

use crate::protocol::Message;

/// The result of `recv_timeout` and `try_recv`.
///
/// Complete: a message has come, or may still come, or cannot come any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// No message yet; nothing is lost, and the next call continues from here.
    Nothing,
    /// The connection is over: the peer closed it, or we did.
    Closed,
}
