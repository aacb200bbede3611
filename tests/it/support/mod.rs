//! Code that the tests share: the bytes of every version, a connection that is driven, the ways to
//! cut a stream; and for whole servers, one on loopback and a client of any version.

/// The project's folder.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

mod wire;

mod driven;

mod answer;

mod chunking;

mod loopback;

mod peer;

mod by_hand;

mod unix;

mod logbook;

mod quiet;

#[cfg(feature = "tls")]
mod secure;

pub(crate) use answer::HandshakeResponse;
pub(crate) use by_hand::{ByHand, Script};
pub(crate) use chunking::every_way;
pub(crate) use driven::Driven;
pub(crate) use logbook::{keep_logbook, logged};
pub(crate) use loopback::{Loopback, PATIENCE, becomes, echo, eventually, panic_when_told};
pub(crate) use peer::{Heard, Peer, ask, dial, dial_from, read_answer, read_end};
pub(crate) use quiet::hush;
#[cfg(feature = "tls")]
pub(crate) use secure::{Identity, Secure, secure, secure_as, tunnel, tunnel_on};
pub(crate) use unix::{Folder, as_tcp, dial_unix, open_unix};
pub(crate) use wire::{
    HIXIE, HYBI, Head, KEY3, MASK, PROOF, bye, close_frame, masked, masked_with, text, written,
};
