//! Dumps with offsets: xxd, hexdump, od, Wireshark, tcpdump -X, curl --trace.

use super::hex_word;

/// One line of a dump.
struct Line<'a> {
    offset: &'a str,
    /// The text after the offset and its colon.
    rest: &'a str,
    has_colon: bool,
}

/// Reads a dump, if the text is one. It has several blocks if the offsets begin again at 0.
pub(super) fn read(text: &str) -> Option<Result<Vec<Vec<u8>>, String>> {
    let lines: Vec<Option<Line<'_>>> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(line)
        .collect();
    let first = lines.iter().flatten().next()?;
    let is_zero = first.offset.bytes().all(|digit| digit == b'0');
    let is_apart = first.has_colon || first.rest.starts_with("  ") || first.rest.starts_with('\t');
    let numbered = lines.iter().flatten().count();
    if !is_zero || !(is_apart || numbered > 1 && offset(lines.iter().flatten().nth(1)?, 16)? > 0) {
        return None;
    }
    if let Some(wrong) = lines.iter().flatten().find_map(other_form) {
        return Some(Err(format!(
            "{wrong}. Run: xxd FILE | explain, or: od -A x -t x1 FILE | explain"
        )));
    }
    let hexadecimal = blocks(text, 16);
    // Only od counts in other ways. A count that is too large for the bytes is an error, and one that is
    // too small is not: so the largest ones are tried first.
    let is_od = first.offset.len() == 7 && !first.has_colon;
    Some(match hexadecimal {
        Err(error) if is_od => blocks(text, 10)
            .or_else(|_| blocks(text, 8))
            .map_err(|_| error),
        result => result,
    })
}

fn line(text: &str) -> Option<Line<'_>> {
    let text = text.trim_start();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    if !(4..=16).contains(&length) {
        return None;
    }
    let (offset, rest) = digits.split_at(length);
    let after = rest.strip_prefix(':');
    let rest = after.unwrap_or(rest);
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    Some(Line {
        offset,
        rest,
        has_colon: after.is_some(),
    })
}

/// The form of a line that is no hex, or whose bytes are not in their order: such a dump would be misread.
fn other_form(line: &Line<'_>) -> Option<&'static str> {
    if line.has_colon {
        return other_form_of_xxd(line.rest);
    }
    // od and hexdump: a column of characters stands between bars or brackets.
    let is_od = matches!(line.offset.len(), 6 | 7);
    let part = line
        .rest
        .split(['>', '|'])
        .next()
        .unwrap_or_default()
        .trim();
    let words: Vec<&str> = match line.offset.len() {
        // od and hexdump align numbers of other kinds with several spaces.
        7 => part.split(' ').collect(),
        // Others write offsets of six digits, too, with characters at the end.
        _ => part.split_whitespace().take(1).collect(),
    };
    let is_octal = |word: &&str| word.len() == 6 && word.bytes().all(|c| matches!(c, b'0'..=b'7'));
    let is_hex = |word: &&str| {
        matches!(word.len(), 2 | 4) && word.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    match &words[..] {
        [] | [""] => None,
        _ if !is_od => None,
        words if words.iter().all(is_octal) => {
            Some("this dump is octal, as od without options writes it")
        }
        words if words.iter().all(is_hex) => None,
        _ => Some("this dump of od or hexdump is not in hex, byte by byte"),
    }
}

/// `xxd -b` writes bits, `xxd -e` the last byte of each word first. Only the characters show the latter.
fn other_form_of_xxd(rest: &str) -> Option<&'static str> {
    let (words, column) = rest.trim().split_once("  ").unwrap_or((rest.trim(), ""));
    let is_bits = |word: &str| word.len() == 8 && word.bytes().all(|c| matches!(c, b'0' | b'1'));
    // As hex, each word would be four characters.
    let is_short = column.trim_start().chars().count() <= words.split(' ').count();
    if is_short && words.split(' ').all(is_bits) {
        return Some("this dump has bits, as xxd -b writes them");
    }
    let first = hex_word(words.split(' ').next()?).ok()?;
    let visible = |bytes: &mut dyn Iterator<Item = &u8>| -> String {
        let shown = bytes.map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        format!("  {}", shown.collect::<String>())
    };
    let is_reversed = rest.contains(&visible(&mut first.iter().rev()))
        && !rest.contains(&visible(&mut first.iter()));
    (first.len() > 1 && is_reversed)
        .then_some("this dump has the last byte of each word first, as xxd -e writes it")
}

fn offset(line: &Line<'_>, radix: u32) -> Option<usize> {
    usize::from_str_radix(line.offset, radix).ok()
}

fn blocks(text: &str, radix: u32) -> Result<Vec<Vec<u8>>, String> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut is_repeated = false;
    let mut lines = text.lines().peekable();
    while let Some(text) = lines.next() {
        if text.trim() == "*" {
            is_repeated = true;
            continue;
        }
        let Some(line) = line(text) else {
            continue;
        };
        let at = offset(&line, radix).unwrap_or(usize::MAX);
        if at == 0 {
            blocks.push(Vec::new());
        }
        let block = blocks.last_mut().ok_or("the dump does not begin at 0")?;
        if std::mem::take(&mut is_repeated) {
            repeat(block, at)?;
        }
        // The last line of hexdump and od is an offset alone: the length.
        if line.rest.trim().is_empty() && at < block.len() && block.len() - at == 1 {
            block.truncate(at);
        }
        if at != block.len() {
            return Err(format!(
                "the line of offset {} stands after {} bytes: bytes are missing, or too many",
                line.offset,
                block.len()
            ));
        }
        let next = lines.peek().and_then(|text| self::line(text));
        let next = next.and_then(|line| offset(&line, radix));
        let expected = next.filter(|next| *next > at).map(|next| next - at);
        let bytes = bytes(&line, expected)?;
        block.extend(bytes);
        if block.len() > super::LARGEST {
            return Err("the dump is too large".to_owned());
        }
    }
    Ok(blocks)
}

/// `*` stands for lines that equal the one before.
fn repeat(block: &mut Vec<u8>, until: usize) -> Result<(), String> {
    let last = block
        .len()
        .checked_sub(16)
        .map(|start| block[start..].to_vec());
    let last = last.ok_or("a * stands after less than 16 bytes")?;
    if until > super::LARGEST || !until.is_multiple_of(16) {
        return Err("a * stands before an offset that does not fit".to_owned());
    }
    while block.len() < until {
        block.extend_from_slice(&last);
    }
    Ok(())
}

/// The bytes of a line, without the column of characters at its end.
fn bytes(line: &Line<'_>, expected: Option<usize>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut words = 0;
    let mut is_words = true;
    let mut rest = line.rest;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let gap = rest.len() - trimmed.len();
        let word = trimmed.split([' ', '\t']).next().unwrap_or_default();
        let is_middle = gap == 2 && words == 8 && bytes.len() == 8;
        let is_column = words > 0 && gap > 1 && !is_middle;
        let is_enough = expected.is_some_and(|expected| bytes.len() >= expected);
        if word.is_empty() || is_column || is_enough {
            break;
        }
        match hex_word(word) {
            Ok(pair) => bytes.extend(pair),
            // The column of characters, behind a gap of two.
            Err(_) if words > 0 && gap > 1 => break,
            Err(error) => return Err(error),
        }
        is_words &= word.len() == 4;
        words += 1;
        rest = &trimmed[word.len()..];
    }
    // hexdump and od -x print words of two bytes, the smaller part first.
    if line.offset.len() == 7 && !line.has_colon && is_words {
        bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    Ok(bytes)
}
