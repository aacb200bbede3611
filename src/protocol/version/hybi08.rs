//! draft-ietf-hybi-thewebsocketprotocol-08 to -12 (June to August 2011): version 8.
//!
//! # In one sentence
//! Version 7 with a few words changed, over five drafts that all call themselves 8.
//!
//! # On the wire
//! ```text
//! > GET /chat HTTP/1.1                            < HTTP/1.1 101 Switching Protocols
//! > Host: server.example.com                      < Upgrade: websocket
//! > Upgrade: websocket                            < Connection: Upgrade
//! > Connection: Upgrade                           < Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//! > Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==   <
//! > Sec-WebSocket-Origin: http://example.com
//! > Sec-WebSocket-Version: 8
//! >
//! ```
//!
//! # Differences from its neighbour
//! From version 7: the resource may be a whole URI, text that is not UTF-8 is 1007 (from draft-10
//! on), and 1005 and 1006 are reserved for reporting. From RFC 6455: a message that is too large is
//! still 1004.
//!
//! # Traps
//! The origin's header changed its name inside this version: `Sec-WebSocket-Origin` to draft-10,
//! `Origin` in 11 and 12. Both are read, the old name first; a client writes the old one.
//!
//! A wrong client sees the same as in version 7, with one exception: text that is not UTF-8 gets a
//! close frame with 1007.

use super::{Codes, Spec, Version, hybi07};
use crate::protocol::close::CloseCode;
use crate::protocol::error::Rejection;
use crate::protocol::handshake::Proof;
use crate::protocol::handshake::request::Request;

pub(crate) const SPEC: Spec = Spec {
    name: "version 8",
    number: Some(8),
    origin_fields: &["Sec-WebSocket-Origin", "Origin"],
    codes: Some(Codes {
        too_large: CloseCode::TOO_LARGE_BEFORE_13,
        invalid_text: CloseCode::INVALID_TEXT,
    }),
    ..hybi07::SPEC
};

pub(super) fn check(request: &Request) -> Result<Proof, Rejection> {
    hybi07::check_hybi(request, Version::Hybi08)
}
