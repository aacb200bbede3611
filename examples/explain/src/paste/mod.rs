//! Bytes as people paste them: hex in many forms, dumps, and the literals of programming languages.

mod dump;
mod list;
mod literal;
mod log;

use crate::Side;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The largest paste, in bytes: also the largest block of a dump.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// The bytes of a paste.
#[derive(Debug, PartialEq)]
pub enum Pasted {
    /// The bytes of one side.
    Bytes(Vec<u8>),
    /// Whole packets, with the headers of IP and TCP.
    Packets(Vec<Vec<u8>>),
    /// The headers of frames, from the library's log: they have no payload.
    Headers(Vec<(Side, Vec<u8>)>),
}

/// The form of the text, if it is not to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any form but Base64, whose texts can look like others.
    Any,
    /// Base64, with or without padding.
    Base64,
}

/// Reads pasted text.
///
/// # Errors
///
/// One sentence that names the first text that cannot be read.
pub fn read(text: &str, form: Form) -> Result<Pasted, String> {
    let text = text.trim_start_matches('\u{feff}');
    let pasted = match form {
        Form::Base64 => Pasted::Bytes(base64(text)?),
        Form::Any => any(text)?,
    };
    match &pasted {
        Pasted::Bytes(bytes) if bytes.is_empty() => Err("there are no bytes to explain".to_owned()),
        _ => Ok(pasted),
    }
}

fn any(text: &str) -> Result<Pasted, String> {
    if let Some(headers) = log::read(text) {
        return Ok(Pasted::Headers(headers?));
    }
    if let Some(blocks) = dump::read(text) {
        let blocks = blocks?;
        // tshark adds blocks of its own, such as unmasked data, to those of the packets.
        return Ok(match blocks.first().is_some_and(|first| is_packet(first)) {
            true => Pasted::Packets(blocks),
            false => Pasted::Bytes(blocks.concat()),
        });
    }
    let bytes = if is_head(text) {
        head(text)
    } else if literal::is_literal(text) {
        literal::read(text)?
    } else if let Some(list) = list::read(text) {
        list?
    } else {
        hex(argument_of_hex(text).unwrap_or(text))?
    };
    Ok(Pasted::Bytes(bytes))
}

/// The digits within `bytes.fromhex("8105")` and the same of other languages.
fn argument_of_hex(text: &str) -> Option<&str> {
    let calls = ["fromhex(", "unhexlify(", "hex!(", "Buffer.from("];
    let inside = calls.iter().find_map(|call| text.split_once(call))?.1;
    let start = inside.find(['"', '\''])?;
    let quote = char::from(inside.as_bytes()[start]);
    inside[start + 1..].split(quote).next()
}

/// Pairs of hex digits, with anything usual between them.
fn hex(text: &str) -> Result<Vec<u8>, String> {
    let is_separator = |c: char| c.is_whitespace() || ",;:-_|\"'`<>()".contains(c);
    let mut bytes = Vec::new();
    for word in text.split(is_separator).filter(|word| !word.is_empty()) {
        bytes.extend(hex_word(word)?);
    }
    Ok(bytes)
}

/// Reads one word of hex digits: `81`, `8185`, `0x81`, `0x5`.
///
/// # Errors
///
/// One sentence that names the word.
pub fn hex_word(word: &str) -> Result<Vec<u8>, String> {
    let prefixed = word.strip_prefix("0x").or(word.strip_prefix("0X"));
    let digits = match prefixed {
        // `0x810x85`, as some programs print it.
        Some(digits) => digits.replace("0x", ""),
        None => word.to_owned(),
    };
    if prefixed.is_some() && digits.len() == 1 {
        return hex_word(&format!("0{digits}"));
    }
    if let Some(bad) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!(
            "\"{}\" is not hex: {:?} is no hex digit",
            shorten(word),
            bad
        ));
    }
    if digits.len() % 2 == 1 {
        return Err(format!(
            "\"{}\" has an odd number of hex digits, and a byte has two. Decimal numbers belong in \
             brackets: [129, 5]",
            shorten(word)
        ));
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16));
    bytes
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    let text: String = text.split_whitespace().collect();
    let text = text.trim_matches(|c| "\"'`".contains(c));
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
        .ok_or_else(|| format!("\"{}\" is not Base64", shorten(text)))
}

/// A request or a response as plain text.
fn is_head(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("GET ") || text.starts_with("HTTP/1.")
}

/// Whether this is the text of a header block whose line ends were not kept.
pub fn lacks_cr(text: &str) -> bool {
    is_head(text) && text.contains('\n') && !text.contains('\r')
}

/// Many editors write LF alone: CR LF is meant if there is no CR at all.
fn head(text: &str) -> Vec<u8> {
    let text = text.trim_start();
    match text.contains('\r') {
        true => text.as_bytes().to_vec(),
        false => text.replace('\n', "\r\n").into_bytes(),
    }
}

/// Whether these are all bytes of an IP packet with TCP, perhaps in an Ethernet frame.
fn is_packet(block: &[u8]) -> bool {
    crate::packet::from_dump(block).is_some()
}

/// The beginning of a text, for an error.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(24).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    crate::render::escape(short.as_bytes())
}

#[cfg(test)]
mod tests;
