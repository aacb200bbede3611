//! Strings with escapes, as programming languages and `printf` write bytes: `b'\x81\x05Hello'`.

use super::shorten;

/// Whether the text is such a string, or several of them.
pub(super) fn is_literal(text: &str) -> bool {
    let text = text.trim_start();
    byte_string(text).is_some() || text.contains("\\x") || text.contains("\\u00") || is_octal(text)
}

/// The place of the quote of the first `b'…'` of Python, Rust or C, with or without an `r`.
fn byte_string(text: &str) -> Option<usize> {
    let mut places = text.match_indices(['\'', '"']).map(|(at, _)| at);
    places.find(|at| {
        let before = text[..*at].strip_suffix(['b', 'B']);
        let before = before.map(|before| before.strip_suffix(['r', 'R']).unwrap_or(before));
        before.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

/// Reads the strings of bytes alone: the text beside them, such as an address, is no part of them.
fn byte_strings(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(start) = byte_string(rest) {
        let inside = &rest[start + 1..];
        let end = end_of(inside, rest.as_bytes()[start]).ok_or_else(|| no_end(inside))?;
        bytes.extend(unescape(&inside[..end])?);
        rest = &inside[end + 1..];
    }
    Ok(bytes)
}

fn no_end(inside: &str) -> String {
    format!("the string \"{}\" has no end", shorten(inside))
}

fn is_octal(text: &str) -> bool {
    let mut pairs = text.as_bytes().windows(2);
    pairs.any(|pair| pair[0] == b'\\' && matches!(pair[1], b'0'..=b'7'))
}

/// Reads the strings within quotes, one behind the other; without quotes, all of the text.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    if byte_string(text).is_some() {
        return byte_strings(text);
    }
    let mut bytes = Vec::new();
    let mut rest = text.trim();
    let mut is_quoted = false;
    while let Some(start) = rest.find(['"', '\'']) {
        // A quote within text that has none around it is a character.
        let before = rest[..start].trim();
        if !is_quoted && before.contains('\\') {
            break;
        }
        is_quoted = true;
        let quote = rest.as_bytes()[start];
        let inside = &rest[start + 1..];
        let end = end_of(inside, quote).ok_or_else(|| no_end(inside))?;
        bytes.extend(unescape(&inside[..end])?);
        rest = &inside[end + 1..];
    }
    if is_quoted {
        return Ok(bytes);
    }
    // `\x81 \x05`: spaces between bytes, if there is nothing but such bytes.
    let words: Vec<&str> = rest
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .collect();
    let is_bytes = |word: &&str| {
        let pieces = word.strip_prefix("\\x").map(|pieces| pieces.split("\\x"));
        pieces.is_some_and(|mut pieces| pieces.all(|piece| piece.len() == 2))
    };
    match words.iter().all(is_bytes) {
        true => unescape(&words.concat()),
        false => unescape(rest),
    }
}

/// The place of the quote that ends the string.
fn end_of(text: &str, quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            byte if byte == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'\\' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let (byte, used) = escape(tail).ok_or_else(|| {
            let shown = String::from_utf8_lossy(&rest[..rest.len().min(6)]).into_owned();
            format!("\"{}\" is no escape of a byte", shorten(&shown))
        })?;
        bytes.extend(byte);
        rest = &tail[used..];
    }
    Ok(bytes)
}

/// The byte of an escape, and its length after the backslash. A line's end is left out.
fn escape(text: &[u8]) -> Option<(Option<u8>, usize)> {
    let digits = |text: &[u8], radix: u32, most: usize| {
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        let length = text.iter().take(most).take_while(is_digit).count();
        let text = str::from_utf8(&text[..length]).ok()?;
        Some((u8::from_str_radix(text, radix).ok()?, length))
    };
    let simple = |byte| Some((Some(byte), 1));
    match text.first()? {
        b'x' => digits(&text[1..], 16, 2).map(|(byte, used)| (Some(byte), used + 1)),
        // JSON and JavaScript: a character that stands for a byte.
        b'u' if text[1..].starts_with(b"00") => {
            let (byte, used) = digits(&text[3..], 16, 2)?;
            (used == 2).then_some((Some(byte), 5))
        }
        b'0'..=b'7' => digits(text, 8, 3).map(|(byte, used)| (Some(byte), used)),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'a' => simple(7),
        b'b' => simple(8),
        b'v' => simple(11),
        b'f' => simple(12),
        b'e' => simple(27),
        b'\n' => Some((None, 1)),
        byte @ (b'\\' | b'\'' | b'"') => simple(*byte),
        _ => None,
    }
}
