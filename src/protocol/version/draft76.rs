//! draft-hixie-thewebsocketprotocol-76 (May 2010), the same text as hybi-00.
//!
//! # In one sentence
//! Draft-75 with a challenge, so that no page can talk a mail server into a handshake: two numbers
//! hidden among noise, eight bytes behind the head, and the MD5 of all three as the answer.
//!
//! # On the wire
//! ```text
//! > GET /demo HTTP/1.1                            < HTTP/1.1 101 WebSocket Protocol Handshake
//! > Host: example.com                             < Upgrade: WebSocket
//! > Connection: Upgrade                           < Connection: Upgrade
//! > Sec-WebSocket-Key2: 12998 5 Y3 1  .P00        < Sec-WebSocket-Origin: http://example.com
//! > Upgrade: WebSocket                            < Sec-WebSocket-Location: ws://example.com/demo
//! > Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5      <
//! > Origin: http://example.com
//! >
//! > ^n:ds[4U                                      < 8jKS'y:G*Co,Wxa-
//! ```
//! The digits of key1 read 4146546015, it has 5 spaces: 829309203. Key2 likewise: 259970620. MD5
//! of both as four bytes each, big-endian (the byte with the largest part first), and of key3, the eight
//! bytes, gives the sixteen.
//!
//! # Differences from its neighbour
//! Draft-75 has neither keys nor key3, no `Sec-` in its names, a space in "Web Socket", and no
//! `FF 00` as a close. From version 7 on, the challenge fits into one header.
//!
//! # Traps
//! - To HTTP, key3 is no body. Proxies hold it back until they have seen the 101; so the head of
//!   the response goes out first, and the proof follows when key3 is there. A server that waits for
//!   key3 waits for ever behind HAProxy.
//! - key3 may be any eight bytes: CR LF CR LF, or the `FF 00` that would be a close.
//! - A key's number may have more digits than any integer type, a key may have no spaces, and the
//!   division may leave a rest: each is rejected by name, never with a panic or a wrong answer.
//! - Only the digits 0 to 9 and the byte 20 count; a tab is not a space, nor is A0.
//! - A client's headers go out in an order that nobody can predict, and its keys neither begin nor end
//!   with a space: intermediaries often do not pass such spaces on.
//! - To a client, the response is complete with its sixteen bytes, which may well come later than its
//!   header block; until then anybody may have sent it.
//! - A wrong client sees 400 and a sentence for impossible keys. If its key3 is missing, it sees the 101,
//!   and then a TCP connection that closes at the handshake timeout. From then on it sees as little as in
//!   draft-75; `FF 00` has no code.

use md5::{Digest, Md5};

use super::{Closing, Spec, Version, check_hixie, draft75, response_hixie};
use crate::protocol::error::{KeyError, Rejection};
use crate::protocol::handshake::request::Request;
use crate::protocol::handshake::{Agreed, Proof, expect_exactly, expect_ignoring_case};
use crate::protocol::handshake::{ClientRequest, ExpectedProof, HandshakeError, HandshakeResponse};
use crate::protocol::random::Random;
use crate::protocol::role::Entropy;

pub(crate) const SPEC: Spec = Spec {
    name: "draft-76",
    closing: Closing::Marker,
    subprotocol_field: "Sec-WebSocket-Protocol",
    ..draft75::SPEC
};

/// The bytes of key3, and of the proof (draft-76 §5.2 steps 12 and 15).
pub(crate) const KEY3_LEN: usize = 8;

pub(super) fn check(request: &Request) -> Result<Proof, Rejection> {
    check_hixie(request, Version::Draft76)?;
    let part = |header: &'static str| {
        let key = request.once(header)?.ok_or(Rejection::Missing(header))?;
        solve(key).map_err(|error| Rejection::InvalidChallenge { header, error })
    };
    let parts = [part("Sec-WebSocket-Key1")?, part("Sec-WebSocket-Key2")?];
    Ok(Proof::Challenge(parts))
}

/// Writes the header block of the response. [`proof`] follows its blank line.
pub(super) fn response(request: &Request, agreed: &Agreed) -> Vec<u8> {
    response_hixie(
        "WebSocket Protocol Handshake",
        "Sec-WebSocket-",
        request,
        agreed,
    )
}

/// Returns the number hidden in a key, divided by its spaces (draft-76 §5.2 steps 4 to 8).
///
/// # Errors
/// Stricter than the text in one point: a number above 32 bits is rejected even if its quotient
/// would fit. No client can make one (§4.1 step 18 keeps the product below 2³²).
pub fn solve(key: &[u8]) -> Result<u32, KeyError> {
    let mut digits = key.iter().filter(|byte| byte.is_ascii_digit()).peekable();
    let spaces = key.iter().filter(|byte| **byte == b' ').count();
    if digits.peek().is_none() {
        return Err(KeyError::NoDigits);
    }
    let number = digits.try_fold(0_u32, |number, digit| {
        number.checked_mul(10)?.checked_add(u32::from(digit - b'0'))
    });
    match (number, u32::try_from(spaces)) {
        (_, Ok(0)) => Err(KeyError::NoSpaces),
        (Some(number), Ok(spaces)) if number % spaces == 0 => Ok(number / spaces),
        (Some(_), _) => Err(KeyError::NotDivisible),
        (None, _) => Err(KeyError::TooLarge),
    }
}

/// Returns the sixteen bytes that prove that the request was understood (draft-76 §5.2 steps 10 to
/// 12).
#[must_use]
pub fn proof(parts: [u32; 2], key3: [u8; KEY3_LEN]) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update(parts[0].to_be_bytes());
    md5.update(parts[1].to_be_bytes());
    md5.update(key3);
    md5.finalize().into()
}

/// Writes a client's request: two hidden numbers, the headers in an order that nobody can predict,
/// and key3 behind the blank line (draft-76 §4.1 steps 16 to 26).
#[inline]
pub(super) fn request(request: &ClientRequest, entropy: Entropy) -> (Vec<u8>, ExpectedProof) {
    let random = Random(entropy);
    let (part1, key1) = hide(random);
    let (part2, key2) = hide(random);
    let keys = [("Sec-WebSocket-Key1", key1), ("Sec-WebSocket-Key2", key2)];
    let fields = draft75::fields(request).chain(request.further_fields());
    let mut fields: Vec<_> = fields.chain(keys).collect();
    random.shuffle(&mut fields);
    let mut out = request.write(&fields);
    let key3 = random.bytes();
    out.extend_from_slice(&key3);
    (out, ExpectedProof::Digest(proof([part1, part2], key3)))
}

/// Draws a number and hides it in a key: multiplied by the number of spaces, among noise (draft-76
/// §4.1 steps 16 to 22).
#[inline]
fn hide(random: Random) -> (u32, String) {
    /// U+0021 to U+002F and U+003A to U+007E: neither spaces nor digits.
    const NOISE: [(u8, u8); 2] = [(0x21, 0x2f), (0x3a, 0x7e)];
    let noise: Vec<u8> = NOISE.into_iter().flat_map(|(a, z)| a..=z).collect();

    let spaces = 1 + random.up_to(11);
    let part = random.up_to(u32::MAX / spaces);
    let mut key = (part * spaces).to_string();
    for _ in 0..=random.up_to(11) {
        let byte = noise[random.place(noise.len())];
        key.insert(random.place(key.len() + 1), byte.into());
    }
    for _ in 0..spaces {
        // Neither first nor last.
        key.insert(1 + random.place(key.len() - 1), ' ');
    }
    (part, key)
}

/// Checks the server's response. Laxer than the text, which compares `Upgrade` exactly (draft-76 §4.1
/// steps 41 and 42): Netty's servers send `websocket`, as in RFC 6455. A server proves itself by the
/// digest anyway.
#[inline]
pub(super) fn check_response(
    response: &HandshakeResponse,
    request: &ClientRequest,
) -> Result<(), HandshakeError> {
    expect_ignoring_case(response, "Upgrade", "WebSocket")?;
    expect_ignoring_case(response, "Connection", "Upgrade")?;
    let origin = request.origin_to_send().unwrap_or_default();
    expect_exactly(response, "Sec-WebSocket-Origin", &origin)?;
    expect_exactly(response, "Sec-WebSocket-Location", &request.url())
}
