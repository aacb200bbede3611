//! Whole messages, and the events of a connection.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::close::Closed;
use super::error::Rejection;
use super::handshake::HandshakeError;
use super::payload::binary::Binary;
use super::payload::text::Text;
use super::piece::Piece;

/// A complete message. Control frames are not messages: see [`Event`].
///
/// A message is cheap to clone and to keep. A clone shares the payload with the original; only a payload of
/// at most 256 bytes may be copied. A message is made of an owned or shared buffer without a copy, and gives
/// the buffer back without one if no clone of it is left: [`Text`] and [`Binary`] say when they copy. A
/// received message that is kept takes at most twice its length and 4 KiB of memory.
///
/// `Display` writes a text as it is, and a binary message as its length: `3 bytes`.
///
/// ```
/// use stentor::Message;
///
/// let text = Message::from("hello");
/// assert_eq!(text.as_text(), Some("hello"));
/// assert_eq!(text.to_string(), "hello");
///
/// let binary = Message::from(b"\x01\x02\x03");
/// assert!(binary.is_binary());
/// assert_eq!(binary.to_string(), "3 bytes");
/// assert_eq!(binary.into_data(), [1, 2, 3]);
/// ```
///
/// Complete: the protocol has no third type of message (RFC 6455 §5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text; every version carries it.
    Text(Text),
    /// Bytes; the hybi versions (7, 8, RFC 6455) carry them, draft-75 and draft-76 cannot.
    Binary(Binary),
}

/// The error for a message that is not text. It keeps the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotText(Message);

impl Message {
    /// Returns whether this is a text message.
    #[inline]
    pub fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// Returns whether this is a binary message.
    #[inline]
    pub fn is_binary(&self) -> bool {
        matches!(self, Message::Binary(_))
    }

    /// Returns the text, or `None` for a binary message.
    #[doc(alias = "to_text")]
    #[inline]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// Returns the text. This copies nothing if the message was received or was made of a `String`, a `&str`
    /// or a `Box<str>`, and no clone of it is left. Otherwise it copies the text once, as
    /// [`Text::into_string`] does.
    ///
    /// ```
    /// use stentor::Message;
    ///
    /// assert_eq!(Message::from("hello").into_text()?, "hello");
    /// let error = Message::from(vec![1, 2]).into_text().unwrap_err();
    /// assert_eq!(error.to_string(), "not a text message, but a binary message of 2 bytes");
    /// assert_eq!(error.into_message(), Message::from(vec![1, 2]));
    /// # Ok::<(), stentor::protocol::NotText>(())
    /// ```
    ///
    /// # Errors
    /// [`NotText`] for a binary message, even if its bytes are UTF-8.
    #[inline]
    pub fn into_text(self) -> Result<String, NotText> {
        match self {
            Message::Text(text) => Ok(text.into_string()),
            Message::Binary(_) => Err(NotText(self)),
        }
    }

    /// Returns the payload's bytes, for text and binary messages.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload's bytes, for text and binary messages. This copies nothing if the message was
    /// received or was made of an owned buffer, and no clone of it is left. Otherwise it copies the bytes once,
    /// as [`Text::into_string`] and [`Binary::into_vec`] do.
    #[doc(alias = "into_bytes")]
    #[must_use]
    #[inline]
    pub fn into_data(self) -> Vec<u8> {
        match self {
            Message::Text(text) => text.into_string().into_bytes(),
            Message::Binary(bytes) => bytes.into_vec(),
        }
    }

    /// Returns the payload, for text and binary messages, with the same buffer.
    pub(crate) fn into_payload(self) -> Binary {
        match self {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload's length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty. An empty message is delivered like any other.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl NotText {
    /// Returns the message.
    #[must_use]
    #[inline]
    pub fn into_message(self) -> Message {
        self.0
    }
}

impl fmt::Display for Message {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Text(text) => f.pad(text),
            Message::Binary(bytes) if bytes.len() == 1 => f.pad("1 byte"),
            Message::Binary(bytes) => f.pad(&format!("{} bytes", bytes.len())),
        }
    }
}

impl AsRef<[u8]> for Message {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The same as [`Message::into_text`].
impl TryFrom<Message> for String {
    type Error = NotText;

    #[inline]
    fn try_from(message: Message) -> Result<String, NotText> {
        message.into_text()
    }
}

impl fmt::Display for NotText {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a text message, but a binary message of {}", self.0)
    }
}

impl std::error::Error for NotText {}

/// Without a copy.
impl From<Text> for Message {
    #[inline]
    fn from(text: Text) -> Self {
        Message::Text(text)
    }
}

/// Without a copy.
impl From<String> for Message {
    #[inline]
    fn from(text: String) -> Self {
        Message::Text(text.into())
    }
}

/// Without a copy.
impl From<Box<str>> for Message {
    #[inline]
    fn from(text: Box<str>) -> Self {
        Message::Text(text.into())
    }
}

/// Without a copy.
impl From<Arc<str>> for Message {
    #[inline]
    fn from(text: Arc<str>) -> Self {
        Message::Text(text.into())
    }
}

/// Without a copy.
impl From<Arc<String>> for Message {
    #[inline]
    fn from(text: Arc<String>) -> Self {
        Message::Text(text.into())
    }
}

/// Copies the text.
impl From<&str> for Message {
    #[inline]
    fn from(text: &str) -> Self {
        Message::Text(text.into())
    }
}

/// Copies the text.
impl From<&String> for Message {
    #[inline]
    fn from(text: &String) -> Self {
        Message::Text(text.into())
    }
}

/// Copies a text that is borrowed.
impl From<Cow<'_, str>> for Message {
    #[inline]
    fn from(text: Cow<'_, str>) -> Self {
        Message::Text(text.into())
    }
}

/// Without a copy.
impl From<Binary> for Message {
    #[inline]
    fn from(bytes: Binary) -> Self {
        Message::Binary(bytes)
    }
}

/// Without a copy.
impl From<Vec<u8>> for Message {
    #[inline]
    fn from(bytes: Vec<u8>) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Without a copy.
impl From<Box<[u8]>> for Message {
    #[inline]
    fn from(bytes: Box<[u8]>) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Without a copy.
impl From<Arc<[u8]>> for Message {
    #[inline]
    fn from(bytes: Arc<[u8]>) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Without a copy.
impl From<Arc<Vec<u8>>> for Message {
    #[inline]
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Copies the bytes.
impl From<&[u8]> for Message {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Copies the bytes.
impl<const N: usize> From<&[u8; N]> for Message {
    #[inline]
    fn from(bytes: &[u8; N]) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Copies bytes that are borrowed.
impl From<Cow<'_, [u8]>> for Message {
    #[inline]
    fn from(bytes: Cow<'_, [u8]>) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Without a copy.
#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Message {
    #[inline]
    fn from(bytes: bytes::Bytes) -> Self {
        Message::Binary(bytes.into())
    }
}

/// Without a copy, for text and binary messages.
#[cfg(feature = "bytes")]
impl From<Message> for bytes::Bytes {
    #[inline]
    fn from(message: Message) -> Self {
        message.into_payload().into()
    }
}

/// An event of a connection. Events are reported in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// A part of a message: see [`Connection::receive_in_pieces`](super::Connection::receive_in_pieces).
    Piece(Piece),
    /// A ping with its payload, up to 125 bytes. It has been answered already.
    Ping(Vec<u8>),
    /// A pong with its payload, up to 125 bytes.
    Pong(Vec<u8>),
    /// The connection is closed. The last event, exactly once for a connection that was open.
    Closed(Closed),
}
