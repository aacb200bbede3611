//! Saved traces: JSON lines, one for each read.
//!
//! ```text
//! {"explain":1}
//! {"connection":1,"from":"client","ms":0,"bytes":"474554…"}
//! {"connection":1,"from":"server","ms":2,"bytes":"48545450…"}
//! {"connection":1,"from":"client","ms":31,"end":true}
//! ```
//!
//! The first line names the format. `connection` counts from 1, `from` is the side that has sent the
//! bytes, `ms` are milliseconds since the trace began, `bytes` is hex. A line with `end` means that the
//! stream of this side has ended; `lost` counts bytes that were not saved. Other members are ignored.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde_json::Value;
use stentor_explain::Side;
use stentor_explain::tap::{Content, Entry};

use super::Failure;
use super::session::{Session, Settings};

/// The longest line that is read: a read of several MiB in hex.
const LINE: u64 = 64 * 1024 * 1024;

/// The connections that are explained at a time: beyond it, the oldest ones end.
const MOST: usize = 1024;

/// Whether a file that begins with these bytes is a saved trace.
pub(crate) fn is_trace(beginning: &[u8]) -> bool {
    beginning.trim_ascii_start().starts_with(b"{\"")
}

/// Writes the first line of a trace.
pub(crate) fn begin(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{{\"explain\":1}}")
}

/// Writes an entry as a line.
pub(crate) fn write(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let (connection, from, ms) = (entry.connection, entry.from, entry.at.as_millis());
    write!(
        out,
        "{{\"connection\":{connection},\"from\":\"{from}\",\"ms\":{ms},"
    )?;
    match &entry.content {
        Content::Bytes(bytes) => {
            out.write_all(b"\"bytes\":\"")?;
            bytes
                .iter()
                .try_for_each(|byte| write!(out, "{byte:02x}"))?;
            writeln!(out, "\"}}")
        }
        Content::Lost(bytes) => writeln!(out, "\"lost\":{bytes}}}"),
        Content::End => writeln!(out, "\"end\":true}}"),
    }
}

/// Reads a line; nothing for the line that names the format.
fn read(line: &str) -> Result<Option<Entry>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| match error.is_eof() {
        true => "it is cut off".to_owned(),
        false => error.to_string(),
    })?;
    if let Some(format) = value.get("explain") {
        return match format.as_u64() {
            Some(1) => Ok(None),
            _ => Err(format!(
                "the format {format} is not known: this program reads format 1"
            )),
        };
    }
    let number = |name| value.get(name).and_then(Value::as_u64);
    let from = match value.get("from").and_then(Value::as_str) {
        Some("client") => Side::Client,
        Some("server") => Side::Server,
        _ => return Err("\"from\" is neither \"client\" nor \"server\"".to_owned()),
    };
    let content = match (value.get("bytes"), number("lost")) {
        (Some(Value::String(digits)), _) => {
            Content::Bytes(stentor_explain::paste::hex_word(digits)?)
        }
        (Some(_), _) => return Err("\"bytes\" is no text".to_owned()),
        (None, Some(lost)) => Content::Lost(lost),
        (None, None) if value.get("end") == Some(&Value::Bool(true)) => Content::End,
        (None, None) => return Err("\"bytes\", \"lost\" and \"end\" are missing".to_owned()),
    };
    let connection = number("connection").unwrap_or(1);
    Ok(Some(Entry {
        connection: u32::try_from(connection).map_err(|_| "\"connection\" is too large")?,
        from,
        at: Duration::from_millis(number("ms").unwrap_or(0)),
        content,
    }))
}

/// The conversations of a trace, by their numbers.
#[derive(Debug)]
pub(crate) struct Conversations<'a> {
    settings: &'a Settings,
    open: BTreeMap<u32, Session>,
    broken: usize,
}

impl<'a> Conversations<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Conversations<'a> {
        Conversations {
            settings,
            open: BTreeMap::new(),
            broken: 0,
        }
    }

    /// Explains an entry. With a version, a conversation that does not begin with a request begins with
    /// its frames.
    pub(crate) fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
        if self.open.len() >= MOST
            && !self.open.contains_key(&entry.connection)
            && let Some((_, oldest)) = self.open.pop_first()
        {
            self.broken += oldest.broken();
        }
        let settings = self.settings;
        let session = self.open.entry(entry.connection).or_insert_with(|| {
            let is_request = match &entry.content {
                Content::Bytes(bytes) => bytes.starts_with(b"GET "),
                _ => false,
            };
            let mut session = match settings.version {
                Some(version) if !is_request => Session::frames(settings, version),
                _ => Session::new(settings),
            };
            session.name(format!("#{}", entry.connection));
            session
        });
        session.clock(entry.at);
        match &entry.content {
            Content::Bytes(bytes) => session.feed(entry.from, bytes, out),
            Content::Lost(bytes) => session.gap(entry.from, *bytes, out),
            Content::End => session.end(entry.from, out),
        }
    }

    /// Ends one conversation: nothing more will come.
    pub(crate) fn close(&mut self, connection: u32) {
        if let Some(session) = self.open.remove(&connection) {
            self.broken += session.broken();
        }
    }

    /// How many rules were broken.
    pub(crate) fn broken(&self) -> usize {
        self.broken + self.open.values().map(Session::broken).sum::<usize>()
    }
}

/// Explains a saved trace. Returns how many rules were broken.
pub(crate) fn explain(
    mut file: impl BufRead,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<usize, Failure> {
    let mut conversations = Conversations::new(settings);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = io::Read::take(&mut file, LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::Input(format!("the trace cannot be read: {error}")))?;
        if length == 0 {
            break;
        }
        let wrong = |error: String| Failure::Input(format!("line {number} of the trace: {error}"));
        let text = str::from_utf8(&line).map_err(|error| wrong(error.to_string()))?;
        if text.trim().is_empty() {
            continue;
        }
        if let Some(entry) = read(text.trim()).map_err(wrong)? {
            conversations.entry(&entry, out)?;
        }
    }
    Ok(conversations.broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_written() {
        let bytes = [vec![0x81, 0x00, 0xff], Vec::new()].map(Content::Bytes);
        for content in bytes.into_iter().chain([Content::Lost(9), Content::End]) {
            let entry = Entry {
                connection: 7,
                from: Side::Server,
                at: Duration::from_millis(1234),
                content,
            };
            let mut line = Vec::new();
            write(&entry, &mut line).unwrap();
            let line = String::from_utf8(line).unwrap();
            assert!(line.ends_with("}\n"), "{line}");
            assert_eq!(read(line.trim()), Ok(Some(entry)));
        }
    }

    #[test]
    fn lines_that_are_no_entries_are_named() {
        for (line, words) in [
            ("{\"from\":\"cli", "it is cut off"),
            ("{]", "key must be a string"),
            ("{\"explain\":2}", "format 2"),
            ("{\"from\":\"me\",\"bytes\":\"00\"}", "neither"),
            ("{\"from\":\"client\"}", "missing"),
            ("{\"from\":\"client\",\"bytes\":\"0\"}", "odd number"),
            ("{\"from\":\"client\",\"bytes\":7}", "no text"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        assert_eq!(read("{\"explain\":1,\"other\":true}"), Ok(None));
    }
}
