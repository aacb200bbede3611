//! Both framings once more, and what compresses them: decoders that have all the bytes before them at
//! once.

pub mod deflate;
mod hixie;
mod hybi;

use stentor::protocol::{CloseCode, Config, Event, Framing, Initiator, Role, Version};

/// What must come of a stream of frames that ends behind its last byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// All events but the last.
    pub events: Vec<Event>,
    pub end: End,
    pub output: Vec<u8>,
}

/// What must be said of the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub code: CloseCode,
    pub reason: String,
    pub initiator: Initiator,
    pub clean: bool,
}

impl Account {
    /// Reads frames behind a handshake, as this side of the connection.
    pub fn of((version, role): (Version, Role), bytes: &[u8], config: &Config) -> Account {
        match (version.framing(), role) {
            (Framing::Hixie, Role::Server) => hixie::read(version, bytes, config),
            (Framing::Hixie, Role::Client) => {
                let mut config = config.clone();
                // Draft-76 §4.2: what is odd is skipped, what is no UTF-8 is replaced.
                config.fail_on_unknown_frames = false;
                config.fail_on_bad_hixie_text = false;
                hixie::read(version, bytes, &config)
            }
            (Framing::Hybi, role) => hybi::read((version, role), bytes, &config.limits),
        }
    }
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

    /// The stream has ended without a goodbye.
    fn lost() -> End {
        End::new(1006, Initiator::Nobody, false)
    }
}
