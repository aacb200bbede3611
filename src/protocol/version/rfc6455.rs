//! draft-ietf-hybi-thewebsocketprotocol-13 to -17 and RFC 6455 (December 2011): version 13.
//!
//! # In one sentence
//! The version that every browser speaks today: version 8 with its loose ends tied.
//!
//! # On the wire
//! ```text
//! > GET /chat HTTP/1.1                            < HTTP/1.1 101 Switching Protocols
//! > Host: server.example.com                      < Upgrade: websocket
//! > Upgrade: websocket                            < Connection: Upgrade
//! > Connection: Upgrade                           < Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//! > Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==   < Sec-WebSocket-Protocol: chat
//! > Origin: http://example.com                    <
//! > Sec-WebSocket-Protocol: chat, superchat
//! > Sec-WebSocket-Version: 13
//! >
//! ```
//!
//! # Differences from its neighbour
//! From version 8: the origin is in `Origin` alone, a message that is too large is 1009 (1004 is
//! reserved), lengths must be in their shortest form, and 1008 to 1011 have meanings.
//!
//! # Traps
//! - `permessage-deflate` is offered by every browser. Not answering is declining, and always
//!   legal (RFC 7692 §5). It is accepted if compression is built in and enabled.
//! - Once both sides have sent a close frame, it is the server that closes TCP (§7.1.1): the side that
//!   closes first keeps the connection's memory for minutes, and a client should not be left with the
//!   port.
//! - A sample key of the RFC's own, `AQIDBAUGBwgJCgsMDQ4PEC==` (§4.1), has stray bits in its last
//!   character: a strict base64 decoder rejects it.
//! - A wrong client sees the same as in version 8, but 1009 for a message that is too large, and 1002 for a
//!   length in a longer form than needed. A client of an unknown version sees 426, with a header
//!   `Sec-WebSocket-Version` that lists the versions of this server.

use super::{Codes, Spec, Version, hybi07, hybi08};
use crate::protocol::close::CloseCode;
use crate::protocol::error::Rejection;
use crate::protocol::handshake::Proof;
use crate::protocol::handshake::request::Request;

pub(crate) const SPEC: Spec = Spec {
    name: "RFC 6455",
    number: Some(13),
    origin_fields: &["Origin"],
    codes: Some(Codes {
        too_large: CloseCode::TOO_LARGE,
        invalid_text: CloseCode::INVALID_TEXT,
    }),
    minimal_lengths: true,
    deflate: true,
    ..hybi08::SPEC
};

pub(super) fn check(request: &Request) -> Result<Proof, Rejection> {
    hybi07::check_hybi(request, Version::Rfc6455)
}
