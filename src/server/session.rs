//! The server's part of a connection: its data about one client, beside the connection itself.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::net::connection::Conversation;
use crate::net::link::Link;
use crate::net::rate_limit::RateLimiter;
use crate::net::socket::Socket;
use crate::net::sync::Mutex;
use crate::protocol::Connection;

use super::shared::Shared;

/// A client on a server, from its request, to which the server responds, to the [close
/// report](super::CloseReport).
pub(crate) struct Session {
    conversation: Conversation,
    pub(crate) shared: Arc<Shared>,
    pub(crate) finished: bool,
    /// The rooms that the client is in. Few programs join on more than one thread; only such threads
    /// wait for each other here.
    pub(super) rooms: Mutex<BTreeSet<Arc<str>>>,
}

impl Session {
    pub(crate) fn new(link: Arc<Link>, socket: Arc<Socket>, shared: Arc<Shared>) -> Box<Session> {
        let settings = &shared.settings;
        let config = match socket.tls() {
            Some(_) => &shared.secure_config,
            None => shared.config_for(link.peer),
        };
        let connection = Connection::new(Arc::clone(config)).announcing_all();
        let watchdog = Arc::clone(&shared.watchdog);
        let mut conversation = Conversation::new(connection, link, socket, watchdog);
        let rate_limiter = |rate| Box::new(RateLimiter::new(rate, settings.on_rate_limit));
        conversation.rate_limiter = settings.rate.as_ref().map(rate_limiter);
        conversation.on_state = settings.on_state.clone();
        Box::new(Session {
            conversation,
            shared,
            finished: false,
            rooms: Mutex::default(),
        })
    }
}

impl Deref for Session {
    type Target = Conversation;

    #[inline]
    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

impl DerefMut for Session {
    #[inline]
    fn deref_mut(&mut self) -> &mut Conversation {
        &mut self.conversation
    }
}
