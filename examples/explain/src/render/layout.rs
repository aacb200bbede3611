//! Lines, columns and colours.

use std::collections::BTreeSet;

use crate::note::Verdict;

use super::visible::{column, columns};
use super::{Level, Style, steps, verdicts};

/// The text of one head or one frame.
#[derive(Debug)]
pub(super) struct Page {
    style: Style,
    text: String,
    /// The broken rules that were written out.
    rules: BTreeSet<&'static str>,
}

/// The colours. Each has a word beside it: no meaning depends on a colour alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
}

/// One part of a head or a frame, with its bytes on the left and words on the right.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    /// The place of its first byte, where that is shown.
    pub(super) at: Option<u64>,
    /// The bytes in hex, or in bits: a line for each eight bytes.
    pub(super) left: Vec<String>,
    pub(super) right: String,
    /// The words take the place of the bytes: lines of a head.
    pub(super) wide: bool,
    pub(super) steps: Vec<&'a crate::step::Step>,
    pub(super) verdicts: Vec<&'a Verdict>,
}

/// The column where bytes begin, after the offset.
pub(super) const BYTES: usize = 9;

/// The column where words begin, after eight bytes.
const WORDS: usize = BYTES + 25;

/// The lines that words take at most, below the level verbose.
const LINES: usize = 3;

impl Page {
    pub(super) fn new(style: Style) -> Page {
        Page {
            style,
            text: String::new(),
            rules: BTreeSet::new(),
        }
    }

    /// Whether this rule was not written out yet.
    pub(super) fn is_new(&mut self, rule: &'static str) -> bool {
        self.rules.insert(rule)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The first line of a head or a frame: cut to one line, with the size at its end.
    pub(super) fn title(&mut self, beginning: &str, name: &str, words: &str, size: &str) {
        let line = format!("{beginning} {name:<9} {words}");
        let room = match size {
            "" => self.style.width,
            _ => self.style.width - size.len() - 2,
        };
        let mut line = cut(line.trim_end(), room);
        if !size.is_empty() {
            let space = self.style.width - size.len() - columns(&line);
            line = format!("{line}{}{size}", " ".repeat(space));
        }
        self.plain(&line, Ink::Bold);
    }

    pub(super) fn plain(&mut self, line: &str, ink: Ink) {
        let line = line.trim_end();
        let code = match ink {
            _ if !self.style.color => "",
            Ink::Plain => "",
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "1;31",
        };
        if code.is_empty() {
            self.text.push_str(line);
        } else {
            self.text.push_str(&format!("\x1b[{code}m{line}\x1b[0m"));
        }
        self.text.push('\n');
    }

    /// Words behind a label, wrapped into lines.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, words: &str, ink: Ink) {
        let width = self.style.width - indent - columns(label);
        for (n, line) in wrap(words, width).into_iter().enumerate() {
            let (space, label) = match n {
                0 => (indent, label),
                _ => (indent + columns(label), ""),
            };
            self.plain(&format!("{}{label}{line}", " ".repeat(space)), ink);
        }
    }
}

impl Row<'_> {
    pub(super) fn write(
        &self,
        style: Style,
        explained: &mut BTreeSet<&'static str>,
        page: &mut Page,
    ) {
        let indent = if self.wide { BYTES } else { WORDS };
        let mut words = wrap(&self.right, style.width - indent);
        if style.level < Level::Verbose && words.len() > LINES {
            words.truncate(LINES);
            if let Some(last) = words.last_mut() {
                *last = format!("{} …", cut(last, style.width - indent - 4));
            }
        }
        let kept = match style.level {
            Level::Verbose => verdicts::kept(&self.verdicts),
            _ => String::new(),
        };
        let lines = words.len().max(self.left.len()).max(1);
        let mut is_kept_shown = kept.is_empty();
        for n in 0..lines {
            let left = self.left.get(n).map_or("", String::as_str);
            let right = words.get(n).map_or("", String::as_str);
            let offset = match self.at {
                Some(at) if n == 0 || !left.is_empty() => format!("{:04x}", at + 8 * n as u64),
                _ => String::new(),
            };
            let mut line = match self.wide {
                true => format!("   {offset:<4}  {right}"),
                false => format!("   {offset:<4}  {}{right}", pad(left, WORDS - BYTES)),
            };
            if n + 1 == lines && !is_kept_shown {
                let used = columns(line.trim_end());
                if used + 2 + columns(&kept) <= style.width {
                    line = pad(line.trim_end(), style.width - columns(&kept)) + &kept;
                    is_kept_shown = true;
                }
            }
            page.plain(&line, Ink::Plain);
        }
        if !is_kept_shown {
            let space = style.width.saturating_sub(columns(&kept));
            page.labelled(space.max(BYTES), "", &kept, Ink::Plain);
        }
        if style.level == Level::Verbose {
            steps::write(&self.steps, page);
        }
        verdicts::write(self.verdicts.iter().copied(), style, explained, page);
    }
}

/// Fills a text with spaces up to this column.
pub(super) fn pad(text: &str, width: usize) -> String {
    let space = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(space))
}

/// Cuts a text to these columns, with a mark where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += column(character);
        if used > width {
            break;
        }
        short.push(character);
    }
    short.push('…');
    short
}

/// Breaks a text into lines, between words where there is a space.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let needed = columns(word.trim_end());
        if columns(&line) + needed > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if needed <= width {
            line.push_str(word);
            continue;
        }
        for character in word.chars() {
            if columns(&line) + column(character) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}
