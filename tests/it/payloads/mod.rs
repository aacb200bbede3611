//! The payloads of messages: made of any buffer, shared by clones, sent to many and kept without a copy.

use stentor::Message;

mod buffers;

#[cfg(feature = "server")]
mod kept;

#[cfg(all(feature = "server", feature = "client"))]
mod sent;

/// Long enough to be shared by clones, and to be sent without a copy.
const LONG: usize = 100_000;

/// The place of the message's payload in memory.
fn place(message: &Message) -> usize {
    message.as_bytes().as_ptr().addr()
}
