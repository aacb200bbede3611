//! How much a peer may ask for. Every limit is on by default and holds for every version.

/// Sizes that are checked while reading, before memory is reserved for what was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the request head, the blank line included. Default 16 KiB: browsers with large
    /// cookies stay below 8. More is answered with 431. To a client: of the answer's head, and those
    /// of all that came before it, such as 100; more is declined.
    pub head_bytes: usize,
    /// Fields of the request head, or of the answer's. Default 100. More is answered with 431, or
    /// declined.
    pub head_fields: usize,
    /// Bytes of a message, its fragments counted together, and so of a frame. Default 1 MiB.
    /// Counted as received: bad UTF-8 that is replaced in the old drafts may grow threefold.
    /// In the old drafts the same limit holds for a frame that is skipped.
    pub message: usize,
    /// Fragments of one message. Default 131,072: a fragment costs nothing that lasts, but an
    /// endless row of empty ones is no message.
    pub fragments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes: 16 * 1024,
            head_fields: 100,
            message: 1024 * 1024,
            fragments: 131_072,
        }
    }
}
