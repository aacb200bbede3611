//! Reads of logs: for rooms that catch up, and for threads that need older entries. A few at a time: so the replies on
//! their way take little memory, in Redis and here.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::net::sync::Instant;
use crate::server::history::journal::JournalEntry;
use crate::server::journal::Report;
use crate::server::redis::Position;
use crate::server::redis::scripts::NoAnswer;
use crate::server::redis::scripts::log::{self, Page};
use crate::server::redis::wire::Reply;

use super::catch_up::to_message;
use super::lines::Expected;
use super::{Line, Output, PageAnswer, Session, pop_if};

/// A read that was sent.
#[derive(Debug)]
pub(super) enum Asked {
    /// The newest entries of a room that is attached.
    Newest(Arc<str>, u64),
    /// The entries of a room after the position that was seen.
    Missed(Arc<str>, u64),
    Page(PageRequest),
}

/// The entries that threads wait for.
#[derive(Debug)]
pub(super) struct PageRequest {
    room: Arc<str>,
    after: Position,
    until: u64,
    answers: Vec<PageAnswer>,
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Rooms that are to be read, with their generations.
    rooms: VecDeque<(Arc<str>, u64)>,
    pages: VecDeque<PageRequest>,
    /// Rooms that Redis has refused to read. Other rooms go on.
    pub(super) refused: HashSet<Arc<str>>,
    /// When these are read again, with their generations.
    retries: VecDeque<(Instant, Arc<str>, u64)>,
    /// The reads whose reply is expected.
    sent: usize,
}

/// The most reads whose replies are on their way.
const SENT: usize = 16;

/// The most entries, and the most bytes, of one reply, unless one entry is larger.
const PAGE: (u32, u32) = (512, 256 * 1024);

impl Reads {
    /// Requests entries for a thread; several threads that want the same share one read.
    pub(super) fn page(&mut self, room: Arc<str>, after: Position, until: u64, answer: PageAnswer) {
        let is_same = |page: &&mut PageRequest| {
            page.room == room && page.after == after && page.until == until
        };
        if let Some(page) = self.pages.iter_mut().find(is_same) {
            if page.answers.len().is_power_of_two() {
                page.answers.retain(PageAnswer::is_awaited);
            }
            return page.answers.push(answer);
        }
        if self.pages.len().is_power_of_two() {
            let is_awaited = |page: &PageRequest| page.answers.iter().any(PageAnswer::is_awaited);
            self.pages.retain(is_awaited);
        }
        self.pages.push_back(PageRequest {
            room,
            after,
            until,
            answers: vec![answer],
        });
    }

    pub(super) fn room(&mut self, room: &Arc<str>, generation: u64) {
        self.rooms.push_back((Arc::clone(room), generation));
    }

    /// Forgets what was sent: rooms are read again when they are subscribed again.
    pub(super) fn disconnected(&mut self) {
        self.sent = 0;
        self.rooms.clear();
        self.refused.clear();
        self.retries.clear();
    }

    /// Returns whether Redis refuses to read a room.
    pub(super) fn is_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Returns when the next room that was refused is read again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.retries.front().map(|(at, ..)| *at)
    }
}

impl Session {
    /// Reads the rooms again that Redis has refused to read.
    pub(super) fn retry_reads(&mut self, now: Instant) {
        while let Some((_, room, generation)) =
            pop_if(&mut self.reads.retries, |(at, ..)| *at <= now)
        {
            self.reads.room(&room, generation);
        }
    }

    /// Sends reads, as long as few are on their way.
    pub(super) fn send_reads(&mut self, now: Instant) {
        while self.reads.sent < SENT {
            let page = match self.reads.sent % 2 {
                0 => None,
                _ => self.reads.pages.pop_front(),
            };
            if let Some(page) = page {
                self.send_page(page, now);
            } else if let Some((room, generation)) = self.reads.rooms.pop_front() {
                self.send_read(room, generation, now);
            } else if let Some(page) = self.reads.pages.pop_front() {
                self.send_page(page, now);
            } else {
                return;
            }
        }
    }

    fn send_page(&mut self, page: PageRequest, now: Instant) {
        if !page.answers.iter().any(PageAnswer::is_awaited) {
            return;
        }
        let context = self.context();
        let half = self.lines.of(Line::Commands);
        log::read(&context, &page.room, page.after, PAGE, &mut half.out);
        half.await_reply(Expected::Read(Asked::Page(page)), now);
        self.reads.sent += 1;
    }

    fn send_read(&mut self, room: Arc<str>, generation: u64, now: Instant) {
        let state = self.rooms.get(&room);
        let Some(state) = state.filter(|state| state.generation == generation) else {
            return;
        };
        let (seen, context) = (state.seen, self.context());
        let newest = self.config.newest;
        let half = self.lines.of(Line::Commands);
        let asked = match seen {
            Some(seen) => {
                log::read(&context, &room, seen, PAGE, &mut half.out);
                Asked::Missed(room, generation)
            }
            None => {
                log::attach(&context, &room, newest, &mut half.out);
                Asked::Newest(room, generation)
            }
        };
        half.await_reply(Expected::Read(asked), now);
        self.reads.sent += 1;
    }

    /// Executes the reply to a read.
    pub(super) fn has_read(&mut self, asked: Asked, reply: Reply, now: Instant) {
        self.reads.sent -= 1;
        let page = match log::page(reply) {
            Ok(page) => page,
            Err(error) => return self.not_read(asked, error, now),
        };
        match asked {
            Asked::Newest(room, generation) if self.is_present(&room, generation) => {
                self.reads.refused.remove(&room);
                self.has_newest(&room, page, now);
            }
            Asked::Missed(room, generation) if self.is_present(&room, generation) => {
                self.reads.refused.remove(&room);
                self.has_missed(&room, page);
            }
            Asked::Newest(..) | Asked::Missed(..) => {}
            Asked::Page(request) => self.has_page(request, page),
        }
    }

    fn is_present(&self, room: &str, generation: u64) -> bool {
        let room = self.rooms.get(room);
        room.is_some_and(|room| room.generation == generation)
    }

    fn not_read(&mut self, asked: Asked, error: NoAnswer, now: Instant) {
        let reason = match (&asked, error) {
            // The keys of this room are not as this server writes them.
            (Asked::Newest(..) | Asked::Missed(..), error @ NoAnswer::Unexpected(_)) => {
                Some(error.to_string())
            }
            (_, error) => self.is_lasting(error, now),
        };
        let Some(reason) = reason else {
            // The connection ends, or the scripts are loaded again.
            match asked {
                Asked::Page(page) => self.reads.pages.push_front(page),
                Asked::Newest(room, generation) | Asked::Missed(room, generation) => {
                    self.reads.room(&room, generation);
                }
            }
            return;
        };
        self.outputs.push_back(Output::Refused(reason));
        match asked {
            Asked::Page(page) => self.outputs.push_back(Output::Page(page.answers, Err(()))),
            // This room stands still until Redis allows it. Its notifications wait meanwhile.
            Asked::Newest(room, generation) | Asked::Missed(room, generation) => {
                if self.is_present(&room, generation) {
                    let again = now + self.config.times.longest_pause;
                    self.reads.refused.insert(Arc::clone(&room));
                    self.reads.retries.push_back((again, room, generation));
                }
            }
        }
    }

    /// Answers the threads that wait for a page.
    fn has_page(&mut self, request: PageRequest, page: Page) {
        let PageRequest {
            room,
            after,
            until,
            answers,
        } = request;
        let first = page.entries.first().map(|entry| entry.at);
        let mut entries: Vec<JournalEntry> = Vec::new();
        for entry in page.entries {
            let next = after.number + 1 + entries.len() as u64;
            let at = Position::new(after.epoch, next);
            let message = (entry.at == at && next <= until).then(|| to_message(entry));
            let Some(Some((message, time))) = message else {
                break;
            };
            entries.push(JournalEntry::new(Arc::clone(&room), at, time, message));
        }
        if entries.is_empty() && after.number < until {
            // The log does not have the first of them, or another version of this server has written it.
            let later = first.filter(|first| first.epoch == after.epoch);
            let floor = later.map_or(until, |first| (first.number - 1).max(after.number + 1));
            self.report(Report::Trimmed(room, floor.min(until)));
        }
        self.outputs.push_back(Output::Page(answers, Ok(entries)));
    }
}
