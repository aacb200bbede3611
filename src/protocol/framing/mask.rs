//! The mask on a client's frames (RFC 6455 §5.3).
//!
//! Each byte of the payload is combined with one of the four bytes of a key by XOR (exclusive or): a bit of
//! the result is 1 where the two bits differ. The same XOR again restores the byte, so masking and unmasking
//! are one function: 48 ⊕ 37 = 7f, and 7f ⊕ 37 = 48, the letter H.
//!
//! It hides nothing. It makes the bytes that a page's script puts on the wire unpredictable, so
//! that the script cannot write something that a careless proxy takes for an HTTP response and
//! caches. That attack, found in 2010, is why browsers dropped draft-76.

/// Masks or unmasks `payload` in place: byte `i` with byte `(i + offset) % 4` of the key, where
/// `offset` counts the frame's bytes before this piece.
pub fn apply(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let at = |index: usize| key[(index + offset) % 4];
    let key = [at(0), at(1), at(2), at(3)];
    let [a, b, c, d] = key;
    // Eight bytes at a time, which the compiler turns into vectors.
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*word) {
            let masked = u64::from_ne_bytes(bytes) ^ wide;
            word.copy_from_slice(&masked.to_ne_bytes());
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Masks or unmasks, which is the same, if there is a mask.
#[inline(always)]
pub(crate) fn unmask(payload: &mut [u8], key: Option<[u8; 4]>, offset: usize) {
    if let Some(key) = key {
        apply(payload, key, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn masking_agrees_with_the_rule_for_every_length_and_offset() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..70_u8 {
            for offset in 0..9 {
                let plain: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(7)).collect();
                let mut masked = plain.clone();
                apply(&mut masked, key, offset);
                for (i, byte) in masked.iter().enumerate() {
                    assert_eq!(*byte, plain[i] ^ key[(i + offset) % 4]);
                }
            }
        }
    }
}
