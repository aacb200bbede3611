//! Moderation without accounts: a member that sends the secret of a file is an operator.
//!
//! Each act of an operator is a message of a room that nobody enters. A thread follows that room and applies
//! the acts: so every server that shares the room would apply them, and a server that keeps its rooms on disk
//! applies them again after a restart. All that is remembered ends by itself, and is limited.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor::server::{Followed, MemberId, Position, PublishError, Since};
use stentor::{CloseCode, Message, ServerHandle};

use crate::rooms::MODERATION;
use crate::{names, wire};

/// The reason in the close frame of a member that an operator has removed.
pub(crate) const REMOVED: &str = "removed by an operator";

/// How long a removed member stays out of the room, in milliseconds.
const KICKED_FOR: u64 = 10 * 60 * 1000;

/// The fewest characters of a secret.
const SHORTEST_SECRET: usize = 16;

/// The bytes of a file that are read: more than a secret can have.
const MOST_READ: u64 = 4 * wire::LONGEST_SECRET as u64 + 1024;

/// Wrong secrets from one connection, and from all connections in a minute.
const ATTEMPTS: u32 = 5;
const ATTEMPTS_A_MINUTE: u32 = 20;

/// The most members that are muted, or kept out, at a time.
const MOST: usize = 1000;

/// A value of each connection: the member that it belongs to, once it has joined.
#[derive(Default)]
pub(crate) struct Seat(OnceLock<MemberId>);

impl Seat {
    pub(crate) fn take(&self, member: MemberId) {
        // A connection enters once: a client that may try again has not entered.
        let _ = self.0.set(member);
    }
}

/// The operators' secret, and the effects of their acts.
pub(crate) struct Moderation {
    secret: Option<String>,
    attempts: Mutex<(Instant, u32)>,
    effects: Mutex<Effects>,
}

#[derive(Default)]
struct Effects {
    kicked_members: Terms,
    kicked_names: Terms,
    muted: Terms,
}

/// An act of an operator, as the room of the acts has it.
pub(crate) enum Act {
    Kick {
        room: String,
        member: MemberId,
        name: String,
        until: u64,
    },
    Mute {
        room: String,
        member: MemberId,
        until: u64,
    },
    /// Removes the messages up to this position.
    Clear { room: String, up_to: Position },
}

impl Moderation {
    /// Reads the secret, if there is a file.
    ///
    /// # Errors
    /// The file cannot be read, or its first line is too short for a secret.
    pub(crate) fn new(operator_file: Option<&Path>) -> io::Result<Moderation> {
        Ok(Moderation {
            secret: operator_file.map(read_secret).transpose()?,
            attempts: Mutex::new((Instant::now(), 0)),
            effects: Mutex::default(),
        })
    }

    /// Checks a secret that a member has sent; `attempts` counts the wrong secrets of a connection.
    ///
    /// # Errors
    /// The secret is wrong, too many were, or this chat has no operators.
    pub(crate) fn admit(&self, given: &str, attempts: &mut u32) -> Result<(), String> {
        let Some(secret) = &self.secret else {
            return Err(
                "this chat has no operators: start it with --operator-file FILE".to_owned(),
            );
        };
        let mut all = lock(&self.attempts);
        if all.0.elapsed() > Duration::from_secs(60) {
            *all = (Instant::now(), 0);
        }
        if *attempts >= ATTEMPTS {
            return Err(
                "too many wrong secrets on this connection: connect again, or load the page again"
                    .to_owned(),
            );
        }
        if all.1 >= ATTEMPTS_A_MINUTE {
            return Err(
                "too many wrong secrets came from all connections, so none is accepted now: try again in a minute"
                    .to_owned(),
            );
        }
        if is_same(secret.as_bytes(), given.as_bytes()) {
            return Ok(());
        }
        *attempts += 1;
        all.1 += 1;
        Err("that is not the operators' secret".to_owned())
    }

    /// Returns why a member may not enter a room, if an operator has removed it.
    pub(crate) fn keeps_out(&self, room: &str, member: MemberId, name: &str) -> Option<String> {
        let effects = lock(&self.effects);
        let member = effects.kicked_members.left(room, &member.to_string());
        let name = effects.kicked_names.left(room, &names::key(name));
        let minutes = member.max(name)?;
        Some(format!("{REMOVED}: come back in {minutes} min"))
    }

    /// Returns why a member may not say anything, if an operator has muted it.
    pub(crate) fn mutes(&self, room: &str, member: MemberId) -> Option<String> {
        let minutes = lock(&self.effects).muted.left(room, &member.to_string())?;
        Some(format!(
            "muted by an operator: say something in {minutes} min"
        ))
    }

    /// Publishes an act for all servers, which apply it.
    ///
    /// # Errors
    /// The act was not published, and has no effect.
    pub(crate) fn publish(server: &ServerHandle, act: &Act) -> Result<(), PublishError> {
        server.room(MODERATION).publish(act.to_text())?;
        Ok(())
    }

    /// Applies the acts of all operators, on a thread of its own, until the server ends.
    pub(crate) fn follow(self: &Arc<Self>, server: ServerHandle) {
        let moderation = Arc::clone(self);
        thread::spawn(move || match server.follow(MODERATION, Since::Last(MOST)) {
            Ok(acts) => {
                for followed in acts {
                    moderation.apply(&server, &followed);
                }
            }
            Err(error) => log::error!("acts of operators have no effect: {error}"),
        });
    }

    fn apply(&self, server: &ServerHandle, followed: &Followed) {
        let act = match followed {
            Followed::Entry(entry) => Act::read(&entry.message),
            Followed::Gap(gap) => return log::warn!("acts of operators are lost: {gap}"),
            _ => None,
        };
        match act {
            Some(Act::Kick {
                room,
                member,
                name,
                until,
            }) if until > wire::now() => {
                let mut effects = lock(&self.effects);
                let id = member.to_string();
                effects.kicked_members.insert(&room, &id, until);
                effects
                    .kicked_names
                    .insert(&room, &names::key(&name), until);
                drop(effects);
                close(server, &room, member);
            }
            Some(Act::Mute {
                room,
                member,
                until,
            }) => {
                let id = member.to_string();
                lock(&self.effects).muted.insert(&room, &id, until);
            }
            Some(Act::Clear { room, up_to }) => {
                if let Err(error) = server.forget(&room, up_to) {
                    log::error!("the room {room:?} was not cleared: {error}");
                }
            }
            _ => {}
        }
    }
}

/// Closes all connections of a member that are in a room.
fn close(server: &ServerHandle, room: &str, member: MemberId) {
    for id in server.room(room).members() {
        let client = server.client(id).filter(|client| {
            let seat = client.get::<Seat>();
            seat.is_some_and(|seat| seat.0.get() == Some(&member))
        });
        if let Some(client) = client {
            client.leave(room);
            let _ = client.close(CloseCode::POLICY, REMOVED);
        }
    }
}

impl Act {
    /// Removes a member from a room, on all its connections.
    pub(crate) fn kick(room: &str, member: MemberId, name: &str) -> Act {
        Act::Kick {
            room: room.to_owned(),
            member,
            name: name.to_owned(),
            until: wire::now() + KICKED_FOR,
        }
    }

    /// Mutes a member in a room for some minutes; 0 ends that.
    pub(crate) fn mute(room: &str, member: MemberId, minutes: u64) -> Act {
        Act::Mute {
            room: room.to_owned(),
            member,
            until: wire::now() + minutes * 60 * 1000,
        }
    }

    /// Removes the messages before an entry, which stays: so clients that come back learn of it.
    pub(crate) fn clear(room: &str, entry: Position) -> Act {
        Act::Clear {
            room: room.to_owned(),
            up_to: Position::new(entry.epoch(), entry.number().saturating_sub(1)),
        }
    }

    fn to_text(&self) -> String {
        let value = match self {
            Act::Kick {
                room,
                member,
                name,
                until,
            } => {
                json!({"act": "kick", "room": room, "member": member.to_string(), "name": name, "until": until})
            }
            Act::Mute {
                room,
                member,
                until,
            } => {
                json!({"act": "mute", "room": room, "member": member.to_string(), "until": until})
            }
            Act::Clear { room, up_to } => {
                json!({"act": "clear", "room": room, "up_to": up_to.to_string()})
            }
        };
        value.to_string()
    }

    fn read(message: &Message) -> Option<Act> {
        let value: Value = serde_json::from_str(message.as_text()?).ok()?;
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let room = text("room")?;
        if value["act"] == "clear" {
            let up_to = text("up_to")?.parse().ok()?;
            return Some(Act::Clear { room, up_to });
        }
        let (member, until) = (text("member")?.parse().ok()?, value["until"].as_u64()?);
        match value["act"].as_str()? {
            "kick" => Some(Act::Kick {
                room,
                member,
                name: text("name")?,
                until,
            }),
            "mute" => Some(Act::Mute {
                room,
                member,
                until,
            }),
            _ => None,
        }
    }
}

/// Ends of terms, by room and member: at most [`MOST`], of which those that end first are dropped.
#[derive(Default)]
struct Terms(HashMap<(String, String), u64>);

impl Terms {
    fn insert(&mut self, room: &str, member: &str, until: u64) {
        let now = wire::now();
        self.0.insert((room.to_owned(), member.to_owned()), until);
        self.0.retain(|_, until| *until > now);
        if self.0.len() > MOST {
            let first = self.0.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                self.0.remove(&first);
            }
        }
    }

    /// Returns the minutes that are left, rounded up; `None` without a term.
    fn left(&self, room: &str, member: &str) -> Option<u64> {
        let until = self.0.get(&(room.to_owned(), member.to_owned()))?;
        let left = until.checked_sub(wire::now())?;
        (left > 0).then(|| left.div_ceil(60 * 1000))
    }
}

/// Returns the first line of a file, which must be a possible secret; warns if other users may read it, on Unix.
fn read_secret(path: &Path) -> io::Result<String> {
    let explained = |kind, error: &dyn std::fmt::Display| {
        let path = path.display();
        io::Error::new(kind, format!("--operator-file {path}: {error}"))
    };
    let read = || -> io::Result<(Vec<u8>, bool)> {
        let file = File::open(path)?;
        let is_private = is_private(&file)?;
        let mut line = Vec::new();
        BufReader::new(file.take(MOST_READ)).read_until(b'\n', &mut line)?;
        Ok((line, is_private))
    };
    let (line, is_private) = read().map_err(|error| explained(error.kind(), &error))?;
    let secret = checked(&line).map_err(|fault| {
        let fault = format!("the secret in its first line {fault}");
        explained(io::ErrorKind::InvalidData, &fault)
    })?;
    if !is_private {
        let path = path.display();
        eprintln!("chat: other users may read the secret in {path}: run chmod 600 {path}");
    }
    Ok(secret)
}

/// Returns whether the mode of a file keeps other users from reading it.
#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions());
    Ok(mode & 0o077 == 0)
}

/// There are no modes, and the standard library does not read lists of permissions: nothing is known.
#[cfg(windows)]
fn is_private(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Returns the secret in a line.
///
/// # Errors
/// The fault of the line, and a remedy.
fn checked(line: &[u8]) -> Result<String, String> {
    if line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]) {
        return Err("is in UTF-16: save the file in UTF-8".to_owned());
    }
    // The end may be in the middle of a character: such a line is too long.
    let text = String::from_utf8_lossy(line);
    let secret = text.trim();
    if secret.starts_with('\u{feff}') {
        let fault =
            "begins with an invisible byte order mark (BOM): save the file in UTF-8 without a BOM";
        return Err(fault.to_owned());
    }
    let (length, longest) = (secret.chars().count(), wire::LONGEST_SECRET);
    if length > longest {
        return Err(format!("is too long: give at most {longest} characters"));
    }
    if std::str::from_utf8(line).is_err() {
        return Err("is not in UTF-8: save the file in UTF-8".to_owned());
    }
    if length < SHORTEST_SECRET {
        return Err(format!(
            "is too short: give at least {SHORTEST_SECRET} characters"
        ));
    }
    Ok(secret.to_owned())
}

/// Compares in the same time wherever the two differ: so the time of an answer does not tell how many
/// characters of a secret are right.
fn is_same(secret: &[u8], given: &[u8]) -> bool {
    let differences = secret.iter().zip(given);
    let differences = differences.fold(0, |all, (one, other)| all | (one ^ other));
    secret.len() == given.len() && std::hint::black_box(differences) == 0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
