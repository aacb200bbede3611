//! A Redis in memory, with the scripts of the logs, and two connections for each session. A test decides when bytes
//! arrive, and which of them do not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha1::{Digest, Sha1};

use crate::server::redis::Position;
use crate::server::redis::scan::Bounds;
use crate::server::redis::wire::{Decoder, Reply};

/// The connections of one session, as Redis has them.
pub(super) struct Connections {
    commands: Decoder,
    subscriptions: Decoder,
    channels: BTreeSet<Vec<u8>>,
    /// The bytes that are on their way to the session.
    pub(super) replies: VecDeque<u8>,
    /// The same for notifications, each with whether it is one.
    pub(super) pushes: VecDeque<(bool, Vec<u8>)>,
}

#[derive(Default)]
pub(super) struct Fake {
    life: u64,
    scripts: BTreeMap<String, String>,
    /// The digests of all scripts that were ever loaded.
    digests: BTreeMap<String, String>,
    pub(super) rooms: BTreeMap<String, Log>,
    /// The newest epoch.
    epoch: u64,
    /// The reads of logs so far.
    pub(super) reads: usize,
    /// The most rooms of a reply.
    pub(super) pages: usize,
    /// No room whose name has this text can be read.
    pub(super) refused: Option<String>,
}

#[derive(Default, Clone)]
pub(super) struct Log {
    life: u64,
    tip: Option<Position>,
    before: Option<Position>,
    pub(super) entries: Vec<Stored>,
    forgotten: Option<Position>,
    /// The newest entry of each session.
    writers: BTreeMap<String, (u64, Position)>,
}

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) at: Position,
    head: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// A reply, and a channel with its message.
pub(super) type Executed = (Vec<u8>, Option<(Vec<u8>, Vec<u8>)>);

/// Few entries, so that a room is often read in several pages.
const PAGE: usize = 3;

/// Notifications have the payloads of up to so many bytes.
const INLINE: usize = 6;

const BOUNDS: Bounds = Bounds {
    line: 1 << 20,
    bulk: 1 << 20,
    items: 1 << 20,
    reply: 1 << 24,
};

impl Connections {
    pub(super) fn new() -> Connections {
        Connections {
            commands: Decoder::new(BOUNDS),
            subscriptions: Decoder::new(BOUNDS),
            channels: BTreeSet::new(),
            replies: VecDeque::new(),
            pushes: VecDeque::new(),
        }
    }

    /// Receives bytes on the connection with notifications.
    pub(super) fn subscribe(&mut self, bytes: &[u8]) {
        self.subscriptions.feed(bytes);
        while let Ok(Some(command)) = self.subscriptions.next() {
            let words = words(command);
            let kind = words[0].to_ascii_lowercase();
            if !kind.ends_with(b"subscribe") {
                self.pushes.push_back((false, b"+OK\r\n".to_vec()));
                continue;
            }
            for channel in &words[1..] {
                match kind[0] {
                    b's' => self.channels.insert(channel.clone()),
                    _ => self.channels.remove(channel),
                };
                let mut push = array(&[bulk(&kind), bulk(channel)], 1);
                push.extend_from_slice(format!(":{}\r\n", self.channels.len()).as_bytes());
                self.pushes.push_back((false, push));
            }
        }
    }

    /// Returns the commands of which all bytes have come.
    pub(super) fn commands(&mut self, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        self.commands.feed(bytes);
        let mut commands = Vec::new();
        while let Ok(Some(command)) = self.commands.next() {
            commands.push(words(command));
        }
        commands
    }

    pub(super) fn notify(&mut self, channel: &[u8], message: &[u8]) {
        if self.channels.contains(channel) {
            let push = array(&[bulk(b"message"), bulk(channel), bulk(message)], 0);
            self.pushes.push_back((true, push));
        }
    }
}

impl Fake {
    /// Another life of the server: its scripts are gone.
    pub(super) fn restart(&mut self) {
        self.life += 1;
        self.scripts.clear();
    }

    pub(super) fn forget_scripts(&mut self) {
        self.scripts.clear();
    }

    pub(super) fn flush(&mut self) {
        self.rooms.clear();
    }

    /// Loses the entries after the first so many, as after a crash or a failover.
    pub(super) fn rewind(&mut self, saved: BTreeMap<String, Log>) {
        self.rooms = saved;
        self.restart();
    }

    /// Executes a command; returns its reply, and the notification.
    pub(super) fn execute(&mut self, words: &[Vec<u8>]) -> Executed {
        let text = |place: usize| String::from_utf8_lossy(&words[place]).into_owned();
        match &*text(0) {
            "INFO" => {
                let facts = format!(
                    "run_id:{}\r\nrole:master\r\nredis_version:7.0.0\r\n",
                    self.life
                );
                (bulk(facts.as_bytes()), None)
            }
            "SCRIPT" => {
                let digest = self.digests.entry(text(2)).or_insert_with(|| {
                    let digest = Sha1::digest(&words[2]);
                    digest.iter().map(|byte| format!("{byte:02x}")).collect()
                });
                let digest = digest.clone();
                self.scripts.insert(digest.clone(), text(2));
                (bulk(digest.as_bytes()), None)
            }
            "PUBLISH" => (
                b":1\r\n".to_vec(),
                Some((words[1].clone(), words[2].clone())),
            ),
            "EVALSHA" => self.evaluate(words, &text),
            _ => (b"+OK\r\n".to_vec(), None),
        }
    }

    fn evaluate(&mut self, words: &[Vec<u8>], text: &dyn Fn(usize) -> String) -> Executed {
        let Some(script) = self.scripts.get(&text(1)) else {
            return (b"-NOSCRIPT No matching script.\r\n".to_vec(), None);
        };
        let (appends, attaches) = (script.contains("writer"), script.contains("XREVRANGE"));
        let keys: usize = text(2).parse().unwrap_or(0);
        let (life, epoch) = (self.life, &mut self.epoch);
        if appends {
            let log = self.rooms.entry(text(3)).or_default();
            let (channel, first) = (words[3 + keys].clone(), text(3 + keys + 7));
            let (reply, message) =
                log.append(life, epoch, &text(5), &first, &words[3 + keys + 8..]);
            return (
                reply,
                Some((channel, message)).filter(|(_, message)| !message.is_empty()),
            );
        }
        if script.contains("MINID") {
            let log = self.rooms.entry(text(3)).or_default();
            let up_to = format!("{}-{}", text(3 + keys + 1), text(3 + keys + 2));
            log.forget(up_to.parse().ok());
            let message = format!("forget {up_to}\n").into_bytes();
            return (
                bulk(up_to.as_bytes()),
                Some((words[3 + keys].clone(), message)),
            );
        }
        self.reads += 1;
        let refused = self.refused.as_deref();
        if refused.is_some_and(|refused| (0..keys).any(|key| text(3 + key).contains(refused))) {
            return (b"-WRONGTYPE Operation against a key\r\n".to_vec(), None);
        }
        let rooms = (0..keys / 2).take(self.pages.max(1));
        let pages = rooms.map(|place| {
            let log = self.rooms.entry(text(3 + 2 * place)).or_default();
            if attaches && log.tip.is_none() {
                log.open(life, epoch);
            }
            // Behind the limits.
            let after = (!attaches).then(|| text(3 + keys + 3 + place).parse().ok());
            log.page(after)
        });
        let pages: Vec<_> = pages.collect();
        (array(&pages, 0), None)
    }
}

impl Log {
    /// Returns the entries after a position, or the newest ones.
    fn page(&self, after: Option<Option<Position>>) -> Vec<u8> {
        let entries: Vec<&Stored> = match after {
            None => {
                let newest = self.entries.len().saturating_sub(PAGE);
                self.entries[newest..].iter().collect()
            }
            Some(after) => {
                let later = self.entries.iter().filter(|entry| Some(entry.at) > after);
                later.take(PAGE).collect()
            }
        };
        let position = |at: Option<Position>| at.map_or(String::new(), |at| at.to_string());
        let mut items = vec![
            bulk(position(self.tip).as_bytes()),
            bulk(position(self.before).as_bytes()),
            bulk(position(self.forgotten).as_bytes()),
        ];
        for entry in entries {
            items.push(bulk(entry.at.to_string().as_bytes()));
            items.push(bulk(&entry.head));
            items.push(bulk(&entry.payload));
        }
        array(&items, 0)
    }

    fn forget(&mut self, up_to: Option<Position>) {
        self.entries.retain(|entry| Some(entry.at) > up_to);
        self.forgotten = self.forgotten.max(up_to);
    }

    /// Returns the newest position, in the present life.
    fn open(&mut self, life: u64, epoch: &mut u64) -> Position {
        match self.tip {
            Some(tip) if self.life == life => tip,
            before => {
                *epoch += 1;
                self.life = life;
                self.before = before;
                let tip = Position::new(*epoch, 0);
                self.tip = Some(tip);
                tip
            }
        }
    }

    fn append(
        &mut self,
        life: u64,
        epoch: &mut u64,
        writer: &str,
        first: &str,
        parts: &[Vec<u8>],
    ) -> (Vec<u8>, Vec<u8>) {
        let mut tip = self.open(life, epoch);
        let earlier = self.writers.get(writer).copied();
        let (mut counter, mut message, mut added) = (first.parse().unwrap_or(0), Vec::new(), 0);
        for part in parts.chunks(2) {
            if earlier.is_none_or(|(stored, _)| counter > stored) {
                let before = self.before.filter(|_| tip.number == 0);
                let before = before.map_or("-".to_owned(), |before| before.to_string());
                tip.number += 1;
                let mut head = format!("{before} 0 1\n").into_bytes();
                head.extend_from_slice(&part[0]);
                let (at, payload) = (tip, part[1].clone());
                let is_inline = payload.len() <= INLINE;
                let len = if is_inline {
                    payload.len().to_string()
                } else {
                    "-".to_owned()
                };
                message.extend_from_slice(format!("{at} {} {len}\n", head.len()).as_bytes());
                message.extend_from_slice(&head);
                message.extend_from_slice(if is_inline { &payload } else { &[] });
                self.entries.push(Stored { at, head, payload });
                added += 1;
            }
            counter += 1;
        }
        self.tip = Some(tip);
        if added > 0 {
            self.writers.insert(writer.to_owned(), (counter - 1, tip));
        }
        let text = |text: String| bulk(text.as_bytes());
        let newest = self.writers.get(writer).map_or(0, |(stored, _)| *stored);
        let items = [
            text(earlier.map_or(String::new(), |(stored, _)| stored.to_string())),
            text(earlier.map_or(String::new(), |(_, at)| at.to_string())),
            format!(":{added}\r\n").into_bytes(),
            text(newest.to_string()),
            text(tip.to_string()),
        ];
        (array(&items, 0), message)
    }
}

fn words(command: Reply) -> Vec<Vec<u8>> {
    let Reply::Array(words) = command else {
        return Vec::new();
    };
    let words = words.into_iter().filter_map(|word| match word {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    });
    words.collect()
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    let mut bulk = format!("${}\r\n", bytes.len()).into_bytes();
    bulk.extend_from_slice(bytes);
    bulk.extend_from_slice(b"\r\n");
    bulk
}

/// Returns an array that has these items, and so many more.
fn array(items: &[Vec<u8>], more: usize) -> Vec<u8> {
    let mut array = format!("*{}\r\n", items.len() + more).into_bytes();
    items.iter().for_each(|item| array.extend_from_slice(item));
    array
}
