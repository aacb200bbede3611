//! The state that all threads of a server share, and the two threads that serve all clients.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::error::DisconnectReason;
#[cfg(feature = "history")]
use crate::net::answer::Answered;
use crate::net::answer::{Answer, Unanswered, answer};
use crate::net::client_id::ClientId;
use crate::net::connection::Conversation;
use crate::net::incoming::Incoming;
use crate::net::link::{AbortReason, Link, Stage};
use crate::net::log::quota::Kind;
use crate::net::log::{SERVER, error, log_limited};
use crate::net::options::ConnectionOptions;
use crate::net::peer::Peer;
use crate::net::process::Process;
use crate::net::rate_limit::RateLimiter;
use crate::net::send_queue::SendQueue;
use crate::net::send_queue::total::TotalQueued;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::net::sync::atomic::{AtomicBool, AtomicU64};
use crate::net::sync::channel::{Sender, bounded};
use crate::net::sync::thread;
use crate::net::sync::thread::JoinHandle;
use crate::net::sync::{Instant, Mutex, PoisonError};
use crate::net::system::{LocalStream, local_pair};
use crate::net::tls::TlsError;
use crate::net::watchdog::Watchdog;
use crate::protocol::{CloseFrame, Config, Connection, Rejection, Request, Role, rejection_bytes};

use super::addresses::AddressGroup;
use super::counters::Totals;
#[cfg(feature = "history")]
use super::history::page::HistoryError;
#[cfg(feature = "history")]
use super::history::publication::PublishError;
use super::hub::admission::Admission;
use super::hub::{Command, Hub, QUEUE};
use super::idle_threads::IdleThreads;
#[cfg(feature = "history")]
use super::journal::{Desk, Prepared};
#[cfg(feature = "history")]
use super::membership::LONGEST_NAME;
use super::membership::Memberships;
use super::memory;
use super::os_limits;
use super::registry::Registry;
use super::settings::Settings;

/// The state that all threads of a server share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    /// The configuration for clients of a Unix socket.
    local_config: Arc<Config>,
    /// The configuration for clients of TLS.
    pub(crate) secure_config: Arc<Config>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) total_queued: Arc<TotalQueued>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(super) commands: Sender<Command>,
    pub(super) admission: Arc<Admission>,
    pub(super) memberships: Arc<Memberships>,
    stopping: AtomicBool,
    /// When the shutdown began, and how long the clients may take to leave; `None` before it.
    shutdown: Mutex<Option<(Instant, Duration)>>,
    waker: LocalStream,
    next_id: AtomicU64,
    /// The client threads that wait for a client.
    pub(super) idle_threads: IdleThreads<Box<Conversation>>,
    /// The journal, if the server has one.
    #[cfg(feature = "history")]
    pub(super) desk: Option<Arc<Desk>>,
}

/// The threads of the hub and the watchdog; dropping this ends both.
pub(crate) struct ServerThreads {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The journal's thread, and an answer that it never gives, but ends.
    #[cfg(feature = "history")]
    pub(super) engine: Option<(JoinHandle<()>, Answered<()>)>,
    /// The process in which they run.
    pub(super) process: Process,
}

impl ServerThreads {
    /// Starts the hub and the watchdog. The other end of the waker is for the listener.
    pub(crate) fn new(mut settings: Settings) -> io::Result<(ServerThreads, LocalStream)> {
        settings.max_clients = os_limits::at_most(settings.max_clients);
        limit_memory(&mut settings);
        let registry = Arc::new(Registry::new(settings.per_address.clone()));
        let totals = Arc::clone(&registry.totals);
        let total_queued = TotalQueued::new(settings.total_send_queue_limit);
        let incoming = Incoming::new(settings.all_incoming, memory::is_limited());
        let owner = Arc::clone(&registry);
        let (watchdog, watch) = Watchdog::new(Arc::clone(&total_queued), incoming, owner)?;
        let (commands, commands_in) = bounded(QUEUE);
        #[cfg(feature = "history")]
        let mut prepared = Prepared::new(&mut settings, &commands, &totals)?;
        let admission = Arc::new(Admission::default());
        let memberships = Arc::new(Memberships::new(settings.max_memberships));
        let (waker, woken) = local_pair()?;
        waker.set_nonblocking(true)?;
        let (local_config, secure_config) = configs(&settings);
        let shared = Arc::new(Shared {
            settings,
            local_config,
            secure_config,
            totals: Arc::clone(&totals),
            registry,
            total_queued: Arc::clone(&total_queued),
            watchdog: Arc::clone(&watchdog),
            commands,
            admission: Arc::clone(&admission),
            memberships: Arc::clone(&memberships),
            stopping: AtomicBool::new(false),
            shutdown: Mutex::default(),
            waker,
            next_id: AtomicU64::new(1),
            idle_threads: IdleThreads::new(),
            #[cfg(feature = "history")]
            desk: prepared.desk.take(),
        });
        let hub = Hub::new(
            commands_in,
            admission,
            total_queued,
            watchdog,
            totals,
            memberships,
        );
        #[cfg(feature = "history")]
        let hub = hub.remembering(prepared.memory);
        let mut threads = ServerThreads {
            shared,
            threads: Vec::new(),
            #[cfg(feature = "history")]
            engine: None,
            process: Process::current(),
        };
        #[cfg(feature = "history")]
        threads.start_engine(prepared.engine)?;
        threads.start("stentor hub", Box::new(move || hub.run()))?;
        threads.start("stentor watchdog", Box::new(move || watch.run()))?;
        Ok((threads, woken))
    }

    /// Checks that the threads run in this process.
    ///
    /// # Errors
    /// In a child that was forked after this was created: it does not have the threads.
    pub(crate) fn check_process(&self) -> io::Result<()> {
        self.process.check("the server")
    }

    fn start(&mut self, name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let builder = thread::Builder::new().name(name.to_owned());
        self.threads.push(builder.spawn(run)?);
        Ok(())
    }
}

impl Drop for ServerThreads {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // The threads are in the parent, which needs them; a join here would never return.
            #[cfg(feature = "history")]
            std::mem::forget(self.engine.take());
            return self.threads.drain(..).for_each(std::mem::forget);
        }
        self.shared.stopping.store(true, SeqCst);
        self.shared.command(Command::Stop);
        self.shared.watchdog.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!(target: SERVER, "a thread of the server panicked");
            }
        }
        #[cfg(feature = "history")]
        self.stop_engine();
    }
}

/// Returns the configurations for clients of a Unix socket, and for those of TLS.
fn configs(settings: &Settings) -> (Arc<Config>, Arc<Config>) {
    let mut local_config = Arc::clone(&settings.connection.config);
    if settings.trust_local_proxy {
        Arc::make_mut(&mut local_config).trust_forwarded_headers = true;
    }
    let mut secure_config = Arc::clone(&settings.connection.config);
    if settings.tls.is_some() {
        Arc::make_mut(&mut secure_config).behind_tls = true;
    }
    (local_config, secure_config)
}

/// Lowers the limits of memory to the part of the process's memory limits that is left for them.
fn limit_memory(settings: &mut Settings) {
    memory::warn_of_unknown();
    settings.total_send_queue_limit =
        memory::at_most(settings.total_send_queue_limit, 4, "messages to send");
    // What is read at that moment takes as much again, and what grows is there twice.
    settings.all_incoming = memory::at_most(settings.all_incoming, 8, "incoming messages");
    #[cfg(feature = "history")]
    if let Some(history) = &mut settings.history {
        history.bounds.total = memory::at_most(history.bounds.total, 8, "the history of rooms");
        let bounds = &mut history.bounds;
        bounds.member_bytes = memory::at_most(bounds.member_bytes, 32, "members of rooms");
    }
}

impl Shared {
    pub(crate) fn command(&self, command: Command) {
        if self.admission.is_closed() {
            return;
        }
        // Once the server stops, this would come after each client's close.
        if self.is_stopping() && matches!(command, Command::Broadcast(..)) {
            return;
        }
        let weight = command.weight();
        if weight > 0 {
            self.admission.take(weight);
        }
        // The hub ends when the server has stopped: there are no receivers then.
        let _ = self.commands.send(command);
    }

    /// Returns the configuration for a connection with this peer.
    pub(crate) fn config_for(&self, peer: Peer) -> &Arc<Config> {
        match peer {
            Peer::Net(_) => &self.settings.connection.config,
            Peer::Local => &self.local_config,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Closes all clients with 1001: see [`shutdown_with`](Shared::shutdown_with).
    #[inline]
    pub(crate) fn shutdown(&self, limit: Duration) {
        self.shutdown_with(CloseFrame::going_away(), limit);
    }

    /// Closes all clients with a frame that may be sent, after all commands that the hub has received before,
    /// and waits until that is done: for the hub, which nothing can block, and no longer than `limit`.
    #[inline]
    pub(crate) fn shutdown_with(&self, frame: CloseFrame, limit: Duration) {
        self.registry.set_shutdown_frame(frame);
        // The listener may notice later: the caller's time counts.
        let began = self.watchdog.clock.now();
        *self.shutdown.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, limit));
        self.stopping.store(true, SeqCst);
        // A full pipe has woken the listener already.
        let _ = io::Write::write(&mut &self.waker, &[1]);
        self.registry.look_again();
        self.reject_handshakes();
        if self.ask_hub(Command::Shutdown, limit).is_none() {
            self.start_close_of_all();
        }
    }

    /// Rejects the clients that are still in the handshake, with 503.
    fn reject_handshakes(&self) {
        for link in self.registry.all() {
            if link.version().is_none() {
                link.abort_handshake(AbortReason::Stopping);
            }
        }
    }

    /// Closes all clients at once, without waiting for the hub.
    fn start_close_of_all(&self) {
        let frame = self.watchdog.shutdown_frame();
        for link in self.registry.all() {
            let _ = link.start_close(frame.clone());
        }
    }

    /// Returns the members of a room, in the order of arrival; none, once the hub has ended. The caller's
    /// thread sorts them, to save the hub's time.
    #[inline]
    pub(crate) fn members(&self, room: &Arc<str>) -> Vec<ClientId> {
        let command = |answer| Command::Members(Arc::clone(room), answer);
        let mut ids = self.ask_hub(command, Duration::MAX).unwrap_or_default();
        ids.sort_unstable();
        ids
    }

    /// Returns the rooms with members, in alphabetical order; none, once the hub has ended.
    #[inline]
    pub(crate) fn rooms(&self) -> Vec<String> {
        let (mut names, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let command = |answer| Command::Rooms(from, answer);
            let some = self.ask_hub(command, Duration::MAX).unwrap_or_default();
            names.extend(some.names.iter().map(|name| name.as_ref().to_owned()));
            next = some.next;
        }
        names.sort_unstable();
        names
    }

    /// Checks that entries can be added to a room with this name, or removed.
    #[cfg(feature = "history")]
    pub(super) fn may_publish(&self, room: &str) -> Result<(), PublishError> {
        match room.len() {
            _ if self.settings.history.is_none() => Err(PublishError::NoHistory),
            ..=LONGEST_NAME => Ok(()),
            long => Err(PublishError::LongName(long)),
        }
    }

    /// Checks that a room with this name has a history.
    #[cfg(feature = "history")]
    pub(super) fn has_history(&self, room: &str) -> Result<(), HistoryError> {
        match room.len() {
            _ if self.settings.history.is_none() => Err(HistoryError::NoHistory),
            ..=LONGEST_NAME => Ok(()),
            long => Err(HistoryError::LongName(long)),
        }
    }

    /// Returns the rooms with the number of their members, in alphabetical order; none, once the hub has
    /// ended. All of them come in one answer; the caller's thread sorts it and makes the strings.
    #[inline]
    pub(crate) fn room_counts(&self) -> Vec<(String, usize)> {
        let mut counts = self
            .ask_hub(Command::RoomCounts, Duration::MAX)
            .unwrap_or_default();
        counts.sort_unstable();
        let counts = counts.into_iter();
        counts
            .map(|(name, members)| (name.as_ref().to_owned(), members))
            .collect()
    }

    /// Returns the hub's answer; `None` once the hub has ended, or when the answer took too long.
    pub(super) fn ask_hub<T>(
        &self,
        command: impl FnOnce(Answer<T>) -> Command,
        limit: Duration,
    ) -> Option<T> {
        let mut pause = Duration::from_millis(20);
        let since = Instant::now();
        let (answer, answered) = answer();
        self.command(command(answer));
        // A command after the last one is never answered, and also never dropped while the channel has
        // a sender: so this checks from time to time whether the hub has ended.
        loop {
            let left = limit.saturating_sub(since.elapsed());
            match answered.recv_timeout(left.min(pause)) {
                Err(Unanswered::Timeout) if !left.is_zero() && !self.admission.is_closed() => {
                    // An answer that takes so long is one that has to wait for something.
                    pause = (2 * pause).min(Duration::from_secs(1));
                }
                answer => return answer.ok(),
            }
        }
    }

    /// Waits for the clients to leave, up to the timeout of the shutdown; then aborts the rest.
    pub(crate) fn finish_shutdown(&self) {
        // Once more: a client may have connected meanwhile.
        self.reject_handshakes();
        let clock = &self.watchdog.clock;
        let left = || {
            let shutdown = *self.shutdown.lock().unwrap_or_else(PoisonError::into_inner);
            let left =
                |(began, limit): (Instant, Duration)| limit.saturating_sub(clock.now() - began);
            clock.slice(shutdown.map_or(Duration::ZERO, left))
        };
        if self.registry.wait_until_empty(left) {
            return;
        }
        // If the timeout was too short for the hub.
        self.start_close_of_all();
        for link in self.registry.all() {
            if link.stage() < Stage::Closed {
                link.disconnect(DisconnectReason::ShutdownTimeout);
            } else {
                // The closing handshake is complete, only the TCP connection is open: no failure.
                link.send_queue
                    .disconnect(DisconnectReason::ShutdownTimeout);
            }
        }
    }

    /// Returns the socket of an accepted stream, with TLS around it if TLS is on and the stream is TCP.
    ///
    /// # Errors
    /// If the user's own TLS configuration does not allow a connection.
    pub(crate) fn secure(&self, stream: Stream) -> Result<Socket, TlsError> {
        match (&self.settings.tls, &stream) {
            (Some(tls), Stream::Tcp(_)) => Ok(Socket::secured(stream, tls.session()?)),
            _ => Ok(Socket::new(stream)),
        }
    }

    /// Admits an accepted connection, and prepares its handshake. If proxies are trusted, its address is
    /// known later. A PROXY header can only come if nothing of the stream was read, `is_unread`.
    ///
    /// # Errors
    /// The rejection, which the peer is sent, if a limit does not allow one more connection.
    pub(crate) fn admit(
        &self,
        socket: Socket,
        peer: Peer,
        is_unread: bool,
    ) -> Result<Box<Conversation>, Rejection> {
        let awaits_proxy_header = is_unread && self.settings.trusted_proxies.contain(peer);
        let (socket, link) = self.link(socket, peer);
        let admitted = self.register(&link, awaits_proxy_header);
        // A connection that is counted can be found, or has ended.
        self.totals.accepted.fetch_add(1, Relaxed);
        match admitted {
            Ok(()) => {
                let mut conversation = self.conversation(link, socket);
                conversation.awaits_proxy_header = awaits_proxy_header;
                Ok(conversation)
            }
            Err(rejection) => {
                self.reject_on_arrival(&link, socket, &rejection);
                self.totals.absorb(&link);
                Err(rejection)
            }
        }
    }

    /// Gives an accepted socket its number and its send queue.
    fn link(&self, socket: Socket, peer: Peer) -> (Arc<Socket>, Arc<Link>) {
        let id = ClientId(self.next_id.fetch_add(1, Relaxed));
        self.link_as(id, socket, peer)
    }

    /// Gives a socket a send queue, and the number of a client.
    pub(super) fn link_as(
        &self,
        id: ClientId,
        socket: Socket,
        peer: Peer,
    ) -> (Arc<Socket>, Arc<Link>) {
        if self.settings.connection.no_delay {
            socket.set_no_delay();
        }
        let socket = Arc::new(socket);
        let ConnectionOptions {
            timeouts,
            send_queue_limit,
            ..
        } = &self.settings.connection;
        let (own, watcher) = (Arc::clone(&socket), Arc::clone(&self.watchdog));
        let (limit, policy) = (*send_queue_limit, self.settings.slow_client);
        let send_queue = SendQueue::new(id, own, limit, watcher).with_policy(policy);
        let timeouts = match socket.is_relayed() {
            true => Arc::new(timeouts.without_pings()),
            false => Arc::clone(timeouts),
        };
        let link = Arc::new(Link::new(id, Role::Server, peer, send_queue, timeouts));
        (socket, link)
    }

    fn register(&self, link: &Arc<Link>, awaits_proxy_header: bool) -> Result<(), Rejection> {
        if self.is_stopping() {
            return Err(Rejection::ShuttingDown);
        }
        let peer = link.peer();
        let is_known = !awaits_proxy_header && !self.config_for(peer).trust_forwarded_headers;
        let is_counted = self.is_counted() && is_known;
        let net = peer.ip().filter(|_| is_counted).map(AddressGroup::of);
        self.registry.admit(link, self.settings.max_clients, net)?;
        self.watchdog.watch(link);
        Ok(())
    }

    pub(super) fn conversation(&self, link: Arc<Link>, socket: Arc<Socket>) -> Box<Conversation> {
        let settings = &self.settings;
        let connection = self.connection(&socket, link.peer());
        let watchdog = Arc::clone(&self.watchdog);
        let mut conversation = Conversation::new(connection, link, socket, watchdog);
        let rate_limiter = |rate| Box::new(RateLimiter::new(rate, settings.on_rate_limit));
        conversation.rate_limiter = settings.rate.as_ref().map(rate_limiter);
        conversation.on_state = settings.on_state.clone();
        Box::new(conversation)
    }

    fn connection(&self, socket: &Socket, peer: Peer) -> Connection {
        let config = match socket.tls() {
            Some(_) => &self.secure_config,
            None => self.config_for(peer),
        };
        Connection::new(Arc::clone(config)).announcing_all()
    }

    /// Counts a connection that has begun with a PROXY header: for the client that the header names, or
    /// else for the proxy. The connection has received nothing else yet. If a header of the request is
    /// trusted too, the address is known later.
    ///
    /// # Errors
    /// The rejection, if the connection exceeds a limit of the address.
    pub(crate) fn admit_proxied(
        &self,
        conversation: &mut Conversation,
        client: Option<SocketAddr>,
    ) -> Result<(), Rejection> {
        let link = &conversation.link;
        if let Some(client) = client {
            link.set_peer(client.into());
            // Named by a header, it is no local peer, whatever a proxy on this machine is.
            conversation.connection = self.connection(&conversation.socket, link.peer());
        }
        let trusts = self.config_for(link.peer()).trust_forwarded_headers;
        let is_counted = self.is_counted() && !trusts;
        self.count_from(link, link.peer().ip().filter(|_| is_counted))
    }

    /// Counts a client for the address that a proxy has named, or else for the proxy's own, if it has one.
    pub(crate) fn admit_forwarded(&self, conversation: &Conversation) -> Result<(), Rejection> {
        let link = &conversation.link;
        let is_counted = self.is_counted() && self.config_for(link.peer()).trust_forwarded_headers;
        self.count_from(link, self.address_of(conversation).filter(|_| is_counted))
    }

    fn count_from(&self, link: &Link, address: Option<IpAddr>) -> Result<(), Rejection> {
        match address {
            Some(address) => self.registry.enter_from(link, AddressGroup::of(address)),
            None => Ok(()),
        }
    }

    /// Returns a client's address: the one that a trusted proxy named, or else the connection's, if it
    /// has one.
    pub(crate) fn address_of(&self, conversation: &Conversation) -> Option<IpAddr> {
        let peer = conversation.link.peer();
        let request = conversation.connection.request();
        let trusts = self.config_for(peer).trust_forwarded_headers;
        let forwarded = request.filter(|_| trusts).and_then(Request::forwarded_for);
        forwarded.or(peer.ip())
    }

    fn is_counted(&self) -> bool {
        !self.settings.per_address.is_unlimited()
    }

    /// Removes and rejects an admitted connection for which there is no thread.
    pub(crate) fn reject_without_thread(&self, link: &Link, socket: Arc<Socket>) {
        self.reject_on_arrival(link, socket, &Rejection::Full);
        // Its numbers are counted now, with those of the response.
        self.registry.remove(link);
    }

    /// Rejects a connection right after it was accepted, without a thread and without waiting.
    fn reject_on_arrival(&self, link: &Link, socket: Arc<Socket>, rejection: &Rejection) {
        let (id, peer, status) = (link.id, link.peer(), rejection.status());
        log_limited!(
            self.watchdog,
            Kind::RejectedOnArrival,
            "client {id} {peer}: turned away with {status}: {rejection}"
        );
        self.totals.rejected(rejection.name());
        let response = rejection_bytes(rejection, self.settings.connection.config.date);
        link.send_queue.send_close_frame(&response);
        link.enter(Stage::Gone);
        link.send_queue.release_socket();
        self.watchdog.linger(socket);
    }
}
