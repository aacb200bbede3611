//! Small pieces of text, for header values and for sentences about them.

/// The most characters of a value in a sentence.
const SHOWN: usize = 96;

/// Returns bytes as they may stand in a sentence: in quotes, with escapes for bytes that are not
/// printable, and shortened.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        let escaped = match byte {
            b'\'' => "'".to_owned(),
            byte => byte.escape_ascii().to_string(),
        };
        if text.len() + escaped.len() > SHOWN {
            return text + "...\"";
        }
        text += &escaped;
    }
    text + "\""
}

/// Returns a sentence about first bytes that are not HTTP.
pub(crate) fn not_http(bytes: &[u8]) -> String {
    let hint = match bytes.first() {
        Some(0x15 | 0x16) => ", as TLS does",
        Some(0x00 | 0x81 | 0x82 | 0x88 | 0x89 | 0xff) => ", as a frame does",
        _ => "",
    };
    format!("The stream begins with {}{hint}.", quoted(bytes))
}

/// Returns a sentence: with a capital letter, unless it begins with a name such as `a_b`, and with a full
/// stop.
pub(super) fn sentence(words: &str) -> String {
    let first = words.split(' ').next().unwrap_or_default();
    let is_name = first.contains(['_', '-']);
    let (start, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
    match is_name {
        true => format!("{words}."),
        false => format!("{}{rest}.", start.to_ascii_uppercase()),
    }
}

/// Returns bytes as text for a value.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns whether this is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Returns whether a token may contain this byte.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Removes blanks on both sides.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Returns whether the value of a header is a secret, which is hidden by default.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let secrets = [
        "Cookie",
        "Set-Cookie",
        "Cookie2",
        "Set-Cookie2",
        "Authorization",
        "Proxy-Authorization",
    ];
    let name = trim(name);
    secrets
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

/// Returns the length of the name of a secret header at the beginning of a line that has no colon, or
/// has it later: the rest of the line is the secret.
pub(super) fn secret_without_colon(line: &[u8]) -> Option<usize> {
    let name = first_word(line);
    let is_alone = line[name.len()..].trim_ascii().starts_with(b":");
    (is_secret(name) && !is_alone).then_some(name.len())
}

/// Returns the beginning of a line without a colon, which has no value: the rest may be a secret.
pub(super) fn first_word(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| b" \t=;:".contains(byte));
    &line[..end.unwrap_or(line.len())]
}

/// Returns `1 byte`, or `2 bytes`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quoted_value_is_short_and_printable() {
        assert_eq!(quoted(b"it's"), "\"it's\"");
        assert_eq!(quoted(b"a\r\n\x1b\xff\""), r#""a\r\n\x1b\xff\"""#);
        let long = quoted(&[0x1b; 1000]);
        assert!(long.len() <= 100 && long.ends_with("...\""), "{long}");
    }
}
