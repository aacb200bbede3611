//! The body of an HTTP response, which many responses may share.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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
#[derive(Clone)]
pub struct Body(Bytes);

#[derive(Clone)]
enum Bytes {
    Static(&'static [u8]),
    Owned(Arc<Vec<u8>>),
    Shared(Arc<[u8]>),
}

impl Body {
    /// Creates a body of static bytes of the program: neither copied nor counted as memory of the server.
    pub const fn from_static(bytes: &'static [u8]) -> Body {
        Body(Bytes::Static(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Static(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the memory that it takes, shared or not.
    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Bytes::Static(_) => 0,
            Bytes::Owned(bytes) => bytes.capacity(),
            Bytes::Shared(bytes) => bytes.len(),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(Bytes::Owned(Arc::new(bytes)))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        text.into_bytes().into()
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(bytes: Arc<[u8]>) -> Body {
        Body(Bytes::Shared(bytes))
    }
}

impl From<Arc<str>> for Body {
    fn from(text: Arc<str>) -> Body {
        Body(Bytes::Shared(text.into()))
    }
}

impl From<Arc<Vec<u8>>> for Body {
    fn from(bytes: Arc<Vec<u8>>) -> Body {
        Body(Bytes::Owned(bytes))
    }
}

/// Copies the bytes: see [`Body::from_static`] for those that need no copy.
impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Body {
        bytes.to_vec().into()
    }
}

/// Copies the bytes: see [`Body::from_static`] for those that need no copy.
impl<const N: usize> From<&[u8; N]> for Body {
    fn from(bytes: &[u8; N]) -> Body {
        bytes.to_vec().into()
    }
}

/// Copies the text: see [`Body::from_static`] for text that needs no copy.
impl From<&str> for Body {
    fn from(text: &str) -> Body {
        text.as_bytes().into()
    }
}

impl From<Cow<'_, str>> for Body {
    fn from(text: Cow<'_, str>) -> Body {
        text.into_owned().into()
    }
}

impl From<Cow<'_, [u8]>> for Body {
    fn from(bytes: Cow<'_, [u8]>) -> Body {
        bytes.into_owned().into()
    }
}

impl From<Box<[u8]>> for Body {
    fn from(bytes: Box<[u8]>) -> Body {
        bytes.into_vec().into()
    }
}

impl Default for Body {
    fn default() -> Body {
        Body::from_static(b"")
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}
