//! The payload of a binary message, which any other payload can become.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::SHORT;
use super::text::Text;

/// The payload of a binary message: bytes that are cheap to clone. It dereferences to `[u8]`.
///
/// It is made of a `Vec<u8>`, a `Box<[u8]>`, an `Arc<[u8]>`, an `Arc<Vec<u8>>`, a [`Text`], a `bytes::Bytes`
/// (with the feature `bytes`) or, by [`from_static`](Binary::from_static), a `&'static [u8]`, and copies none
/// of them. A `&[u8]` is copied once. A clone shares the bytes with the original; only those of at most 256
/// bytes may be copied.
///
/// ```
/// use stentor::Message;
/// use stentor::protocol::Binary;
///
/// let frame = Binary::from(vec![7; 1000]);
/// let first = frame.as_ptr();
/// let kept = Message::from(frame.clone());
/// assert_eq!(kept.as_bytes().as_ptr(), first); // no copy
/// drop(frame);
/// let buffer: Vec<u8> = kept.into_data();
/// assert_eq!(buffer.as_ptr(), first); // no copy: there is no other clone left
/// ```
#[derive(Clone)]
pub struct Binary(Bytes);

#[derive(Clone)]
enum Bytes {
    Static(&'static [u8]),
    /// Short ones, of this payload alone.
    Own(Vec<u8>),
    Buffer(Arc<Vec<u8>>),
    Shared(Arc<[u8]>),
    Text(Arc<String>),
    #[cfg(feature = "bytes")]
    Foreign(Arc<bytes::Bytes>),
}

impl Binary {
    /// Creates a payload of static bytes of the program, which are never copied.
    pub const fn from_static(bytes: &'static [u8]) -> Binary {
        Binary(Bytes::Static(bytes))
    }

    /// Creates a payload of a short buffer, which a clone copies.
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline(always)]
    pub(crate) fn short(bytes: Vec<u8>) -> Binary {
        Binary(Bytes::Own(bytes))
    }

    /// Creates the payload of a text's buffer.
    pub(super) fn of_text(text: Arc<String>) -> Binary {
        Binary(Bytes::Text(text))
    }

    /// Returns the bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            // Most payloads are short, and this check is inlined.
            Bytes::Own(bytes) => bytes,
            bytes => bytes.other(),
        }
    }

    /// Returns the bytes as a `Vec<u8>`. This copies nothing if the payload was received or was made of a
    /// `Vec<u8>`, a `&[u8]`, a `Box<[u8]>` or a text of such a kind, and no clone of it is left. Otherwise it
    /// copies the bytes once: those that are shared, static, or made of an `Arc<[u8]>`. A `bytes::Bytes`
    /// decides itself.
    #[must_use]
    #[inline]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Bytes::Static(bytes) => bytes.to_vec(),
            Bytes::Own(bytes) => bytes,
            Bytes::Buffer(bytes) => Arc::unwrap_or_clone(bytes),
            Bytes::Shared(bytes) => bytes.to_vec(),
            Bytes::Text(text) => Arc::unwrap_or_clone(text).into_bytes(),
            #[cfg(feature = "bytes")]
            Bytes::Foreign(bytes) => Arc::unwrap_or_clone(bytes).into(),
        }
    }

    /// Returns the memory that the bytes take, shared or not. Static bytes take none.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Bytes::Static(_) => 0,
            Bytes::Own(bytes) => bytes.capacity(),
            Bytes::Buffer(bytes) => bytes.capacity(),
            Bytes::Shared(bytes) => bytes.len(),
            Bytes::Text(text) => text.capacity(),
            #[cfg(feature = "bytes")]
            Bytes::Foreign(bytes) => bytes.len(),
        }
    }
}

impl Bytes {
    #[inline(never)]
    fn other(&self) -> &[u8] {
        match self {
            Bytes::Static(bytes) => bytes,
            Bytes::Own(bytes) => bytes,
            Bytes::Buffer(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
            Bytes::Text(text) => text.as_bytes(),
            #[cfg(feature = "bytes")]
            Bytes::Foreign(bytes) => bytes,
        }
    }
}

/// Without a copy.
impl From<Vec<u8>> for Binary {
    #[inline]
    fn from(bytes: Vec<u8>) -> Binary {
        Binary(match bytes.len() {
            0..=SHORT => Bytes::Own(bytes),
            _ => Bytes::Buffer(Arc::new(bytes)),
        })
    }
}

/// Without a copy.
impl From<Box<[u8]>> for Binary {
    #[inline]
    fn from(bytes: Box<[u8]>) -> Binary {
        bytes.into_vec().into()
    }
}

/// Without a copy.
impl From<Arc<[u8]>> for Binary {
    #[inline]
    fn from(bytes: Arc<[u8]>) -> Binary {
        Binary(Bytes::Shared(bytes))
    }
}

/// Without a copy.
impl From<Arc<Vec<u8>>> for Binary {
    #[inline]
    fn from(bytes: Arc<Vec<u8>>) -> Binary {
        Binary(Bytes::Buffer(bytes))
    }
}

/// Without a copy.
impl From<Text> for Binary {
    #[inline]
    fn from(text: Text) -> Binary {
        text.into_binary()
    }
}

/// Copies the bytes: see [`Binary::from_static`] for those that need no copy.
impl From<&[u8]> for Binary {
    #[inline]
    fn from(bytes: &[u8]) -> Binary {
        bytes.to_vec().into()
    }
}

/// Copies the bytes: see [`Binary::from_static`] for those that need no copy.
impl<const N: usize> From<&[u8; N]> for Binary {
    #[inline]
    fn from(bytes: &[u8; N]) -> Binary {
        bytes.to_vec().into()
    }
}

/// Copies bytes that are borrowed.
impl From<Cow<'_, [u8]>> for Binary {
    #[inline]
    fn from(bytes: Cow<'_, [u8]>) -> Binary {
        bytes.into_owned().into()
    }
}

/// Without a copy.
#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Binary {
    #[inline]
    fn from(bytes: bytes::Bytes) -> Binary {
        Binary(Bytes::Foreign(Arc::new(bytes)))
    }
}

/// Without a copy.
#[cfg(feature = "bytes")]
impl From<Binary> for bytes::Bytes {
    #[inline]
    fn from(binary: Binary) -> bytes::Bytes {
        match binary.0 {
            Bytes::Static(bytes) => bytes::Bytes::from_static(bytes),
            Bytes::Own(bytes) => bytes.into(),
            Bytes::Foreign(bytes) => Arc::unwrap_or_clone(bytes),
            shared => bytes::Bytes::from_owner(Binary(shared)),
        }
    }
}

/// The same as [`Binary::into_vec`].
impl From<Binary> for Vec<u8> {
    #[inline]
    fn from(binary: Binary) -> Vec<u8> {
        binary.into_vec()
    }
}

/// Copies nothing if the payload was made of an `Arc<[u8]>` or `Arc<str>`; otherwise it copies the bytes
/// once.
impl From<Binary> for Arc<[u8]> {
    #[inline]
    fn from(binary: Binary) -> Arc<[u8]> {
        match binary.0 {
            Bytes::Shared(bytes) => bytes,
            _ => binary.as_bytes().into(),
        }
    }
}

impl Default for Binary {
    #[inline]
    fn default() -> Binary {
        Binary::from_static(b"")
    }
}

impl Deref for Binary {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Binary {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Binary {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Binary {
    #[inline]
    fn eq(&self, other: &Binary) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Binary {}

impl PartialOrd for Binary {
    #[inline]
    fn partial_cmp(&self, other: &Binary) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Binary {
    #[inline]
    fn cmp(&self, other: &Binary) -> std::cmp::Ordering {
        self.as_bytes().cmp(other)
    }
}

impl Hash for Binary {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialEq<[u8]> for Binary {
    #[inline]
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes() == other
    }
}

impl PartialEq<&[u8]> for Binary {
    #[inline]
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_bytes() == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Binary {
    #[inline]
    fn eq(&self, other: &[u8; N]) -> bool {
        self.as_bytes() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Binary {
    #[inline]
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_bytes() == *other
    }
}

impl PartialEq<Vec<u8>> for Binary {
    #[inline]
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.as_bytes() == other
    }
}

/// As a slice of bytes.
impl fmt::Debug for Binary {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}
