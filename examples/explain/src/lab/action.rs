//! The actions of a session, and their JSON.

use serde_json::{Value, json};

use crate::note::Side;
use crate::paste;

/// One action of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The other side reads bytes that this side has sent.
    Read(Side, Amount),
    /// Both sides read all that there is, until nothing is left.
    Run,
    /// This side sends a text message.
    Text(Side, String),
    /// This side sends a text message in several frames; with `ping`, a ping is sent after the first one.
    Pieces {
        /// The sender.
        from: Side,
        /// The message.
        text: String,
        /// The number of frames.
        pieces: usize,
        /// Whether a ping is sent between them.
        ping: bool,
    },
    /// This side sends a binary message.
    Binary(Side, Vec<u8>),
    /// This side sends a ping.
    Ping(Side, String),
    /// This side starts the closing handshake.
    Close(Side, Option<(u16, String)>),
    /// These bytes are sent in the name of this side, whose engine sends nothing more.
    Raw(Side, Vec<u8>),
    /// The bytes that the other side has not read yet are replaced by these. The engine sends nothing more.
    Replace(Side, Vec<u8>),
    /// This side closes the TCP connection.
    End(Side),
}

/// How much is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes, as one read.
    Bytes(usize),
    /// The next part of a header block or a frame.
    Part,
    /// The rest of a header block or a frame.
    Frame,
    /// All that was sent, and the end of the stream.
    All,
}

/// The longest text of an action, in bytes.
const LONGEST: usize = 1000;

impl Action {
    /// Reads an action from JSON.
    ///
    /// # Errors
    ///
    /// One sentence that names the wrong member.
    pub fn read(value: &Value) -> Result<Action, String> {
        let from = || side(value.get("from"));
        Ok(match text(value, "do")? {
            "read" => Action::Read(from()?, amount(value.get("amount"))?),
            "run" => Action::Run,
            "text" => Action::Text(from()?, text(value, "text")?.to_owned()),
            "pieces" => Action::Pieces {
                from: from()?,
                text: text(value, "text")?.to_owned(),
                pieces: number(value, "pieces", 1..=20)?,
                ping: value.get("ping") == Some(&Value::Bool(true)),
            },
            "binary" => Action::Binary(from()?, bytes(value)?),
            "ping" => Action::Ping(from()?, text(value, "text")?.to_owned()),
            "close" => Action::Close(from()?, closing(value)?),
            "raw" => Action::Raw(from()?, bytes(value)?),
            "replace" => Action::Replace(from()?, bytes(value)?),
            "end" => Action::End(from()?),
            other => return Err(format!("\"{other}\" is no action")),
        })
    }

    /// Writes an action as JSON.
    pub fn json(&self) -> Value {
        let (word, from) = self.words();
        let mut value = json!({ "do": word });
        if let Some(from) = from {
            value["from"] = json!(from.to_string());
        }
        match self {
            Action::Read(_, amount) => value["amount"] = amount.json(),
            Action::Text(_, text) | Action::Ping(_, text) => value["text"] = json!(text),
            Action::Pieces {
                text, pieces, ping, ..
            } => {
                value["text"] = json!(text);
                value["pieces"] = json!(pieces);
                value["ping"] = json!(ping);
            }
            Action::Binary(_, bytes) | Action::Raw(_, bytes) | Action::Replace(_, bytes) => {
                value["hex"] = json!(hex(bytes));
            }
            Action::Close(_, Some((code, reason))) => {
                value["code"] = json!(code);
                value["reason"] = json!(reason);
            }
            Action::Close(_, None) | Action::Run | Action::End(_) => {}
        }
        value
    }

    /// The name of the action, and its side.
    fn words(&self) -> (&'static str, Option<Side>) {
        match self {
            Action::Read(from, _) => ("read", Some(*from)),
            Action::Run => ("run", None),
            Action::Text(from, _) => ("text", Some(*from)),
            Action::Pieces { from, .. } => ("pieces", Some(*from)),
            Action::Binary(from, _) => ("binary", Some(*from)),
            Action::Ping(from, _) => ("ping", Some(*from)),
            Action::Close(from, _) => ("close", Some(*from)),
            Action::Raw(from, _) => ("raw", Some(*from)),
            Action::Replace(from, _) => ("replace", Some(*from)),
            Action::End(from) => ("end", Some(*from)),
        }
    }
}

impl Amount {
    fn json(self) -> Value {
        match self {
            Amount::Bytes(count) => json!(count),
            Amount::Part => json!("part"),
            Amount::Frame => json!("frame"),
            Amount::All => json!("all"),
        }
    }
}

/// Bytes as hex digits, without spaces.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn side(value: Option<&Value>) -> Result<Side, String> {
    match value.and_then(Value::as_str) {
        Some("client") => Ok(Side::Client),
        Some("server") => Ok(Side::Server),
        _ => Err("\"from\" is neither \"client\" nor \"server\"".to_owned()),
    }
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = value.get(name).and_then(Value::as_str);
    let text = text.ok_or_else(|| format!("\"{name}\" is missing, or is no text"))?;
    match text.len() {
        0..=LONGEST => Ok(text),
        length => Err(format!(
            "\"{name}\" has {length} bytes: at most {LONGEST} are sent here"
        )),
    }
}

pub(super) fn number(
    value: &Value,
    name: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, String> {
    let number = value.get(name).and_then(Value::as_u64);
    let number = number.and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (least, most) = range.into_inner();
            format!("\"{name}\" must be a number from {least} to {most}")
        })
}

fn amount(value: Option<&Value>) -> Result<Amount, String> {
    match value {
        Some(Value::String(word)) if word == "part" => Ok(Amount::Part),
        Some(Value::String(word)) if word == "frame" => Ok(Amount::Frame),
        Some(Value::String(word)) if word == "all" => Ok(Amount::All),
        Some(Value::Number(count)) => count
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .map(Amount::Bytes)
            .ok_or_else(|| format!("{count} bytes cannot be read")),
        _ => Err("\"amount\" is a number, \"part\", \"frame\" or \"all\"".to_owned()),
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let digits = value.get("hex").and_then(Value::as_str);
    let digits = digits.ok_or("\"hex\" is missing, or is no text")?;
    let words = digits.split_whitespace().map(paste::hex_word);
    words
        .collect::<Result<Vec<_>, _>>()
        .map(|words| words.concat())
}

fn closing(value: &Value) -> Result<Option<(u16, String)>, String> {
    if value.get("code").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let code = number(value, "code", 0..=usize::from(u16::MAX))?;
    let code = u16::try_from(code).map_err(|error| error.to_string())?;
    let reason = match value.get("reason") {
        None => String::new(),
        Some(_) => text(value, "reason")?.to_owned(),
    };
    Ok(Some((code, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_back_as_they_were_written() {
        let bytes = vec![0x81, 0xff];
        for from in [Side::Client, Side::Server] {
            for action in [
                Action::Read(from, Amount::Bytes(3)),
                Action::Read(from, Amount::Part),
                Action::Read(from, Amount::Frame),
                Action::Read(from, Amount::All),
                Action::Run,
                Action::Text(from, "\"ü\\".to_owned()),
                Action::Pieces {
                    from,
                    text: "abc".to_owned(),
                    pieces: 3,
                    ping: true,
                },
                Action::Binary(from, bytes.clone()),
                Action::Ping(from, String::new()),
                Action::Close(from, None),
                Action::Close(from, Some((1000, "done".to_owned()))),
                Action::Raw(from, bytes.clone()),
                Action::Replace(from, Vec::new()),
                Action::End(from),
            ] {
                let text = action.json().to_string();
                let value = serde_json::from_str(&text).unwrap();
                assert_eq!(Action::read(&value), Ok(action), "{text}");
            }
        }
    }

    #[test]
    fn wrong_actions_are_named() {
        for (text, words) in [
            ("{}", "\"do\" is missing"),
            ("{\"do\":\"jump\"}", "no action"),
            ("{\"do\":\"end\",\"from\":\"me\"}", "\"from\" is neither"),
            (
                "{\"do\":\"read\",\"from\":\"client\",\"amount\":0}",
                "0 bytes",
            ),
            (
                "{\"do\":\"read\",\"from\":\"client\",\"amount\":\"some\"}",
                "\"amount\" is a number",
            ),
            (
                "{\"do\":\"raw\",\"from\":\"client\",\"hex\":\"8\"}",
                "odd number",
            ),
            (
                "{\"do\":\"pieces\",\"from\":\"client\",\"text\":\"a\",\"pieces\":99}",
                "from 1 to 20",
            ),
            (
                "{\"do\":\"close\",\"from\":\"client\",\"code\":70000}",
                "from 0 to 65535",
            ),
        ] {
            let error = Action::read(&serde_json::from_str(text).unwrap()).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let long = json!({ "do": "text", "from": "client", "text": "x".repeat(1001) });
        assert!(Action::read(&long).unwrap_err().contains("at most 1000"));
    }
}
