//! Questions and answers in JSON.
//!
//! ```text
//! {"id":1,"ask":"lab","version":"13","seed":7,"do":[{"do":"run"}]}
//! {"id":2,"ask":"breaks"}
//! {"id":3,"ask":"break","break":"mask","version":"13","from":"client","seed":7}
//! {"id":4,"ask":"five","seed":7,"from":"client","do":[{"do":"text","from":"client","text":"Hello"}]}
//! {"id":5,"ask":"paste","text":"81 05 48 65 6c 6c 6f","version":"13","from":"auto"}
//! ```
//!
//! Each answer has the number of its question, and `ok` or `error`, one sentence.

use std::sync::OnceLock;

use serde_json::{Value, json};
use stentor::Version;

use super::action::{Action, number, side, text};
use super::bench::{Lab, Setup};
use super::breaks::Break;
use super::made::{Made, choices, table};
use super::{Answer, LARGEST_ANSWER, LARGEST_REQUEST, MOST_ACTIONS, MOST_BYTES, show};
use crate::explainer::Explainer;
use crate::note::Side;
use crate::paste::{self, Form, Pasted};

/// The largest seed: a page keeps all of its bits, since JavaScript has numbers of 53 bits.
const LARGEST_SEED: usize = 999_999;

/// The remark about frames whose sender was found out.
const NO_MASK: &str = "this is taken for a frame of a server, because it has no mask. A frame of a client without a \
                       mask would be wrong: choose \"Sent by: the client\" to see the rule";

/// A question of the page.
#[derive(Debug)]
pub struct Question {
    /// Its number, as the page wrote it.
    id: Value,
    value: Value,
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    ///
    /// One sentence, if it is too large, or no JSON object.
    pub fn read(text: &str) -> Result<Question, String> {
        if text.len() > LARGEST_REQUEST {
            let length = text.len();
            return Err(format!(
                "the question has {length} bytes: {LARGEST_REQUEST} are the most"
            ));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match value.is_object() {
            true => Ok(Question {
                id: value.get("id").cloned().unwrap_or_default(),
                value,
            }),
            false => Err("a question is a JSON object".to_owned()),
        }
    }

    /// Returns the kind of the question.
    pub fn ask(&self) -> &str {
        self.text("ask").unwrap_or_default()
    }

    /// Returns a member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value.get(name).and_then(Value::as_str)
    }

    /// Returns a member that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.value.get(name).and_then(Value::as_u64)
    }

    /// Answers the question, if it needs nothing but the engines and the explainer.
    pub fn answer(&self) -> Result<Value, String> {
        let value = &self.value;
        match self.ask() {
            "lab" => lab(value),
            "breaks" => Ok(breaks().clone()),
            "break" => one_break(value),
            "five" => five(value),
            "paste" => pasted(value),
            other => Err(format!("\"{other}\" is no question")),
        }
    }

    /// Writes an answer.
    pub fn reply(&self, answer: Result<Value, String>) -> String {
        reply(&self.id, answer)
    }
}

/// Answers a question in JSON, if it needs nothing but the engines and the explainer.
pub fn answer(text: &str) -> String {
    match Question::read(text) {
        Ok(question) => question.reply(question.answer()),
        Err(error) => reply(&Value::Null, Err(error)),
    }
}

/// Explains what was recorded of a conversation, from its first byte: the reads of both sides, in order, and whether
/// the streams of the client and the server have ended.
pub fn conversation(reads: &[(Side, Vec<u8>)], is_ended: [bool; 2]) -> Value {
    show::conversation(reads, is_ended)
}

/// Writes the answer to a question that could not be read, or to the one with this number.
pub fn reply(id: &Value, answer: Result<Value, String>) -> String {
    let answer = match answer {
        Ok(value) => json!({ "id": id, "ok": value }).to_string(),
        Err(error) => json!({ "id": id, "error": error }).to_string(),
    };
    match answer.len() {
        0..=LARGEST_ANSWER => answer,
        length => {
            let words = format!(
                "the answer has {length} bytes, and {LARGEST_ANSWER} are the most: send fewer frames"
            );
            json!({ "id": id, "error": words }).to_string()
        }
    }
}

/// The name of a version as the page writes it.
pub(super) fn short(version: Version) -> &'static str {
    match version {
        Version::Draft75 => "75",
        Version::Draft76 => "76",
        Version::Hybi07 => "7",
        Version::Hybi08 => "8",
        Version::Rfc6455 => "13",
    }
}

fn version(value: &Value) -> Result<Version, String> {
    let name = text(value, "version")?;
    let found = Version::ALL.into_iter().find(|one| short(*one) == name);
    found.ok_or_else(|| format!("\"{name}\" is no version: 75, 76, 7, 8 or 13"))
}

fn setup(value: &Value, version: Version) -> Result<Setup, String> {
    Ok(Setup {
        version,
        seed: number(value, "seed", 0..=LARGEST_SEED)? as u64,
        compress: value.get("compress") == Some(&Value::Bool(true)),
    })
}

fn actions(value: &Value) -> Result<Vec<Action>, String> {
    let list = value.get("do").and_then(Value::as_array);
    let list = list.ok_or("\"do\" is missing, or is no list of actions")?;
    if list.len() > MOST_ACTIONS {
        return Err(format!(
            "the session has {} actions: {MOST_ACTIONS} are the most",
            list.len()
        ));
    }
    list.iter().map(Action::read).collect()
}

/// A session. An action that is not possible ends it: the answer has the session up to there, and the reason.
fn lab(value: &Value) -> Result<Value, String> {
    let setup = setup(value, version(value)?)?;
    let actions = actions(value)?;
    let mut lab = Lab::new(setup);
    let mut stopped = None;
    let mut done = 0;
    for action in &actions {
        match lab.perform(action) {
            Ok(()) => done += 1,
            Err(error) => {
                stopped = Some(error);
                break;
            }
        }
    }
    let mut answer = show::lab(&lab);
    answer["done"] = json!(done);
    answer["stopped"] = json!(stopped);
    Ok(answer)
}

/// All mistakes, with the answers to choose from. They are made once.
fn breaks() -> &'static Value {
    static BREAKS: OnceLock<Value> = OnceLock::new();
    BREAKS.get_or_init(|| {
        let list = Break::ALL.iter().map(|one| {
            let by = |from| {
                let suits = table(one, from)
                    .into_iter()
                    .map(|(version, answer)| (short(version), json!(answer.err())));
                let suits: serde_json::Map<String, Value> = suits
                    .map(|(version, reason)| (version.to_owned(), reason))
                    .collect();
                let choices = choices(one, from).into_iter().map(said);
                json!({ "choices": choices.collect::<Vec<_>>(), "unsuitable": suits })
            };
            json!({
                "id": one.id,
                "title": one.title,
                "says": one.says,
                "client": by(Side::Client),
                "server": by(Side::Server),
            })
        });
        Value::Array(list.collect())
    })
}

fn one_break(value: &Value) -> Result<Value, String> {
    let id = text(value, "break")?;
    let one = Break::of(id).ok_or_else(|| format!("there is no mistake \"{id}\""))?;
    let from = side(value.get("from"))?;
    let made = Made::by(one, setup(value, version(value)?)?, from)?;
    let table = table(one, from).into_iter().map(|(version, answer)| {
        let (answer, words) = match answer {
            Ok(answer) => (Some(answer.id()), answer.to_string()),
            Err(reason) => (None, reason.to_owned()),
        };
        json!({ "version": short(version), "name": version.name(), "answer": answer, "words": words })
    });
    let actions: Vec<Value> = made.actions.iter().map(Action::json).collect();
    let mut session = show::lab(&made.lab);
    session["done"] = json!(actions.len());
    Ok(json!({
        "break": one.id,
        "from": from.to_string(),
        "answer": said(made.answer),
        "allowed": made.is_allowed,
        "rule": made.rule.map(|(rule, words)| {
            let mut json = show::rule(rule);
            json["words"] = json!(words);
            json
        }),
        "table": table.collect::<Vec<_>>(),
        "do": actions,
        "lab": session,
    }))
}

fn said(answer: Answer) -> Value {
    json!({ "id": answer.id(), "words": answer.to_string() })
}

/// The same actions, or the same mistake, in all five versions, each after its handshake.
fn five(value: &Value) -> Result<Value, String> {
    let mistake = match value.get("break") {
        None => None,
        Some(_) => {
            let id = text(value, "break")?;
            Some(Break::of(id).ok_or_else(|| format!("there is no mistake \"{id}\""))?)
        }
    };
    let from = side(value.get("from"))?;
    let wanted = if mistake.is_none() {
        actions(value)?
    } else {
        Vec::new()
    };
    let mut columns = Vec::new();
    for version in Version::ALL {
        let setup = setup(value, version)?;
        let (session, error) = match mistake {
            Some(one) => match Made::by(one, setup, from) {
                Ok(made) => (made.lab, None),
                Err(reason) => (Lab::new(setup), Some(reason.to_owned())),
            },
            None => performed(setup, &wanted),
        };
        columns.push(json!({
            "version": short(version),
            "name": version.name(),
            "error": error,
            "lab": show::lab(&session),
        }));
    }
    Ok(json!({ "columns": columns }))
}

fn performed(setup: Setup, actions: &[Action]) -> (Lab, Option<String>) {
    let mut lab = Lab::new(setup);
    let all = [&[Action::Run], actions, &[Action::Run]].concat();
    let error = all.iter().find_map(|action| lab.perform(action).err());
    (lab, error)
}

/// Bytes as pasted from anywhere.
fn pasted(value: &Value) -> Result<Value, String> {
    let text = value.get("text").and_then(Value::as_str);
    let text = text.ok_or("\"text\" is missing, or is no text")?;
    let version = version(value)?;
    let form = match value.get("base64") {
        Some(Value::Bool(true)) => Form::Base64,
        _ => Form::Any,
    };
    let frames = |from, bytes: &[u8], is_header| {
        show::pasted(Explainer::frames(version, None), from, bytes, is_header)
    };
    let mut remarks = Vec::new();
    let pieces = match paste::read(text, form)? {
        Pasted::Packets(_) => {
            let words = "these are whole packets, with the headers of IP and TCP: save them as a file, and run `explain` on it";
            return Err(words.to_owned());
        }
        Pasted::Headers(headers) => {
            let headers = headers.iter().take(MOST_BYTES / 16);
            headers
                .map(|(from, header)| frames(*from, header, true))
                .collect()
        }
        Pasted::Bytes(mut bytes) => {
            if bytes.len() > MOST_BYTES {
                remarks.push(format!(
                    "only the first {MOST_BYTES} of {} bytes are explained",
                    bytes.len()
                ));
                bytes.truncate(MOST_BYTES);
            }
            if paste::lacks_cr(text) {
                remarks.push(
                    "the line ends are shown as CR LF: a paste does not keep them".to_owned(),
                );
            }
            let is_head = bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/");
            let from = match value.get("from").and_then(Value::as_str) {
                None | Some("auto") => {
                    let from = sender(&bytes, version);
                    if let (Side::Server, false, [_, 0..=0x7f, ..]) = (from, is_head, &*bytes) {
                        remarks.push(NO_MASK.to_owned());
                    }
                    from
                }
                Some(_) => side(value.get("from"))?,
            };
            vec![match is_head {
                true => show::pasted(Explainer::new(), from, &bytes, false),
                false => frames(from, &bytes, false),
            }]
        }
    };
    Ok(json!({ "pieces": pieces, "remarks": remarks }))
}

/// The side that has sent bytes: a client sends requests and masked frames.
fn sender(bytes: &[u8], version: Version) -> Side {
    match bytes {
        [b'H', b'T', b'T', b'P', ..] => Side::Server,
        _ if bytes.starts_with(b"GET ") || version.wire_number().is_none() => Side::Client,
        [_, 0x80..=0xff, ..] => Side::Client,
        _ => Side::Server,
    }
}
