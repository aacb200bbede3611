//! The recipe "A bot that continues after a restart".

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor::ServerHandle;
use stentor::server::{History, RunningServer};

use crate::history::journal::store::Memory;
use crate::support::{Folder, PATIENCE, eventually};

/// Starts the chat with a journal that has this memory.
fn start(memory: &Memory) -> RunningServer {
    // The memory of the rooms has less than the bot misses.
    let history = History::new().max_entries(2).journal(memory.clone());
    let server = super::build("127.0.0.1:0", history).unwrap();
    server.spawn(super::chat).unwrap()
}

fn end(server: RunningServer) {
    server.handle().shutdown(Duration::from_secs(5));
    server.join().unwrap();
}

fn publish(server: &ServerHandle, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        server.room("lobby").publish(text).unwrap();
    }
}

/// Returns the next messages that the bot handles.
fn take(received: &mpsc::Receiver<String>, count: usize) -> Vec<String> {
    let next = || received.recv_timeout(PATIENCE).unwrap();
    std::iter::repeat_with(next).take(count).collect()
}

/// Starts the bot.
fn follow(server: &ServerHandle, saved: &Path, handled: &mpsc::Sender<String>) -> JoinHandle<()> {
    let (server, saved, handled) = (server.clone(), saved.to_owned(), handled.clone());
    thread::spawn(move || {
        let work = |text: &str| {
            handled.send(text.to_owned()).unwrap();
            Ok(())
        };
        super::bot(&server, &saved, work).unwrap();
    })
}

#[test]
fn the_bot_handles_each_message_once_across_restarts() {
    let (memory, folder) = (Memory::default(), Folder::new());
    let saved: PathBuf = folder.file("bot.position");
    let (handled, received) = mpsc::channel();
    let numbers = |range: std::ops::Range<usize>| range.map(|number| number.to_string());
    // The first time, it begins with the next message.
    let server = start(&memory);
    publish(&server.handle(), ["before the bot".to_owned()]);
    let bot = follow(&server.handle(), &saved, &handled);
    eventually("the first position", || saved.exists().then_some(()));
    publish(&server.handle(), numbers(0..5));
    let mut all = take(&received, 5);
    // It misses these.
    end(server);
    bot.join().unwrap();
    let server = start(&memory);
    publish(&server.handle(), numbers(5..50));
    end(server);
    for round in 1..4 {
        let server = start(&memory);
        let bot = follow(&server.handle(), &saved, &handled);
        let more = 50 * round..50 * (round + 1);
        publish(&server.handle(), numbers(more.clone()));
        all.extend(take(&received, more.end - all.len()));
        end(server);
        bot.join().unwrap();
    }
    drop(handled);
    all.extend(received);
    assert_eq!(all, numbers(0..200).collect::<Vec<_>>());
}

#[test]
fn a_bot_without_a_journal_goes_on_behind_a_gap() {
    let folder = Folder::new();
    let saved = folder.file("bot.position");
    let (handled, received) = mpsc::channel();
    for round in 0..2 {
        let server = super::build("127.0.0.1:0", History::new()).unwrap();
        let server = server.spawn(super::chat).unwrap();
        let bot = follow(&server.handle(), &saved, &handled);
        // The first time, the bot must be there before the message.
        eventually("the first position", || saved.exists().then_some(()));
        publish(&server.handle(), [format!("round {round}")]);
        assert_eq!(take(&received, 1), [format!("round {round}")]);
        end(server);
        bot.join().unwrap();
    }
}
