//! Chapter 8: compression, permessage-deflate (RFC 7692).
//!
//! # In one sentence
//! A message, not a frame, is compressed by itself or as a continuation of those before it, and one bit
//! of its first frame marks it as compressed.
//!
//! # On the wire
//! ```text
//! > Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
//! < Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover
//!
//! < c1 07 f248cdc9c90700          "Hello": RSV1 is set, a raw deflate stream follows
//! < c1 07 f248cdc9c90700          and again; with context takeover it would be f200110000
//! < 81 02 4869                    "Hi": a message that would not shrink is sent as it is
//! ```
//!
//! A sender ends each message with an empty stored block, `00 00 00 FF FF`, and leaves out the last
//! four bytes of it; the receiver puts them back. RSV1 stands on the first frame only, whatever the
//! number of fragments.
//!
//! # Contexts and what they cost
//! With *context takeover* a message may refer to the ones before it, up to 32 KiB back. Chat
//! messages, short and alike, shrink much better that way. The price is memory that lasts as long as
//! the connection does, and that no two receivers can be sent the same bytes. So the default is
//! [no context takeover](Deflate::new) in either direction: a broadcast is compressed once for all
//! its receivers, and a silent connection holds no memory. A direction with context takeover costs,
//! once it has been used:
//!
//! | | context takeover | without |
//! |---|---|---|
//! | sending | 370 KiB; 250 with the smallest window | nothing |
//! | receiving | as much as was received, up to 32 KiB | nothing |
//! | while a compressed message is coming in | 46 KiB | 46 KiB |
//!
//! Messages without context takeover are compressed by compressors that the whole process shares; it
//! keeps at most eight of them.
//!
//! # Traps
//! - A few bytes can become many: the size of a message is checked against
//!   [`Limits::message`](super::Limits::message) while it is decompressed, and text is checked for
//!   UTF-8 as it arrives.
//! - zlib cannot make a window of 8 bits, and quietly takes 9 instead. A peer that requests 8 is sent
//!   plain messages, which is always allowed.
//! - `client_max_window_bits` may be in the response only if it was offered. Some clients close the
//!   connection on any parameter that they have not offered themselves; others, if they have offered
//!   both `no_context_takeover`, on a response without them.
//! - A stream that is cut short looks like a complete one to zlib: see `Inflater::finish`.
//! - If secrets are compressed together with bytes that an attacker chooses, the length of the result
//!   reveals the secret (CRIME, BREACH). Send secrets in messages below the
//!   [threshold](Deflate::threshold), or do without compression.
//! - Some clients offer the extension in versions that are older than it. It is accepted in RFC 6455
//!   only.

#[cfg(feature = "deflate")]
mod deflater;
#[cfg(feature = "deflate")]
mod inflater;
#[cfg(feature = "deflate")]
mod negotiation;
#[cfg(feature = "deflate")]
pub(crate) mod settings;

#[cfg(feature = "deflate")]
pub(crate) use deflater::Deflater;
#[cfg(feature = "deflate")]
pub(crate) use inflater::Inflater;
#[cfg(feature = "deflate")]
pub(crate) use negotiation::{Negotiated, accept_offer, offer, read_response};
#[cfg(feature = "deflate")]
pub(crate) use settings::Deflate;

#[cfg(not(feature = "deflate"))]
mod disabled;
#[cfg(not(feature = "deflate"))]
pub(crate) use disabled::{Deflater, Inflater, Negotiated, accept_offer, offer, read_response};
