//! Text from the wire, safe for a terminal.

/// Escapes all that a terminal could obey, or that would not be visible: control characters, marks that
/// change the direction of text, bytes that are not UTF-8.
pub fn escape(text: &[u8]) -> String {
    let mut visible = String::new();
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut visible, character);
        }
        for byte in chunk.invalid() {
            visible.push_str(&format!("\\x{byte:02x}"));
        }
    }
    visible
}

/// Text in double quotes, escaped; quotes and backslashes within it too.
pub fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// The same for bytes.
pub(super) fn quote_bytes(text: &[u8]) -> String {
    let mut quoted = String::from('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            push(&mut quoted, character);
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

/// The columns of a terminal that a text takes. Characters of East Asia take two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// The columns of one character: rather too many than too few.
pub(super) fn column(character: char) -> usize {
    match character {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{ffdc}' | '\u{10000}'.. => 2,
        _ => 1,
    }
}

fn push(text: &mut String, character: char) {
    match character {
        ' '..='~' => text.push(character),
        '\r' => text.push_str("\\r"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => text.push_str(&format!("\\x{:02x}", character as u32)),
        // Letters stay; characters that change others, or that have no shape, do not.
        _ => text.extend(character.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(escape(b"a\x1b[2Jb\x07\x7f"), "a\\x1b[2Jb\\x07\\x7f");
        assert_eq!(
            escape("\u{9b}31m\u{202e}x\u{feff}".as_bytes()),
            "\\u{9b}31m\\u{202e}x\\u{feff}"
        );
        assert_eq!(escape(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(
            escape("8jKS'y\u{e9}\u{65e5}".as_bytes()),
            "8jKS'y\u{e9}\u{65e5}"
        );
        for code in 0..=0x10_ffff {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            let visible = escape(character.to_string().as_bytes());
            assert!(!visible.chars().any(char::is_control), "{code:x}");
        }
    }

    #[test]
    fn quotes_are_escaped_within_quotes_only() {
        assert_eq!(quote("a\"b\\\n"), "\"a\\\"b\\\\\\n\"");
        assert_eq!(escape(b"a\"b\\"), "a\"b\\");
    }
}
