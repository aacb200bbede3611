//! draft-hixie-thewebsocketprotocol-75 (February 2010): the first version in a browser.
//!
//! # In one sentence
//! The client asks for an upgrade, the server repeats origin and location, and then text flies
//! between `00` and `FF`; nobody proves anything.
//!
//! # On the wire
//! ```text
//! > GET /demo HTTP/1.1                      < HTTP/1.1 101 Web Socket Protocol Handshake
//! > Upgrade: WebSocket                      < Upgrade: WebSocket
//! > Connection: Upgrade                     < Connection: Upgrade
//! > Host: example.com                       < WebSocket-Origin: http://example.com
//! > Origin: http://example.com              < WebSocket-Location: ws://example.com/demo
//! > WebSocket-Protocol: sample              < WebSocket-Protocol: sample
//! >                                         <
//! > 00 48 65 6c 6c 6f ff                    < 00 48 65 6c 6c 6f ff
//! ```
//!
//! # Differences from its neighbour
//! Draft-76 renames the headers to `Sec-WebSocket-*`, adds a challenge, and adds a closing handshake.
//! Here closing the TCP connection is the close, and `FF 00` is an empty frame to be skipped.
//!
//! # Traps
//! - "Web Socket" has a space in the status line, here and nowhere else; clients compare the first
//!   85 bytes of the response with their own copy (draft-75 §4.1 steps 12 to 15).
//! - A modern request that has lost its version header on the way looks much like this one. `Host`
//!   and `Origin` are therefore required, and a request with any key is rejected before it gets here.
//! - `Sec-WebSocket-Protocol` means nothing yet: the header is `WebSocket-Protocol`.
//! - The response must name a subprotocol if the client has requested one, and must not if it has not.
//! - A wrong client sees little: 400 and a sentence for its request, but no error after the 101. Text
//!   without a frame gets silence, since it is skipped up to an `FF`. Bytes that are not UTF-8 become
//!   U+FFFD. A message that is too large closes the TCP connection.

use super::{Closing, Spec, Version, check_hixie, response_hixie};
use crate::protocol::error::Rejection;
use crate::protocol::framing::Framing;
use crate::protocol::handshake::request::Request;
use crate::protocol::handshake::{Agreed, Proof, expect_exactly};
use crate::protocol::handshake::{ClientRequest, ExpectedProof, HandshakeError, HandshakeResponse};
use crate::protocol::http::text::escaped;

pub(crate) const SPEC: Spec = Spec {
    name: "draft-75",
    number: None,
    framing: Framing::Hixie,
    closing: Closing::CloseTcp,
    binary_and_ping: false,
    codes: None,
    origin_fields: &["Origin"],
    subprotocol_field: "WebSocket-Protocol",
    subprotocol_list: false,
    minimal_lengths: false,
    deflate: false,
};

/// Checks a request. Laxer than the text, which fixes the order and the letter case of the first four
/// headers (draft-75 §4.1): proxies reorder and respell them.
pub(super) fn check(request: &Request) -> Result<Proof, Rejection> {
    check_hixie(request, Version::Draft75)?;
    Ok(Proof::None)
}

pub(super) fn response(request: &Request, agreed: &Agreed) -> Vec<u8> {
    response_hixie(
        "Web Socket Protocol Handshake",
        "WebSocket-",
        request,
        agreed,
    )
}

/// Writes a client's request, the first five lines in this order and spelling (draft-75 §4.1).
#[inline]
pub(super) fn request(request: &ClientRequest) -> (Vec<u8>, ExpectedProof) {
    let fields: Vec<_> = fields(request).chain(request.further_fields()).collect();
    (request.write(&fields), ExpectedProof::Nothing)
}

/// Returns the headers that draft-76 has as well.
#[inline]
pub(super) fn fields(request: &ClientRequest) -> impl Iterator<Item = (&str, String)> {
    let subprotocol_field = request.version.spec().subprotocol_field;
    let subprotocol = request.subprotocols_offered();
    let always = [
        ("Upgrade", "WebSocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Host", request.authority()),
    ];
    always
        .into_iter()
        .chain(request.origin_to_send().map(|origin| ("Origin", origin)))
        .chain(subprotocol.map(|name| (subprotocol_field, name)))
}

/// The first lines of the response, which a client compares byte for byte before it reads on
/// (draft-75 §4.1 steps 12 to 15).
const PREAMBLE: &[u8; 85] = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\n\
    Upgrade: WebSocket\r\nConnection: Upgrade\r\n";

/// Checks the server's response (draft-75 §4.1).
#[inline]
pub(super) fn check_response(
    response: &HandshakeResponse,
    request: &ClientRequest,
) -> Result<(), HandshakeError> {
    let head = response.head().bytes();
    if !head.starts_with(PREAMBLE) {
        let beginning = &head[..head.len().min(PREAMBLE.len())];
        return Err(HandshakeError::Preamble(escaped(beginning)));
    }
    let origin = request.origin_to_send().unwrap_or_default();
    expect_exactly(response, "WebSocket-Origin", &origin)?;
    expect_exactly(response, "WebSocket-Location", &request.url())
}
