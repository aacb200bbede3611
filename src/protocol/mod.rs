//! The protocol, in all five versions and both roles: bytes in, events out, output taken.
//!
//! ```text
//!               receive_data            next_event
//!   peer's bytes ---------> Connection -----------> Event: Request or Declined, Open, Message, Closed
//!                           |  ^   |
//!   bytes for the peer <----+  |   +--> State, by the table in `state`
//!               data_to_send   accept, send, close
//! ```
//!
//! [`Connection::new`] creates a server's connection, which waits for a request.
//! [`Connection::client`] creates a client's, which has a [`ClientRequest`] in its output from the
//! start, and waits for the response. From [`Event::Open`] on they differ in two things only: a client
//! masks its frames, in the versions that have masks, and a client lets the server close the TCP
//! connection first.
//!
//! Nothing here touches a socket, a thread, a channel or a clock. The rest of the library runs this
//! one loop, and so can a test, a simulation, or a program with a loop of its own:
//!
//! ```
//! use std::sync::Arc;
//! use stentor::Accept;
//! use stentor::protocol::{Config, Connection, Ending, Event};
//!
//! // The bytes of a browser of 2010: draft-76, a challenge, and a first message after it.
//! let mut peer = &b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\n\
//!     Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n\
//!     ^n:ds[4U\x00Hello\xff\xff\x00"[..];
//!
//! let mut connection = Connection::new(Arc::new(Config::default()));
//! let mut written = Vec::new();
//! // Until the connection has ended: `Ending::Await` still reads, for the peer's close.
//! while connection.close_expected() != Some(Ending::Linger) {
//!     // 1. One input: bytes from the peer, or the end of its stream.
//!     let (chunk, rest) = peer.split_at(peer.len().min(10));
//!     match chunk {
//!         [] => connection.receive_eof(),
//!         chunk => connection.receive_data(chunk),
//!     }
//!     peer = rest;
//!     // 2. All events.
//!     while let Some(event) = connection.next_event() {
//!         match event {
//!             Event::Request => connection.accept(Accept::new())?,
//!             Event::Message(message) => connection.send(&message)?,
//!             _ => {}
//!         }
//!     }
//!     // 3. All output.
//!     written.extend(connection.data_to_send());
//! }
//! assert!(written.ends_with(b"8jKS'y:G*Co,Wxa-\x00Hello\xff\xff\x00"));
//! # Ok::<(), stentor::protocol::SendError>(())
//! ```
//!
//! Two names occur everywhere. *Hixie* are the drafts 75 and 76, by Ian Hickson. *Hybi* are versions 7, 8
//! and 13, by the IETF's working group "BiDirectional or Server-Initiated HTTP". The course in
//! `docs/course` explains the protocol itself, from its first bytes.
//!
//! The chapters, in the order in which to read the source:
//!
//! 1. `state.rs`: the [states](State) and their table.
//! 2. `connection.rs`: the engine, [`Connection`].
//! 3. `handshake/`: the request and the response of both sides.
//! 4. `closing.rs`: the closing handshake.
//! 5. `version/`: the [versions](version), oldest first.
//! 6. `framing/`: the two [framings](framing), and the [mask](framing::mask).
//! 7. `role.rs`: the two [roles](Role).
//! 8. `deflate/`: compression, if it is built in.
//! 9. The small ones: [messages](crate::Message), their [payloads](Text) and [events](Event), [close
//!    codes](crate::CloseCode), [configuration](Config), [limits](Limits), and the errors.

pub(crate) mod state;

pub(crate) mod connection;

#[macro_use]
pub(crate) mod http;

pub(crate) mod handshake;

mod phase;

mod output;

mod receive_buffer;

mod random;

pub(crate) mod closing;

pub mod version;

pub mod framing;

pub(crate) mod role;

#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
pub(crate) mod deflate;

pub(crate) mod message;

pub(crate) mod payload;
pub(crate) mod piece;

pub(crate) mod utf8;

pub(crate) mod close;

pub(crate) mod config;

pub(crate) mod limits;

pub(crate) mod error;

pub use close::{CloseFrame, Closed, Initiator};
pub use closing::Ending;
pub use config::Config;
pub use connection::Connection;
pub use error::{KeyError, ProtocolError, Rejection, SendError};
pub use handshake::request::Request;
pub use handshake::response::{Date, InvalidHeader};
pub use handshake::{ClientRequest, HandshakeError, HandshakeResponse};
pub use http::body::Body;
pub use http::host::{HostName, InvalidHost};
pub use http::origin::{InvalidOrigin, Origin};
pub use http::text::Printable;
pub use http::url::InvalidUrl;
pub use limits::Limits;
pub use message::{Event, NotText};
pub use payload::binary::Binary;
pub use payload::text::Text;
pub use piece::Piece;
pub use role::{Entropy, Role};
pub use state::{State, Transition, Trigger};

// The public paths of these are in the crate's root, or in the module that is named.
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use close::CloseCode;
#[cfg(all(feature = "deflate", any(feature = "server", feature = "client")))]
pub(crate) use deflate::Deflate;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use framing::{Encoder, Framing, Note};
#[cfg(feature = "client")]
pub(crate) use handshake::ResponseReader;
#[cfg(feature = "server")]
pub(crate) use handshake::response::{Accept, Response};
#[cfg(feature = "server")]
pub(crate) use handshake::{Values, WeakValues};
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use http::redacted::Redacted;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use message::Message;
#[cfg(feature = "server")]
pub(crate) use version::Versions;
#[cfg(any(feature = "server", feature = "client"))]
pub(crate) use version::{Closing, Version};

/// Encodes a rejection without a [`Connection`].
#[cfg(feature = "server")]
pub(crate) fn rejection_bytes(rejection: &Rejection, date: Option<Date>) -> Vec<u8> {
    let response = handshake::response::rejection(rejection);
    let mut bytes = response.encode_head(date);
    bytes.extend_from_slice(response.into_body().as_bytes());
    bytes
}

#[cfg(test)]
mod all_errors;
