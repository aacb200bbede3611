//! What one side wants of compression.

/// Compression of messages: permessage-deflate (RFC 7692). For clients that speak RFC 6455 and offer
/// it, or servers that take it up; all others go without.
///
/// ```
/// use stentor::{Deflate, Server};
/// let server = Server::builder().deflate(Deflate::new().level(6).threshold(1024));
/// # let _ = server;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    pub(super) level: u8,
    pub(super) threshold: usize,
    pub(super) send: Window,
    pub(super) receive: Window,
}

/// How far back the messages of one direction may refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The logarithm of the window's size in bytes: 8 to 15.
    pub(crate) bits: u8,
    /// Whether the window outlives a message.
    pub(crate) takeover: bool,
}

impl Deflate {
    /// No context takeover in either direction, windows of 32 KiB, level 3, and a threshold of 256
    /// bytes.
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

    /// How hard to try, from 1, which is fast, to 9, which is small. Other levels are taken for the
    /// nearest of these. Default: 3. For JSON of a kilobyte that takes 25 µs and leaves a third of it;
    /// 1 takes 6 µs and leaves two fifths. Above 3, large messages take five times as long to become
    /// smaller by a sixth.
    pub const fn level(mut self, level: u8) -> Deflate {
        self.level = within(level, 1, 9);
        self
    }

    /// Messages of fewer bytes are sent as they are. Default: 256, of which some 100 are saved; below
    /// 64 nothing is.
    pub const fn threshold(mut self, bytes: usize) -> Deflate {
        self.threshold = bytes;
        self
    }

    /// Whether messages that are sent may refer to those that were sent before. Default: no.
    /// Better compression, for about 370 KiB of memory per connection. It is of use for what is
    /// sent to one client alone: a broadcast is compressed once for all, and referring to what
    /// was before it begins anew after each.
    pub const fn send_takeover(mut self, takeover: bool) -> Deflate {
        self.send.takeover = takeover;
        self
    }

    /// Whether messages that are received may refer to those that were received before. Default:
    /// no. Costs up to 32 KiB of memory per connection, or the size of the
    /// [window](Deflate::receive_window).
    pub const fn receive_takeover(mut self, takeover: bool) -> Deflate {
        self.receive.takeover = takeover;
        self
    }

    /// How far back a message that is sent may refer, as the logarithm of a number of bytes: 9
    /// (512 bytes) to 15 (32 KiB). Default: 15. Other numbers are taken for the nearest of these.
    pub const fn send_window(mut self, bits: u8) -> Deflate {
        self.send.bits = within(bits, Window::LEAST_TO_SEND, Window::MOST);
        self
    }

    /// How far back a message that is received may refer: 8 (256 bytes) to 15 (32 KiB). Default:
    /// 15. Other numbers are taken for the nearest of these. It matters with
    /// [takeover](Deflate::receive_takeover), as that is the memory it costs; a client that cannot
    /// bound its window is then told not to take it over.
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
    /// zlib takes 9 where it is asked for 8.
    pub(super) const LEAST_TO_SEND: u8 = 9;
    pub(super) const MOST: u8 = 15;
    /// The size of the largest in bytes.
    pub(super) const LARGEST: usize = 1 << Window::MOST;

    /// Its size in bytes.
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
