//! Code that the tests share: the bytes of every version, a connection that is driven, the ways to
//! cut a stream; and for whole servers, one on loopback and a client of any version.

/// The project's folder.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

mod wire;

mod driven;

mod answer;

mod chunking;

mod waiting;

#[cfg(feature = "server")]
mod loopback;

mod peer;

mod by_hand;

mod unix;

mod logbook;

#[cfg(all(feature = "redis", unix))]
mod redis;

#[cfg(all(feature = "redis", unix))]
mod tube;

mod quiet;

#[cfg(all(feature = "server", feature = "client"))]
mod process;

#[cfg(all(feature = "tls", feature = "server"))]
mod secure;

pub(crate) use answer::HandshakeResponse;
pub(crate) use by_hand::{ByHand, Script};
pub(crate) use chunking::every_way;
pub(crate) use driven::Driven;
pub(crate) use logbook::{keep_logbook, logged};
#[cfg(feature = "server")]
pub(crate) use loopback::{Loopback, echo, panic_when_told};
pub(crate) use peer::{Heard, Peer, ask, dial, dial_from, read_answer, read_end};
#[cfg(all(feature = "server", feature = "client"))]
pub(crate) use process::{Chat, build};
pub(crate) use quiet::hush;
#[cfg(all(feature = "redis", unix))]
pub(crate) use redis::{RedisServer, redis};
#[cfg(all(feature = "tls", feature = "server"))]
pub(crate) use secure::{Identity, Secure, secure, secure_as, tunnel, tunnel_on};
#[cfg(all(feature = "redis", unix))]
pub(crate) use tube::Tube;
pub(crate) use unix::{Folder, as_tcp, local_pair};
#[cfg(unix)]
pub(crate) use unix::{dial_unix, open_unix};
pub(crate) use waiting::{PATIENCE, becomes, eventually};
pub(crate) use wire::{
    HIXIE, HYBI, Head, KEY3, MASK, PROOF, bye, close_frame, masked, masked_with, text, written,
};
