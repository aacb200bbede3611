//! Rooms with a history: messages have positions, and clients that come back miss none.

mod bounds;

mod following;

mod invalid;

pub(crate) mod journal;

mod resuming;

mod storms;

use std::time::Duration;

use stentor::server::{Gap, History, Position, Publication, ResumeError, Resumed, Since};
use stentor::{Client, HandlerResult, Message, Server, Version};

use crate::support::{Heard, Loopback, Peer};

/// Executes commands: `resume|ROOM|SINCE`, `leave|ROOM`, `say|ROOM|TEXT`, `others|ROOM|TEXT`,
/// `page|ROOM|BEFORE|MOST`, `echo|TEXT`. A message begins with its position.
pub(crate) fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let message = message.to_string();
        let mut words = message.split('|');
        let (command, room) = (words.next().unwrap(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default();
        match command {
            "resume" => match resume(client, room, rest) {
                Ok(_) => {}
                Err(ResumeError::Connection(error)) => return Err(error.into()),
                Err(error) => client.send(format!("error: {error:?}"))?,
            },
            "leave" => {
                client.leave(room);
                // All messages that were sent before are in the client's send queue now.
                client.room(room).members();
                client.send("left")?;
            }
            "say" => assert!(client.room(room).publish(said(rest)).is_ok()),
            "others" => assert!(
                client
                    .room(room)
                    .except(client.id())
                    .publish(said(rest))
                    .is_ok()
            ),
            "page" => {
                let most = words.next().unwrap_or_default().parse()?;
                let before = (!rest.is_empty()).then(|| rest.parse()).transpose()?;
                match client.server().history(room, before, most) {
                    Ok(page) => client.send(format!("{} {}", page.entries.len(), page.more))?,
                    Err(error) => client.send(format!("error: {error}"))?,
                }
            }
            _ => client.send(room)?,
        }
    }
    Ok(())
}

fn said(text: &str) -> Publication {
    Publication::around("", format!(" {text}"))
}

fn resume(client: &mut Client, room: &str, since: &str) -> Result<Resumed, ResumeError> {
    let since = match since.strip_prefix("last ") {
        Some(count) => Since::Last(count.parse().unwrap()),
        None => match since.parse::<Position>() {
            Ok(position) => position.into(),
            Err(error) => {
                client.send(format!("error: {error}"))?;
                return Err(ResumeError::NoHistory);
            }
        },
    };
    client.resume_with(room, since, |resumed| {
        let gap = match resumed.gap {
            None => "-".to_owned(),
            Some(gap) => gap
                .missed()
                .map_or("?".to_owned(), |missed| missed.to_string()),
        };
        Some(Message::from(format!(
            "at {} {gap} {}",
            resumed.at, resumed.replayed
        )))
    })
}

/// A server with this history whose clients give commands.
fn serve(history: History) -> Loopback {
    // A busy machine must not take a test for a silent client.
    let builder = Server::builder().history(history).ping_interval(None);
    Loopback::run(builder, obey)
}

/// Bounds that no test reaches.
fn plenty() -> History {
    let history = History::new().max_entries(1_000_000).max_bytes(usize::MAX);
    history.total_limit(1 << 30).max_age(Duration::MAX)
}

/// The first message of a resume: the room's last position, the missing messages if there are any
/// (`None`: an unknown number), and the replayed ones.
#[derive(Debug, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) at: Position,
    pub(crate) gap: Option<Option<u64>>,
    pub(crate) replayed: u64,
}

/// The client's end of a resume.
pub(crate) trait Resuming {
    fn resume(&mut self, room: &str, since: impl ToString) -> Welcome;

    /// Returns the position of the next message, and its text.
    fn said(&mut self) -> (Position, String);

    /// Returns the texts of the next messages, which have consecutive positions.
    fn texts(&mut self, count: usize) -> Vec<String>;
}

impl Resuming for Peer {
    fn resume(&mut self, room: &str, since: impl ToString) -> Welcome {
        self.say(&format!("resume|{room}|{}", since.to_string()));
        welcome(&self.hear_text())
    }

    fn said(&mut self) -> (Position, String) {
        parse(&self.hear_text())
    }

    fn texts(&mut self, count: usize) -> Vec<String> {
        let said: Vec<_> = (0..count).map(|_| self.said()).collect();
        for two in said.windows(2) {
            let (before, after) = (two[0].0, two[1].0);
            assert_eq!(before.epoch(), after.epoch());
            assert_eq!(before.number() + 1, after.number());
        }
        said.into_iter().map(|(_, text)| text).collect()
    }
}

fn welcome(text: &str) -> Welcome {
    let words: Vec<_> = text.split(' ').collect();
    assert_eq!((words[0], words.len()), ("at", 4), "{text}");
    Welcome {
        at: words[1].parse().unwrap(),
        gap: match words[2] {
            "-" => None,
            "?" => Some(None),
            missed => Some(Some(missed.parse().unwrap())),
        },
        replayed: words[3].parse().unwrap(),
    }
}

fn parse(text: &str) -> (Position, String) {
    let (position, text) = text.split_once(' ').unwrap();
    let parsed = position.parse();
    (
        parsed.unwrap_or_else(|error| panic!("{error}: {text}")),
        text.to_owned(),
    )
}

/// Publishes messages and returns their positions.
pub(crate) fn publish(
    server: &Loopback,
    room: &str,
    texts: impl IntoIterator<Item = String>,
) -> Vec<Position> {
    let room = server.handle.room(room);
    let texts = texts.into_iter();
    texts
        .map(|text| room.publish(said(&text)).unwrap())
        .collect()
}

pub(crate) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}
