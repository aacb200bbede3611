//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`: the proof of versions 7, 8 and 13.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1_smol::Sha1;

use crate::rules::handshake::{ACCEPT, KEY};
use crate::step::Step;

use super::block::Block;
use super::guess;
use super::marks::{Marks, Place};
use super::syntax::once;
use super::text::{count, quoted};

/// The text that is joined to the key (RFC 6455 §4.2.2 step 5.4).
pub(super) const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a key, decoded.
const KEY_LEN: usize = 16;

/// The length of a SHA-1 digest.
const DIGEST_LEN: usize = 20;

/// Base64 as the key may be written: the unused bits of the last character may be set.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Judges the key of a request, and returns it as it was sent.
pub(super) fn judge_key(block: &Block, marks: &mut Marks) -> Option<Vec<u8>> {
    const NAME: &str = "Sec-WebSocket-Key";
    if block.first_of(NAME).is_none() {
        marks.broken(
            Place::Block,
            &KEY,
            "the header Sec-WebSocket-Key is missing",
        );
        return None;
    }
    let (place, key) = once(block, NAME, marks)?;
    let place = Place::Value(place);
    match LENIENT.decode(key) {
        Ok(bytes) if bytes.len() == KEY_LEN => {
            let strict = STANDARD.encode(&bytes);
            if strict.as_bytes() == key {
                marks.holds(place, &KEY);
            } else {
                let how = format!(
                    "the unused bits of the last character are set; {strict} has the same bytes: \
                     accepted, as the sample key of RFC 6455 §4.1 has them too"
                );
                marks.choice(place, &KEY, how);
            }
            let text = super::text::text(key);
            marks.at(place).steps.push(Step::Base64 { bytes, text });
        }
        Ok(bytes) => {
            let found = count(bytes.len(), "byte");
            let by = format!("the key {} is Base64 of {found}, not of 16", quoted(key));
            marks.broken(place, &KEY, by);
        }
        Err(_) => {
            let found = count(key.len(), "character");
            let by = format!(
                "the key {} is not Base64 of 16 bytes: it has {found} and must have 24, \
                 the last two of them =",
                quoted(key)
            );
            marks.broken(place, &KEY, by);
        }
    }
    Some(key.to_vec())
}

/// Judges the accept value of a response to a request with this key.
pub(super) fn judge_accept(block: &Block, key: Option<&[u8]>, marks: &mut Marks) {
    const NAME: &str = "Sec-WebSocket-Accept";
    if block.first_of(NAME).is_none() {
        let by = "the header Sec-WebSocket-Accept is missing";
        marks.broken(Place::Block, &ACCEPT, by);
        return;
    }
    let Some((place, found)) = once(block, NAME, marks) else {
        return;
    };
    let place = Place::Value(place);
    let Some(key) = key else {
        return judge_form(place, found, marks);
    };
    let joined = [key, GUID].concat();
    let digest = Sha1::from(&joined).digest().bytes();
    let expected = STANDARD.encode(digest);
    let equal = found == expected.as_bytes();
    marks.at(place).steps.extend([
        Step::Join {
            parts: vec![key.to_vec(), GUID.to_vec()],
            joined: joined.clone(),
        },
        Step::Sha1 {
            input: joined,
            digest,
        },
        Step::Base64 {
            bytes: digest.to_vec(),
            text: expected.clone(),
        },
        Step::Compare {
            found: found.to_vec(),
            expected: expected.clone().into_bytes(),
            equal,
        },
    ]);
    match equal {
        true => marks.holds(place, &ACCEPT),
        false => {
            let length = count(found.len(), "character");
            let found_value = quoted(found);
            let mut by =
                format!("found {found_value} ({length}), expected \"{expected}\" (28 characters)");
            if let Some(guess) = guess::accept(found, key) {
                by += ". ";
                by += guess;
            }
            marks.broken(place, &ACCEPT, by);
        }
    }
}

/// Judges an accept value alone: only its form is known.
fn judge_form(place: Place, found: &[u8], marks: &mut Marks) {
    match STANDARD.decode(found) {
        Ok(bytes) if bytes.len() == DIGEST_LEN => {
            let how =
                "without the key of the request, it cannot be known whether the value is right";
            marks.choice(place, &ACCEPT, how);
        }
        _ => {
            let by = format!(
                "found {} ({}), expected Base64 of the 20 bytes of a SHA-1 digest: 28 characters, \
                 the last one =",
                quoted(found),
                count(found.len(), "character")
            );
            marks.broken(place, &ACCEPT, by);
        }
    }
}
