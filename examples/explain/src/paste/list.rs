//! Lists of numbers: `[129, 5]` of Rust and JavaScript, `{0x81, 0x05}` of C and Go, `<Buffer 81 05>` of
//! Node.

use super::{hex, hex_word, shorten};

/// Reads a list, if the text has brackets.
pub(super) fn read(text: &str) -> Option<Result<Vec<u8>, String>> {
    if let Some(start) = text.find("<Buffer") {
        let inside = &text[start + "<Buffer".len()..];
        let inside = inside.split('>').next().unwrap_or_default();
        return Some(shortened(inside).and_then(|()| hex(inside)));
    }
    let mut lists = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['[', '{']) {
        let close = if rest[open..].starts_with('[') {
            ']'
        } else {
            '}'
        };
        let inside = &rest[open + 1..];
        let end = inside.find(close).unwrap_or(inside.len());
        if inside[..end].contains(|c: char| c.is_ascii_hexdigit()) && !is_type(&inside[..end]) {
            lists.push(&inside[..end]);
        }
        rest = inside.get(end + 1..).unwrap_or_default();
    }
    if lists.is_empty() {
        return None;
    }
    let bytes: Result<Vec<Vec<u8>>, String> = lists.into_iter().map(list).collect();
    bytes.map(|bytes| Some(bytes.concat())).transpose()
}

/// `[u8; 11]`: the type of a list.
fn is_type(inside: &str) -> bool {
    inside.trim_start().starts_with("u8") || inside.trim_start().starts_with("byte")
}

/// Node prints 50 bytes of a buffer, and 100 numbers of a list.
fn shortened(text: &str) -> Result<(), String> {
    match text.contains("...") {
        true => Err(
            "the list was shortened where it was printed (\"...\"): print all of it, with \
                     .toString('hex') in Node"
                .to_owned(),
        ),
        false => Ok(()),
    }
}

/// Decimal numbers, unless all of them have `0x`, or one of them has a hex digit above 9.
fn list(inside: &str) -> Result<Vec<u8>, String> {
    shortened(inside)?;
    let inside = inside.replace("(byte)", "");
    let words: Vec<&str> = inside
        .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .map(|word| word.trim_matches(['\'', '"']))
        .map(|word| word.trim_end_matches("u8").trim_matches('_'))
        .filter(|word| !word.is_empty())
        .collect();
    let is_decimal = words
        .iter()
        .all(|word| word.starts_with("0x") || word.parse::<i16>().is_ok());
    let mut bytes = Vec::new();
    for word in words {
        if word.starts_with("0x") || !is_decimal {
            bytes.extend(hex_word(word)?);
            continue;
        }
        let number: i16 = word.parse().map_err(|_| outside(word))?;
        // Java's bytes are signed.
        let byte = u8::try_from(number).or_else(|_| i8::try_from(number).map(i8::cast_unsigned));
        bytes.push(byte.map_err(|_| outside(word))?);
    }
    Ok(bytes)
}

fn outside(word: &str) -> String {
    format!(
        "{} is no byte: a byte is a number from 0 to 255",
        shorten(word)
    )
}
