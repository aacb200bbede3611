//! Rooms: their names in paths, and the list of them.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use stentor::ServerHandle;
use unicode_normalization::UnicodeNormalization;

use crate::{names, wire};

/// The room that nobody enters: the acts of the operators are its messages.
pub(crate) const MODERATION: &str = "~moderation";

/// The most characters of a room's name: with four bytes each, as many as the library allows.
const LONGEST: usize = 64;

/// The room at the path `/`.
const LOBBY: &str = "lobby";

/// The most rooms in a list.
const MOST_LISTED: usize = 50;

/// For so long, all clients receive the same list.
const LIST_AGE: Duration = Duration::from_secs(1);

/// Returns the name of the room at a path.
///
/// The rules are those of members' names, in at most 64 characters. A slash would look like a folder, and
/// browsers and robots request names with a dot by themselves, such as `favicon.ico`.
///
/// # Errors
/// The reason for which no room is there.
pub(crate) fn at(path: &str) -> Result<String, String> {
    let encoded = path.strip_prefix('/').ok_or("give a path")?;
    if encoded.is_empty() {
        return Ok(LOBBY.to_owned());
    }
    let decoded = decoded(encoded).ok_or("this name is not in UTF-8")?;
    let name: String = names::checked(&decoded)?.nfc().collect();
    check(&name)?;
    Ok(name)
}

fn check(name: &str) -> Result<(), String> {
    if [MODERATION, "health", "ready"].contains(&name) {
        return Err("this name is reserved: choose another one".to_owned());
    }
    if name.contains(['/', '.']) {
        return Err("this name has a slash or a dot: leave it out".to_owned());
    }
    match name.chars().count() {
        ..=LONGEST => Ok(()),
        long => Err(format!(
            "this name has {long} characters, and the most is {LONGEST}: choose a shorter one"
        )),
    }
}

/// Returns whether a room of the server is one that clients enter.
fn is_name(name: &str) -> bool {
    check(name).is_ok() && names::checked(name).is_ok_and(|checked| checked == name)
}

/// Decodes `%C3%A9` and the like; `None` if the result is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut encoded = path.bytes();
    let mut bytes = Vec::with_capacity(path.len());
    while let Some(byte) = encoded.next() {
        bytes.push(match byte {
            b'%' => digit(encoded.next()?)? << 4 | digit(encoded.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// The list of the rooms. The hub counts all rooms for it, so one list serves all clients for a while.
#[derive(Default)]
pub(crate) struct List(Mutex<Option<(Instant, Arc<str>)>>);

impl List {
    /// Returns the message with the rooms that have the most clients.
    pub(crate) fn message(&self, server: &ServerHandle) -> Arc<str> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*list {
            Some((made, text)) if made.elapsed() < LIST_AGE => Arc::clone(text),
            _ => {
                let text: Arc<str> = listed(server.room_counts()).into();
                *list = Some((Instant::now(), Arc::clone(&text)));
                text
            }
        }
    }
}

fn listed(mut rooms: Vec<(String, usize)>) -> String {
    rooms.retain(|(name, _)| is_name(name));
    // The names are in order already, and a stable sort keeps that.
    rooms.sort_by_key(|(_, members)| Reverse(*members));
    rooms.truncate(MOST_LISTED);
    let rooms = rooms.iter();
    let rooms = rooms.map(|(name, members)| json!({"name": name, "members": members}));
    wire::message("rooms", &json!({"rooms": rooms.collect::<Vec<_>>()}))
}
