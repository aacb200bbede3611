//! Masks (RFC 6455 §5.3).

use super::utf8::FIRST;
use crate::step::Step;

/// Returns the byte at `at` of a payload, masked or unmasked.
pub(super) fn xor(at: u64, byte: u8, key: Option<[u8; 4]>) -> u8 {
    byte ^ key.map_or(0, |key| key_byte(key, at))
}

/// Returns the steps from the bytes on the wire to `plain`, which begins at `at` in the payload; for the
/// first 64 bytes of a payload.
pub(super) fn xor_steps(at: u64, plain: &[u8], key: Option<[u8; 4]>) -> Vec<Step> {
    let Some(key) = key else {
        return Vec::new();
    };
    let step = |(at, plain): (u64, &u8)| {
        let (key, plain) = (key_byte(key, at), *plain);
        Step::Xor {
            at,
            masked: plain ^ key,
            key,
            plain,
        }
    };
    (at..FIRST as u64).zip(plain).map(step).collect()
}

fn key_byte(key: [u8; 4], at: u64) -> u8 {
    let [first, second, third, fourth] = key;
    match at % 4 {
        0 => first,
        1 => second,
        2 => third,
        _ => fourth,
    }
}
