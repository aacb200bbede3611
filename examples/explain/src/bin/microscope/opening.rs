//! The handshakes of the pages, as the tap in front of the server has seen them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use stentor_explain::lab::{Question, conversation};
use stentor_explain::tap::{Content, Entry, Event, Tap};
use stentor_explain::{Explainer, Side};

/// The connections that are remembered; the oldest ones are forgotten.
const CONNECTIONS: usize = 64;

/// The bytes of each direction that are kept: a request of a browser has some 500.
const BYTES: usize = 8 * 1024;

/// The time that the recorder may need for bytes that have arrived.
const PATIENCE: Duration = Duration::from_secs(10);

/// The beginnings of the connections to this server.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    recorded: Mutex<VecDeque<Recorded>>,
    changed: Condvar,
}

/// The beginning of one connection.
#[derive(Debug)]
struct Recorded {
    connection: u32,
    streams: [Vec<u8>; 2],
}

impl Opening {
    /// Records the connections of this tap, on a thread of its own.
    pub(crate) fn of(tap: Tap) -> io::Result<Opening> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::Builder::new()
            .name("opening".to_owned())
            .spawn(move || {
                for event in tap.events() {
                    own.record(event);
                }
            })?;
        Ok(Opening { shared })
    }

    /// Explains the handshake of the page that asks, up to the frame with its question. The page is known by a random
    /// word in the target of its request.
    pub(crate) fn answer(&self, question: &Question) -> Result<Value, String> {
        let page = question.text("page").unwrap_or_default();
        let is_word = page.len() >= 8 && page.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_word {
            return Err(
                "\"page\" is the word of letters and digits in the page's request".to_owned(),
            );
        }
        let begin = format!("GET /microscope?page={page} ");
        let find = |all: &VecDeque<Recorded>| {
            let own = all.iter().rev();
            let mut own = own.filter(|one| one.streams[0].starts_with(begin.as_bytes()));
            own.find_map(Recorded::beginning)
        };
        let recorded = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(recorded, PATIENCE, |all| find(all).is_none());
        let (recorded, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let streams = find(&recorded).ok_or("the handshake of this page was not recorded")?;
        let [client, server] = streams;
        Ok(conversation(
            &[(Side::Client, client), (Side::Server, server)],
            [false; 2],
        ))
    }
}

impl Shared {
    fn record(&self, event: Event) {
        let mut recorded = self.lock();
        match event {
            Event::Opened(connection, _) => {
                if recorded.len() == CONNECTIONS {
                    recorded.pop_front();
                }
                recorded.push_back(Recorded {
                    connection,
                    streams: [Vec::new(), Vec::new()],
                });
            }
            Event::Read(Entry {
                connection,
                from,
                content: Content::Bytes(bytes),
                ..
            }) => {
                let one = recorded.iter_mut().rev();
                if let Some(one) = one.into_iter().find(|one| one.connection == connection) {
                    let stream = &mut one.streams[from as usize];
                    let room = BYTES.saturating_sub(stream.len());
                    stream.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    self.changed.notify_all();
                }
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// The request and the first frame of the client, and the response of the server, once they are complete.
    fn beginning(&self) -> Option<[Vec<u8>; 2]> {
        let mut explainer = Explainer::new();
        for side in [Side::Client, Side::Server] {
            explainer.feed(side, &self.streams[side as usize]);
        }
        let mut ends = [Vec::new(), Vec::new()];
        for note in explainer.notes() {
            if note.parent.is_none() && !note.bytes.is_empty() {
                ends[note.from as usize].push(note.bytes.end);
            }
        }
        let [client, server] = &self.streams;
        let until = |bytes: &[u8], end: Option<&u64>| {
            let end = usize::try_from(*end?).ok()?;
            bytes.get(..end).map(<[u8]>::to_vec)
        };
        Some([
            until(client, ends[0].get(1))?,
            until(server, ends[1].first())?,
        ])
    }
}
