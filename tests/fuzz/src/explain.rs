//! The explainer against the engine: frames of either side, in every version, and whole conversations.

use arbitrary::Arbitrary;
use stentor::Version;
use stentor_explain::reference::agreement::Setting;
use stentor_explain::reference::tiles;
use stentor_explain::{Explainer, Note, Part, Side};

use crate::ways::Way;

/// Fields of fixed size come first, so that the rest of an input is the bytes of the wire.
#[derive(Debug, Arbitrary)]
pub struct Explained<'a> {
    version: u8,
    /// The side that sends; the reactions to errors, or the compression; and whether the bytes are a
    /// whole conversation.
    mode: u8,
    cuts: u32,
    /// Where the bytes of the server begin, in a whole conversation.
    server: u16,
    wire: &'a [u8],
}

/// Compares the notes with the events of the engine, and the notes for different reads.
pub fn judge(explained: &Explained) {
    let Some(setting) = explained.setting() else {
        return explained.converse();
    };
    let wire = explained.wire;
    let notes = setting.explain([wire]);
    let reads = pieces(Way::Copied(explained.cuts), wire);
    let other = setting.explain(reads.iter().copied());
    assert_eq!(notes, other, "explained otherwise");
    if let Err(place) = tiles::check(&notes, setting.from, wire.len() as u64) {
        panic!("{setting:?}: {place}");
    }
    let run = setting.run(reads).expect("a connection that ends");
    if let Err(difference) = setting.compare(&notes, &run) {
        panic!("{setting:?}: {difference}: {run:?}");
    }
}

impl Explained<'_> {
    /// Returns the way to read frames; `None` for a whole conversation.
    fn setting(&self) -> Option<Setting> {
        let version = Version::ALL[usize::from(self.version) % Version::ALL.len()];
        let bit = |place: u8| self.mode & 1 << place != 0;
        let from = if bit(0) { Side::Server } else { Side::Client };
        let compressed = version == Version::Rfc6455 && bit(1);
        (!bit(7)).then(|| Setting {
            takeover: compressed.then_some(bit(2)),
            fail_on_unknown_frames: bit(3),
            fail_on_invalid_text: bit(4),
            ..Setting::new(version, from)
        })
    }

    /// Explains both directions of a conversation, from their first bytes.
    fn converse(&self) {
        let at = usize::from(self.server) % (self.wire.len() + 1);
        let (client, server) = self.wire.split_at(at);
        let notes = conversation(&[client], &[server]);
        for (from, bytes) in [(Side::Client, client), (Side::Server, server)] {
            if let Err(place) = tiles::check(&notes, from, bytes.len() as u64) {
                panic!("{from}: {place}");
            }
        }
        let way = Way::Copied(self.cuts);
        let other = conversation(&pieces(way, client), &pieces(way, server));
        assert_eq!(notes, other, "explained otherwise");
    }
}

/// Returns the notes about a conversation, without those about the ends of reads.
fn conversation(client: &[&[u8]], server: &[&[u8]]) -> Vec<Note> {
    let mut explainer = Explainer::new();
    for (from, pieces) in [(Side::Client, client), (Side::Server, server)] {
        pieces.iter().for_each(|piece| explainer.feed(from, piece));
        explainer.end(from);
    }
    let notes = explainer.notes();
    notes.filter(|note| note.part != Part::Cut).collect()
}

/// Cuts a stream.
fn pieces(way: Way, bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut at = 0;
    way.cut(bytes, |piece, _| {
        pieces.push(&bytes[at..at + piece.len()]);
        at += piece.len();
    });
    pieces
}
