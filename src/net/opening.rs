//! The start of a connection, on either side, once the handshake is done.

use super::connection::Conversation;
use super::link::Identity;

impl Conversation {
    /// Publishes the encoder, which knows the version, and the requested target to all threads.
    pub(crate) fn introduce(&self, target: Box<str>) {
        let encoder = self.encoder();
        let _ = self.link.identity.set(Identity { encoder, target });
        if !encoder.version().has_ping() {
            self.probe_with_tcp();
        }
    }

    /// Turns on TCP keepalive, for versions that cannot ping. Without it, only the idle timeout
    /// remains.
    fn probe_with_tcp(&self) {
        let timeouts = &self.link.timeouts;
        if let Some(idle) = timeouts.ping {
            self.socket.set_keepalive(idle, timeouts.pong);
        }
    }
}
