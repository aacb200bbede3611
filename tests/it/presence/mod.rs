//! Members of rooms: who is there, who joins and who leaves, in one order with the messages.

mod bounds;

#[cfg(feature = "client")]
mod graces;

mod hostile;

mod invalid;

mod journal;

mod lists;

mod replays;

mod sizes;

mod storms;

use std::collections::BTreeMap;
use std::time::Duration;

use stentor::server::{
    EnterError, Entered, History, Member, MemberId, MemberKey, Position, Publication, ResumeError,
    Since,
};
use stentor::{Client, HandlerResult, Message, Server, Version};

use crate::support::{Loopback, Peer, eventually};

/// Executes commands: `enter|ROOM|SINCE|KEY|META`, `resume|ROOM`, `leave|ROOM`, `say|ROOM|TEXT`, `panic|ROOM|KEY`.
fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let message = message.to_string();
        let words: Vec<_> = message.split('|').collect();
        match *words {
            ["enter", room, since, key, meta] => match enter(client, room, since, key, meta) {
                Ok(_) => {}
                Err(EnterError::Resume(ResumeError::Connection(error))) => return Err(error.into()),
                Err(error) => client.send(format!("error: {error:?}"))?,
            },
            ["resume", room] => {
                client.resume_with(room, Since::Last(0), |_| Some("resumed".into()))?;
            }
            ["leave", room] => {
                client.leave(room);
                // All messages that were sent before are in the client's send queue now.
                client.room(room).members();
                client.send("out")?;
            }
            ["say", room, text] => assert!(client.room(room).publish(entry("said", text)).is_ok()),
            ["panic", room, key] => {
                let member = member(key.parse()?, "panics");
                let _ = client.enter(room, Since::Last(0), member, |_| panic!("on purpose"));
            }
            _ => client.send("what?")?,
        }
    }
    Ok(())
}

/// An entry of the room: its position, its kind, and the text.
fn entry(kind: &str, text: &str) -> Publication {
    Publication::around("", format!(" {kind} {text}"))
}

fn member(key: MemberKey, meta: &str) -> Member {
    let text = format!("{} {meta}", key.id());
    let member = Member::new(key).meta(meta);
    member
        .joined(entry("joined", &text))
        .left(entry("left", &text))
}

fn enter(
    client: &mut Client,
    room: &str,
    since: &str,
    key: &str,
    meta: &str,
) -> Result<Entered, EnterError> {
    let since = match since.strip_prefix("last ") {
        Some(count) => Since::Last(count.parse().unwrap()),
        None => Since::Position(since.parse().unwrap()),
    };
    let member = member(key.parse().unwrap(), meta);
    let entered = client.enter(room, since, member, |entered| Some(report(entered)))?;
    assert_eq!(entered.id, key.parse::<MemberKey>().unwrap().id());
    Ok(entered)
}

fn report(entered: &Entered) -> Message {
    let members = entered.members.iter();
    let members: Vec<_> = members
        .map(|present| format!("{}={}", present.id, present.meta))
        .collect();
    let gap = match entered.resumed.gap {
        None => "-".to_owned(),
        Some(gap) => gap
            .missed()
            .map_or("?".to_owned(), |missed| missed.to_string()),
    };
    let (at, unannounced) = (entered.resumed.at, entered.unannounced);
    format!("at {at} {gap} {unannounced} {}", members.join(",")).into()
}

/// The key of a test's member.
fn key(number: usize) -> MemberKey {
    format!("{number:032x}").parse().unwrap()
}

/// The list of a room: names by ids.
type List = BTreeMap<MemberId, String>;

fn list(members: &[(usize, &str)]) -> List {
    let members = members.iter();
    members
        .map(|(number, meta)| (key(*number).id(), (*meta).to_owned()))
        .collect()
}

/// Bounds that no test reaches, and a grace period that never ends.
fn plenty() -> History {
    let history = History::new().max_entries(1_000_000).max_bytes(usize::MAX);
    let history = history.total_limit(1 << 30).max_age(Duration::MAX);
    history.grace_period(Duration::MAX)
}

fn serve(history: History) -> Loopback {
    // A busy machine must not take a test for a silent client.
    let builder = Server::builder().history(history).ping_interval(None);
    Loopback::run(builder, obey)
}

/// The first message of an enter.
#[derive(Debug, PartialEq)]
struct Welcome {
    at: Position,
    gap: Option<Option<u64>>,
    unannounced: usize,
    list: List,
}

fn welcome(text: &str) -> Welcome {
    let words: Vec<_> = text.splitn(5, ' ').collect();
    assert_eq!((words[0], words.len()), ("at", 5), "{text}");
    let pairs = words[4].split(',').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    Welcome {
        at: words[1].parse().unwrap(),
        gap: match words[2] {
            "-" => None,
            "?" => Some(None),
            missed => Some(Some(missed.parse().unwrap())),
        },
        unannounced: words[3].parse().unwrap(),
        list: pairs
            .map(|(id, meta)| (id.parse().unwrap(), meta.to_owned()))
            .collect(),
    }
}

/// The client's end.
trait Entering {
    /// Enters a room without older messages. Returns the welcome.
    fn enter(&mut self, room: &str, number: usize, meta: &str) -> Welcome;

    fn enter_since(
        &mut self,
        room: &str,
        since: impl ToString,
        number: usize,
        meta: &str,
    ) -> Welcome;

    /// Resumes without being a member.
    fn watch(&mut self, room: &str);

    fn leave_room(&mut self, room: &str);

    /// Expects an entry of this kind and text; returns its position.
    fn expect_entry(&mut self, kind: &str, text: &str) -> Position;

    fn expect_joined(&mut self, number: usize, meta: &str) -> Position {
        self.expect_entry("joined", &format!("{} {meta}", key(number).id()))
    }

    fn expect_left(&mut self, number: usize, meta: &str) -> Position {
        self.expect_entry("left", &format!("{} {meta}", key(number).id()))
    }
}

impl Entering for Peer {
    fn enter(&mut self, room: &str, number: usize, meta: &str) -> Welcome {
        self.enter_since(room, "last 0", number, meta)
    }

    fn enter_since(
        &mut self,
        room: &str,
        since: impl ToString,
        number: usize,
        meta: &str,
    ) -> Welcome {
        let since = since.to_string();
        self.say(&format!("enter|{room}|{since}|{}|{meta}", key(number)));
        welcome(&self.hear_text())
    }

    fn watch(&mut self, room: &str) {
        self.say(&format!("resume|{room}"));
        self.expect_text("resumed");
    }

    fn leave_room(&mut self, room: &str) {
        self.say(&format!("leave|{room}"));
        self.expect_text("out");
    }

    fn expect_entry(&mut self, kind: &str, text: &str) -> Position {
        let heard = self.hear_text();
        let (position, rest) = heard.split_once(' ').unwrap();
        assert_eq!(rest, format!("{kind} {text}"));
        position.parse().unwrap()
    }
}

/// Publishes a message behind everything that the server has done so far.
fn mark(server: &Loopback, room: &str) -> Position {
    server
        .handle
        .room(room)
        .publish(entry("said", "mark"))
        .unwrap()
}

/// Returns the list of the server.
fn present(server: &Loopback, room: &str) -> (List, usize, Position) {
    let roll = server.handle.present(room).unwrap();
    let members = roll.members.iter();
    let list = members.map(|present| (present.id, present.meta.to_string()));
    (list.collect(), roll.unannounced, roll.at)
}

/// Returns the kinds and texts of all entries that a room has kept.
fn entries(server: &Loopback, room: &str) -> Vec<String> {
    let page = server.handle.history(room, None, 1000).unwrap();
    let texts = page.entries.iter().map(|entry| entry.message.to_string());
    texts
        .map(|text| text.split_once(' ').unwrap().1.to_owned())
        .collect()
}

/// Returns the kinds of entries about this member, in their order.
fn kinds(server: &Loopback, room: &str, number: usize) -> Vec<String> {
    let id = key(number).id().to_string();
    let all = entries(server, room).into_iter();
    let own = all.filter(|text| text.contains(&id));
    own.map(|text| text.split(' ').next().unwrap().to_owned())
        .collect()
}
