//! Frames behind a handshake, with limits that are soon reached.

use std::sync::Arc;

use arbitrary::Arbitrary;
use stentor::protocol::{Config, Event, Framing, Version};

use crate::driven::{Call, Driven, Manner, Reading};
use crate::reference::{Account, End};
use crate::ways::alike;
use crate::wire;

/// A client's frames. What is fixed in size comes first, so that the rest of an input is what
/// stands on the wire.
#[derive(Debug, Arbitrary)]
pub struct Frames<'a> {
    version: u8,
    /// The limit of a message as a power of two, and that of its fragments.
    limits: [u8; 2],
    /// What fails in the old drafts: two bits.
    strict: u8,
    cuts: u32,
    wire: &'a [u8],
}

/// Holds what the library reads against what the reference reads.
pub fn judge(framing: Framing, frames: &Frames) {
    let version = wire::of_framing(framing, frames.version);
    let config = frames.config();
    let driven = alike(frames.wire.len(), frames.cuts, |way| {
        let mut driven = ready(version, &config);
        way.cut(frames.wire, |piece, reading| driven.receive(piece, reading));
        driven.call(&Call::EndOfStream);
        driven
    });
    let mut events: Vec<Event> = driven.events().cloned().collect();
    let Some(Event::Closed(closed)) = events.pop() else {
        panic!("not closed at the end of the stream");
    };
    let account = Account {
        events,
        end: End {
            code: closed.code,
            reason: closed.reason,
            initiator: closed.initiator,
            clean: closed.clean,
        },
        output: driven.output,
    };
    assert_eq!(account, Account::of(version, frames.wire, &config));
}

/// A connection whose handshake is done and forgotten.
pub fn ready(version: Version, config: &Arc<Config>) -> Driven {
    let mut driven = Driven::new(config, Manner::Accepts);
    driven.receive(wire::handshake(version), Reading::Copied);
    assert_eq!(driven.connection().version(), Some(version));
    driven.forget();
    driven
}

impl Frames<'_> {
    fn config(&self) -> Arc<Config> {
        let mut config = Config::default();
        // Nothing chosen means the most: 4 KiB and 8 fragments.
        config.limits.message = 4096 >> (self.limits[0] % 13);
        config.limits.fragments = usize::from(8 - self.limits[1] % 8);
        config.fail_on_unknown_frames = self.strict & 1 != 0;
        config.fail_on_bad_hixie_text = self.strict & 2 != 0;
        Arc::new(config)
    }
}
