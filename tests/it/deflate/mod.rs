//! permessage-deflate: the negotiation, the messages that are accepted and rejected, the messages
//! that are sent, and by which side.

mod negotiation;

#[cfg(all(feature = "server", feature = "client"))]
mod client_handshake;

mod reading;

mod takeover;

#[cfg(feature = "server")]
mod serving;

#[cfg(feature = "server")]
mod memory;

mod properties;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use stentor::protocol::{Config, Event};
use stentor::{Deflate, Version};
#[cfg(feature = "server")]
use stentor::{Server, ServerBuilder};

use crate::support::{Driven, HandshakeResponse, Head};

/// The offer of browsers.
const USUAL: &str = "permessage-deflate; client_max_window_bits";

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A request with an offer in each header.
fn head(version: Version, offers: &[&str]) -> Head {
    offers.iter().fold(Head::of(version), |head, offer| {
        head.with("Sec-WebSocket-Extensions", offer)
    })
}

fn config(deflate: Deflate) -> Config {
    let mut config = Config::default();
    config.deflate = Some(deflate);
    config
}

#[cfg(feature = "server")]
fn server(deflate: Deflate) -> ServerBuilder {
    Server::builder().deflate(deflate)
}

/// Returns the response to these offers; `None` if none is accepted.
fn answered(version: Version, offers: &[&str], config: &Config) -> Option<String> {
    let mut driven = Driven::new(config);
    driven.receive(&head(version, offers).bytes());
    assert_eq!(driven.events, [Event::Request, Event::Open], "{offers:?}");
    let answer = HandshakeResponse::read(&driven.output);
    let words = answer.header("Sec-WebSocket-Extensions");
    words.map(str::to_owned)
}

/// A connection that has accepted this offer.
fn ready(offer: &str, config: &Config) -> Driven {
    let mut driven = Driven::new(config);
    driven.receive(&head(Version::Rfc6455, &[offer]).bytes());
    let answer = HandshakeResponse::read(&driven.output);
    assert!(
        answer.header("Sec-WebSocket-Extensions").is_some(),
        "{offer}"
    );
    driven.forget();
    driven
}

/// The peer's compressor.
struct Zip(Compress);

impl Zip {
    fn new(bits: u8) -> Zip {
        Zip(Compress::new_with_window_bits(
            Compression::best(),
            false,
            bits,
        ))
    }

    /// Returns the payload of a message that may refer to earlier ones.
    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            return vec![0];
        }
        let mut zipped = Vec::with_capacity(payload.len() + payload.len() / 8 + 100);
        let flushed = self
            .0
            .compress_vec(payload, &mut zipped, FlushCompress::Sync);
        flushed.unwrap();
        zipped.strip_suffix(&TAIL).expect("the tail").to_vec()
    }

    /// Returns the payload of a message that refers to no other.
    fn alone(&mut self, payload: &[u8]) -> Vec<u8> {
        self.0.reset();
        self.message(payload)
    }
}

/// The peer's inflater, with a window of its own size.
struct Unzip(Decompress);

impl Unzip {
    fn new(bits: u8) -> Unzip {
        Unzip(Decompress::new_with_window_bits(false, bits))
    }

    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let zipped = [payload, &TAIL].concat();
        let mut rest = &zipped[..];
        let mut message = Vec::new();
        loop {
            message.reserve(64 * 1024);
            let before = self.0.total_in();
            let inflated = self
                .0
                .decompress_vec(rest, &mut message, FlushDecompress::Sync);
            inflated.unwrap();
            rest = &rest[(self.0.total_in() - before) as usize..];
            if rest.is_empty() && message.len() < message.capacity() {
                return message;
            }
        }
    }
}

/// Text that compresses well, different for each number.
fn words(number: usize, len: usize) -> String {
    let line = format!("{{\"number\":{number},\"from\":\"somebody\",\"text\":\"and so on\"}}\n");
    line.repeat(len / line.len() + 1)[..len].to_owned()
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x5eed_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}
