//! A journal's engine between publishers and members: what is published is stored, then sent, in one order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::Mutex;
use crate::net::sync::thread;
use crate::server::audience::Audience;
use crate::server::client::{Client, HandlerResult};
use crate::server::history::History;
use crate::server::history::journal::{Journal, JournalEntry, JournalRoom};
use crate::server::history::position::Position;
use crate::server::history::resume::Since;
use crate::server::settings::Settings;
use crate::server::shared::ServerThreads;

use super::check;
use super::stage::{behind_head, read_politely, serve, shake_hands, with_send_queue_limit};
use super::wire::{assert_ends, assert_in_order, frames, text};

/// The messages of each publisher.
const EACH: usize = 2;

/// The entries of one room, in the order in which they were stored.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<JournalEntry>>>);

impl Journal for Log {
    fn rooms(&mut self) -> io::Result<Vec<JournalRoom>> {
        Ok(Vec::new())
    }

    fn append(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(entries);
        Ok(())
    }

    fn read(&mut self, _: &str, after: u64, most: usize) -> io::Result<Vec<JournalEntry>> {
        let log = self.0.lock().unwrap();
        let later = log.iter().filter(|entry| entry.position.number() > after);
        Ok(later.take(most).cloned().collect())
    }

    fn forget(&mut self, _: &str, _: Position) -> io::Result<u64> {
        Ok(0)
    }

    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Resumes with everything, somewhere in the middle: most of it is only in the journal.
fn resume(client: &mut Client) -> HandlerResult {
    client.resume_with("room", Since::Last(100), |_| None)?;
    while client.recv()?.is_some() {}
    Ok(())
}

/// The shutdown comes while broadcasts may still be on their way: they are stored and sent before it.
#[test]
fn a_client_misses_no_message_that_the_journal_has() {
    check(|| {
        let log = Log::default();
        let settings = Settings {
            history: Some(History::new().max_entries(1).journal(log.clone())),
            ..with_send_queue_limit(10_000)
        };
        let (threads, _woken) = ServerThreads::new(settings).unwrap();
        let shared = Arc::clone(&threads.shared);
        let publishers = ['a', 'b'].map(|sender| {
            let room = Audience::new(&shared, Some("room"));
            thread::spawn(move || {
                for number in 0..EACH {
                    match sender {
                        'a' => assert!(room.publish(text(sender, number)).is_ok()),
                        _ => room.broadcast(text(sender, number)),
                    }
                }
            })
        });
        let (client, _, peer) = serve(&shared, resume);
        let reader = thread::spawn(move || {
            shake_hands(peer, 64);
            read_politely(peer);
        });
        let room = Audience::new(&shared, Some("room"));
        while room.members().is_empty() {
            thread::yield_now();
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
        shared.shutdown(Duration::from_secs(60));
        shared.finish_shutdown();
        client.join().unwrap();
        reader.join().unwrap();
        drop(threads);
        let frames = frames(behind_head(&peer.taken()), false);
        assert_eq!(assert_ends(&frames), Some(1001));
        for sender in ['a', 'b'] {
            assert_eq!(assert_in_order(&frames, sender), EACH, "{frames:?}");
        }
        let stored = log.0.lock().unwrap();
        let numbers = stored.iter().map(|entry| entry.position.number());
        assert!(numbers.eq(1..=2 * EACH as u64));
    });
}
