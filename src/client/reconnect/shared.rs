//! The state that the reading thread, the sending threads and the connecting thread share.
//!
//! Its lock is held for moments only: never while a message is sent, a line is logged or a connection is
//! dropped.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::client::connector::Connector;
use crate::client::entropy;
use crate::client::sender::{Pushed, Sender};
use crate::client::websocket::WebSocket;
use crate::error::Error;
use crate::net::catch_panic::catch_panic;
use crate::net::deadline::Deadline;
use crate::net::log::{CLIENT, debug};
use crate::net::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::protocol::{CloseCode, CloseFrame, Encoder, Message, SendError, Version};

use super::queue::Waiting;

pub(super) struct Shared {
    state: Mutex<State>,
    /// The connecting thread has a result, or the end was requested.
    changed: Condvar,
}

struct State {
    /// It was closed, by this side or for good by the server: there are no more attempts.
    is_over: bool,
    /// Of the connection or, while there is none, of the last one, whose closing may still be in progress.
    sender: Option<Sender>,
    /// The messages that waited are sent, so others follow directly.
    is_direct: bool,
    waiting: Waiting,
    destination: Arc<Destination>,
    result: Option<Result<WebSocket, Error>>,
}

/// The server to connect to, and the options for it.
pub(crate) struct Destination {
    pub(crate) connector: Connector,
    pub(crate) url: String,
    pub(crate) version: Version,
}

/// The result of a wait for the connecting thread.
pub(super) enum Waited {
    Connected(Box<WebSocket>),
    Failed(Error),
    Late,
    Over,
}

impl Shared {
    pub(super) fn new(destination: Destination, queue_limit: usize) -> Shared {
        Shared {
            state: Mutex::new(State {
                is_over: false,
                sender: None,
                is_direct: false,
                waiting: Waiting::new(queue_limit),
                destination: Arc::new(destination),
                result: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Sends a message on the connection, or lets it wait for the next one.
    pub(super) fn send(&self, mut message: Message) -> Result<(), Error> {
        self.check_version(&message)?;
        loop {
            let sender = {
                let mut state = self.state();
                if state.is_over {
                    return Err(Error::Closed);
                }
                match &state.sender {
                    Some(sender) if state.is_direct && sender.takes_messages() => sender.clone(),
                    _ => return state.waiting.add(message),
                }
            };
            match sender.push(message)? {
                Pushed::Taken(push) => {
                    // Once it was taken, it may be lost with the connection at any time.
                    let _ = sender.link.settle(push);
                    return Ok(());
                }
                // The connection has ended in this moment, and takes no message any more.
                Pushed::Refused(unsent) => message = unsent,
            }
        }
    }

    /// Sends a message on the connection, before those that wait. If the connection has ended, the message
    /// is lost with it: the next one begins with messages of its own.
    pub(super) fn send_first(&self, message: Message) -> Result<(), Error> {
        self.check_version(&message)?;
        let sender = {
            let state = self.state();
            match state.is_over {
                true => return Err(Error::Closed),
                false => state.sender.clone(),
            }
        };
        if let Some(sender) = sender {
            if let Pushed::Taken(push) = sender.push(message)? {
                let _ = sender.link.settle(push);
            }
        }
        Ok(())
    }

    /// Sends the messages that wait, and then lets all others follow directly.
    pub(super) fn send_waiting(&self) {
        loop {
            let (sender, messages) = {
                let mut state = self.state();
                let Some(sender) = state.sender.clone() else {
                    return;
                };
                match state.waiting.take() {
                    Some(messages) => (sender, messages),
                    None => {
                        state.is_direct = true;
                        return;
                    }
                }
            };
            if let Some(unsent) = push_all(&sender, messages) {
                // The next read reports the end of the connection.
                return self.put_back(unsent);
            }
        }
    }

    fn put_back(&self, messages: VecDeque<Message>) {
        let mut state = self.state();
        if !state.is_over {
            state.waiting.put_back(messages);
        }
    }

    /// Starts the closing handshake, if there is a connection, and ends all attempts.
    pub(super) fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason);
        let encoder = Encoder::client(self.version(), entropy::fill);
        encoder.encode_close(Some(&frame), &mut Vec::new())?;
        if let Some(sender) = self.end() {
            if sender.close(code, reason).is_err() {
                // The connection is newer than the check, and of another version.
                sender.abort();
            }
        }
        Ok(())
    }

    /// Aborts the connection, if there is one, and ends all attempts.
    pub(super) fn abort(&self) {
        if let Some(sender) = self.end() {
            sender.abort();
        }
    }

    /// Ends all attempts, and drops the messages that wait. Returns the sender of the connection.
    pub(super) fn end(&self) -> Option<Sender> {
        let (sender, result, dropped) = {
            let mut state = self.state();
            state.is_over = true;
            (
                state.sender.clone(),
                state.result.take(),
                state.waiting.clear(),
            )
        };
        self.changed.notify_all();
        if dropped > 0 {
            debug!(target: CLIENT, "closed: {dropped} messages that wait are dropped");
        }
        if let Some(Ok(socket)) = result {
            socket.abort();
        }
        sender
    }

    /// Notes that the connection has ended. Returns whether that is the end of all.
    pub(super) fn note_outage(&self) -> bool {
        let mut state = self.state();
        state.is_direct = false;
        state.is_over
    }

    /// Waits for the connecting thread. If it has connected, messages can be sent from now on.
    pub(super) fn wait_for_result(&self, deadline: Deadline) -> Waited {
        let mut state = self.state();
        loop {
            if state.is_over {
                return Waited::Over;
            }
            match state.result.take() {
                Some(Ok(socket)) => {
                    let before = state.sender.replace(socket.sender());
                    drop(state);
                    drop(before);
                    return Waited::Connected(Box::new(socket));
                }
                Some(Err(error)) => return Waited::Failed(error),
                None => {}
            }
            if deadline.left().is_some_and(|left| left.is_zero()) {
                return Waited::Late;
            }
            state = self.wait(state, deadline);
        }
    }

    /// The work of the connecting thread: completes the closing of the last connection, waits, and connects.
    pub(super) fn connect(&self, last: Option<WebSocket>, at: Deadline) {
        drop(last);
        let Some(destination) = self.wait_until(at) else {
            return;
        };
        let Destination { connector, url, .. } = &*destination;
        let panicked = || Err(io::Error::other("connecting panicked").into());
        let result = catch_panic(|| connector.connect(url)).unwrap_or_else(panicked);
        let mut state = self.state();
        if !state.is_over {
            state.result = Some(result);
            drop(state);
            return self.changed.notify_all();
        }
        drop(state);
        if let Ok(socket) = result {
            socket.abort();
        }
    }

    /// Waits, and returns the destination, unless the end was requested.
    fn wait_until(&self, at: Deadline) -> Option<Arc<Destination>> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if at.left().is_some_and(|left| left.is_zero()) {
                return Some(Arc::clone(&state.destination));
            }
            state = self.wait(state, at);
        }
    }

    pub(super) fn set_destination(&self, destination: Destination) {
        let mut next = Arc::new(destination);
        std::mem::swap(&mut self.state().destination, &mut next);
    }

    pub(super) fn discard_waiting(&self) -> usize {
        self.state().waiting.clear()
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.state().waiting.bytes()
    }

    pub(super) fn is_connected(&self) -> bool {
        let state = self.state();
        !state.is_over && state.sender.as_ref().is_some_and(Sender::is_open)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Returns the version of the connection or, if there has been none, of the next one.
    fn version(&self) -> Version {
        let state = self.state();
        let sender = state.sender.as_ref();
        sender.map_or(state.destination.version, Sender::version)
    }

    /// Checks a message before it may wait, as its sender gets no error later.
    fn check_version(&self, message: &Message) -> Result<(), SendError> {
        let version = self.version();
        match message.is_binary() && !version.has_binary() {
            true => Err(SendError::UnsupportedByVersion {
                version,
                feature: "binary messages",
            }),
            false => Ok(()),
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Deadline) -> MutexGuard<'a, State> {
        match until.left() {
            Some(left) => {
                let waited = self.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts messages into the send queue of a connection. Returns those that it does not take, since it is closed.
fn push_all(sender: &Sender, mut messages: VecDeque<Message>) -> Option<VecDeque<Message>> {
    while let Some(message) = messages.pop_front() {
        match sender.push(message) {
            Ok(Pushed::Taken(_)) => {}
            Ok(Pushed::Refused(message)) => {
                messages.push_front(message);
                return Some(messages);
            }
            // Only if the version has changed since it was accepted.
            Err(error) => debug!(target: CLIENT, "a message that waited is dropped: {error}"),
        }
    }
    None
}
