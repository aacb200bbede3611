//! Reads of logs: for rooms that catch up, and for threads that need older entries. One command reads many rooms, and a
//! few commands are on their way at a time. Each reply is bounded: so the replies take little memory, in Redis and here.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::net::sync::Instant;
use crate::server::history::journal::JournalEntry;
use crate::server::journal::Report;
use crate::server::redis::Position;
use crate::server::redis::scripts::NoAnswer;
use crate::server::redis::scripts::log::{self, Page, PageLimits};
use crate::server::redis::wire::Reply;

use super::catch_up::to_message;
use super::lines::Expected;
use super::{Line, Output, PageAnswer, Phase, Session, pop_if};

/// A read that was sent.
#[derive(Debug)]
pub(super) enum Asked {
    /// The newest entries of rooms that are attached.
    Newest(Vec<Wanted>),
    /// The entries of rooms after the positions that were seen.
    Missed(Vec<Wanted>),
    Page(PageRequest),
}

/// A room that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    room: Arc<str>,
    generation: u64,
    /// Redis has refused a command for this room and others: no command is for another one too.
    is_alone: bool,
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
    /// Rooms that are to be read.
    rooms: VecDeque<Wanted>,
    pages: VecDeque<PageRequest>,
    /// Rooms that Redis has refused to read. Other rooms go on.
    pub(super) refused: HashSet<Arc<str>>,
    /// When these are read again.
    retries: VecDeque<(Instant, Wanted)>,
    /// The reads whose reply is expected.
    sent: usize,
}

/// The most reads whose replies are on their way.
const SENT: usize = 16;

/// The most rooms of one read: Redis does nothing else meanwhile.
const ROOMS: usize = 64;

/// The limits of one reply, unless one entry is larger.
const PAGE: PageLimits = PageLimits {
    entries: 512,
    bytes: 256 * 1024,
    total: 256 * 1024,
};

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
        self.rooms.push_back(Wanted {
            room: Arc::clone(room),
            generation,
            is_alone: false,
        });
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
        self.retries.front().map(|(at, _)| *at)
    }
}

impl Session {
    /// Reads the rooms again that Redis has refused to read.
    pub(super) fn retry_reads(&mut self, now: Instant) {
        while let Some((_, wanted)) = pop_if(&mut self.reads.retries, |(at, _)| *at <= now) {
            self.reads.rooms.push_back(wanted);
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
            } else if !self.reads.rooms.is_empty() {
                self.send_read(now);
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
        let rooms = [(&*page.room, page.after)];
        log::read(&context, &rooms, &PAGE, &mut half.out);
        half.await_reply(Expected::Read(Asked::Page(page)), now);
        self.reads.sent += 1;
    }

    /// Sends one read of the first rooms that need the same.
    fn send_read(&mut self, now: Instant) {
        let mut read: Vec<(Wanted, Option<Position>)> = Vec::new();
        while let Some(next) = self.reads.rooms.front() {
            let state = self.rooms.get(&next.room);
            let state = state.filter(|state| state.generation == next.generation);
            let fits = match (state, read.first()) {
                (Some(state), Some((first, seen))) => {
                    let is_alone = first.is_alone || next.is_alone;
                    read.len() < ROOMS && !is_alone && seen.is_some() == state.seen.is_some()
                }
                _ => true,
            };
            if !fits {
                break;
            }
            let seen = state.map(|state| state.seen);
            let next = self.reads.rooms.pop_front();
            read.extend(next.zip(seen));
        }
        if read.is_empty() {
            return;
        }
        let context = self.context();
        let (entries, bytes) = self.config.newest;
        let half = self.lines.of(Line::Commands);
        let missed = read
            .iter()
            .filter_map(|(wanted, seen)| Some((&*wanted.room, (*seen)?)));
        let missed: Vec<_> = missed.collect();
        let asked = if missed.is_empty() {
            let rooms: Vec<_> = read.iter().map(|(wanted, _)| &*wanted.room).collect();
            let limits = PageLimits {
                entries,
                bytes,
                total: PAGE.total,
            };
            log::attach(&context, &rooms, &limits, &mut half.out);
            Asked::Newest
        } else {
            log::read(&context, &missed, &PAGE, &mut half.out);
            Asked::Missed
        };
        let rooms = read.into_iter().map(|(wanted, _)| wanted).collect();
        half.await_reply(Expected::Read(asked(rooms)), now);
        self.reads.sent += 1;
    }

    /// Executes the reply to a read.
    pub(super) fn has_read(&mut self, asked: Asked, reply: Reply, now: Instant) {
        self.reads.sent -= 1;
        let mut pages = match log::pages(reply) {
            Ok(pages) => pages.into_iter(),
            Err(error) => return self.not_read(asked, error, now),
        };
        match asked {
            Asked::Newest(rooms) => self.have_read(rooms, pages, |session, room, page| {
                session.has_newest(room, page, now);
            }),
            Asked::Missed(rooms) => self.have_read(rooms, pages, Session::has_missed),
            Asked::Page(request) => {
                if let Some(page) = pages.next() {
                    self.has_page(request, page);
                }
            }
        }
    }

    /// Executes the pages of rooms. Those for which there was no place come first in the next read.
    fn have_read(
        &mut self,
        rooms: Vec<Wanted>,
        mut pages: impl Iterator<Item = Page>,
        execute: impl Fn(&mut Session, &Arc<str>, Page),
    ) {
        let mut rooms = rooms.into_iter();
        for (page, wanted) in pages.by_ref().zip(rooms.by_ref()) {
            if self.is_present(&wanted) {
                self.reads.refused.remove(&wanted.room);
                execute(self, &wanted.room, page);
            }
            if self.phase != Phase::Up {
                // The page was of no use. All rooms are read again on the next connection.
                return;
            }
        }
        for wanted in rooms.rev() {
            self.reads.rooms.push_front(wanted);
        }
    }

    fn is_present(&self, wanted: &Wanted) -> bool {
        let room = self.rooms.get(&wanted.room);
        room.is_some_and(|room| room.generation == wanted.generation)
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
                Asked::Newest(rooms) | Asked::Missed(rooms) if self.phase == Phase::Up => {
                    self.reads.rooms.extend(rooms);
                }
                // They are read again when they are subscribed again.
                Asked::Newest(_) | Asked::Missed(_) => {}
            }
            return;
        };
        let asked = match asked {
            Asked::Newest(rooms) | Asked::Missed(rooms) if rooms.len() > 1 => {
                return self.read_alone(rooms);
            }
            asked => asked,
        };
        self.outputs.push_back(Output::Refused(reason));
        match asked {
            Asked::Page(page) => self.outputs.push_back(Output::Page(page.answers, Err(()))),
            // This room stands still until Redis allows it. Its notifications wait meanwhile.
            Asked::Newest(rooms) | Asked::Missed(rooms) => {
                for wanted in rooms {
                    if self.is_present(&wanted) {
                        let again = now + self.config.times.longest_pause;
                        self.reads.refused.insert(Arc::clone(&wanted.room));
                        self.reads.retries.push_back((again, wanted));
                    }
                }
            }
        }
    }

    /// Reads rooms again, each by itself: Redis has refused one of them, perhaps, and the others go on.
    fn read_alone(&mut self, rooms: Vec<Wanted>) {
        let rooms = rooms.into_iter().map(|wanted| Wanted {
            is_alone: true,
            ..wanted
        });
        self.reads.rooms.extend(rooms);
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
