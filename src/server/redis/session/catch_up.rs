//! The rooms of the session: one rule for rooms that are attached, are live, catch up, or come back after a cut.
//!
//! The log is read once the subscription is confirmed: so no entry lies between both. Each entry is judged by the
//! position that was seen last ([`judge`]). If entries may be missing, the log is read after that position; the
//! notifications that come meanwhile wait, and are judged behind the page.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::net::answer::Answer;
use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::protocol::Message;
use crate::server::history::journal::JournalEntry;
use crate::server::history::publication::Publication;
use crate::server::history::resume::Gap;
use crate::server::hub::history::Effect;
use crate::server::journal::{Newest, Pending, Report};
use crate::server::redis::Position;
use crate::server::redis::entry::{self, Body, Entry};
use crate::server::redis::header::{Header, Payload};
use crate::server::redis::judge::{Loss, TipVerdict, Verdict, judge, judge_tip};
use crate::server::redis::scripts::log::Page;
use crate::server::redis::wire::{begin, part_of};

use super::{Line, Output, Session, pop_if};

/// A room that the hub uses.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) generation: u64,
    subscription: Subscription,
    /// The last position that was reported; `None` until the newest entries were read.
    pub(super) seen: Option<Position>,
    is_reading: bool,
    /// All servers forget the entries up to this position.
    pub(super) forgotten: Option<Position>,
    /// Notifications that wait for the end of a read.
    buffer: VecDeque<Entry>,
    /// There was no place for a notification: the log is to be read again.
    has_dropped: bool,
    /// The own messages that are stored, and whose entries were not seen yet.
    pub(super) awaited: VecDeque<Awaited>,
    /// There is a time at which these are looked at.
    pub(super) has_check: bool,
    catch_ups: CatchUps,
}

/// An own message that is stored.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) at: Position,
    pub(super) counter: u64,
    pub(super) pending: Pending,
    /// When Redis has answered that it is stored.
    pub(super) since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    Due,
    Sent,
    Confirmed,
}

/// The most channels in one command.
const CHANNELS: usize = 512;

/// The most bytes of all notifications that wait for reads. Others are read from the log again.
pub(super) const BUFFERED: usize = 4 * 1024 * 1024;

/// The memory of an entry beside its payload.
const ENTRY: usize = size_of::<Entry>();

impl Room {
    fn new(generation: u64) -> Room {
        Room {
            generation,
            subscription: Subscription::Due,
            seen: None,
            is_reading: false,
            forgotten: None,
            buffer: VecDeque::new(),
            has_dropped: false,
            awaited: VecDeque::new(),
            has_check: false,
            catch_ups: CatchUps::default(),
        }
    }
}

/// Threads that wait until a room has caught up with its log.
#[derive(Debug, Default)]
struct CatchUps {
    /// A read that began after they asked is not at the end of the log yet.
    read: Vec<Answer<()>>,
    /// They came while a read was running, which may not have what they need.
    next: Vec<Answer<()>>,
}

impl CatchUps {
    fn add(&mut self, answer: Answer<()>) {
        if self.next.len().is_power_of_two() {
            self.next.retain(Answer::is_awaited);
        }
        self.next.push(answer);
    }

    fn have_begun_to_read(&mut self) {
        self.read.append(&mut self.next);
    }

    /// The read is lost.
    fn disconnected(&mut self) {
        self.next.append(&mut self.read);
    }

    fn take_all(mut self) -> Vec<Answer<()>> {
        self.have_begun_to_read();
        self.read
    }
}

impl Session {
    /// Reports the entries of a room from now on.
    pub(super) fn attach(&mut self, room: Arc<str>) {
        if let Some(again) = self.closing.get_mut(&room) {
            *again = true;
        } else if !self.rooms.contains_key(&room) {
            self.generation += 1;
            self.subscriptions_due.push(Arc::clone(&room));
            self.rooms.insert(room, Room::new(self.generation));
        }
    }

    /// Reports them no more.
    pub(super) fn detach(&mut self, room: &Arc<str>) {
        if let Some(again) = self.closing.get_mut(room) {
            *again = false;
        }
        let Some(state) = self.rooms.remove(room) else {
            return;
        };
        self.buffered -= state.buffer.iter().map(weight).sum::<usize>();
        self.rounds.awaited -= state.awaited.len();
        self.reads.refused.remove(room);
        let passed = state.awaited.into_iter();
        let passed: Vec<_> = passed.map(|own| (own.at, own.pending)).collect();
        self.report_passed(passed);
        self.report_caught_up(state.catch_ups.take_all());
        if state.subscription != Subscription::Due {
            let channel = self.config.keys.channel(room);
            let out = &mut self.lines.of(Line::Notifications).out;
            begin(2, out);
            part_of(b"UNSUBSCRIBE", out);
            part_of(channel.as_bytes(), out);
            self.closing.insert(Arc::clone(room), false);
        }
    }

    /// Returns whether messages of the room are held back, since its newest entries are about to be read.
    pub(super) fn is_attaching(&self, room: &str) -> bool {
        let is_new = self.rooms.get(room).is_some_and(|room| room.seen.is_none());
        is_new || self.closing.get(room).copied().unwrap_or(false)
    }

    /// Sends the subscriptions that are due.
    pub(super) fn subscribe(&mut self) {
        let due = std::mem::take(&mut self.subscriptions_due);
        let mut channels = Vec::new();
        for room in due {
            if let Some(state) = self.rooms.get_mut(&room) {
                if state.subscription == Subscription::Due {
                    state.subscription = Subscription::Sent;
                    channels.push(self.config.keys.channel(&room));
                }
            }
        }
        let out = &mut self.lines.of(Line::Notifications).out;
        for channels in channels.chunks(CHANNELS) {
            begin(channels.len() + 1, out);
            part_of(b"SUBSCRIBE", out);
            for channel in channels {
                part_of(channel.as_bytes(), out);
            }
        }
    }

    /// The connections are gone: all rooms are to be subscribed again, and read from the position that was seen.
    pub(super) fn disconnect_rooms(&mut self) {
        self.buffered = 0;
        self.subscriptions_due.clear();
        for (room, state) in &mut self.rooms {
            state.subscription = Subscription::Due;
            state.is_reading = false;
            state.buffer = VecDeque::new();
            state.has_dropped = false;
            state.catch_ups.disconnected();
            self.subscriptions_due.push(Arc::clone(room));
        }
        let closing = std::mem::take(&mut self.closing);
        for (room, _) in closing.into_iter().filter(|(_, again)| *again) {
            self.attach(room);
        }
    }

    pub(super) fn subscribed(&mut self, channel: &[u8]) {
        let Some(room) = self.room_of(channel) else {
            return;
        };
        if let Some(state) = self.rooms.get_mut(&room) {
            if state.subscription == Subscription::Sent {
                state.subscription = Subscription::Confirmed;
                self.read_log(&room);
            }
        }
    }

    pub(super) fn unsubscribed(&mut self, channel: &[u8]) {
        let Some(room) = self.room_of(channel) else {
            return;
        };
        if self.closing.remove(&room) == Some(true) {
            self.attach(room);
        }
    }

    fn room_of(&self, channel: &[u8]) -> Option<Arc<str>> {
        self.config.keys.room_of_channel(channel).map(Arc::from)
    }

    /// Reads the log of a room to its end, and answers behind the reports about that.
    pub(super) fn catch_up(&mut self, room: &Arc<str>, answer: Answer<()>) {
        match self.rooms.get_mut(room) {
            Some(state) => {
                state.catch_ups.add(answer);
                self.read_log(room);
            }
            None => self.report_caught_up(vec![answer]),
        }
    }

    fn report_caught_up(&mut self, answers: Vec<Answer<()>>) {
        if !answers.is_empty() {
            self.report(Report::CaughtUp(answers));
        }
    }

    /// Reads the log of a room after the position that was seen, unless that happens already.
    pub(super) fn read_log(&mut self, room: &Arc<str>) {
        if let Some(state) = self.rooms.get_mut(room) {
            if !state.is_reading && state.subscription == Subscription::Confirmed {
                state.is_reading = true;
                state.catch_ups.have_begun_to_read();
                self.reads.room(room, state.generation);
            }
        }
    }

    /// Executes a notification.
    pub(super) fn message(&mut self, channel: &[u8], bytes: &[u8]) {
        let Some(room) = self.room_of(channel) else {
            return;
        };
        if let Some(up_to) = entry::forgotten(bytes) {
            return self.is_forgotten(&room, up_to);
        }
        let Some(entries) = entry::notification(bytes) else {
            return;
        };
        for entry in entries {
            let Some(state) = self.rooms.get_mut(&room) else {
                return;
            };
            if !state.is_reading {
                self.take(&room, entry, false);
                continue;
            }
            let more = weight(&entry);
            if self.buffered + more <= BUFFERED {
                self.buffered += more;
                state.buffer.push_back(entry);
            } else {
                state.has_dropped = true;
            }
        }
    }

    /// Judges an entry, and reports it, or reads the log before it.
    fn take(&mut self, room: &Arc<str>, entry: Entry, is_read: bool) {
        let Some(seen) = self.rooms.get(room).and_then(|state| state.seen) else {
            return;
        };
        match judge(seen, entry.at, entry.before) {
            Verdict::Seen => {}
            Verdict::Take if entry.body == Body::Absent => self.read_log(room),
            Verdict::Take => self.deliver(room, entry),
            Verdict::Read(loss) if is_read => self.deliver_after(room, loss, entry),
            Verdict::Read(_) => self.read_log(room),
            Verdict::TakeAfter(_) if entry.body == Body::Absent => self.read_log(room),
            Verdict::TakeAfter(loss) => self.deliver_after(room, loss, entry),
            Verdict::Attach => self.attach_anew(room),
        }
    }

    fn deliver_after(&mut self, room: &Arc<str>, loss: Loss, entry: Entry) {
        let at = entry.at;
        self.gap(
            room,
            loss,
            Position::new(at.epoch, at.number.saturating_sub(1)),
        );
        self.deliver(room, entry);
    }

    /// Reports an entry that follows what was seen.
    fn deliver(&mut self, room: &Arc<str>, entry: Entry) {
        let at = entry.at;
        self.numbers.entries += 1;
        let own = match &entry.body {
            Body::Known(header, _) if header.machine == self.config.machine => {
                self.take_own(room, header.counter)
            }
            _ => None,
        };
        if own.is_none() {
            let seen = self.rooms.get(room).and_then(|state| state.seen);
            self.suspect_life(seen, at);
        }
        let except = self.except(&entry);
        if let Some((message, time)) = to_message(entry) {
            let pending = own.unwrap_or(Pending {
                except,
                effect: Effect::Count,
                charge: None,
            });
            let entry = JournalEntry::new(Arc::clone(room), at, time, message);
            self.report_stored(Some(entry), pending);
        } else if let Some(own) = own {
            self.report_passed(vec![(at, own)]);
        }
        self.has_seen(room, at);
    }

    /// Notes a position as seen. Own messages up to it whose entries did not come are behind a gap.
    fn has_seen(&mut self, room: &Arc<str>, at: Position) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        state.seen = Some(at);
        let forgotten = state.forgotten.filter(|up_to| at <= *up_to);
        let mut passed = Vec::new();
        while let Some(own) = pop_if(&mut state.awaited, |own| own.at <= at) {
            self.rounds.awaited -= 1;
            passed.push((own.at, own.pending));
        }
        self.report_passed(passed);
        if let Some(up_to) = forgotten {
            // The notification about that has come before this entry.
            self.report(Report::Forgot(Arc::clone(room), up_to));
        }
    }

    /// Reports that entries are missing up to a position.
    fn gap(&mut self, room: &Arc<str>, loss: Loss, up_to: Position) {
        self.numbers.gaps += 1;
        let gap = match loss {
            Loss::Trimmed(Some(missed)) => Gap::Trimmed(missed),
            Loss::Trimmed(None) | Loss::Rewound(_) | Loss::Reset => Gap::Reset,
        };
        self.outputs
            .push_back(Output::Gap(Arc::clone(room), up_to, gap));
        self.has_seen(room, up_to);
    }

    /// The log is older than what was seen: the room begins with its newest entries again.
    fn attach_anew(&mut self, room: &Arc<str>) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(seen) = state.seen.take() else {
            return;
        };
        self.numbers.gaps += 1;
        self.outputs
            .push_back(Output::Gap(Arc::clone(room), seen, Gap::Reset));
        self.read_log(room);
    }

    /// Executes the newest entries of a room.
    pub(super) fn has_newest(&mut self, room: &Arc<str>, page: Page, now: Instant) {
        let tip = page.tip.map(|tip| tip.at);
        let last = page.entries.last().map(|entry| entry.at);
        let Some(at) = last.max(tip) else {
            // A room that has none gets one by this command.
            return self.broken("Redis has returned no position of a room", now);
        };
        let first = page.entries.first().map(|entry| entry.at);
        let after = match first {
            Some(first) => Position::new(first.epoch, first.number.saturating_sub(1)),
            None => at,
        };
        let (most, most_bytes) = self.config.newest;
        let bytes: usize = page.entries.iter().map(weight).sum();
        let is_whole = page.entries.len() < most as usize && bytes < most_bytes as usize / 2;
        let mut entries = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let (at, except) = (entry.at, self.except(&entry));
            if let Some((message, time)) = to_message(entry) {
                let entry = JournalEntry::new(Arc::clone(room), at, time, message);
                entries.push((entry, except));
            }
        }
        let is_one_epoch = after.epoch == at.epoch;
        let forgotten = page
            .forgotten
            .filter(|forgotten| forgotten.epoch == at.epoch);
        let forgotten = forgotten.map_or(0, |forgotten| forgotten.number);
        let newest = Newest {
            after,
            floor: if is_whole && is_one_epoch {
                after.number
            } else {
                forgotten
            },
            entries,
        };
        if let Some(state) = self.rooms.get_mut(room) {
            state.forgotten = state.forgotten.max(page.forgotten);
        }
        self.report(Report::Attached(Arc::clone(room), newest));
        self.has_seen(room, at);
        self.end_read(room, false);
    }

    /// Executes entries after the position that was seen.
    pub(super) fn has_missed(&mut self, room: &Arc<str>, page: Page) {
        let had_entries = !page.entries.is_empty();
        if let Some(up_to) = page.forgotten {
            self.is_forgotten(room, up_to);
        }
        for entry in page.entries {
            self.take(room, entry, true);
        }
        let seen = self.rooms.get(room).and_then(|state| state.seen);
        let Some(seen) = seen else {
            return self.end_read(room, false);
        };
        let Some(tip) = page.tip else {
            self.attach_anew(room);
            return self.end_read(room, false);
        };
        if had_entries {
            return self.end_read(room, tip.at > seen);
        }
        match judge_tip(seen, tip.at, tip.before) {
            TipVerdict::Same => self.has_seen(room, tip.at),
            // With `Read`, nothing is left of the log after what was seen.
            TipVerdict::After(loss) | TipVerdict::Read(loss) => self.gap(room, loss, tip.at),
        }
        self.end_read(room, false);
    }

    /// Ends a read: continues with the next page, or judges the notifications that have waited.
    fn end_read(&mut self, room: &Arc<str>, is_more: bool) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        state.is_reading = false;
        if is_more || state.seen.is_none() {
            return self.read_log(room);
        }
        let buffer = std::mem::take(&mut state.buffer);
        self.buffered -= buffer.iter().map(weight).sum::<usize>();
        if std::mem::take(&mut state.has_dropped) {
            // The notification may have been the room's last one. All that waited are in the log.
            return self.read_log(room);
        }
        let caught_up = std::mem::take(&mut state.catch_ups.read);
        let is_awaited = !state.catch_ups.next.is_empty();
        self.report_caught_up(caught_up);
        for entry in buffer {
            let is_reading = self.rooms.get(room).is_none_or(|state| state.is_reading);
            if is_reading {
                // The log is read behind what was seen, and these entries are in it.
                return;
            }
            self.take(room, entry, false);
        }
        if is_awaited {
            self.read_log(room);
        }
    }

    /// Returns the connections of this server that do not receive an entry.
    fn except(&self, entry: &Entry) -> Vec<ClientId> {
        match &entry.body {
            Body::Known(header, _) if header.machine == self.config.machine => {
                header.except.iter().map(|id| ClientId(*id)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn weight(entry: &Entry) -> usize {
    let len = match &entry.body {
        Body::Known(header, payload) => payload.len() + 8 * header.except.len(),
        Body::Absent | Body::Skip => 0,
    };
    ENTRY + len
}

/// Returns the message of an entry, and its time; `None` if another version of this server has written it.
pub(super) fn to_message(entry: Entry) -> Option<(Message, SystemTime)> {
    let Body::Known(header, payload) = entry.body else {
        return None;
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(entry.time);
    let message = match (header.payload, stamp(&header)) {
        (Payload::Binary, _) => Message::from(payload),
        (Payload::Text, None) => Message::from(String::from_utf8(payload).ok()?),
        (Payload::Text, Some(place)) => {
            let text = String::from_utf8(payload).ok()?;
            let (before, after) = text.split_at_checked(place)?;
            Publication::around(before, after).at(entry.at)
        }
    };
    Some((message, time))
}

fn stamp(header: &Header) -> Option<usize> {
    header.stamp.and_then(|place| usize::try_from(place).ok())
}
