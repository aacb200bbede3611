//! The messages of the chat: JSON, one object each, alike in all versions.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stentor::Message;
use stentor::server::{Gap, MemberId, MemberKey, Page, Position, Publication, Resumed};

use crate::names;

/// The most characters of a text.
const LONGEST_TEXT: usize = 2000;
/// The most characters of a secret.
pub(crate) const LONGEST_SECRET: usize = 1000;
/// The most minutes for which a member is muted: a day.
const MOST_MINUTES: u64 = 24 * 60;

/// A message of a client.
pub(crate) enum Request {
    Join(Join),
    Say(String),
    Typing,
    /// The entries before this position.
    Older(Position),
    Rooms,
    Operator(String),
    Kick(MemberId),
    /// For so many minutes; 0 ends it.
    Mute(MemberId, u64),
    Clear,
}

/// The first message of a member.
pub(crate) struct Join {
    pub(crate) name: String,
    /// The last position that the member has received.
    pub(crate) since: Option<Position>,
    /// The key of an earlier welcome.
    pub(crate) key: Option<MemberKey>,
}

impl Request {
    /// Reads a message.
    ///
    /// # Errors
    /// The fault and the remedy, for the client. No text is cut.
    pub(crate) fn read(message: &Message) -> Result<Request, String> {
        let text = message.as_text();
        let text = text.ok_or("this message is binary: send JSON in a text message")?;
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("this message is not JSON: {error}"))?;
        Ok(match value["type"].as_str() {
            Some("join") => Request::Join(Join {
                name: names::checked(&field(&value, "name", names::LONGEST)?)?,
                since: optional(&value, "since")?,
                key: optional(&value, "key")?,
            }),
            Some("say") => Request::Say(field(&value, "text", LONGEST_TEXT)?),
            Some("typing") => Request::Typing,
            Some("older") => Request::Older(required(&value, "before")?),
            Some("rooms") => Request::Rooms,
            Some("operator") => Request::Operator(field(&value, "secret", LONGEST_SECRET)?),
            Some("kick") => Request::Kick(required(&value, "member")?),
            Some("mute") => Request::Mute(required(&value, "member")?, minutes(&value)?),
            Some("clear") => Request::Clear,
            _ => return Err(
                "the type of this message is none of join, say, typing, older, rooms, operator, kick, mute \
                 and clear: say {\"type\":\"say\",\"text\":\"hello\"}"
                    .to_owned(),
            ),
        })
    }
}

/// Returns the trimmed text of a field.
fn field(value: &Value, name: &str, longest: usize) -> Result<String, String> {
    let text = value[name].as_str().unwrap_or_default().trim();
    match text.chars().count() {
        0 => Err(format!(
            "this message needs a field {name}: a text of 1 to {longest} characters"
        )),
        length if length > longest => Err(format!(
            "this {name} is too long: {length} characters, and the most is {longest}"
        )),
        _ => Ok(text.to_owned()),
    }
}

/// Returns the value of a field that may be missing, or null.
fn optional<T: std::str::FromStr>(value: &Value, name: &str) -> Result<Option<T>, String>
where
    T::Err: std::fmt::Display,
{
    match &value[name] {
        Value::Null => Ok(None),
        Value::String(text) => match text.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => Err(format!("the field {name}: {error}")),
        },
        _ => Err(format!(
            "the field {name} is not a text: send back the text that you have received"
        )),
    }
}

fn required<T: std::str::FromStr>(value: &Value, name: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    optional(value, name)?.ok_or_else(|| format!("this message needs a field {name}"))
}

fn minutes(value: &Value) -> Result<u64, String> {
    let minutes = value["minutes"].as_u64();
    let minutes = minutes.filter(|minutes| *minutes <= MOST_MINUTES);
    minutes.ok_or_else(|| {
        format!("this message needs a field minutes: a whole number from 0 to {MOST_MINUTES}")
    })
}

/// Returns an entry of a room's log: the hub writes its position into the field `id`.
pub(crate) fn entry(kind: &str, fields: &Value) -> Publication {
    let fields = fields.to_string();
    // All fields but the first two: `fields` is an object that is not empty.
    let rest = fields.strip_prefix('{').unwrap_or_default();
    Publication::around(
        format!(r#"{{"type":"{kind}","id":""#),
        format!(r#"",{rest}"#),
    )
}

/// Returns a message to one client.
pub(crate) fn message(kind: &str, fields: &Value) -> String {
    let mut message = fields.clone();
    message["type"] = kind.into();
    message.to_string()
}

/// Returns the message that says why a request was not fulfilled.
pub(crate) fn error(text: &str) -> String {
    message("error", &json!({"text": text}))
}

/// Returns a page of older entries, which are JSON already.
pub(crate) fn older(page: &Page) -> String {
    let texts = page.entries.iter();
    let texts: Vec<&str> = texts.filter_map(|entry| entry.message.as_text()).collect();
    let (entries, more) = (texts.join(","), page.more);
    format!(r#"{{"type":"older","entries":[{entries}],"more":{more}}}"#)
}

/// Returns the field `gap` of a welcome.
pub(crate) fn gap(gap: Option<Gap>) -> Value {
    gap.map_or(Value::Null, |gap| json!({"missed": gap.missed()}))
}

/// Returns the message for a gap between two entries of a replay that goes on.
pub(crate) fn gap_between(resumed: &Resumed, before: Position) -> String {
    let missed = resumed.gap.and_then(Gap::missed);
    // The replay goes on behind the missing entries.
    let number = resumed.at.number().checked_sub(resumed.replayed);
    let number = number.and_then(|number| number.checked_sub(missed?));
    let after = match number {
        Some(number) => format!("{}-{number}", resumed.at.epoch()),
        None => before.to_string(),
    };
    message("gap", &json!({"after": after, "missed": missed}))
}

/// Returns the message for a gap between two live entries.
#[cfg(feature = "redis")]
pub(crate) fn live_gap(gap: Gap) -> String {
    message("gap", &json!({"missed": gap.missed()}))
}

/// Returns the time in milliseconds since 1970, as JavaScript counts it.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
