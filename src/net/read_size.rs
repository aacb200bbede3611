//! The size of reads: at first small, so that a silent client holds little memory; then larger, while
//! reads fill the buffer; and after that no less than a page, since less was too little once.

/// The most bytes that the next read may return.
pub(super) struct ReadSize(usize);

const AT_FIRST: usize = 1024;
const AT_MOST: usize = 64 * 1024;
const PAGE: usize = 4 * 1024;

impl ReadSize {
    pub(super) fn new() -> ReadSize {
        ReadSize(AT_FIRST)
    }

    /// Returns the size of the next read: `most`, or less. While all clients hold much memory, the
    /// buffers of silent clients must not cause clients to be closed.
    pub(super) fn next(&self, most: usize, is_crowded: impl FnOnce() -> bool) -> usize {
        match self.0.min(most) {
            large if large > PAGE && is_crowded() => PAGE,
            size => size,
        }
    }

    /// Adapts the next reads to one of `read` bytes.
    pub(super) fn adapt(&mut self, read: usize) {
        self.0 = match self.0 {
            full if read >= full => (full * 4).min(AT_MOST),
            // Only a very short read shrinks the next ones: between long reads, a shorter
            // one now and then means nothing.
            large if read < large / 16 => (large / 4).max(PAGE).min(large),
            enough => enough,
        };
    }
}
