//! A conversation's beginning, on either side, once the handshake is done.

use super::connection::Conversation;
use super::link::Identity;

impl Conversation {
    /// Tells all threads who the peer is, and what it was asked for, or has asked for.
    pub(crate) fn introduce(&self, target: Box<str>) {
        let encoder = self.encoder();
        let _ = self.link.identity.set(Identity { encoder, target });
        if !encoder.version().has_ping() {
            self.probe_with_tcp();
        }
    }

    /// Keepalive for versions that cannot ping: TCP's own. Where there is none, the idle deadline
    /// is what remains.
    fn probe_with_tcp(&self) {
        let timeouts = &self.link.timeouts;
        if let Some(idle) = timeouts.ping {
            self.socket.set_keepalive(idle, timeouts.pong);
        }
    }
}
