//! The calculations once more, by other code than that which has made them.

use md5_once_more::{Digest, Md5};
use sha1::Sha1;
use stentor_explain::{Note, Step};

/// Asserts that each step of the notes is right.
pub(crate) fn assert_evaluated(notes: &[Note], name: &str) {
    for note in notes {
        for step in &note.steps {
            assert!(is_right(step), "{name}: {step:?} of {note:?}");
        }
    }
}

/// Returns whether a step has the right result.
pub(crate) fn is_right(step: &Step) -> bool {
    match step {
        Step::Digits { text, number } => {
            let digits = text.iter().filter(|byte| byte.is_ascii_digit());
            let value = digits.fold(0_u128, |value, digit| {
                value.saturating_mul(10) + u128::from(digit - b'0')
            });
            value == u128::from(*number)
        }
        Step::Spaces { text, count } => {
            text.iter().filter(|byte| **byte == 0x20).count() == *count as usize
        }
        Step::Divide {
            number,
            by,
            quotient,
            rest,
        } => {
            let by = u128::from(*by);
            u128::from(*rest) < by
                && by * u128::from(*quotient) + u128::from(*rest) == u128::from(*number)
        }
        Step::BigEndian { bytes, value } => {
            bytes.len() <= 8
                && bytes
                    .iter()
                    .fold(0, |value, byte| value << 8 | u64::from(*byte))
                    == *value
        }
        Step::Base128 { digits, value } => is_base_128(digits, *value),
        Step::Join { parts, joined } => parts.concat() == *joined,
        Step::Sha1 { input, digest } => Sha1::digest(input)[..] == digest[..],
        Step::Md5 { input, digest } => Md5::digest(input)[..] == digest[..],
        Step::Base64 { bytes, text } => from_base64(text.as_bytes()).as_ref() == Some(bytes),
        Step::Xor {
            masked, key, plain, ..
        } => masked ^ key == *plain,
        Step::Utf8 { bytes, character } => {
            let mut text = std::str::from_utf8(bytes).unwrap_or_default().chars();
            let found = text.next();
            found == *character && text.next().is_none()
        }
        Step::Utf8Run { bytes, invalid_at } => {
            let error = std::str::from_utf8(bytes).err();
            error.map(|error| error.valid_up_to() as u64) == *invalid_at
        }
        Step::CloseCode { high, low, code } => {
            u32::from(*high) * 256 + u32::from(*low) == u32::from(*code)
        }
        Step::Compare {
            found,
            expected,
            equal,
        } => (found == expected) == *equal,
        Step::Inflate {
            plain, from_before, ..
        } => from_before <= plain,
        _ => false,
    }
}

fn is_base_128(digits: &[u8], value: u64) -> bool {
    let Some((last, others)) = digits.split_last() else {
        return false;
    };
    let is_marked = others.iter().all(|digit| digit & 0x80 != 0) && last & 0x80 == 0;
    let number = digits.iter().fold(0_u128, |number, digit| {
        number << 7 | u128::from(digit & 0x7f)
    });
    is_marked && number == u128::from(value)
}

/// Decodes Base64, bit by bit; the unused bits of the last character are ignored.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(*b"+/")
        .collect();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let characters = &text[..text.len() - padding];
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for character in characters {
        let value = alphabet.iter().position(|own| own == character)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let bytes = bits.chunks_exact(8);
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit);
    bytes.map(|bits| u8::try_from(byte(bits)).ok()).collect()
}

#[test]
fn a_wrong_step_about_numbers_is_found() {
    let text = b"4 1 \tx".to_vec();
    let spaces = |count| {
        is_right(&Step::Spaces {
            text: text.clone(),
            count,
        })
    };
    assert_eq!([1, 2, 3].map(spaces), [false, true, false]);
    let digits = |number| {
        is_right(&Step::Digits {
            text: text.clone(),
            number,
        })
    };
    assert_eq!([4, 41, 14].map(digits), [false, true, false]);
    let divide = |(quotient, rest)| {
        is_right(&Step::Divide {
            number: 7,
            by: 2,
            quotient,
            rest,
        })
    };
    assert_eq!([(3, 1), (2, 3), (3, 0)].map(divide), [true, false, false]);
    let big_endian = |value| {
        is_right(&Step::BigEndian {
            bytes: vec![1, 0],
            value,
        })
    };
    assert_eq!([256, 1].map(big_endian), [true, false]);
    let base_128 = |digits: &[u8]| {
        is_right(&Step::Base128 {
            digits: digits.to_vec(),
            value: 4660,
        })
    };
    assert!(base_128(&[0x80, 0xa4, 0x34]) && !base_128(&[0x24, 0x34]));
}

#[test]
fn a_wrong_step_about_bytes_is_found() {
    let base_64 = |bytes: &[u8], text: &str| {
        is_right(&Step::Base64 {
            bytes: bytes.to_vec(),
            text: text.to_owned(),
        })
    };
    assert!(base_64(b"abc", "YWJj") && base_64(b"ab", "YWI="));
    assert!(!base_64(b"ab", "YWJj") && !base_64(b"ab", "YWI"));
    let close = |high, low| {
        is_right(&Step::CloseCode {
            high,
            low,
            code: 1000,
        })
    };
    assert!(close(3, 0xe8) && !close(0xe8, 3));
    let utf8 = |bytes: &[u8], character| {
        is_right(&Step::Utf8 {
            bytes: bytes.to_vec(),
            character,
        })
    };
    assert!(utf8(&[0xc3, 0xa4], Some('ä')) && utf8(&[0xc3], None) && !utf8(&[0xc3], Some('ä')));
    let compare = |equal| {
        is_right(&Step::Compare {
            found: vec![1],
            expected: vec![2],
            equal,
        })
    };
    assert_eq!([true, false].map(compare), [false, true]);
}
