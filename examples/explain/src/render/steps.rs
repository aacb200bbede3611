//! The arithmetic, step by step.

use crate::step::Step;

use super::layout::{BYTES, Ink, Page, pad};
use super::visible::{escape, quote_bytes};
use super::{count, hex};

/// The columns of the label of a step.
const LABEL: usize = 10;

/// The bytes whose masks are shown: three lines.
const MASKED: usize = 15;

/// Writes steps: a label, and the calculation. Steps of the mask and of characters that follow each
/// other share lines.
pub(super) fn write(steps: &[&Step], page: &mut Page) {
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let is_alike = |step: &&&Step| {
            matches!(
                (first, step),
                (Step::Xor { .. }, Step::Xor { .. }) | (Step::Utf8 { .. }, Step::Utf8 { .. })
            )
        };
        let together = rest.iter().take_while(is_alike).count().max(1);
        let (these, others) = rest.split_at(together);
        match first {
            Step::Xor { .. } => xor(these, page),
            Step::Utf8 { .. } => characters(these, page),
            step => one(step, page),
        }
        rest = others;
    }
}

fn one(step: &Step, page: &mut Page) {
    match step {
        Step::Digits { .. } | Step::Spaces { .. } | Step::Divide { .. } => key(step, page),
        Step::BigEndian { bytes, value } => line("number", &number(bytes, *value, 256), page),
        Step::Base128 { digits, value } => line("base 128", &number(digits, *value, 128), page),
        Step::Join { parts, joined } => join(parts, joined, page),
        Step::Sha1 { input, digest } => {
            let words = format!("of {}: {}", count(input.len() as u64, "byte"), hex(digest));
            line("SHA-1", &words, page);
        }
        Step::Md5 { input, digest } => {
            line("MD5", &format!("of {}:", hex(input)), page);
            line(
                "",
                &format!("{} {}", hex(digest), quote_bytes(digest)),
                page,
            );
        }
        Step::Base64 { bytes, text } => base64(bytes, text, page),
        Step::Utf8Run { bytes, invalid_at } => {
            let length = count(bytes.len() as u64, "byte");
            let words = match invalid_at {
                Some(at) => format!("of {length}, number {} is not UTF-8", at + 1),
                None => format!("{length} more, all of them UTF-8"),
            };
            line("UTF-8", &words, page);
        }
        Step::CloseCode { high, low, code } => {
            let words = format!("{high:02x} {low:02x} = {high}×256 + {low} = {code}");
            line("number", &words, page);
        }
        Step::Inflate {
            packed,
            plain,
            from_before,
        } => {
            let mut words = format!("{} become {plain}", count(*packed, "byte"));
            if *from_before > 0 {
                words.push_str(&format!(
                    ", of which {from_before} are copies from earlier messages"
                ));
            }
            line("inflate", &words, page);
        }
        Step::Compare {
            found,
            expected,
            equal,
        } => compare(found, expected, *equal, page),
        _ => {}
    }
}

/// The steps from a key of draft-76 to its number.
fn key(step: &Step, page: &mut Page) {
    match step {
        Step::Digits { text, number } => {
            let digits: Vec<String> = text
                .iter()
                .filter(|byte| byte.is_ascii_digit())
                .map(|byte| char::from(*byte).to_string())
                .collect();
            line("digits", &format!("{} = {number}", digits.join(" ")), page);
        }
        Step::Spaces { count: spaces, .. } => {
            line("spaces", &count(u64::from(*spaces), "space"), page);
        }
        Step::Divide {
            number,
            by,
            quotient,
            rest,
        } => {
            let rest = match rest {
                0 => "nothing left".to_owned(),
                rest => format!("{rest} left"),
            };
            line(
                "divide",
                &format!("{number} ÷ {by} = {quotient}, {rest}"),
                page,
            );
        }
        _ => {}
    }
}

fn line(label: &str, words: &str, page: &mut Page) {
    page.labelled(BYTES, &pad(label, LABEL), words, Ink::Plain);
}

/// `01 2c = 1×256 + 44 = 300`: the first byte weighs most.
fn number(digits: &[u8], value: u64, base: u64) -> String {
    let weigh = |byte: u8| if base == 128 { byte & 0x7f } else { byte };
    let mut terms = Vec::new();
    for (n, digit) in digits.iter().rev().enumerate() {
        let digit = weigh(*digit);
        let weight = u32::try_from(n).ok().and_then(|n| base.checked_pow(n));
        match (digit, n, weight) {
            (0, ..) => {}
            (_, 0, _) => terms.push(digit.to_string()),
            (_, _, Some(weight)) => terms.push(format!("{digit}×{weight}")),
            (_, n, None) => terms.push(format!("{digit}×{base}^{n}")),
        }
    }
    terms.reverse();
    match terms.len() {
        0 | 1 if !terms.first().is_some_and(|term| term.contains('×')) => {
            format!("{} = {value}", hex(digits))
        }
        _ => format!("{} = {} = {value}", hex(digits), terms.join(" + ")),
    }
}

fn join(parts: &[Vec<u8>], joined: &[u8], page: &mut Page) {
    for (n, part) in parts.iter().enumerate() {
        let label = if n == 0 { "join" } else { "     +" };
        line(label, &text_or_hex(part), page);
    }
    line(
        "",
        &format!("= {}", count(joined.len() as u64, "byte")),
        page,
    );
}

/// Three bytes become four characters.
fn base64(bytes: &[u8], text: &str, page: &mut Page) {
    let characters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = bytes
        .chunks(3)
        .zip(characters.chunks(4))
        .map(|(three, four)| {
            let four: String = four.iter().collect();
            format!(
                "{}→{}",
                hex(three).replace(' ', ""),
                escape(four.as_bytes())
            )
        })
        .collect();
    line("Base64", &groups.join(" "), page);
    line("", &format!("= {}", escape(text.as_bytes())), page);
}

fn compare(found: &[u8], expected: &[u8], equal: bool, page: &mut Page) {
    match equal {
        true => line("compare", &format!("equal: {}", text_or_hex(found)), page),
        false => {
            line("compare", &format!("found    {}", text_or_hex(found)), page);
            line("", &format!("expected {}", text_or_hex(expected)), page);
        }
    }
}

/// Each byte with the byte of the key; the first also in bits.
fn xor(steps: &[&Step], page: &mut Page) {
    let mut words = Vec::new();
    let mut bits = String::new();
    for step in steps {
        let Step::Xor {
            masked, key, plain, ..
        } = step
        else {
            continue;
        };
        let character = match plain {
            b' '..=b'~' => char::from(*plain),
            _ => '·',
        };
        words.push(format!("{masked:02x}⊕{key:02x}={plain:02x} {character} "));
        if bits.is_empty() {
            bits = format!(
                "{} ⊕ {} = {}: 1 where the bits differ",
                nibbles(*masked),
                nibbles(*key),
                nibbles(*plain)
            );
        }
    }
    let rest = words.len().saturating_sub(MASKED);
    words.truncate(MASKED);
    for (n, five) in words.chunks(5).enumerate() {
        line(if n == 0 { "XOR" } else { "" }, &five.join(" "), page);
    }
    if rest > 0 {
        line("", "… and so on: the key begins again after 4 bytes", page);
    }
    line("in bits", &bits, page);
}

/// The characters that take several bytes, with their bits; the others are their bytes.
fn characters(steps: &[&Step], page: &mut Page) {
    for step in steps {
        let Step::Utf8 { bytes, character } = step else {
            continue;
        };
        match character {
            Some(_) if bytes.len() == 1 => {}
            Some(character) => {
                let bits: Vec<String> = bytes.iter().map(|byte| nibbles(*byte)).collect();
                let words = format!(
                    "{} = {} U+{:04X}: {}",
                    hex(bytes),
                    escape(character.to_string().as_bytes()),
                    u32::from(*character),
                    bits.join(", ")
                );
                line("UTF-8", &words, page);
            }
            None => line("UTF-8", &format!("{} is no character", hex(bytes)), page),
        }
    }
}

fn nibbles(byte: u8) -> String {
    format!("{:04b} {:04b}", byte >> 4, byte & 15)
}

/// Text in quotes if all bytes are visible, otherwise hex.
fn text_or_hex(bytes: &[u8]) -> String {
    match bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        true => quote_bytes(bytes),
        false => hex(bytes),
    }
}
