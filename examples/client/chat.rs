//! The terminal's client as a member of a room of the chat example. It connects again whenever the connection is
//! lost, and prints the messages that it has missed, and a line where messages are missing.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use stentor::client::{Reconnect, ReconnectingSender, Update};
use stentor::{CloseCode, Connector, Message};

use crate::{QUIET, TYPED_ALL, escaped};

/// The longest delay between two attempts to connect.
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// Joins the room of the URL by this name, says each line of input, and prints the room's messages.
pub(crate) fn talk(connector: &Connector, url: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let options = Reconnect::new().max_delay(LONGEST_DELAY);
    let mut connection = connector.stay_connected(url, options)?;
    let sender = connection.sender();
    let keyboard = sender.clone();
    thread::spawn(move || say_lines(&keyboard));
    let mut member = Member::new(name);
    let mut out = io::stdout().lock();
    loop {
        // The value before the wait: so the last message has its full time for an answer.
        let typed_all = TYPED_ALL.load(Ordering::Relaxed);
        let Some(update) = connection.recv_timeout(QUIET)? else {
            break;
        };
        match update {
            // Before the lines that wait, which are said as soon as the client is back in the room.
            Update::Connected { .. } => connection.send(member.join())?,
            Update::Message(message) => {
                for line in member.receive(&message)? {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
            }
            Update::Disconnected {
                outage, retry_in, ..
            } => eprintln!("{outage}; next attempt in {retry_in:.1?}"),
            Update::Nothing if typed_all && sender.waiting_bytes() == 0 => {
                connection.close(CloseCode::NORMAL, "")?;
            }
            _ => {}
        }
    }
    if let Some(closed) = connection.closed() {
        eprintln!("{closed}");
    }
    Ok(())
}

/// The lines wait while there is no connection.
fn say_lines(sender: &ReconnectingSender) {
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let say = json!({"type": "say", "text": line});
        if let Err(error) = sender.send(say.to_string()) {
            eprintln!("not sent: {error}");
        }
    }
    TYPED_ALL.store(true, Ordering::Relaxed);
}

/// The state that outlives a connection.
struct Member {
    name: String,
    /// The key of the last welcome: with it, the server knows this member again.
    key: Option<String>,
    /// The position of the last entry that was received or, without one, that of the welcome.
    since: Option<String>,
    /// Whether the server has welcomed this connection.
    is_welcome: bool,
    is_new: bool,
}

impl Member {
    fn new(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            key: None,
            since: None,
            is_welcome: false,
            is_new: true,
        }
    }

    /// Returns the first message of a connection.
    fn join(&mut self) -> String {
        self.is_welcome = false;
        let join = json!({"type": "join", "name": self.name, "since": self.since, "key": self.key});
        join.to_string()
    }

    /// Returns the lines to print for a message.
    ///
    /// # Errors
    /// The server does not admit this member.
    fn receive(&mut self, message: &Message) -> Result<Vec<String>, Box<dyn Error>> {
        let text = message.as_text().unwrap_or_default();
        let message: Value = serde_json::from_str(text)?;
        let text = |field: &str| message[field].as_str().unwrap_or_default();
        if !message["id"].is_null() {
            self.since = Some(text("id").to_owned());
        }
        let name = escaped(text("name"));
        let line = match text("type") {
            "welcome" => return Ok(self.welcome(&message)),
            "said" => format!("{name}: {}", escaped(text("text"))),
            "joined" => format!("-- {name} joined"),
            "left" => format!("-- {name} left"),
            "kicked" => format!("-- an operator removed {name}"),
            "muted" if message["minutes"] == 0 => format!("-- {name} may speak again"),
            "muted" => format!("-- an operator muted {name} for {} min", message["minutes"]),
            "cleared" => "-- an operator removed all earlier messages".to_owned(),
            "gap" => missing(&message),
            "error" if !self.is_welcome => return Err(escaped(text("text")).into()),
            "error" => format!("-- error: {}", escaped(text("text"))),
            _ => return Ok(Vec::new()),
        };
        // Nobody can make a second line look like the message of another member.
        Ok(vec![line.replace('\n', "\n    ")])
    }

    fn welcome(&mut self, welcome: &Value) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.is_welcome = true;
        self.key = text(&welcome["key"]);
        self.since = self.since.take().or(text(&welcome["at"]));
        let name = |member: &Value| escaped(member["name"].as_str().unwrap_or_default());
        let mut lines = Vec::new();
        if std::mem::take(&mut self.is_new) {
            let members = welcome["members"].as_array().into_iter().flatten();
            let members: Vec<String> = members.map(name).collect();
            lines.push(format!("-- joined as {}", name(welcome)));
            lines.push(format!("-- here: {}", members.join(", ")));
        } else {
            lines.push(format!("-- back as {}", name(welcome)));
        }
        if !welcome["gap"].is_null() {
            lines.push(missing(&welcome["gap"]));
        }
        lines
    }
}

/// Returns the line in the place of missing messages.
fn missing(gap: &Value) -> String {
    match gap["missed"].as_u64() {
        Some(1) => "-- 1 message is missing here".to_owned(),
        Some(missed) => format!("-- {missed} messages are missing here"),
        None => "-- messages may be missing here".to_owned(),
    }
}
