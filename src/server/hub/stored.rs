//! The hub's part of the journal: it hands entries to the engine, and adds those that are stored.

use std::sync::Arc;

use crate::net::answer::Answer;
use crate::protocol::Message;
use crate::server::history::journal::JournalEntry;
use crate::server::history::position::Position;
use crate::server::history::publication::Publication;
use crate::server::journal::{Desk, Draft, Order, Pending, Report};

use super::Hub;
use super::batch::{Batch, Target};
use super::history::Effect;

impl Hub {
    /// Hands an entry to the journal's engine, which gives it its position.
    pub(super) fn hand_over(
        &mut self,
        target: Target,
        publication: Option<Publication>,
        effect: Effect,
    ) {
        let charge = publication.as_ref();
        let charge = charge.map(|publication| target.weight(publication.len()));
        let (Some(memory), Some(room)) = (&mut self.memory, target.room) else {
            return;
        };
        let tip = match memory.is_shared(&room) {
            // Its log gives all positions.
            true => Position::new(0, 0),
            false => memory.rings.open(&room).tip(),
        };
        let charge = charge.filter(|_| effect.is_admitted());
        if let Effect::Member(_) = effect {
            memory.presence.hand_over();
        }
        if let Some(desk) = &memory.desk {
            desk.order(Order::Append(Draft {
                room,
                except: target.except,
                publication,
                tip,
                effect,
                charge,
            }));
        }
    }

    /// Executes a report of the journal's engine.
    pub(super) fn report(&mut self, report: Report, batch: &mut Batch) {
        match report {
            Report::Stored(entries) => {
                let pending = entries.iter().map(|(_, pending)| pending);
                self.give_budget_back(pending);
                for (entry, pending) in entries {
                    self.stored(entry, pending, batch);
                }
                self.end_parked(batch);
            }
            Report::Refused(pending, error) => {
                self.give_budget_back(pending.iter());
                for pending in pending {
                    self.settle(&pending.effect);
                    self.refused(pending.effect, error);
                }
                self.end_parked(batch);
            }
            #[cfg(feature = "redis")]
            Report::Passed(entries) => {
                self.give_budget_back(entries.iter().map(|(_, pending)| pending));
                self.deliver(batch);
                for (position, pending) in entries {
                    self.settle(&pending.effect);
                    self.added(pending.effect, position);
                }
                // There is nothing to send.
                if let Some(memory) = &mut self.memory {
                    memory.sent();
                }
                self.end_parked(batch);
            }
            #[cfg(feature = "redis")]
            Report::Attached(room, newest) => {
                self.deliver(batch);
                self.attached(&room, newest, batch);
            }
            #[cfg(feature = "redis")]
            Report::Gap(room, after, notice) => self.missing(room, after, notice, batch),
            #[cfg(feature = "redis")]
            Report::CaughtUp(answers) => {
                self.deliver(batch);
                for answer in answers {
                    answer.send(());
                }
            }
            Report::Flushed(answer) => {
                self.deliver(batch);
                self.start_closes(answer);
            }
            report => {
                self.deliver(batch);
                self.shrunk(report);
            }
        }
    }

    /// Adds a stored entry to its ring, and sends it.
    fn stored(&mut self, entry: Option<JournalEntry>, pending: Pending, batch: &mut Batch) {
        self.settle(&pending.effect);
        let Some(memory) = &mut self.memory else {
            return;
        };
        let Some(entry) = entry else {
            let position = Position::new(0, 0);
            return self.added(pending.effect, position);
        };
        let (room, position, message) = (entry.room, entry.position, entry.message);
        let except = pending.except;
        if memory.rings.store(&room, position, &message, &except) {
            memory.is_followed(&room);
        }
        let room = Some(room);
        self.send_unweighed(Target { room, except }, message, batch);
        self.added(pending.effect, position);
    }

    /// Sends a message that has taken nothing from the budget of messages that wait for the hub, or has given it
    /// back.
    pub(super) fn send_unweighed(&mut self, target: Target, message: Message, batch: &mut Batch) {
        if !batch.has_room(message.len()) {
            self.deliver(batch);
        }
        batch.add_unweighed(target, message);
    }

    /// Notes which entries the journal no longer has.
    fn shrunk(&mut self, report: Report) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        match report {
            Report::Trimmed(room, floor) => memory.rings.trimmed(&room, floor),
            Report::Removed(room) => memory.rings.removed(&room),
            #[cfg(feature = "redis")]
            Report::Forgot(room, up_to) => memory.rings.forget_shared(&room, up_to),
            Report::Forgotten {
                room,
                up_to,
                result,
                answer,
            } => {
                if let Some(desk) = &memory.desk {
                    desk.budget.give_back(room.len(), 1);
                }
                if result.is_ok() {
                    memory.rings.forget(&room, up_to);
                }
                answer.send(result);
            }
            _ => {}
        }
    }

    fn give_budget_back<'a>(&self, pending: impl Iterator<Item = &'a Pending>) {
        let desk = self.desk();
        let charges = pending.filter_map(|pending| pending.charge);
        let (bytes, messages) = charges.fold((0, 0), |(bytes, messages), charge| {
            (bytes + charge, messages + 1)
        });
        if let Some(desk) = desk {
            desk.budget.give_back(bytes, messages);
        }
    }

    /// Lets the engine store all earlier messages before the clients are closed; returns the answer if there
    /// is no engine.
    pub(super) fn flush(&self, answer: Answer<()>) -> Option<Answer<()>> {
        match self.desk() {
            Some(desk) => {
                desk.order(Order::Flush(answer));
                None
            }
            None => Some(answer),
        }
    }

    fn settle(&mut self, effect: &Effect) {
        if let (Effect::Member(_), Some(memory)) = (effect, &mut self.memory) {
            memory.presence.settle();
        }
    }

    fn desk(&self) -> Option<&Arc<Desk>> {
        self.memory.as_ref()?.desk.as_ref()
    }
}
