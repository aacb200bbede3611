//! Reads text a byte at a time: its characters, and the first bytes that are none.

use crate::step::Step;

/// The bytes of a payload that get a step each; the others get one together.
pub(super) const FIRST: usize = 64;

/// The most bytes of text in a note.
const SHOWN: usize = 16 * 1024;

/// Reads the text of one part of a message.
#[derive(Debug)]
pub(super) struct TextReader {
    reading: Reading,
    /// The bytes of a character that is not complete.
    unfinished: Vec<u8>,
    /// How many bytes of the part, and of the message, were read.
    read: u64,
    message: u64,
    steps: Vec<Step>,
    /// The bytes after the first ones, and the place of the first invalid one among them.
    run: Vec<u8>,
    run_invalid: Option<u64>,
    text: String,
    invalid: Option<Invalid>,
}

/// Text that is not UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invalid {
    /// The place in the message.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// The reaction to text that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    /// The rest is not read.
    Strict,
    /// Each invalid sequence is replaced by U+FFFD (draft-76 §4.2).
    Replacing,
}

/// The result for one part.
#[derive(Debug)]
pub(super) struct TextPart {
    /// The characters that are complete, at most the first 16 KiB.
    pub(super) text: String,
    pub(super) steps: Vec<Step>,
    pub(super) invalid: Option<Invalid>,
}

impl TextReader {
    pub(super) fn new(reading: Reading) -> TextReader {
        TextReader {
            reading,
            unfinished: Vec::new(),
            read: 0,
            message: 0,
            steps: Vec::new(),
            run: Vec::new(),
            run_invalid: None,
            text: String::new(),
            invalid: None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.failed() {
                return;
            }
            self.read += 1;
            self.message += 1;
            // The usual case, without memory of its own.
            if self.unfinished.is_empty() && byte.is_ascii() {
                let byte = [*byte];
                self.valid(std::str::from_utf8(&byte).unwrap_or_default());
                continue;
            }
            self.unfinished.push(*byte);
            self.judge(false);
        }
    }

    /// Ends a part of the message; `last` ends the message as well, and with it its last character.
    pub(super) fn part(&mut self, last: bool) -> TextPart {
        if last && !self.failed() {
            self.judge(true);
        }
        if !self.run.is_empty() {
            self.steps.push(Step::Utf8Run {
                bytes: std::mem::take(&mut self.run),
                invalid_at: self.run_invalid.take(),
            });
        }
        self.read = 0;
        TextPart {
            text: std::mem::take(&mut self.text),
            steps: std::mem::take(&mut self.steps),
            invalid: self.invalid.clone(),
        }
    }

    /// Whether the rest of the message is not read.
    pub(super) fn failed(&self) -> bool {
        self.invalid.is_some() && self.reading == Reading::Strict
    }

    /// Takes the characters that are complete. At the end of a message, nothing may be left.
    fn judge(&mut self, end: bool) {
        while !self.unfinished.is_empty() {
            let bytes = std::mem::take(&mut self.unfinished);
            let length = match std::str::from_utf8(&bytes) {
                Ok(text) => return self.valid(text),
                Err(error) => match error.error_len() {
                    None if !end => {
                        self.unfinished = bytes;
                        return;
                    }
                    None => bytes.len(),
                    Some(length) => length,
                },
            };
            if self.reading == Reading::Strict {
                return self.invalid(&bytes, bytes.len());
            }
            let (bad, rest) = bytes.split_at(length);
            self.invalid(bad, bytes.len());
            self.unfinished = rest.to_vec();
        }
    }

    /// Takes one character.
    fn valid(&mut self, character: &str) {
        if self.text.len() < SHOWN {
            self.text.push_str(character);
        }
        if self.read > FIRST as u64 {
            return self.run(character.as_bytes());
        }
        self.steps.push(Step::Utf8 {
            bytes: character.as_bytes().to_vec(),
            character: character.chars().next(),
        });
    }

    /// Takes bytes that are no character; they begin `before` bytes before the place that was read.
    fn invalid(&mut self, bytes: &[u8], before: usize) {
        if self.reading == Reading::Replacing && self.text.len() < SHOWN {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        if self.read > FIRST as u64 && self.run.len() < SHOWN {
            self.run_invalid.get_or_insert(self.run.len() as u64);
            self.run(bytes);
        } else if self.read <= FIRST as u64 || self.invalid.is_none() {
            self.steps.push(Step::Utf8 {
                bytes: bytes.to_vec(),
                character: None,
            });
        }
        self.invalid.get_or_insert(Invalid {
            at: self.message - before as u64,
            bytes: bytes.to_vec(),
        });
    }

    fn run(&mut self, bytes: &[u8]) {
        if self.run.len() < SHOWN {
            self.run.extend_from_slice(bytes);
        }
    }
}

impl Invalid {
    /// Returns a sentence about the bytes.
    pub(super) fn sentence(&self) -> String {
        let bytes: Vec<String> = self
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (bytes, at) = (bytes.join(" "), self.at);
        format!("The bytes {bytes}, at byte {at} of the text, are no character.")
    }
}
