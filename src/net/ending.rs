//! The end of a connection, on either side: both halves of the closing handshake, and closing TCP.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::protocol::{CloseCode, CloseFrame, Closing, Ending, Initiator, Role, State};

use super::connection::{Conversation, Step, WaitLimit};
use super::link::Stage;
use crate::error::{DisconnectReason, Error};

/// The most bytes that a peer may send after our last byte: data on its way, and not a flood.
const LINGER_BYTES: usize = 1024 * 1024;

impl Conversation {
    /// Returns how the connection ended, for the code that owns it: `Ok` if it closed or is open.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let Some(closed) = &self.closed else {
            return Ok(());
        };
        match (&closed.protocol_error, closed.initiator) {
            (Some(protocol_error), _) => Err(Error::Protocol(protocol_error.clone())),
            (None, Initiator::Peer | Initiator::Us) => Ok(()),
            (None, Initiator::Nobody) => match self.link.send_queue.disconnect_reason() {
                // Browsers with draft-76 close TCP alone whenever the user leaves a page.
                None if self.is_browser_of_draft76() => Ok(()),
                disconnect_reason => Err(Error::Disconnected(
                    disconnect_reason.unwrap_or(DisconnectReason::EndOfStream),
                )),
            },
        }
    }

    /// Sends a close frame with a code that may always be sent, unless a thread has sent one.
    pub(crate) fn start_close(&mut self, code: CloseCode) {
        self.notice_close();
        if self.connection.state() == State::Ready {
            let _ = self.close(CloseFrame::of(code));
        }
    }

    /// Waits for the peer's half of the closing handshake, and until the peer has read ours; then
    /// releases the socket.
    pub(crate) fn close_tcp(&mut self) {
        if self.is_opened() {
            while !matches!(self.step(&mut WaitLimit::endless()), Step::Over) {}
        }
        // The last bytes are sent, or given up, before the write side is shut.
        let _ = self.wait_for_room(0);
        self.linger();
        self.release_socket();
    }

    /// Releases the socket, with or without a closing handshake.
    pub(crate) fn release_socket(&mut self) {
        self.link.enter(Stage::Gone);
        self.link.send_queue.close();
        // Other threads may keep the link for as long as they like.
        self.link.drop_context();
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

    /// Shuts the write side. TLS has to announce that, which may wait for the socket. The watchdog
    /// ends the wait, as it ends the lingering that follows.
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

    /// Lets the peer read our last bytes: received bytes that nobody read would make TCP reset the
    /// connection. A client lets the server close TCP first. The watchdog ends this when the close
    /// timeout has passed.
    #[inline(never)]
    fn linger(&mut self) {
        self.link.enter(Stage::Lingering);
        let follows = self.connection.close_expected() == Some(Ending::Follow);
        let is_over = || !follows && self.shut_write().is_err();
        if self.link.send_queue.disconnect_reason().is_some() || is_over() {
            return;
        }
        // Small, and in a stack frame of its own: an idle client keeps all stack that it once used.
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
