//! The start and the end of the engine's thread, and the threads that wait for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::{Answer, Unanswered, answer};
use crate::net::log::{SERVER, error};
use crate::net::sync::channel::Sender;
use crate::net::sync::thread;
use crate::server::counters::Totals;
use crate::server::history::position::Position;
use crate::server::history::publication::PublishError;
use crate::server::hub::Command;
use crate::server::hub::history::{Ask, Memory};
#[cfg(feature = "redis")]
use crate::server::redis::{options::Redis, prepare::prepare};
use crate::server::settings::Settings;
use crate::server::shared::{ServerThreads, Shared};

use super::{Desk, Engine, Epochs, Order};

/// The parts of a history, made before the server's threads start.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) desk: Option<Arc<Desk>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) engine: Option<Start>,
}

/// The name of an engine's thread, and what runs there.
pub(crate) type Start = (&'static str, Box<dyn FnOnce() + Send>);

impl Prepared {
    /// Makes the parts for these options; nothing without a history.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(crate) fn new(
        settings: &mut Settings,
        hub: &Sender<Command>,
        totals: &Arc<Totals>,
    ) -> io::Result<Prepared> {
        let Some(history) = &mut settings.history else {
            return Ok(Prepared::default());
        };
        let epochs = Arc::new(Epochs::default());
        let (mut desk, mut engine, mut tips): (_, Option<Start>, _) = (None, None, Vec::new());
        #[cfg(feature = "redis")]
        if let Some(redis) = history.redis.take() {
            if history.take_journal().is_some() {
                return Err(Redis::beside_journal());
            }
            let (shared, redis) = prepare(history, redis, hub, totals)?;
            desk = Some(shared);
            engine = Some(("stentor redis", Box::new(move || redis.run())));
        }
        if let Some(mut opened) = super::open(history, &epochs)? {
            tips = std::mem::take(&mut opened.tips);
            desk = Some(Arc::clone(&opened.desk));
            let (epochs, hub, totals) = (Arc::clone(&epochs), hub.clone(), Arc::clone(totals));
            let journal = Engine::new(opened, epochs, hub, totals);
            engine = Some(("stentor journal", Box::new(move || journal.run())));
        }
        Ok(Prepared {
            memory: Some(Memory::new(history.bounds, epochs, desk.clone(), tips)),
            desk,
            engine,
        })
    }
}

impl ServerThreads {
    pub(crate) fn start_engine(&mut self, engine: Option<Start>) -> io::Result<()> {
        let Some((name, run)) = engine else {
            return Ok(());
        };
        let (ends, ended) = answer();
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || {
            run();
            drop::<Answer<()>>(ends);
        })?;
        self.engine = Some((thread, ended));
        Ok(())
    }

    /// Waits for the journal's thread, which stores what it has received: no longer than its timeout, since the
    /// program's journal may block.
    pub(crate) fn stop_engine(&mut self) {
        let (Some((thread, ended)), Some(desk)) = (self.engine.take(), &self.shared.desk) else {
            return;
        };
        desk.order(Order::Stop);
        match ended.recv_timeout(desk.timeout) {
            Err(Unanswered::Timeout) => error!(
                target: SERVER,
                "the journal, or the connection to Redis, blocks, and its thread was left behind: its last messages may not be stored"
            ),
            _ if thread.join().is_err() => {
                error!(target: SERVER, "the thread of the journal, or of Redis, panicked");
            }
            _ => {}
        }
    }
}

impl Shared {
    /// Takes a place among the messages on their way to the journal, if the room is in it.
    pub(crate) fn reserve(
        &self,
        room: Option<&Arc<str>>,
        weight: usize,
    ) -> Result<(), PublishError> {
        let room = room.zip(self.desk.as_ref());
        match room.filter(|(room, desk)| desk.covers(room)) {
            Some((_, desk)) => desk.budget.take(weight, desk.timeout),
            None => Ok(()),
        }
    }

    /// Returns the hub's answer, after which the messages are stored and sent; in a room of the journal, it
    /// may come too late.
    pub(crate) fn stored<T>(
        &self,
        room: &str,
        ask: impl FnOnce(Answer<Result<T, PublishError>>) -> Ask,
    ) -> Result<T, PublishError> {
        let command = |answer| Command::History(Box::new(ask(answer)));
        let answer = self.ask_hub(command, self.patience(room));
        answer.unwrap_or_else(|| match self.may_answer_later(room) {
            true => Err(PublishError::Pending),
            false => Err(PublishError::Closed),
        })
    }

    /// Attaches a room that is shared, before it is used from this position on; returns whether it is, within the
    /// timeout. A position that another server has given may be ahead of what this one has read.
    pub(crate) fn attach(&self, room: &Arc<str>, since: Option<Position>) -> bool {
        #[cfg(feature = "redis")]
        if let Some(desk) = self.desk.as_ref().filter(|_| self.is_shared(room)) {
            let command =
                |answer| Command::History(Box::new(Ask::Attach(Arc::clone(room), answer)));
            let is_there = match self.ask_hub(command, desk.timeout) {
                Some(tip) if since > Some(tip) => desk.catch_up(room),
                tip => tip.is_some(),
            };
            return is_there || self.is_stopping();
        }
        let _ = (room, since);
        true
    }

    /// Returns whether the room is shared with other servers.
    pub(crate) fn is_shared(&self, room: &str) -> bool {
        #[cfg(feature = "redis")]
        if let Some(desk) = &self.desk {
            return desk.is_shared() && desk.covers(room);
        }
        let _ = room;
        false
    }

    /// Returns how long a thread waits for an answer that depends on this room's entries on their way.
    pub(crate) fn patience(&self, room: &str) -> Duration {
        let desk = self.desk.as_ref().filter(|desk| desk.covers(room));
        desk.map_or(Duration::MAX, |desk| desk.patience)
    }

    /// Returns whether an answer that did not come waits for the journal: if not, the hub has ended.
    pub(crate) fn may_answer_later(&self, room: &str) -> bool {
        let desk = self.desk.as_ref().filter(|desk| desk.covers(room));
        desk.is_some() && !self.admission.is_closed()
    }
}
