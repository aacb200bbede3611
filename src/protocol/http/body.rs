//! The body of an HTTP answer, which many answers may share.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The body of a [`Response`](crate::protocol::Response). A clone shares the bytes with the original, and so do
/// all answers that are made from one `Arc` or from bytes of the program: however many clients are sent
/// them, there is one copy.
///
/// ```
/// use stentor::{Body, Response};
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
    /// A body of bytes that are the program's own: neither copied nor counted as memory of the server.
    pub const fn from_static(bytes: &'static [u8]) -> Body {
        Body(Bytes::Static(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Static(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that it takes, shared or not.
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
