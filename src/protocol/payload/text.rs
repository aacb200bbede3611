//! The payload of a text message.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::SHORT;

/// The payload of a text message: UTF-8 that is cheap to clone. It dereferences to `str`.
///
/// It is made of a `String`, a `Box<str>`, an `Arc<str>`, an `Arc<String>` or, by
/// [`from_static`](Text::from_static), a `&'static str`, and copies none of them. A `&str` is copied once.
/// A clone shares the bytes with the original; only those of at most 256 bytes may be copied.
///
/// ```
/// use std::sync::Arc;
/// use stentor::Message;
/// use stentor::protocol::Text;
///
/// const HELLO: Text = Text::from_static("hello");
/// let page: Arc<str> = "x".repeat(1000).into();
/// let messages = [Message::from(HELLO), Message::from(Arc::clone(&page))];
/// assert_eq!(messages[1].as_text().map(str::as_ptr), Some(page.as_ptr())); // no copy
/// ```
#[derive(Clone)]
pub struct Text(Chars);

#[derive(Clone)]
enum Chars {
    Static(&'static str),
    /// A short one, of this payload alone.
    Own(String),
    Buffer(Arc<String>),
    Shared(Arc<str>),
}

impl Text {
    /// Creates a text of static bytes of the program, which are never copied.
    pub const fn from_static(text: &'static str) -> Text {
        Text(Chars::Static(text))
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Most texts are short, and this check is inlined.
            Chars::Own(text) => text,
            chars => chars.other(),
        }
    }

    /// Returns the text as a `String`. This copies nothing if the text was received or was made of a
    /// `String`, a `&str` or a `Box<str>`, and no clone of it is left. Otherwise it copies the text once:
    /// one that is shared, static, or made of an `Arc<str>`.
    #[must_use]
    #[inline]
    pub fn into_string(self) -> String {
        match self.0 {
            Chars::Static(text) => text.to_owned(),
            Chars::Own(text) => text,
            Chars::Buffer(text) => Arc::unwrap_or_clone(text),
            Chars::Shared(text) => (*text).to_owned(),
        }
    }

    /// Creates a text of a short buffer, which a clone copies.
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline(always)]
    pub(crate) fn short(text: String) -> Text {
        Text(Chars::Own(text))
    }

    /// Returns the text as bytes, with the same buffer.
    pub(super) fn into_binary(self) -> super::binary::Binary {
        use super::binary::Binary;
        match self.0 {
            Chars::Static(text) => Binary::from_static(text.as_bytes()),
            Chars::Own(text) => text.into_bytes().into(),
            Chars::Buffer(text) => Binary::of_text(text),
            Chars::Shared(text) => Arc::<[u8]>::from(text).into(),
        }
    }
}

impl Chars {
    #[inline(never)]
    fn other(&self) -> &str {
        match self {
            Chars::Static(text) => text,
            Chars::Own(text) => text,
            Chars::Buffer(text) => text,
            Chars::Shared(text) => text,
        }
    }
}

/// Without a copy.
impl From<String> for Text {
    #[inline]
    fn from(text: String) -> Text {
        Text(match text.len() {
            0..=SHORT => Chars::Own(text),
            _ => Chars::Buffer(Arc::new(text)),
        })
    }
}

/// Without a copy.
impl From<Box<str>> for Text {
    #[inline]
    fn from(text: Box<str>) -> Text {
        text.into_string().into()
    }
}

/// Without a copy.
impl From<Arc<str>> for Text {
    #[inline]
    fn from(text: Arc<str>) -> Text {
        Text(Chars::Shared(text))
    }
}

/// Without a copy.
impl From<Arc<String>> for Text {
    #[inline]
    fn from(text: Arc<String>) -> Text {
        Text(Chars::Buffer(text))
    }
}

/// Copies the text: see [`Text::from_static`] for one that needs no copy.
impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Text {
        text.to_owned().into()
    }
}

/// Copies the text.
impl From<&String> for Text {
    #[inline]
    fn from(text: &String) -> Text {
        text.clone().into()
    }
}

/// Copies a text that is borrowed.
impl From<Cow<'_, str>> for Text {
    #[inline]
    fn from(text: Cow<'_, str>) -> Text {
        text.into_owned().into()
    }
}

/// The same as [`Text::into_string`].
impl From<Text> for String {
    #[inline]
    fn from(text: Text) -> String {
        text.into_string()
    }
}

/// Copies nothing if the text was made of an `Arc<str>`; otherwise it copies the text once.
impl From<Text> for Arc<str> {
    #[inline]
    fn from(text: Text) -> Arc<str> {
        match text.0 {
            Chars::Shared(text) => text,
            _ => text.as_str().into(),
        }
    }
}

impl Default for Text {
    #[inline]
    fn default() -> Text {
        Text::from_static("")
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    #[inline]
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<str> for Text {
    #[inline]
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Text) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Text) -> std::cmp::Ordering {
        self.as_str().cmp(other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Text {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    #[inline]
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Text> for str {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Text> for &str {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Text> for String {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl fmt::Display for Text {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

/// As a `str`.
impl fmt::Debug for Text {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
