//! Second decoders of both framings, that have all bytes before them at once, and of compression:
//! written from the specifications, to judge those of the library.

pub mod agreement;
pub mod deflate;
mod hixie;
mod hybi;
pub mod tiles;

use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Event, Initiator, Role};
use stentor::{CloseCode, Version};

/// The required result for a stream of frames that ends after its last byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// All events except the last.
    pub events: Vec<Event>,
    /// The last event.
    pub end: End,
    /// The bytes that the reader of the stream has to write.
    pub output: Vec<u8>,
}

/// The required report of the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The close code, received or of this side.
    pub code: CloseCode,
    /// The reason in the close frame.
    pub reason: String,
    /// The side that has started to close.
    pub initiator: Initiator,
    /// Whether the closing handshake is complete.
    pub clean: bool,
}

impl Account {
    /// Reads frames behind a handshake, for this side of the connection.
    pub fn of((version, role): (Version, Role), bytes: &[u8], config: &Config) -> Account {
        match (version.framing(), role) {
            (Framing::Hixie, Role::Server) => hixie::read(version, bytes, config),
            (Framing::Hixie, Role::Client) => {
                let mut config = config.clone();
                // Draft-76 §4.2: unknown frames are skipped, invalid UTF-8 is replaced.
                config.fail_on_unknown_frames = false;
                config.fail_on_invalid_hixie_text = false;
                hixie::read(version, bytes, &config)
            }
            (Framing::Hybi, role) => hybi::read((version, role), bytes, &config.limits),
        }
    }
}

/// Masks or unmasks (RFC 6455 §5.3).
pub fn xor(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
    let masks = key.iter().cycle();
    bytes
        .iter()
        .zip(masks)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

impl End {
    fn new(code: u16, initiator: Initiator, clean: bool) -> End {
        End {
            code: CloseCode::new(code),
            reason: String::new(),
            initiator,
            clean,
        }
    }

    /// The stream has ended without a close frame.
    fn disconnected() -> End {
        End::new(1006, Initiator::Nobody, false)
    }
}
