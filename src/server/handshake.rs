//! The start of a connection: the request, the response of the user's hook, and the entry into the hub.

use std::io;
use std::sync::Arc;

use crate::error::{DisconnectReason, Error};
use crate::net::catch_panic::catch_panic;
use crate::net::connection::{Conversation, Step};
use crate::net::link::Identity;
use crate::net::log::quota::Kind;
use crate::net::log::{CONNECTION, debug, log_limited};
use crate::net::send_queue::NOT_COPIED_FROM;
use crate::net::sync::atomic::Ordering::Relaxed;
use crate::net::tls::TlsSession;
use crate::protocol::http::words::shown;
use crate::protocol::{self, Event, Rejection, Response, SendError, State, Values, Version};

use super::membership;
use super::proxy_protocol::{self, Arrival};
use super::reply::Reply;
use super::request::Request;
use super::settings::OnRequest;
use super::shared::Shared;

/// The handshake of one client.
pub(super) struct Handshake<'a> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) shared: &'a Arc<Shared>,
    /// Receives the values of the acceptance.
    pub(super) values: &'a mut Values,
}

impl Handshake<'_> {
    /// Performs the handshake.
    ///
    /// # Errors
    /// If the client was rejected, was answered with a page, or has disconnected.
    // The error is in a box: a client keeps the stack below its handler for its whole life.
    #[inline(never)]
    pub(super) fn perform(mut self) -> Result<(), Box<Error>> {
        if self.is_done_elsewhere() {
            self.opened();
            return Ok(());
        }
        if self.conversation.awaits_proxy_header {
            self.receive_proxy_header();
        }
        loop {
            let step = self.conversation.step();
            if let Some(result) = self.proceed(step) {
                if result.is_ok() {
                    self.opened();
                }
                return result;
            }
        }
    }

    /// Receives the PROXY header of a trusted proxy. If that fails, the next steps report the end.
    #[inline(never)]
    fn receive_proxy_header(&mut self) {
        let proxy = self.conversation.link.peer();
        let admitted = match proxy_protocol::receive(self.conversation) {
            Arrival::Header(client) => self.shared.admit_proxied(self.conversation, client),
            Arrival::Invalid(fault) => Err(Rejection::InvalidProxyHeader(fault)),
            Arrival::Ended(error) => return self.conversation.stream_ended(error),
        };
        if let Err(rejection) = admitted {
            let _ = self.conversation.connection.reject(rejection);
            return;
        }
        let link = &self.conversation.link;
        debug!(target: CONNECTION, "client {} {}: named by {proxy}", link.id, link.peer());
    }

    /// Answers a request that is received already, for a caller that sends the response itself.
    ///
    /// # Errors
    /// As for [`perform`](Handshake::perform).
    #[inline]
    pub(super) fn answer(mut self) -> Result<(), Box<Error>> {
        loop {
            let step = self.conversation.step_now();
            if matches!(step, Step::Late) {
                return match self.conversation.connection.state() {
                    // Draft-76: the rest follows on the stream.
                    State::Handshaking => Ok(()),
                    _ => Err(Box::new(Error::Disconnected(DisconnectReason::EndOfStream))),
                };
            }
            if let Some(result) = self.proceed(step) {
                return result;
            }
        }
    }

    /// Takes one step; returns the result once there is one.
    #[inline(always)]
    fn proceed(&mut self, step: Step) -> Option<Result<(), Box<Error>>> {
        match step {
            Step::Event(Event::Request) => self.answer_request(),
            Step::Event(Event::Rejected(rejection)) => {
                self.shared.totals.rejected(rejection.name());
                self.log_answer(rejection.status(), &rejection);
                return Some(Err(Box::new(Error::Rejected(rejection))));
            }
            Step::Event(Event::Open) => return Some(Ok(())),
            Step::Event(_) | Step::Late => {}
            Step::Over if self.conversation.connection.state() == State::Rejected => {
                self.shared.totals.answered.fetch_add(1, Relaxed);
                return Some(Err(Box::new(Error::Answered)));
            }
            Step::Over => {
                self.log_tls_failure();
                return Some(Err(self.disconnected()));
            }
        }
        None
    }

    /// Takes the values of a request that was accepted before the connection had its stream; returns whether
    /// the handshake is complete with that.
    #[inline(never)]
    fn is_done_elsewhere(&mut self) -> bool {
        let handed_over = self.conversation.handed_over.as_mut();
        let Some(values) = handed_over.and_then(|handed_over| handed_over.accepted.take()) else {
            return false;
        };
        *self.values = values;
        self.conversation.connection.state() == State::Ready
    }

    /// Returns the error of a client that has disconnected. If another server has parsed a request of
    /// draft-76, it may well have kept its last bytes: that is logged.
    #[inline(never)]
    fn disconnected(&self) -> Box<Error> {
        let conversation = &*self.conversation;
        let (link, version) = (&conversation.link, conversation.connection.version());
        if conversation.handed_over.is_none() || version != Some(Version::Draft76) {
            return Box::new(Error::Disconnected(link.end_reason()));
        }
        let fault = "the 8 bytes behind the header block of draft-76 did not arrive: if the server that \
            parsed the request has read them, pass them with Handover::already_read";
        let (id, peer) = (link.id, link.peer());
        log_limited!(
            self.shared.watchdog,
            Kind::Rejected,
            "client {id} {peer}: {fault}"
        );
        Box::new(Error::Io(io::Error::new(io::ErrorKind::InvalidData, fault)))
    }

    /// Logs one line about a rejected client. The query may hold secrets, and is left out.
    #[inline(never)]
    fn log_answer(&self, status: u16, why: &dyn std::fmt::Display) {
        let (id, peer) = (self.conversation.link.id, self.conversation.link.peer());
        let path = self
            .conversation
            .connection
            .request()
            .map(protocol::Request::shown_path);
        let path = path.unwrap_or_default();
        let blank = if path.is_empty() { "" } else { " " };
        log_limited!(
            self.shared.watchdog,
            Kind::Rejected,
            "client {id} {peer}{blank}{path}: answered with {status}: {}",
            shown(why)
        );
    }

    /// Logs one line about a failed TLS handshake, if there was one.
    #[inline(never)]
    fn log_tls_failure(&self) {
        let Some(failure) = self.conversation.socket.tls().and_then(TlsSession::failure) else {
            return;
        };
        self.shared.totals.rejected("tls");
        let (id, peer) = (self.conversation.link.id, self.conversation.link.peer());
        log_limited!(
            self.shared.watchdog,
            Kind::Rejected,
            "client {id} {peer}: {failure}"
        );
    }

    #[inline(never)]
    fn answer_request(&mut self) {
        let admitted = self.shared.admit_forwarded(self.conversation);
        if let Err(rejection) = admitted {
            let _ = self.conversation.connection.reject(rejection);
            return;
        }
        // After the client was counted: behind a proxy, its address is known only now.
        if let Some(objection) = self.conversation.connection.take_objection() {
            let _ = self.conversation.connection.reject(objection);
            return;
        }
        let reply = match &self.shared.settings.on_request {
            Some(hook) => self.ask(hook),
            None => Reply::accept(),
        };
        let answered = match reply {
            Reply::Accept(mut accept) => {
                *self.values = std::mem::take(&mut accept.values);
                self.conversation.connection.accept(accept)
            }
            Reply::Reject(rejection) => self.conversation.connection.reject(rejection),
            Reply::Respond(response) => {
                let status = response.status();
                if status >= 400 {
                    self.log_answer(status, &"by the application");
                }
                self.respond(response)
            }
        };
        if let Err(send_error) = answered {
            let id = self.conversation.link.id;
            debug!(target: CONNECTION, "client {id}: answer: {send_error}");
        }
    }

    /// Returns the reply of the user's hook; 500 if the hook panicked.
    #[inline(never)]
    fn ask(&self, hook: &Arc<OnRequest>) -> Reply {
        let request = Request::of(self.conversation, self.shared);
        catch_panic(|| hook(&request)).unwrap_or_else(|| {
            let (watchdog, id) = (&self.shared.watchdog, self.conversation.link.id);
            log_limited!(
                watchdog,
                Kind::HookPanicked,
                "client {id}: on_request panicked"
            );
            Reply::reject(500, "internal server error")
        })
    }

    /// Sends a response. A large body is not copied, and it is counted before it is sent: if the total
    /// of the send queues is full, this client receives 503, and no other client is evicted.
    fn respond(&mut self, response: Response) -> Result<(), SendError> {
        let is_head = self
            .conversation
            .connection
            .request()
            .is_some_and(protocol::Request::is_head);
        if let (false, Some(body)) = (is_head, response.large_body(NOT_COPIED_FROM)) {
            self.conversation.page = self.shared.total_queued.page(body);
            if self.conversation.page.is_none() {
                return self.conversation.connection.reject(Rejection::Full);
            }
        }
        self.conversation.connection.respond(response)
    }

    /// Enters the client into the hub. The handshake is done, and its last bytes wait in the send queue:
    /// no broadcast comes before them, and the client misses no broadcast that is sent after it has
    /// read them.
    #[inline(never)]
    fn opened(&mut self) {
        let target = self
            .conversation
            .connection
            .request()
            .map_or("/", protocol::Request::target);
        let values = self.values.downgrade();
        let identity = Identity::new(self.conversation.encoder());
        let identity = identity.of_request(target.into(), values);
        self.conversation.publish(identity);
        self.shared.totals.opened(self.conversation.version());
        membership::enter(&self.conversation.link, self.shared);
        self.conversation.flush();
    }
}
