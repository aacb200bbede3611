//! The settings of one side's compression.

/// Compression of messages: permessage-deflate (RFC 7692). It is used with clients that speak RFC 6455
/// and offer it, or with servers that accept it; all other peers get uncompressed messages.
///
/// ```
/// use stentor::{Deflate, Server};
/// let server = Server::builder().deflate(Deflate::new().level(6).threshold(1024));
/// # let _ = server;
/// ```
#[must_use]
#[doc(alias = "compression")]
#[doc(alias = "permessage-deflate")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    pub(super) level: u8,
    pub(super) threshold: usize,
    pub(super) send: Window,
    pub(super) receive: Window,
}

/// The context of one direction: how far back its messages may refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The logarithm of the window's size in bytes: 8 to 15.
    pub(crate) bits: u8,
    /// Whether the window is kept from one message to the next (context takeover).
    pub(crate) takeover: bool,
}

impl Deflate {
    /// Creates the defaults: no context takeover in either direction, windows of 32 KiB, level 3, and
    /// a threshold of 256 bytes.
    pub const fn new() -> Deflate {
        let window = Window {
            bits: Window::MOST,
            takeover: false,
        };
        Deflate {
            level: 3,
            threshold: 256,
            send: window,
            receive: window,
        }
    }

    /// Sets the level, from 1, the fastest, to 9, the smallest. Other numbers are clamped to this range.
    /// Default: 3. For JSON of a kilobyte, level 3 takes 25 µs and leaves a third of it; level 1 takes
    /// 6 µs and leaves two fifths. Above 3, large messages take five times as long to become smaller by
    /// a sixth.
    pub const fn level(mut self, level: u8) -> Deflate {
        self.level = within(level, 1, 9);
        self
    }

    /// Sets the threshold: messages of fewer bytes are sent uncompressed. Default: 256, of which
    /// compression saves some 100; below 64 it saves nothing.
    pub const fn threshold(mut self, bytes: usize) -> Deflate {
        self.threshold = bytes;
        self
    }

    /// Sets context takeover for sent messages: whether they may refer to those sent before. Default:
    /// no. Better compression, for about 370 KiB of memory per connection. It is useful for messages to
    /// one client alone: a broadcast is compressed once for all clients, and the context starts again
    /// after each broadcast.
    pub const fn send_takeover(mut self, takeover: bool) -> Deflate {
        self.send.takeover = takeover;
        self
    }

    /// Sets context takeover for received messages: whether they may refer to those received before.
    /// Default: no. Costs up to 32 KiB of memory per connection, or the size of the
    /// [window](Deflate::receive_window).
    pub const fn receive_takeover(mut self, takeover: bool) -> Deflate {
        self.receive.takeover = takeover;
        self
    }

    /// Sets the window of sent messages: how far back they may refer, as the logarithm of a number of
    /// bytes, 9 (512 bytes) to 15 (32 KiB). Default: 15. Other numbers are clamped to this range.
    pub const fn send_window(mut self, bits: u8) -> Deflate {
        self.send.bits = within(bits, Window::LEAST_TO_SEND, Window::MOST);
        self
    }

    /// Sets the window of received messages: how far back they may refer, 8 (256 bytes) to 15 (32 KiB).
    /// Default: 15. Other numbers are clamped to this range. It matters with
    /// [context takeover](Deflate::receive_takeover), which costs that much memory; a client that cannot
    /// bound its window must then not use context takeover.
    pub const fn receive_window(mut self, bits: u8) -> Deflate {
        self.receive.bits = within(bits, Window::LEAST, Window::MOST);
        self
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Deflate::new()
    }
}

impl Window {
    pub(super) const LEAST: u8 = 8;
    /// zlib takes 9 instead of 8.
    pub(super) const LEAST_TO_SEND: u8 = 9;
    pub(super) const MOST: u8 = 15;
    /// The size of the largest window in bytes.
    pub(super) const LARGEST: usize = 1 << Window::MOST;

    /// Returns the size of the window in bytes.
    pub(super) const fn size(self) -> usize {
        1 << self.bits
    }
}

const fn within(number: u8, least: u8, most: u8) -> u8 {
    match number {
        number if number < least => least,
        number if number > most => most,
        number => number,
    }
}
