//! The messages that each client has sent, and those that each must have received.
//!
//! Each connection of a client is a new life, with a number of its own, and numbers its messages
//! from 0. A message that its sender has received back has been through the hub, and so have all
//! that it sent before: its own thread posted them in that order. All members receive messages in
//! the hub's order. So:
//!
//! - Once a life has received its own first message it is confirmed: of every other life it must
//!   receive, without a gap, at least the messages sent from now on.
//! - When it receives its own last message it must have received all that was through the hub when
//!   it sent that.
//! - When a new life sends in the place of an old one, all that the old one has received back must
//!   have been received, and no more of it may come. A life that is confirmed may still receive
//!   messages of one that has ended by then: they went through the hub after its own first message,
//!   and wait behind it.
//! - An echo to its sender alone comes before the sender has received the message back, in order
//!   and once.

use std::collections::BTreeMap;

use stentor::Version;

use crate::client::Class;
use crate::talk::{self, Traits};

/// One connection of one client.
pub(crate) struct Life {
    pub(crate) traits: Traits,
    pub(crate) class: Class,
    pub(crate) slot: usize,
    /// The life before it in the same place.
    previous: Option<u32>,
    /// The number of messages it has sent, and of those that are through the hub.
    pub(crate) said: u32,
    pub(crate) through: u32,
}

pub(crate) struct Ledger {
    pub(crate) lives: Vec<Life>,
    /// The last life in each place.
    current: Vec<Option<u32>>,
    /// The errors found.
    pub(crate) wrongs: Vec<String>,
    /// Messages of each class, echoes included in those received.
    pub(crate) tallies: BTreeMap<Class, Tally>,
    /// Of well-behaved clients: messages sent, and not yet through.
    pub(crate) under_way: u64,
}

/// Counts of messages sent and received.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) said: u64,
    pub(crate) received: u64,
}

/// The messages that one life has received of each place.
pub(crate) struct Ears {
    life: u32,
    streams: Vec<Stream>,
    pub(crate) confirmed: bool,
    /// The messages that must have been received when the last one comes back.
    owed: Vec<(u32, u32)>,
    /// One more than the number of the last of its own messages that was echoed.
    echoed: u32,
}

#[derive(Clone, Copy)]
struct Stream {
    life: Option<u32>,
    /// One more than the number of the last message received.
    received: u32,
    /// The first message that must not be missing.
    due: u32,
    /// The life before, and one more than the number of its last message received; only until this
    /// life's first message has come.
    before: (Option<u32>, u32),
}

impl Ledger {
    pub(crate) fn new(places: usize) -> Ledger {
        Ledger {
            lives: Vec::new(),
            current: vec![None; places],
            wrongs: Vec::new(),
            tallies: BTreeMap::new(),
            under_way: 0,
        }
    }

    pub(crate) fn tally(&self, class: Class) -> Tally {
        self.tallies.get(&class).copied().unwrap_or_default()
    }

    /// Returns the sum of all messages sent and received.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.tallies.values() {
            total.said += tally.said;
            total.received += tally.received;
        }
        total
    }

    /// Begins a new life in this place.
    pub(crate) fn begin(
        &mut self,
        slot: usize,
        class: Class,
        version: Version,
        room: usize,
    ) -> u32 {
        let life = self.lives.len() as u32;
        self.lives.push(Life {
            traits: Traits {
                life,
                room,
                version,
            },
            class,
            slot,
            previous: self.current[slot].replace(life),
            said: 0,
            through: 0,
        });
        life
    }

    pub(crate) fn life(&self, life: u32) -> &Life {
        &self.lives[life as usize]
    }

    /// Returns the number of this life's next message.
    pub(crate) fn says(&mut self, life: u32) -> u32 {
        let speaker = &mut self.lives[life as usize];
        self.tallies.entry(speaker.class).or_default().said += 1;
        if speaker.class.is_healthy() {
            self.under_way += 1;
        }
        speaker.said += 1;
        speaker.said - 1
    }

    pub(crate) fn wrong(&mut self, life: u32, what: &str) {
        let Life { traits, class, .. } = self.life(life);
        let (version, room) = (traits.version, traits.room);
        self.wrongs
            .push(format!("{class:?} {life}, {version}, room {room}: {what}"));
    }

    /// Records a message that a client has received.
    pub(crate) fn hear(&mut self, ears: &mut Ears, payload: &[u8], binary: bool) {
        let class = self.life(ears.life).class;
        self.tallies.entry(class).or_default().received += 1;
        let judged = match payload.strip_prefix(talk::ECHO) {
            Some(echoed) => self.judge_echo(ears, echoed, binary),
            None => self.judge(ears, payload, binary),
        };
        if let Err(what) = judged {
            self.wrong(ears.life, &what);
        }
    }

    fn judge_echo(&self, ears: &mut Ears, payload: &[u8], binary: bool) -> Result<(), String> {
        let (sender, number) = talk::read(payload).ok_or("an echo of nothing")?;
        let due = next_echoed(ears.echoed);
        if sender != ears.life || binary || number >= self.life(sender).said {
            return Err(format!("an echo of {number} of {sender}"));
        }
        if number != due {
            return Err(format!("{number} was echoed instead of {due}"));
        }
        ears.echoed = number + 1;
        Ok(())
    }

    fn judge(&mut self, ears: &mut Ears, payload: &[u8], binary: bool) -> Result<(), String> {
        let shown = || payload[..payload.len().min(80)].escape_ascii().to_string();
        let (sender, number) =
            talk::read(payload).ok_or_else(|| format!("nobody said this: {}", shown()))?;
        let Some(speaker) = self.lives.get(sender as usize) else {
            return Err(format!("nobody is {sender}"));
        };
        let hearer = self.life(ears.life).traits;
        let speech = speaker.traits;
        if number >= speaker.said || binary != talk::is_binary(number, speech.version) {
            return Err(format!("{sender} did not say {number} like this"));
        }
        if !talk::reaches(number, &speech, &hearer) {
            return Err(format!("{number} of {sender} was not for it"));
        }
        let slot = speaker.slot;
        if ears.streams[slot].life > Some(sender) {
            // A client that closes without waiting may still be read when its successor has
            // connected.
            return match speaker.class {
                Class::Reset | Class::Torn => Ok(()),
                _ => ears.streams[slot].is_late(sender, number),
            };
        }
        if ears.streams[slot].life != Some(sender) {
            self.succeed(ears, slot, sender)?;
        }
        let stream = &mut ears.streams[slot];
        if number < stream.received {
            return Err(format!(
                "{number} of {sender} came again, or late: {} had come",
                stream.received - 1
            ));
        }
        let from = stream.received.max(stream.due);
        if let Some(missing) = first_for(from..number, &speech, &hearer) {
            return Err(format!("{missing} of {sender} is missing before {number}"));
        }
        stream.received = number + 1;
        if ears.confirmed {
            stream.due = 0;
        }
        if sender == ears.life {
            let echo = next_echoed(ears.echoed);
            if echo <= number {
                return Err(format!("{echo} was not echoed before {number} came"));
            }
            self.is_through(sender, number + 1);
            if !ears.confirmed {
                self.confirm(ears);
            }
        }
        Ok(())
    }

    fn is_through(&mut self, life: u32, count: u32) {
        let speaker = &mut self.lives[life as usize];
        if speaker.class.is_healthy() {
            self.under_way -= u64::from(count - speaker.through);
        }
        speaker.through = count;
    }

    /// Marks this life's messages in flight as never coming back.
    pub(crate) fn abandon(&mut self, life: u32) {
        let speaker = self.life(life);
        self.under_way -= u64::from(speaker.said - speaker.through);
    }

    /// From now on no message may be missing.
    fn confirm(&mut self, ears: &mut Ears) {
        ears.confirmed = true;
        for (slot, stream) in ears.streams.iter_mut().enumerate() {
            let life = self.current[slot];
            if stream.life != life {
                stream.before = (stream.life, stream.received);
                (stream.life, stream.received) = (life, 0);
            }
            stream.due = life.map_or(0, |life| self.life(life).said);
        }
    }

    /// Another life sends its first message in this place: those before it must be complete.
    fn succeed(&self, ears: &mut Ears, slot: usize, sender: u32) -> Result<(), String> {
        let stream = &mut ears.streams[slot];
        if ears.confirmed {
            let mut life = self.life(sender).previous;
            while let Some(before) = life.filter(|life| Some(*life) >= stream.life) {
                self.complete(ears.life, stream, before, self.life(before).through)?;
                life = self.life(before).previous;
            }
        }
        *stream = Stream {
            life: Some(sender),
            received: 0,
            due: if ears.confirmed { 0 } else { u32::MAX },
            before: (None, 0),
        };
        Ok(())
    }

    /// Checks that all messages of a life, up to a number, have been received.
    fn complete(&self, hearer: u32, stream: &Stream, life: u32, upto: u32) -> Result<(), String> {
        let from = match stream.life {
            Some(received) if received == life => stream.received.max(stream.due),
            Some(received) if received > life => return Ok(()),
            _ => 0,
        };
        let (speech, hearer) = (self.life(life).traits, self.life(hearer).traits);
        match first_for(from..upto, &speech, &hearer) {
            Some(missing) => Err(format!(
                "{missing} of {life} never came, of {upto} that were through"
            )),
            None => Ok(()),
        }
    }

    /// Records, before a life sends its last message, the messages that it must have received by
    /// its return.
    pub(crate) fn take_stock(&self, ears: &mut Ears) {
        let current = self.current.iter().flatten();
        ears.owed = current
            .map(|life| (*life, self.life(*life).through))
            .collect();
    }

    /// Its last message has come back.
    pub(crate) fn settle(&mut self, ears: &mut Ears) {
        for (life, through) in std::mem::take(&mut ears.owed) {
            let stream = ears.streams[self.life(life).slot];
            if let Err(what) = self.complete(ears.life, &stream, life, through) {
                self.wrong(ears.life, &what);
            }
        }
    }
}

impl Stream {
    /// A message of an earlier life in this place: in order, and before all of its successor's.
    fn is_late(&mut self, sender: u32, number: u32) -> Result<(), String> {
        let (life, received) = self.before;
        if self.received > 0 || Some(sender) < life {
            return Err(format!("{number} of {sender} comes after its successor's"));
        }
        if Some(sender) == life && number < received {
            return Err(format!(
                "{number} of {sender} came again, or late: {} had come",
                received - 1
            ));
        }
        self.before = (Some(sender), number + 1);
        Ok(())
    }
}

impl Ears {
    pub(crate) fn new(life: u32, places: usize) -> Ears {
        let nobody = Stream {
            life: None,
            received: 0,
            due: u32::MAX,
            before: (None, 0),
        };
        Ears {
            life,
            streams: vec![nobody; places],
            confirmed: false,
            owed: Vec::new(),
            echoed: 0,
        }
    }
}

/// Returns the first of these numbers that is for the receiver.
fn first_for(mut numbers: std::ops::Range<u32>, sender: &Traits, hearer: &Traits) -> Option<u32> {
    numbers.find(|number| talk::reaches(*number, sender, hearer))
}

/// Returns the first message from this number on that is echoed.
fn next_echoed(mut number: u32) -> u32 {
    while !talk::is_echoed(number) {
        number += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::{Ears, Ledger};
    use crate::client::Class;
    use crate::talk;
    use stentor::Version;

    /// The first message to all that a life sends.
    fn receives(ledger: &mut Ledger, ears: &mut Ears, sender: u32) {
        let mut payload = Vec::new();
        talk::write(sender, 0, &mut payload);
        ledger.hear(ears, &payload, false);
    }

    /// Three lives, the last two in one place; the first is confirmed when both have spoken.
    fn confirmed_late() -> (Ledger, Ears, u32, u32) {
        let mut ledger = Ledger::new(2);
        let mut begin = |slot| ledger.begin(slot, Class::Healthy, Version::Rfc6455, 0);
        let (receiver, old) = (begin(0), begin(1));
        let mut ears = Ears::new(receiver, 2);
        ledger.says(receiver);
        ledger.says(old);
        let new = ledger.begin(1, Class::Healthy, Version::Rfc6455, 0);
        ledger.says(new);
        receives(&mut ledger, &mut ears, receiver);
        assert!(ears.confirmed);
        (ledger, ears, old, new)
    }

    #[test]
    fn a_message_on_its_way_may_come_when_its_sender_has_a_successor() {
        let (mut ledger, mut ears, old, new) = confirmed_late();
        receives(&mut ledger, &mut ears, old);
        receives(&mut ledger, &mut ears, new);
        assert_eq!(ledger.wrongs, [""; 0]);
    }

    #[test]
    fn a_message_may_not_come_after_the_successors() {
        let (mut ledger, mut ears, old, new) = confirmed_late();
        receives(&mut ledger, &mut ears, new);
        receives(&mut ledger, &mut ears, old);
        assert_eq!(ledger.wrongs.len(), 1);
    }

    #[test]
    fn a_message_on_its_way_may_come_only_once() {
        let (mut ledger, mut ears, old, _) = confirmed_late();
        receives(&mut ledger, &mut ears, old);
        receives(&mut ledger, &mut ears, old);
        assert_eq!(ledger.wrongs.len(), 1);
    }
}
