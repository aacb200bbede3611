//! Whole messages, and the events of a connection.

use std::borrow::Cow;

use super::close::Closed;
use super::error::Rejection;
use super::handshake::HandshakeError;

/// A complete message. Control frames are not messages: see [`Event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text; every version carries it.
    Text(String),
    /// Bytes; the hybi versions (7, 8, RFC 6455) carry them, draft-75 and draft-76 cannot.
    Binary(Vec<u8>),
}

impl Message {
    /// Returns the text, or `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// Returns the payload's bytes, for text and binary messages.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload's bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Message::Text(text) => text.into_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload's length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty. An empty message is delivered like any other.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether this is a binary message.
    pub fn is_binary(&self) -> bool {
        matches!(self, Message::Binary(_))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Message::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Message::Text(text.to_owned())
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Self {
        Message::Text(text.clone())
    }
}

impl From<Cow<'_, str>> for Message {
    fn from(text: Cow<'_, str>) -> Self {
        Message::Text(text.into_owned())
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Message::Binary(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Message::Binary(bytes)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Message::Binary(bytes.to_vec())
    }
}

/// An event of a connection. Events are reported in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request's header block has arrived and can be read with
    /// [`Connection::request`](super::Connection::request). Nothing goes on until it is answered
    /// with `accept`, `reject` or `respond`.
    Request,
    /// The request broke a rule and was rejected; the response is in the output.
    Rejected(Rejection),
    /// As a client: the handshake has failed, because the server has rejected it or has broken a rule
    /// of the handshake. The last event.
    Declined(Box<HandshakeError>),
    /// The handshake is complete: messages may flow.
    Open,
    /// A whole message.
    Message(Message),
    /// A ping with its payload, up to 125 bytes. It has been answered already.
    Ping(Vec<u8>),
    /// A pong with its payload, up to 125 bytes.
    Pong(Vec<u8>),
    /// The connection is closed. The last event, exactly once for a connection that was open.
    Closed(Closed),
}
