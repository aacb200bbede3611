//! The payloads of messages, and the bodies of responses: bytes that are shared, not copied.
//!
//! A payload keeps the buffer that it was made of. A short one is cheaper to copy than to share, so it has
//! its buffer alone; a long one shares it with its clones, however many there are.

pub(crate) mod binary;
pub(crate) mod text;

/// A payload of at most this many bytes that has its buffer alone is copied when it is cloned. A longer
/// one is shared.
const SHORT: usize = 256;
