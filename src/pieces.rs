//! Large messages in pieces: one that is sent while it is produced, and one that is received as it comes.
//!
//! A message of [`send`](crate::Client::send) and [`recv`](crate::Client::recv) is in memory as a whole. A
//! large one can pass in pieces instead, on servers and on clients:
//!
//! - [`Client::binary_writer`](crate::Client::binary_writer) and
//!   [`text_writer`](crate::Client::text_writer) return a [`MessageWriter`], an [`io::Write`](std::io::Write).
//! - [`Client::recv_reader`](crate::Client::recv_reader) returns a [`MessageReader`], an
//!   [`io::Read`](std::io::Read) with a size limit of its own.
//!
//! [`WebSocket`](crate::WebSocket) has the same methods. The two sides are independent: the peer cannot see
//! whether a message is sent or received this way, and need not do the same.
//!
//! | | versions 7, 8, RFC 6455 | draft-75, draft-76 |
//! |---|---|---|
//! | send in pieces | as fragments (RFC 6455 §5.4), never compressed | [`Error::Send`](crate::Error::Send): no fragments |
//! | receive in pieces | each message, compressed or not | each message |

pub use crate::net::message_reader::MessageReader;
pub use crate::net::message_writer::MessageWriter;
