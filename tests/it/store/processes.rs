//! The chat as a process that keeps its messages: it is killed, its disk is full, its file is damaged.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[cfg(unix)]
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use stentor::{Connector, Message, Received, WebSocket};

#[cfg(unix)]
use crate::support::eventually;
use crate::support::{Folder, PATIENCE, ask, build};

/// A chat with a store; killed when this is dropped.
struct Chat {
    child: Child,
    address: String,
    output: BufReader<ChildStdout>,
    /// The line in which it says where the messages are.
    kept: String,
}

impl Chat {
    fn start(data: &Path) -> Chat {
        let mut chat = Command::new(build("chat"));
        chat.arg("--data").arg(data).arg("127.0.0.1:0");
        Chat::run(chat)
    }

    /// Starts a chat that says where it keeps its messages.
    fn run(command: Command) -> Chat {
        let mut chat = Chat::run_in_memory(command);
        chat.output.read_line(&mut chat.kept).unwrap();
        chat
    }

    fn run_in_memory(mut command: Command) -> Chat {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (_, address) = line.trim_end().split_once("://").expect("its address");
        Chat {
            child,
            address: address.trim_end_matches('/').to_owned(),
            output,
            kept: String::new(),
        }
    }

    /// Returns a member, and its welcome.
    fn join(&self, name: &str, since: Option<&str>) -> (Member, Value) {
        let url = format!("ws://{}/lobby", self.address);
        let socket = Connector::new().connect(&url).unwrap();
        let mut member = Member { socket };
        let mut join = json!({"type": "join", "name": name});
        if let Some(since) = since {
            join["since"] = since.into();
        }
        member.send(&join).unwrap();
        let welcome = member.next("welcome");
        assert_eq!(welcome["room"], "lobby", "{welcome}");
        (member, welcome)
    }

    /// Returns all entries of the room, from the first to the newest.
    fn all(&self) -> Vec<Entry> {
        let (_, welcome) = self.join("Reader", None);
        let newest = text(&welcome["at"]);
        let (epoch, _) = newest.split_once('-').unwrap();
        let (mut reader, _) = self.join("Reader", Some(&format!("{epoch}-0")));
        let mut entries: Vec<Entry> = Vec::new();
        while entries.last().map_or(0, |entry| number(&entry.id)) < number(&newest) {
            entries.push(reader.entry(PATIENCE).expect("the next entry"));
        }
        expect_consecutive(0, &entries);
        entries
    }

    /// Ends it as a crash does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Expects this status and these words of the health check.
    #[cfg(unix)]
    fn expect_health(&self, status: u16, words: &str) {
        let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let answer = ask(self.address.parse().unwrap(), request.as_bytes());
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status(), status, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Member {
    socket: WebSocket,
}

/// An entry of the room as a member receives it.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    id: String,
    message: Value,
}

impl Member {
    fn send(&mut self, message: &Value) -> Result<(), stentor::Error> {
        self.socket.send(message.to_string())
    }

    fn say(&mut self, words: &str) -> Result<(), stentor::Error> {
        self.send(&json!({"type": "say", "text": words}))
    }

    /// Returns the next message; `None` at the end of the connection, and after this time.
    fn receive(&mut self, within: Duration) -> Option<Value> {
        match self.socket.recv_timeout(within) {
            Ok(Received::Message(Message::Text(text))) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }

    /// Says something; returns whether it was published, and not refused.
    #[cfg(unix)]
    fn is_stored(&mut self, words: &str) -> bool {
        self.say(words).unwrap();
        loop {
            let answer = self.next("said|error");
            if answer["type"] == "error" || answer["text"] == words {
                return answer["type"] == "said";
            }
        }
    }

    /// Returns the next message of one of these types.
    fn next(&mut self, kinds: &str) -> Value {
        loop {
            let message = self.receive(PATIENCE).expect(kinds);
            if kinds.split('|').any(|kind| message["type"] == kind) {
                return message;
            }
        }
    }

    /// Returns the next entry: a message with a position.
    fn entry(&mut self, within: Duration) -> Option<Entry> {
        loop {
            let message = self.receive(within)?;
            assert_ne!(message["type"], "gap", "{message}");
            if let Some(id) = message["id"].as_str() {
                let id = id.to_owned();
                return Some(Entry { id, message });
            }
        }
    }

    /// Returns everything until the end of the connection.
    fn rest(&mut self) -> Vec<Entry> {
        std::iter::from_fn(|| self.entry(PATIENCE)).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(id: &str) -> u64 {
    let (_, number) = id.split_once('-').unwrap();
    number.parse().unwrap()
}

/// Fails unless the entries follow the first number, and each other, in one epoch.
fn expect_consecutive(after: u64, entries: &[Entry]) {
    let epoch = |entry: &Entry| entry.id.split_once('-').unwrap().0.to_owned();
    for (expected, entry) in (after + 1..).zip(entries) {
        assert_eq!(number(&entry.id), expected, "{entry:?}");
        assert_eq!(epoch(entry), epoch(&entries[0]));
    }
}

/// Numbers that look random, alike in each run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Says as much as the rate limit allows at once, or until the connection ends.
fn speak(mut speaker: Member, name: String) -> JoinHandle<()> {
    thread::spawn(move || {
        for number in 0..45 {
            if speaker.say(&format!("{name} says {number}")).is_err() {
                return;
            }
        }
        speaker.rest();
    })
}

#[test]
fn kill_nine_loses_nothing_that_a_client_has_received() {
    let folder = Folder::new();
    let data = folder.file("chat.redb");
    let mut random = Seeded(9);
    let mut received: Vec<Entry> = Vec::new();
    let mut position: Option<String> = None;
    for round in 0..8 {
        let chat = Chat::start(&data);
        assert_eq!(
            chat.kept.trim_end(),
            format!("messages are kept in {}", data.display())
        );
        let (mut watcher, welcome) = chat.join("Watcher", position.as_deref());
        assert!(welcome["gap"].is_null(), "round {round}: {welcome}");
        let first = position.unwrap_or_else(|| text(&welcome["at"]));
        let names = [0, 1, 2, 3].map(|speaker| format!("{round}.{speaker}"));
        let speakers = names.map(|name| speak(chat.join(&name, None).0, name));
        let time = random.below(150);
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(time));
            chat.kill();
        });
        let entries = watcher.rest();
        killer.join().unwrap();
        speakers
            .into_iter()
            .for_each(|speaker| speaker.join().unwrap());
        if round > 0 {
            expect_consecutive(number(&first), &entries);
        }
        received.extend(entries);
        let last = received.last().map(|entry| entry.id.clone());
        position = Some(last.unwrap_or(first));
    }
    assert!(received.len() > 50, "{}", received.len());
    let chat = Chat::start(&data);
    let all = chat.all();
    let begin = number(&received[0].id) as usize - 1;
    assert_eq!(all[begin..begin + received.len()], received);
}

/// The bytes that the file may have. The store of an empty room is far smaller.
#[cfg(unix)]
const FULL: u64 = 256 * 1024;

#[cfg(unix)]
#[test]
fn a_full_disk_refuses_messages_until_there_is_room() {
    let folder = Folder::new();
    let data = folder.file("chat.redb");
    let mut shell = Command::new("sh");
    // Without the signal, a write beyond the limit is an error. The units are 512 bytes.
    let limited = format!(
        "trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"",
        FULL / 512
    );
    shell.args(["-c", &limited]).arg(build("chat"));
    shell
        .arg("--data")
        .arg(&data)
        .arg("127.0.0.1:0")
        .env("RUST_LOG", "off");
    let chat = Chat::run(shell);
    chat.expect_health(200, "ok");
    let (mut watcher, _) = chat.join("Watcher", None);
    let long = "long ".repeat(390);
    let mut refused = Vec::new();
    let mut speakers = 0..20;
    let mut speaker = loop {
        let name = speakers.next().expect("fewer messages than fill the disk");
        let (mut speaker, _) = chat.join(&format!("Speaker {name}"), None);
        for number in 0..30 {
            let words = format!("{name}.{number} {long}").trim().to_owned();
            if !speaker.is_stored(&words) {
                refused.push(words);
            }
        }
        if !refused.is_empty() {
            break speaker;
        }
    };
    for number in 0..10 {
        let words = format!("refused {number} {long}").trim().to_owned();
        assert!(!speaker.is_stored(&words), "the disk is full");
        refused.push(words);
    }
    chat.expect_health(503, "check the disk");
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(
        Some(Pid::from_child(&chat.child)),
        Resource::Fsize,
        unlimited,
    )
    .unwrap();
    // The store tries again after a pause.
    let again = "there is room again";
    eventually("room", || speaker.is_stored(again).then_some(()));
    chat.expect_health(200, "ok");
    let mut received: Vec<Entry> = Vec::new();
    while received
        .last()
        .is_none_or(|entry| entry.message["text"] != again)
    {
        received.extend(watcher.entry(PATIENCE));
    }
    let begin = number(&received[0].id) as usize - 1;
    expect_consecutive(begin as u64, &received);
    chat.kill();
    let all = Chat::start(&data).all();
    assert_eq!(all[begin..begin + received.len()], received);
    let said = |words: &String| {
        all.iter()
            .any(|entry| entry.message["text"] == words.as_str())
    };
    assert!(!refused.iter().any(said), "a refused message was stored");
}

/// Runs a chat that fails, and returns its output.
fn failed(data: &Path) -> String {
    let mut chat = Command::new(build("chat"));
    chat.arg("--data").arg(data).arg("127.0.0.1:0");
    let Output { status, stderr, .. } = chat.output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_file_that_is_not_the_chats_is_an_error_and_unchanged() {
    let folder = Folder::new();
    let data = folder.file("chat.redb");
    Chat::start(&data).kill();
    let mut damaged = fs::read(&data).unwrap();
    damaged[64..320].fill(b'x');
    for bytes in [damaged, b"SQLite format 3\0".to_vec(), Vec::new()] {
        fs::write(&data, &bytes).unwrap();
        let words = failed(&data);
        let named = format!("chat: {}: ", data.display());
        assert!(words.starts_with(&named), "{words}");
        assert!(
            words.contains("the file is unchanged; move it away"),
            "{words}"
        );
        assert_eq!(fs::read(&data).unwrap(), bytes);
    }
}

/// Starts a chat that cannot have its file, which must say so; its messages are in memory.
fn expect_memory(data: &Path, reason: &str) {
    let mut command = Command::new(build("chat"));
    command.arg("--data").arg(data).arg("127.0.0.1:0");
    command.stderr(Stdio::piped());
    let mut chat = Chat::run_in_memory(command);
    let (mut member, _) = chat.join("Ann", None);
    member.say("in memory").unwrap();
    assert_eq!(member.next("said|error")["text"], "in memory");
    let _ = chat.child.kill();
    let mut words = String::new();
    let mut errors = chat.child.stderr.take().unwrap();
    errors.read_to_string(&mut words).unwrap();
    assert!(
        words.starts_with(&format!("chat: {}: {reason}", data.display())),
        "{words}"
    );
    assert!(words.contains("kept in memory"), "{words}");
}

#[test]
fn a_chat_whose_file_is_in_use_warns_and_keeps_messages_in_memory() {
    let folder = Folder::new();
    let data = folder.file("chat.redb");
    let first = Chat::start(&data);
    let (mut member, _) = first.join("Ann", None);
    member.say("first").unwrap();
    member.next("said");
    expect_memory(&data, "another chat uses it");
    let all = first.all();
    let others = all
        .iter()
        .filter(|entry| entry.message["text"] == "in memory");
    assert_eq!(others.count(), 0);
}

/// In `/sys` nobody may create a file.
#[cfg(target_os = "linux")]
#[test]
fn a_chat_that_may_not_write_there_warns_and_keeps_messages_in_memory() {
    let words = |error: std::io::Error| error.to_string();
    let data = Path::new("/sys/chat.redb");
    expect_memory(data, &fs::File::create(data).map_err(words).unwrap_err());
}

#[test]
fn the_chat_keeps_its_messages_in_its_own_folder_by_default() {
    let folder = Folder::new();
    let data = folder.file("chat.redb");
    let mut command = Command::new(build("chat"));
    command
        .arg("127.0.0.1:0")
        .current_dir(data.parent().unwrap());
    let chat = Chat::run(command);
    assert_eq!(chat.kept, "messages are kept in ./chat.redb\n");
    assert!(fs::exists(&data).unwrap());
}
