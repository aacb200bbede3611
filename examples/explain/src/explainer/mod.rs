//! Reads both directions of a conversation, and writes notes about them.

mod agreed;
mod body;
mod close;
mod deflate;
mod frames;
mod handshake;
mod head;
mod hixie;
pub(crate) mod hybi;
mod sink;
mod stream;
mod utf8;
mod xor;

use stentor::Version;

pub use agreed::Compression;

use agreed::Agreed;
use handshake::Handshake;
use head::Search;
use sink::Sink;
use stream::{Phase, Stream};

use crate::note::{Note, Side};

/// Explains one conversation: bytes of both directions in, [notes](Note) out.
///
/// The bytes of one direction must be fed in order; the two directions may be fed in any order. A part is
/// explained when it is complete, and when the parts of the other direction that it depends on are: a
/// response is judged against its request, and a client's frames depend on the response. So both
/// directions must be ended, each at its [`end`](Explainer::end), for the last notes.
///
/// At most 1 MiB of one direction is kept for the other one; then it is explained without. The notes are
/// kept until they are taken.
///
/// ```
/// use stentor_explain::{Explainer, Part, Side};
///
/// let mut explainer = Explainer::new();
/// explainer.feed(Side::Client, b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
/// explainer.feed(Side::Server, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: not the value\r\n\r\n");
///
/// let broken: Vec<_> = explainer.notes().filter(|note| note.is_broken()).collect();
/// assert_eq!((broken.len(), broken[0].part), (1, Part::HeaderValue));
/// ```
#[derive(Debug)]
pub struct Explainer {
    sink: Sink,
    client: Stream,
    server: Stream,
    handshake: Handshake,
}

impl Explainer {
    /// Explains a conversation from its first byte. The request tells the version.
    pub fn new() -> Explainer {
        Explainer::with(|_| Phase::Head(Search::default()))
    }

    /// Explains frames alone, without a handshake.
    pub fn frames(version: Version, compressed: Option<Compression>) -> Explainer {
        let agreed = Agreed::new(version, compressed);
        Explainer::with(|from| Phase::Frames(frames::reader(version, from, &agreed)))
    }

    fn with(phase: impl Fn(Side) -> Phase) -> Explainer {
        Explainer {
            sink: Sink::default(),
            client: Stream::new(Side::Client, phase(Side::Client)),
            server: Stream::new(Side::Server, phase(Side::Server)),
            handshake: Handshake::default(),
        }
    }

    /// Shows the values of headers that are secrets: `Cookie`, `Set-Cookie`, `Authorization` and
    /// `Proxy-Authorization`. They are hidden unless this is set before they are fed.
    pub fn show_secrets(&mut self, shown: bool) {
        self.handshake.secrets = shown;
    }

    /// Takes bytes that this side has sent, as one read brought them: the end of a read is a note of its
    /// own ([`Part::Cut`](crate::Part::Cut)). Bytes after the end of a stream are ignored, and so is a
    /// read without bytes.
    pub fn feed(&mut self, from: Side, bytes: &[u8]) {
        let stream = self.stream(from);
        if bytes.is_empty() || stream.is_over {
            return;
        }
        stream.feed(bytes);
        let end = stream.end();
        self.advance(from);
        self.sink.cut(from, end);
    }

    /// The stream of this side has ended. A second end is ignored.
    pub fn end(&mut self, from: Side) {
        self.stream(from).is_over = true;
        self.advance(from);
    }

    /// Takes the notes that are complete, in order, each once.
    pub fn notes(&mut self) -> std::vec::Drain<'_, Note> {
        self.sink.drain()
    }

    /// Explains all that can be explained after new bytes of one side. The other side goes first:
    /// if the bytes came in two reads, it would go on between them, and the notes are the same however
    /// the bytes are cut.
    fn advance(&mut self, from: Side) {
        let sides = [from.other(), from];
        while sides.iter().any(|&side| self.step(side)) {}
    }

    /// Explains the next part of a side, or its end.
    fn step(&mut self, side: Side) -> bool {
        let stream = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let (handshake, sink) = (&mut self.handshake, &mut self.sink);
        handshake.step(stream, sink) || handshake.finish(stream, sink)
    }

    fn stream(&mut self, from: Side) -> &mut Stream {
        match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Default for Explainer {
    fn default() -> Explainer {
        Explainer::new()
    }
}
