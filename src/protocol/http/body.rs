//! The body of an HTTP response, which many responses may share.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::protocol::payload::binary::Binary;
use crate::protocol::payload::text::Text;

/// The body of a [`Response`](crate::protocol::Response). A clone shares the bytes with the original, and so do
/// all responses that are made from one `Arc` or from static bytes of the program: there is one copy,
/// however many clients receive it.
///
/// ```
/// use stentor::Response;
/// use stentor::protocol::Body;
/// const PAGE: Body = Body::from_static(b"<!DOCTYPE html><p>Hello");
/// let answer = Response::html(PAGE);
/// // A page that is made at run time, once.
/// let page = Body::from(format!("<!DOCTYPE html><p>{}", 42));
/// let answers = [Response::html(page.clone()), Response::html(page)];
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(Binary);

impl Body {
    /// Creates a body of static bytes of the program: neither copied nor counted as memory of the server.
    #[inline]
    pub const fn from_static(bytes: &'static [u8]) -> Body {
        Body(Binary::from_static(bytes))
    }

    /// Returns the bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether it has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes, to be shared with other responses and messages.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn as_binary(&self) -> &Binary {
        &self.0
    }
}

/// Without a copy.
impl From<Vec<u8>> for Body {
    #[inline]
    fn from(bytes: Vec<u8>) -> Body {
        Body(bytes.into())
    }
}

/// Without a copy.
impl From<String> for Body {
    #[inline]
    fn from(text: String) -> Body {
        Text::from(text).into()
    }
}

/// Without a copy.
impl From<Arc<[u8]>> for Body {
    #[inline]
    fn from(bytes: Arc<[u8]>) -> Body {
        Body(bytes.into())
    }
}

/// Without a copy.
impl From<Arc<str>> for Body {
    #[inline]
    fn from(text: Arc<str>) -> Body {
        Text::from(text).into()
    }
}

/// Without a copy.
impl From<Arc<Vec<u8>>> for Body {
    #[inline]
    fn from(bytes: Arc<Vec<u8>>) -> Body {
        Body(bytes.into())
    }
}

/// Without a copy.
impl From<Box<[u8]>> for Body {
    #[inline]
    fn from(bytes: Box<[u8]>) -> Body {
        Body(bytes.into())
    }
}

/// Without a copy.
impl From<Binary> for Body {
    #[inline]
    fn from(bytes: Binary) -> Body {
        Body(bytes)
    }
}

/// Without a copy.
impl From<Text> for Body {
    #[inline]
    fn from(text: Text) -> Body {
        Body(text.into())
    }
}

/// Copies the bytes: see [`Body::from_static`] for those that need no copy.
impl From<&[u8]> for Body {
    #[inline]
    fn from(bytes: &[u8]) -> Body {
        Body(bytes.into())
    }
}

/// Copies the bytes: see [`Body::from_static`] for those that need no copy.
impl<const N: usize> From<&[u8; N]> for Body {
    #[inline]
    fn from(bytes: &[u8; N]) -> Body {
        Body(bytes.into())
    }
}

/// Copies the text: see [`Body::from_static`] for text that needs no copy.
impl From<&str> for Body {
    #[inline]
    fn from(text: &str) -> Body {
        Text::from(text).into()
    }
}

/// Copies a text that is borrowed.
impl From<Cow<'_, str>> for Body {
    #[inline]
    fn from(text: Cow<'_, str>) -> Body {
        Text::from(text).into()
    }
}

/// Copies bytes that are borrowed.
impl From<Cow<'_, [u8]>> for Body {
    #[inline]
    fn from(bytes: Cow<'_, [u8]>) -> Body {
        Body(bytes.into())
    }
}

impl AsRef<[u8]> for Body {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Body {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}
