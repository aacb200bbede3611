//! Handshakes of one version that are spoilt in a few places, or not at all.

use std::sync::Arc;

use arbitrary::Arbitrary;
use stentor::protocol::framing::Framing;
use stentor::protocol::{Config, Event, State};
use stentor::{Message, Version};

use crate::driven::{Driven, Manner};
use crate::head::{Head, Spoil};
use crate::law::{self, Verdict};
use crate::ways::alike;
use crate::wire::Frame;

/// Fields of fixed size come first, so that the rest of an input is text: values for headers, one
/// on each line, after the header's name and a colon; a line without a colon is the target.
#[derive(Debug, Arbitrary)]
pub struct Spoilt<'a> {
    key3: [u8; 8],
    /// Whether there is a list of origins.
    allowed_origins: bool,
    cuts: u32,
    spoils: [Spoil; 3],
    lines: &'a [u8],
}

/// Compares the result for the request with the required one.
pub fn judge(version: Version, spoilt: &Spoilt) {
    let config = spoilt.config();
    let mut head = Head::of(version);
    head.fill(spoilt.lines);
    for spoil in &spoilt.spoils {
        head.spoil(spoil);
    }
    let verdict = law::judge(&head, &config);
    let spoken = match &verdict {
        Verdict::Accepted(version, _) => *version,
        Verdict::Rejected | Verdict::Open => version,
    };
    let mut bytes = head.bytes();
    if spoken == Version::Draft76 {
        bytes.extend(spoilt.key3);
    }
    let head_len = head.bytes().len();
    match spoken.framing() {
        Framing::Hixie => bytes.extend(b"\x00behind\xff"),
        Framing::Hybi => Frame {
            first: 0x81,
            payload: b"behind".to_vec(),
        }
        .masked([1, 2, 3, 4], &mut bytes),
    }
    let driven = alike(bytes.len(), spoilt.cuts, |way| {
        let mut driven = Driven::new(&config, Manner::Accepts);
        way.cut(&bytes, |piece, reading| driven.receive(piece, reading));
        driven
    });
    let printed = || bytes[..head_len].escape_ascii().to_string();
    let state = driven.connection().state();
    match verdict {
        Verdict::Rejected => assert_eq!(state, State::Rejected, "{}", printed()),
        Verdict::Open => {}
        Verdict::Accepted(version, answer) => {
            assert_eq!(state, State::Ready, "{}", printed());
            assert_eq!(driven.connection().version(), Some(version));
            let mut expected = answer.head;
            if let Some(parts) = answer.parts {
                expected.extend(law::proof(parts, spoilt.key3));
            }
            assert_eq!(
                driven.output.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
            let events: Vec<&Event> = driven.events().collect();
            let behind = Event::Message(Message::from("behind"));
            assert_eq!(events, [&Event::Request, &Event::Open, &behind]);
        }
    }
}

impl Spoilt<'_> {
    fn config(&self) -> Arc<Config> {
        let mut config = Config::default();
        config.subprotocols = ["chat", "superchat", "sample"].map(str::to_owned).to_vec();
        if self.allowed_origins {
            config.allowed_origins = Some(vec!["http://example.com".parse().expect("an origin")]);
        }
        Arc::new(config)
    }
}
