//! The wrong proofs of draft-76: all that usual mistakes make of the three keys of a request.
//!
//! A mistake belongs to one [`Aspect`] of the calculation. So one mistake of each of two aspects can be
//! combined, and a proof with two mistakes is recognized too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnoses::draft76_proof as diagnoses;
use crate::diagnosis::Diagnosis;

/// The three keys of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) key1: &'a str,
    pub(crate) key2: &'a str,
    pub(crate) key3: [u8; 8],
}

/// The keys of the draft's own example, section 1.2.
pub(crate) const EXAMPLE: Keys<'static> = Keys {
    key1: "4 @1  46546xW%0l 1 5",
    key2: "12998 5 Y3 1  .P00",
    key3: *b"^n:ds[4U",
};

/// Returns the right proof: the MD5 of both numbers and key3 (draft-76 §5.2 steps 10 to 12).
pub(crate) fn proof(keys: &Keys) -> Vec<u8> {
    calculate(keys, &[])
}

/// Returns the diagnosis of a proof that is not the right one, and the name of a second mistake.
pub(crate) fn diagnose(keys: &Keys, found: &[u8]) -> Option<(&'static Diagnosis, String)> {
    if found.is_empty() {
        return Some((&diagnoses::MISSING, String::new()));
    }
    if found.starts_with(&proof(keys)) {
        // The proof is right; only the bytes behind it are wrong.
        return None;
    }
    if found.starts_with(&keys.key3) {
        let whole = found.starts_with(&calculate(keys, &[Mistake::Key3First, Mistake::Unhashed]));
        if !whole {
            return Some((&diagnoses::ECHO, String::new()));
        }
    }
    let is = |mistakes: &[Mistake]| matches(&calculate(keys, mistakes), found);
    if let Some(mistake) = MISTAKES.iter().find(|mistake| is(&[**mistake])) {
        return Some((mistake.diagnosis(), String::new()));
    }
    if found.starts_with(&proof(&EXAMPLE)) {
        return Some((&diagnoses::FIXED, String::new()));
    }
    pairs().find(|pair| is(pair)).map(|[one, two]| {
        let both = format!("{} {}", one.diagnosis().says, two.diagnosis().says);
        (&diagnoses::TWO, both)
    })
}

/// A usual mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    Unhashed,
    Sha1,
    LittleEndian,
    Wide,
    Decimal,
    Hex,
    HexUpper,
    Base64,
    Swapped,
    Key3First,
    NoKey3,
    Key3Utf8,
    Key3Replaced,
    Key3Trimmed,
    Key3ToNul,
    NotDivided,
    Wrapped,
    Saturated,
    FirstDigits,
}

const MISTAKES: [Mistake; 19] = [
    Mistake::Unhashed,
    Mistake::Sha1,
    Mistake::LittleEndian,
    Mistake::Wide,
    Mistake::Decimal,
    Mistake::Hex,
    Mistake::HexUpper,
    Mistake::Base64,
    Mistake::Swapped,
    Mistake::Key3First,
    Mistake::NoKey3,
    Mistake::Key3Utf8,
    Mistake::Key3Replaced,
    Mistake::Key3Trimmed,
    Mistake::Key3ToNul,
    Mistake::NotDivided,
    Mistake::Wrapped,
    Mistake::Saturated,
    Mistake::FirstDigits,
];

/// The step of the calculation that a mistake changes.
#[derive(Debug, PartialEq, Eq)]
enum Aspect {
    Number,
    Bytes,
    Key3,
    Order,
    Digest,
    Output,
}

impl Mistake {
    fn aspect(self) -> Aspect {
        match self {
            Mistake::Unhashed | Mistake::Sha1 => Aspect::Digest,
            Mistake::LittleEndian | Mistake::Wide | Mistake::Decimal => Aspect::Bytes,
            Mistake::Hex | Mistake::HexUpper | Mistake::Base64 => Aspect::Output,
            Mistake::Swapped | Mistake::Key3First => Aspect::Order,
            Mistake::NoKey3
            | Mistake::Key3Utf8
            | Mistake::Key3Replaced
            | Mistake::Key3Trimmed
            | Mistake::Key3ToNul => Aspect::Key3,
            Mistake::NotDivided | Mistake::Wrapped | Mistake::Saturated | Mistake::FirstDigits => {
                Aspect::Number
            }
        }
    }

    fn diagnosis(self) -> &'static Diagnosis {
        match self {
            Mistake::Unhashed => &diagnoses::UNHASHED,
            Mistake::Sha1 => &diagnoses::SHA1,
            Mistake::LittleEndian => &diagnoses::LITTLE,
            Mistake::Wide => &diagnoses::WIDE,
            Mistake::Decimal => &diagnoses::DECIMAL,
            Mistake::Hex | Mistake::HexUpper => &diagnoses::HEX,
            Mistake::Base64 => &diagnoses::BASE64,
            Mistake::Swapped => &diagnoses::SWAPPED,
            Mistake::Key3First => &diagnoses::KEY3_FIRST,
            Mistake::NoKey3 => &diagnoses::NO_KEY3,
            Mistake::Key3Utf8
            | Mistake::Key3Replaced
            | Mistake::Key3Trimmed
            | Mistake::Key3ToNul => &diagnoses::KEY3_TEXT,
            Mistake::NotDivided => &diagnoses::NOT_DIVIDED,
            Mistake::Wrapped | Mistake::Saturated => &diagnoses::SIGNED,
            Mistake::FirstDigits => &diagnoses::FIRST_DIGITS,
        }
    }
}

/// The pairs of mistakes that change different steps of the calculation.
fn pairs() -> impl Iterator<Item = [Mistake; 2]> {
    MISTAKES.iter().enumerate().flat_map(|(at, one)| {
        let others = MISTAKES[at + 1..].iter();
        others
            .filter(|two| two.aspect() != one.aspect())
            .map(|two| [*one, *two])
    })
}

/// Whether the found bytes are these, or their beginning: a client reads only sixteen of them.
fn matches(guess: &[u8], found: &[u8]) -> bool {
    found == guess || (found.len() >= 16 && (guess.starts_with(found) || found.starts_with(guess)))
}

/// Calculates a proof with these mistakes.
fn calculate(keys: &Keys, mistakes: &[Mistake]) -> Vec<u8> {
    let made = |mistake| mistakes.contains(&mistake);
    let [one, two] =
        [keys.key1, keys.key2].map(|key| number_bytes(number(key, mistakes), mistakes));
    let key3 = key3_bytes(&keys.key3, mistakes);
    let input = if made(Mistake::Swapped) {
        [two, one, key3].concat()
    } else if made(Mistake::Key3First) {
        [key3, one, two].concat()
    } else {
        [one, two, key3].concat()
    };
    let digest = if made(Mistake::Unhashed) {
        input
    } else if made(Mistake::Sha1) {
        sha1_smol::Sha1::from(&input).digest().bytes().to_vec()
    } else {
        md5::compute(&input).0.to_vec()
    };
    let hex = || {
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    if made(Mistake::Hex) {
        hex().into_bytes()
    } else if made(Mistake::HexUpper) {
        hex().to_uppercase().into_bytes()
    } else if made(Mistake::Base64) {
        STANDARD.encode(&digest).into_bytes()
    } else {
        digest
    }
}

/// The number that a key hides. The keys are the checker's own: they have digits and spaces.
fn number(key: &str, mistakes: &[Mistake]) -> u64 {
    let made = |mistake| mistakes.contains(&mistake);
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let digits: Vec<u8> = if made(Mistake::FirstDigits) {
        key.bytes().take_while(is_digit).collect()
    } else {
        key.bytes().filter(is_digit).collect()
    };
    let number = digits.iter().fold(0, |number: u64, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'))
    });
    let spaces = key.bytes().filter(|byte| *byte == b' ').count().max(1) as u64;
    if made(Mistake::NotDivided) {
        number
    } else if made(Mistake::Wrapped) {
        wrapped(number, spaces)
    } else if made(Mistake::Saturated) {
        number.min(i32::MAX as u64) / spaces
    } else {
        number / spaces
    }
}

/// The quotient of a number that was read into a signed integer of 32 bits.
fn wrapped(number: u64, spaces: u64) -> u64 {
    let low = i64::from(i32::from_be_bytes(low_bytes(number)));
    let quotient = low / i64::try_from(spaces).unwrap_or(1);
    u64::from_be_bytes(quotient.to_be_bytes())
}

/// The number as four bytes, the most significant first; bits that do not fit are lost.
fn low_bytes(number: u64) -> [u8; 4] {
    let [.., a, b, c, d] = number.to_be_bytes();
    [a, b, c, d]
}

fn number_bytes(number: u64, mistakes: &[Mistake]) -> Vec<u8> {
    let made = |mistake| mistakes.contains(&mistake);
    let mut low = low_bytes(number);
    if made(Mistake::LittleEndian) {
        low.reverse();
        low.to_vec()
    } else if made(Mistake::Wide) {
        number.to_be_bytes().to_vec()
    } else if made(Mistake::Decimal) {
        number.to_string().into_bytes()
    } else {
        low.to_vec()
    }
}

fn key3_bytes(key3: &[u8; 8], mistakes: &[Mistake]) -> Vec<u8> {
    let made = |mistake| mistakes.contains(&mistake);
    if made(Mistake::NoKey3) {
        Vec::new()
    } else if made(Mistake::Key3Utf8) {
        key3.iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .into_bytes()
    } else if made(Mistake::Key3Replaced) {
        String::from_utf8_lossy(key3).into_owned().into_bytes()
    } else if made(Mistake::Key3Trimmed) {
        key3.trim_ascii().to_vec()
    } else if made(Mistake::Key3ToNul) {
        key3.iter().copied().take_while(|byte| *byte != 0).collect()
    } else {
        key3.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that each mistake of key3 changes, and numbers that are above 31 bits.
    const HARD: Keys<'static> = Keys {
        key1: "36 7   74 i  92 2'm 9 0G",
        key2: "y  R2 48 Q1O4  e|BV3 i5 1  u- 65",
        key3: [0x91, 0x0d, 0x00, 0xff, 0x25, 0xc3, 0x00, 0x0a],
    };

    #[test]
    fn the_example_of_the_draft_is_calculated() {
        assert_eq!(proof(&EXAMPLE), b"8jKS'y:G*Co,Wxa-");
    }

    #[test]
    fn each_mistake_is_recognized_by_its_bytes() {
        for mistake in MISTAKES {
            let wrong = calculate(&HARD, &[mistake]);
            let (diagnosis, _) = diagnose(&HARD, &wrong).expect("a usual mistake");
            assert_eq!(diagnosis.id, mistake.diagnosis().id, "{mistake:?}");
            assert_ne!(wrong, proof(&HARD), "{mistake:?}");
        }
    }

    #[test]
    fn a_client_that_read_only_sixteen_bytes_recognizes_hex_text() {
        let wrong = calculate(&HARD, &[Mistake::Hex]);
        let (diagnosis, _) = diagnose(&HARD, &wrong[..16]).expect("a usual mistake");
        assert_eq!(diagnosis.id, "D76-PROOF-HEX");
    }

    #[test]
    fn two_mistakes_at_once_are_both_named() {
        let wrong = calculate(&HARD, &[Mistake::LittleEndian, Mistake::Hex]);
        let (diagnosis, both) = diagnose(&HARD, &wrong).expect("two usual mistakes");
        assert_eq!(diagnosis.id, "D76-PROOF-TWO");
        assert!(both.contains(diagnoses::LITTLE.says) && both.contains(diagnoses::HEX.says));
    }

    #[test]
    fn a_proof_of_random_bytes_has_no_diagnosis() {
        assert!(diagnose(&HARD, &[0x55; 16]).is_none());
    }

    #[test]
    fn the_proof_of_the_example_is_a_fixed_one_for_other_keys() {
        let (diagnosis, _) = diagnose(&HARD, b"8jKS'y:G*Co,Wxa-").expect("a copied proof");
        assert_eq!(diagnosis.id, "D76-PROOF-FIXED");
    }
}
