//! Requests to forget the messages of a room. The script can be repeated: so a request is sent again after a cut.
//!
//! All servers learn from a notification up to which position a room is forgotten, and from the state of the room,
//! whenever its log is read: so one that was cut off forgets when it is back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::net::answer::Answer;
use crate::net::sync::Instant;
use crate::server::history::publication::PublishError;
use crate::server::journal::Report;
use crate::server::redis::Position;
use crate::server::redis::scripts::log;
use crate::server::redis::wire::Reply;

use super::lines::Expected;
use super::{Line, Output, Session};

#[derive(Debug)]
struct Request {
    room: Arc<str>,
    up_to: Position,
    answer: Answer<Result<(), PublishError>>,
    since: Instant,
    is_sent: bool,
    /// It was sent before a cut, perhaps: so it may be done.
    is_doubtful: bool,
}

/// The requests that are not answered, in order. The budget of the publishers bounds them.
#[derive(Debug, Default)]
pub(super) struct Forgets {
    requests: BTreeMap<u64, Request>,
    last: u64,
}

impl Forgets {
    /// All requests are sent again.
    pub(super) fn disconnected(&mut self) {
        for request in self.requests.values_mut() {
            request.is_sent = false;
        }
    }

    /// Returns when the oldest request that was never sent is refused.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        let mut requests = self.requests.values();
        let unsent = requests.find(|request| !request.is_doubtful);
        unsent.map(|request| request.since + timeout)
    }
}

impl Session {
    /// Takes a request from the hub.
    pub(super) fn forget(
        &mut self,
        room: Arc<str>,
        up_to: Position,
        answer: Answer<Result<(), PublishError>>,
        now: Instant,
    ) {
        self.forgets.last += 1;
        let request = Request {
            room,
            up_to,
            answer,
            since: now,
            is_sent: false,
            is_doubtful: false,
        };
        self.forgets.requests.insert(self.forgets.last, request);
    }

    /// Sends the requests that are to be sent, or to be sent again.
    pub(super) fn send_forgets(&mut self, now: Instant) {
        let context = self.context();
        let half = self.lines.of(Line::Commands);
        for (number, request) in &mut self.forgets.requests {
            if !request.is_sent {
                (request.is_sent, request.is_doubtful) = (true, true);
                log::forget(&context, &request.room, request.up_to, &mut half.out);
                half.await_reply(Expected::Forget(*number), now);
            }
        }
    }

    /// Executes the reply to a request.
    pub(super) fn has_forgotten(&mut self, number: u64, reply: Reply, now: Instant) {
        let result = match log::forgotten(reply) {
            Ok(up_to) => Ok(up_to),
            Err(error) => match self.is_lasting(error, now) {
                Some(reason) => Err(reason),
                None => {
                    if let Some(request) = self.forgets.requests.get_mut(&number) {
                        request.is_sent = false;
                    }
                    return;
                }
            },
        };
        let Some(request) = self.forgets.requests.remove(&number) else {
            return;
        };
        match result {
            Ok(up_to) => {
                if let Some(up_to) = up_to {
                    self.is_forgotten(&request.room, up_to);
                }
                self.end_forget(request, Ok(()));
            }
            Err(reason) => {
                self.outputs.push_back(Output::Refused(reason));
                self.end_forget(request, Err(PublishError::Journal));
            }
        }
    }

    /// Reports that all servers forget the messages of a room up to a position.
    pub(super) fn is_forgotten(&mut self, room: &Arc<str>, up_to: Position) {
        if let Some(state) = self.rooms.get_mut(room) {
            if state.forgotten < Some(up_to) {
                state.forgotten = Some(up_to);
                self.report(Report::Forgot(Arc::clone(room), up_to));
            }
        }
    }

    /// Refuses the requests that have waited too long without being sent.
    pub(super) fn refuse_late_forgets(&mut self, now: Instant) {
        let timeout = self.config.times.publish;
        let late = self.forgets.requests.iter();
        let late =
            late.filter(|(_, request)| !request.is_doubtful && request.since + timeout <= now);
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        for number in late {
            if let Some(request) = self.forgets.requests.remove(&number) {
                self.end_forget(request, Err(PublishError::Unavailable));
            }
        }
    }

    /// Refuses all requests, since the session ends.
    pub(super) fn stop_forgets(&mut self) {
        for request in std::mem::take(&mut self.forgets.requests).into_values() {
            let error = match request.is_doubtful {
                true => PublishError::Pending,
                false => PublishError::Closed,
            };
            self.end_forget(request, Err(error));
        }
    }

    fn end_forget(&mut self, request: Request, result: Result<(), PublishError>) {
        self.report(Report::Forgotten {
            room: request.room,
            up_to: request.up_to,
            result,
            answer: request.answer,
        });
    }
}
