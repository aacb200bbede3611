//! A conversation's end, on either side: the goodbye, the peer's half of it, and the hanging up.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::protocol::{CloseCode, CloseFrame, Closing, Ending, Initiator, Role, State};

use super::connection::{Conversation, Step, WaitLimit};
use super::link::Stage;
use crate::error::{DisconnectReason, Error};

/// What a peer may still send once all is said: what was on its way, and not a flood.
const LINGER_BYTES: usize = 1024 * 1024;

impl Conversation {
    /// What the end of the conversation means to who has it.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let Some(closed) = &self.closed else {
            return Ok(());
        };
        match (&closed.protocol_error, closed.initiator) {
            (Some(protocol_error), _) => Err(Error::Protocol(protocol_error.clone())),
            (None, Initiator::Peer | Initiator::Us) => Ok(()),
            (None, Initiator::Nobody) => match self.link.send_queue.disconnect_reason() {
                // The browsers of draft-76 leave without a word whenever a page is left.
                None if self.is_browser_of_draft76() => Ok(()),
                disconnect_reason => Err(Error::Disconnected(
                    disconnect_reason.unwrap_or(DisconnectReason::EndOfStream),
                )),
            },
        }
    }

    /// Says goodbye with a code that may always be sent, unless somebody has.
    pub(crate) fn start_close(&mut self, code: CloseCode) {
        self.notice_close();
        if self.connection.state() == State::Ready {
            let _ = self.close(CloseFrame::of(code));
        }
    }

    /// Waits for the peer's half of the close, and for it to have read ours; then lets go of the
    /// socket.
    pub(crate) fn close_tcp(&mut self) {
        if self.is_opened() {
            while !matches!(self.step(&mut WaitLimit::endless()), Step::Over) {}
        }
        // What was said last is sent before the write side is shut, or given up.
        let _ = self.wait_for_room(0);
        self.linger();
        self.release_socket();
    }

    /// Lets go of the socket, whatever was said.
    pub(crate) fn release_socket(&mut self) {
        self.link.enter(Stage::Gone);
        self.link.send_queue.close();
        // Others may keep the link for as long as they like.
        self.link.let_go_of_context();
        if self.held > 0 {
            self.watchdog.holds(&self.link, 0);
        }
    }

    fn is_browser_of_draft76(&self) -> bool {
        self.connection.role() == Role::Server && self.version().closing() == Closing::Marker
    }

    pub(crate) fn is_opened(&self) -> bool {
        self.link.identity.get().is_some()
    }

    /// Shuts the write side, which TLS has to announce: that may wait for the socket. The warden ends
    /// it, as it ends what follows.
    fn shut_write(&self) -> io::Result<()> {
        loop {
            match self.socket.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.socket.wait_until(PollFlags::OUT, Duration::MAX);
                }
                shut => return shut,
            }
        }
    }

    /// Lets the peer read what it was told: bytes that came and were not read would make TCP
    /// reset the connection. A client lets the server hang up first. The warden ends it when the
    /// close deadline has passed.
    #[inline(never)]
    fn linger(&mut self) {
        self.link.enter(Stage::Lingering);
        let follows = self.connection.close_expected() == Some(Ending::Follow);
        let is_over = || !follows && self.shut_write().is_err();
        if self.link.send_queue.disconnect_reason().is_some() || is_over() {
            return;
        }
        // Small, and in a frame of its own: what a stack has once touched, an idle client keeps.
        let mut scrap = [0; 512];
        let mut limit = LINGER_BYTES;
        while let Ok(read @ 1..) = self.socket.discard(&mut scrap) {
            limit = limit.saturating_sub(read);
            if limit == 0 {
                return;
            }
        }
    }
}
