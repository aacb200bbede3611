//! draft-ietf-hybi-thewebsocketprotocol-07 (April 2011): the protocol as it has been since.
//!
//! # In one sentence
//! A number for the version, a random key answered by its SHA-1, and frames with lengths, masks,
//! fragments, pings and close codes.
//!
//! # On the wire
//! ```text
//! > GET /chat HTTP/1.1                            < HTTP/1.1 101 Switching Protocols
//! > Host: server.example.com                      < Upgrade: websocket
//! > Upgrade: websocket                            < Connection: Upgrade
//! > Connection: Upgrade                           < Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
//! > Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==   <
//! > Sec-WebSocket-Origin: http://example.com
//! > Sec-WebSocket-Version: 7
//! >
//! > 81 85 37fa213d 7f9f4d5158                     < 81 05 48656c6c6f
//! ```
//!
//! # Differences from its neighbour
//! Everything from draft-76: the challenge moved into one header, the origin is no longer echoed
//! (it is for the server to check), and the framing is new. From version 8 it differs in little: a
//! message that is too large is 1004, text that is not UTF-8 has no code of its own, and the text
//! knows a path only as the resource.
//!
//! # Traps
//! - The key is hashed as it was sent, in base64, not decoded.
//! - Firefox 6 offers the extension `deflate-stream`, which compresses everything below the
//!   framing. It must never be accepted: the response has no extension header.
//! - Some software of the time sends `Upgrade: WebSocket`, some writes `Connection` as a list.
//! - A client must not accept a subprotocol or an extension that it has not offered, even if it
//!   knows it.
//! - A wrong client sees 400, 405 or 426 and a sentence for its request. For a frame that breaks a rule it
//!   sees a close frame with 1002, for text that is not UTF-8 1003, for a message that is too large 1004.
//!   The reason names the rule: `88 16 03ea "frame without a mask"`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::{Closing, Codes, Spec, Version, check_upgrade};
use crate::protocol::close::CloseCode;
use crate::protocol::error::Rejection;
use crate::protocol::framing::Framing;
use crate::protocol::handshake::request::Request;
use crate::protocol::handshake::response;
use crate::protocol::handshake::{ClientRequest, ExpectedProof, HandshakeError, HandshakeResponse};
use crate::protocol::handshake::{Proof, expect_exactly, expect_ignoring_case};
use crate::protocol::http::text::escaped;
use crate::protocol::random::Random;
use crate::protocol::role::Entropy;

pub(crate) const SPEC: Spec = Spec {
    name: "version 7",
    number: Some(7),
    framing: Framing::Hybi,
    closing: Closing::Frame,
    binary_and_ping: true,
    origin_fields: &["Sec-WebSocket-Origin"],
    subprotocol_field: "Sec-WebSocket-Protocol",
    subprotocol_list: true,
    codes: Some(Codes {
        too_large: CloseCode::TOO_LARGE_BEFORE_13,
        // 1007 came with draft-10; 1003, "cannot accept this data", is the nearest there is.
        invalid_text: CloseCode::UNSUPPORTED_DATA,
    }),
    minimal_lengths: false,
    deflate: false,
};

/// The header in which a client offers extensions, and the server names those that it accepts.
pub(crate) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// The bytes that are appended to the key before it is hashed (draft-07 §5.2.2, RFC 6455 §4.2.2).
pub const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub(super) fn check(request: &Request) -> Result<Proof, Rejection> {
    check_hybi(request, Version::Hybi07)
}

/// Checks a request of any of the three hybi versions (draft-07 §5.2.1, RFC 6455 §4.2.1).
pub(super) fn check_hybi(request: &Request, version: Version) -> Result<Proof, Rejection> {
    check_upgrade(request, version)?;
    // Repeated keys are forbidden from draft-14 on, and made no sense before.
    let key = request
        .once("Sec-WebSocket-Key")?
        .ok_or(Rejection::Missing("Sec-WebSocket-Key"))?;
    // With two origins, an allow-list would check one, and another program the other.
    for field in version.spec().origin_fields {
        request.once(field)?;
    }
    let offered = request.subprotocols_offered_in(version);
    if !offered
        .iter()
        .all(|name| name.bytes().all(is_subprotocol_byte))
    {
        return Err(Rejection::InvalidSubprotocol);
    }
    match accept_value(key) {
        Some(accept) => Ok(Proof::Accept(accept)),
        None => Err(Rejection::InvalidKey(escaped(key))),
    }
}

/// Writes the response that all three hybi versions share: no location, no origin.
pub(super) fn response(proof: &Proof) -> Vec<u8> {
    let mut out = response::switching("Switching Protocols", "websocket");
    if let Proof::Accept(accept) = proof {
        response::header(&mut out, "Sec-WebSocket-Accept", accept);
    }
    out
}

/// Returns the value of `Sec-WebSocket-Accept` for a key, or `None` if the key is not base64 of 16
/// bytes (draft-07 §5.2.2, RFC 6455 §4.2.2 step 5).
///
/// Laxer than a strict decoder in one point: the unused bits of the last character may be set, as
/// they are in the RFC's own sample key `AQIDBAUGBwgJCgsMDQ4PEC==`.
#[must_use]
pub fn accept_value(key: &[u8]) -> Option<String> {
    // 16 bytes are 22 characters and the padding of the last group: nothing need be decoded.
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let characters = key.strip_suffix(b"==")?;
    if characters.len() != 22 || !characters.iter().all(in_alphabet) {
        return None;
    }
    Some(accept_of(key))
}

fn accept_of(key: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(ACCEPT_GUID);
    STANDARD.encode(sha1.finalize())
}

/// Returns whether a subprotocol may contain `byte`. The text says U+0021 to U+007E without separators;
/// a slash or a colon is common in practice and harmless, so only bytes that would break the header of
/// the response are rejected.
pub(crate) fn is_subprotocol_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;".contains(&byte)
}

/// Writes a client's request in any of the three hybi versions (draft-07 §5.1, RFC 6455 §4.1).
#[inline]
pub(super) fn request(
    request: &ClientRequest,
    extensions: Option<String>,
    entropy: Entropy,
) -> (Vec<u8>, ExpectedProof) {
    let spec = request.version.spec();
    let key = STANDARD.encode(Random(entropy).bytes::<16>());
    let accept = accept_of(key.as_bytes());
    let mut fields = vec![
        ("Host", request.authority()),
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Key", key),
    ];
    // If the origin has two names, every server of version 8 reads the older one.
    let origin = spec
        .origin_fields
        .iter()
        .copied()
        .zip(request.origin_to_send());
    fields.extend(origin.take(1));
    fields.extend(
        spec.number
            .map(|number| ("Sec-WebSocket-Version", number.to_string())),
    );
    let subprotocols = request.subprotocols_offered();
    fields.extend(subprotocols.map(|list| (spec.subprotocol_field, list)));
    fields.extend(extensions.map(|list| (EXTENSIONS, list)));
    fields.extend(request.further_fields());
    (request.write(&fields), ExpectedProof::Accept(accept))
}

/// Checks the server's response (RFC 6455 §4.1).
#[inline]
pub(super) fn check_response(
    response: &HandshakeResponse,
    expected: &ExpectedProof,
) -> Result<(), HandshakeError> {
    if response.is_http_1_0() {
        return Err(HandshakeError::HttpVersion);
    }
    expect_ignoring_case(response, "Upgrade", "websocket")?;
    if !response.head().lists("Connection", "upgrade") {
        expect_ignoring_case(response, "Connection", "Upgrade")?;
    }
    if let ExpectedProof::Accept(accept) = expected {
        expect_exactly(response, "Sec-WebSocket-Accept", accept)?;
    }
    Ok(())
}
