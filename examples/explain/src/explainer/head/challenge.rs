//! The challenge of draft-76: two keys with hidden numbers, eight bytes after the request, and the digest
//! after the response.

use std::ops::Range;

use crate::note::{Part, Side, Value};
use crate::rules::handshake::{KEY_DIGITS, KEY_DIVISION, KEY_SIZE, KEY_SPACES, KEY3, KEYS, PROOF};
use crate::step::Step;

use super::super::sink::{NoteDraft, Sink};
use super::block::Block;
use super::guess;
use super::marks::{Marks, Place};
use super::syntax::once;
use super::text::{count, quoted};

/// The bytes after the request (draft-76 §5.2 step 8).
pub(crate) const KEY3_LEN: usize = 8;

/// The bytes after the response (draft-76 §5.2 step 15).
pub(crate) const PROOF_LEN: usize = 16;

/// The names of the two keys.
const NAMES: [&str; 2] = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"];

/// Judges both keys. Returns their quotients, if both have one.
pub(super) fn judge_keys(block: &Block, marks: &mut Marks) -> Option<[u32; 2]> {
    let [first, second] = NAMES.map(|name| judge_key(block, name, marks));
    Some([first?, second?])
}

fn judge_key(block: &Block, name: &str, marks: &mut Marks) -> Option<u32> {
    if block.first_of(name).is_none() {
        let by = format!("the header {name} is missing");
        marks.broken(Place::Block, &KEYS, by);
        return None;
    }
    let (place, key) = once(block, name, marks)?;
    let start = match &block.headers[place].parts {
        Some(parts) => parts.value.start,
        None => 0,
    };
    let pieces = pieces(key).into_iter();
    let pieces = pieces.map(|(part, range)| (part, range.start + start..range.end + start));
    let place = Place::Value(place);
    marks.at(place).pieces.extend(pieces);
    marks.holds(place, &KEYS);
    solve(key, place, marks)
}

/// Calculates the quotient of a key (draft-76 §5.2 steps 4 to 7).
fn solve(key: &[u8], place: Place, marks: &mut Marks) -> Option<u32> {
    let digits: String = key
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|&byte| char::from(byte))
        .collect();
    let spaces = key.iter().filter(|&&byte| byte == b' ').count();
    let number: Option<u64> = digits.parse().ok();
    if let Some(number) = number {
        let text = key.to_vec();
        marks.at(place).steps.push(Step::Digits { text, number });
    }
    let spaces = u32::try_from(spaces).unwrap_or(u32::MAX);
    let text = key.to_vec();
    let counted = Step::Spaces {
        text,
        count: spaces,
    };
    marks.at(place).steps.push(counted);
    judge_number(key, &digits, number, place, marks);
    if spaces == 0 {
        let by = format!("the key {} has no spaces", quoted(key));
        marks.broken(place, &KEY_SPACES, by);
        return None;
    }
    marks.holds(place, &KEY_SPACES);
    divide(number?, spaces, place, marks)
}

fn judge_number(key: &[u8], digits: &str, number: Option<u64>, place: Place, marks: &mut Marks) {
    if digits.is_empty() {
        let by = format!("the key {} has no digits", quoted(key));
        return marks.broken(place, &KEY_DIGITS, by);
    }
    marks.holds(place, &KEY_DIGITS);
    match number {
        Some(number) if u32::try_from(number).is_ok() => marks.holds(place, &KEY_SIZE),
        _ => {
            let digits = quoted(digits.as_bytes());
            let by = format!("the number {digits} is larger than 4294967295");
            marks.broken(place, &KEY_SIZE, by);
        }
    }
}

fn divide(number: u64, by: u32, place: Place, marks: &mut Marks) -> Option<u32> {
    let (quotient, rest) = (number / u64::from(by), number % u64::from(by));
    marks.at(place).steps.push(Step::Divide {
        number,
        by,
        quotient,
        rest,
    });
    if rest != 0 {
        let spaces = count(by as usize, "space");
        let found = format!("{number} divided by {spaces} leaves a remainder of {rest}");
        marks.broken(place, &KEY_DIVISION, found);
        return None;
    }
    marks.holds(place, &KEY_DIVISION);
    u32::try_from(number).ok()?;
    let quotient = u32::try_from(quotient).ok()?;
    marks.at(place).steps.push(big_endian(quotient));
    Some(quotient)
}

fn big_endian(number: u32) -> Step {
    Step::BigEndian {
        bytes: number.to_be_bytes().to_vec(),
        value: number.into(),
    }
}

/// Splits a key into runs of digits, of spaces, and of other characters.
fn pieces(key: &[u8]) -> Vec<(Part, Range<usize>)> {
    let part_of = |byte: u8| match byte {
        b'0'..=b'9' => Part::KeyDigits,
        b' ' => Part::KeySpaces,
        _ => Part::KeyNoise,
    };
    let mut pieces: Vec<(Part, Range<usize>)> = Vec::new();
    for (place, &byte) in key.iter().enumerate() {
        match pieces.last_mut() {
            Some((part, range)) if *part == part_of(byte) => range.end = place + 1,
            _ => pieces.push((part_of(byte), place..place + 1)),
        }
    }
    pieces
}

/// Writes the note about the bytes after the request, fewer than eight if the stream has ended.
pub(crate) fn explain_key3(at: u64, bytes: &[u8], sink: &mut Sink) {
    let range = at..at + bytes.len() as u64;
    let draft = NoteDraft::new(Part::Key3, Side::Client, range).value(Value::Bytes(bytes.to_vec()));
    sink.note(match bytes.len() {
        KEY3_LEN => draft.holds(&KEY3),
        fewer => draft.broken(&KEY3, format!("The stream ended after {fewer} of 8 bytes.")),
    });
}

/// Writes the note about the bytes after the response, fewer than sixteen if the stream has ended. The
/// quotients and key3 are unknown if the request was not read, or if its keys have none.
pub(crate) fn explain_proof(
    at: u64,
    found: &[u8],
    numbers: Option<[u32; 2]>,
    key3: Option<[u8; KEY3_LEN]>,
    sink: &mut Sink,
) {
    let range = at..at + found.len() as u64;
    let draft = NoteDraft::new(Part::Proof, Side::Server, range);
    let draft = draft.value(Value::Bytes(found.to_vec()));
    if found.len() < PROOF_LEN {
        let by = format!("The stream ended after {} of 16 bytes.", found.len());
        sink.note(draft.broken(&PROOF, by));
        return;
    }
    let (Some(numbers), Some(key3)) = (numbers, key3) else {
        sink.note(draft);
        return;
    };
    let parts = vec![
        numbers[0].to_be_bytes().to_vec(),
        numbers[1].to_be_bytes().to_vec(),
        key3.to_vec(),
    ];
    let joined = parts.concat();
    let expected = md5::compute(&joined).0;
    let equal = found == expected;
    let steps = [
        big_endian(numbers[0]),
        big_endian(numbers[1]),
        Step::Join {
            parts,
            joined: joined.clone(),
        },
        Step::Md5 {
            input: joined,
            digest: expected,
        },
        Step::Compare {
            found: found.to_vec(),
            expected: expected.to_vec(),
            equal,
        },
    ];
    let verdict = match equal {
        true => Ok(()),
        false => {
            let difference = format!("Found {}, expected {}.", hex(found), hex(&expected));
            let guess = guess::proof(found, numbers, &key3);
            Err(guess.map_or_else(
                || difference.clone(),
                |guess| format!("{difference} {guess}."),
            ))
        }
    };
    sink.note(draft.steps(steps).judge(&PROOF, verdict));
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
