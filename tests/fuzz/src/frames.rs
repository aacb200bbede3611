//! Frames behind a handshake, with low limits.

use std::sync::Arc;

use arbitrary::Arbitrary;
use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Event, Role};
use stentor_explain::reference::{Account, End};

use crate::driven::{Call, Driven, Manner, Reading};
use crate::ways::alike;
use crate::wire;

/// Frames of the other side. Fields of fixed size come first, so that the rest of an input is the
/// bytes of the wire.
#[derive(Debug, Arbitrary)]
pub struct SharedFrames<'a> {
    version: u8,
    /// The limit of a message as a power of two, and that of its fragments.
    limits: [u8; 2],
    /// The errors that fail the connection in the old drafts: two bits.
    strict: u8,
    cuts: u32,
    wire: &'a [u8],
}

/// Compares the events of the library with those of the reference decoder.
pub fn judge(framing: Framing, frames: &SharedFrames) {
    compare(
        wire::of_framing(framing, frames.version),
        Role::Server,
        frames,
    );
}

/// The same for a client, which reads the frames of a server.
pub fn judge_client(frames: &SharedFrames) {
    let choice = usize::from(frames.version) % Version::ALL.len();
    compare(Version::ALL[choice], Role::Client, frames);
}

fn compare(version: Version, role: Role, frames: &SharedFrames) {
    let config = frames.config();
    let driven = alike(frames.wire.len(), frames.cuts, |way| {
        let mut driven = match role {
            Role::Server => ready(version, &config),
            Role::Client => ready_client(version, &config),
        };
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
    let expected = Account::of((version, role), frames.wire, &config);
    assert_eq!(account, expected);
}

/// A client's connection whose handshake is done and forgotten.
fn ready_client(version: Version, config: &Arc<Config>) -> Driven {
    let mut driven = Driven::client(config, &wire::asked(version));
    driven.receive(&wire::answer(version), Reading::Copied);
    assert!(driven.events().eq([&Event::Open]), "{version}");
    driven.forget();
    driven
}

/// A server's connection whose handshake is done and forgotten.
pub fn ready(version: Version, config: &Arc<Config>) -> Driven {
    let mut driven = Driven::new(config, Manner::Accepts);
    driven.receive(wire::handshake(version), Reading::Copied);
    assert_eq!(driven.connection().version(), Some(version));
    driven.forget();
    driven
}

impl SharedFrames<'_> {
    fn config(&self) -> Arc<Config> {
        let mut config = Config::default();
        // Nothing chosen means the most: 4 KiB and 8 fragments.
        config.limits.message = 4096 >> (self.limits[0] % 13);
        config.limits.fragments = usize::from(8 - self.limits[1] % 8);
        // The reference knows the codes, and not the library's words.
        config.close_reasons = false;
        config.fail_on_unknown_frames = self.strict & 1 != 0;
        config.fail_on_invalid_hixie_text = self.strict & 2 != 0;
        Arc::new(config)
    }
}
