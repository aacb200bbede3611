//! Limits for the peer's input. Every limit is on by default and holds for every version.

/// Sizes that are checked while reading, before memory is reserved for a declared length.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the request's header block, the blank line included. Default 16 KiB: browsers with
    /// large cookies stay below 8. A larger request is answered with 431. On a client: bytes of the
    /// response's header block and of all responses before it, such as 100; a larger one fails the
    /// handshake.
    #[doc(alias = "max_header_size")]
    pub header_bytes: usize,
    /// Headers of the request, or of the response. Default 100. A request with more is answered with
    /// 431, a response with more fails the handshake.
    #[doc(alias = "max_headers")]
    pub header_count: usize,
    /// Bytes of a message, its fragments counted together, and so of a frame. Default 1 MiB.
    /// Counted as received: invalid UTF-8 that is replaced in the old drafts may grow threefold.
    /// In the old drafts the same limit holds for a frame that is skipped.
    #[doc(alias = "max_message_size")]
    pub message: usize,
    /// Fragments of one message. Default 131,072: a fragment costs no lasting memory, but an endless
    /// sequence of empty ones never completes a message.
    #[doc(alias = "max_fragments")]
    pub fragments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes: 16 * 1024,
            header_count: 100,
            message: 1024 * 1024,
            fragments: 131_072,
        }
    }
}
