//! The options that every connection has, on either side, with their defaults: the builders of servers
//! and of clients set them.

use std::sync::Arc;

use super::timeouts::Timeouts;
use crate::protocol::Config;

/// The options of the connections of one server, or of one connector.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionOptions {
    pub(crate) config: Arc<Config>,
    pub(crate) timeouts: Arc<Timeouts>,
    /// In bytes.
    pub(crate) send_queue_limit: usize,
    /// Whether TCP_NODELAY is set.
    pub(crate) no_delay: bool,
}

impl ConnectionOptions {
    pub(crate) fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }

    pub(crate) fn timeouts(&mut self) -> &mut Timeouts {
        Arc::make_mut(&mut self.timeouts)
    }
}

impl Default for ConnectionOptions {
    fn default() -> ConnectionOptions {
        ConnectionOptions {
            config: Arc::default(),
            timeouts: Arc::default(),
            send_queue_limit: 1024 * 1024,
            no_delay: true,
        }
    }
}
