//! The listener: accepts connections, starts a thread for each client, and goes on when no thread can
//! be started.

use std::io;
use std::sync::Arc;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::net::answer::{Answer, answer};
use crate::net::client_id::ClientId;
use crate::net::connection::Conversation;
use crate::net::log::quota::Kind;
use crate::net::log::{SERVER, error, log_limited};
use crate::net::peer::Peer;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::system;
use crate::net::system::LocalStream;

use super::client::{Client, Handler};
use super::listener::BoundListener;
use super::memory;
use super::shared::Shared;

/// How long a listener pauses when the system has no descriptor, or no memory, for one more
/// connection. Connections that wait in the kernel's queue stay there.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How many connections are accepted from one socket before the next socket is served.
const AT_A_TIME: usize = 64;

/// How long a thread without a client is kept.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// How long the listener waits until a thread has started, if the process's memory is limited.
const BEGINS: Duration = Duration::from_millis(100);

/// Accepts connections until the server stops, or until all sockets are broken permanently. The threads that
/// wait for a client then end.
pub(crate) fn listen<'scope, 'env>(
    listeners: Vec<BoundListener>,
    woken: &LocalStream,
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env Handler<'env>,
) -> io::Result<()> {
    let workers = Workers {
        shared,
        scope,
        handler,
    };
    let result = workers.accept_clients(listeners, woken);
    shared.idle_threads.close();
    result
}

/// Blocks until a client connects, a socket's pause is over, or the server stops.
fn wait(sockets: &[ListenSocket], woken: &LocalStream) {
    let now = Instant::now();
    let rests = sockets.iter().filter_map(|socket| socket.rests_until);
    let timeout = rests
        .map(|until| until.saturating_duration_since(now))
        .min();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let open = sockets.iter().filter(|socket| socket.rests_until.is_none());
    let mut polled = vec![PollFd::new(woken, PollFlags::IN)];
    polled.extend(open.map(|socket| PollFd::new(&socket.bound, PollFlags::IN)));
    // An interrupted or failed poll is a short wait.
    let _ = poll(&mut polled, timeout.as_ref());
}

/// One of the sockets that clients connect to.
struct ListenSocket {
    bound: BoundListener,
    /// The end of the pause, while the system has no resources for one more client.
    rests_until: Option<Instant>,
}

impl ListenSocket {
    fn new(bound: BoundListener) -> ListenSocket {
        ListenSocket {
            bound,
            rests_until: None,
        }
    }

    /// Accepts the connections that wait, up to [`AT_A_TIME`].
    ///
    /// # Errors
    /// If the socket is broken permanently.
    fn accept_clients(&mut self, workers: &Workers<'_, '_>) -> io::Result<()> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.rests_until = None;
        for _ in 0..AT_A_TIME {
            let error = match self.bound.accept() {
                Ok((stream, peer)) => {
                    workers.start(stream, peer, self.bound.is_plain());
                    continue;
                }
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => break,
                // The client disconnected before it was accepted, or a signal arrived.
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                io::ErrorKind::InvalidInput => return Err(error),
                _ => {
                    let bound = &self.bound;
                    log_limited!(
                        workers.shared.watchdog,
                        Kind::Exhausted,
                        "cannot accept on {bound}: {error}; trying again in {EXHAUSTED:?}"
                    );
                    self.rests_until = Some(Instant::now() + EXHAUSTED);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The threads that serve clients. A thread whose client has left waits a while for the next client: see
/// [`IdleThreads`](super::idle_threads::IdleThreads).
struct Workers<'scope, 'env> {
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env Handler<'env>,
}

impl Workers<'_, '_> {
    /// Accepts connections until the server stops, or until all sockets are broken permanently.
    fn accept_clients(&self, listeners: Vec<BoundListener>, woken: &LocalStream) -> io::Result<()> {
        let mut sockets: Vec<ListenSocket> = listeners.into_iter().map(ListenSocket::new).collect();
        let mut broken = None;
        while !self.shared.is_stopping() {
            sockets.retain_mut(|socket| match socket.accept_clients(self) {
                Ok(()) => true,
                Err(error) => {
                    error!(target: SERVER, "stopped listening on {}: {error}", socket.bound);
                    broken = Some(error);
                    false
                }
            });
            match broken.take() {
                Some(error) if sockets.is_empty() => return Err(error),
                _ => wait(&sockets, woken),
            }
        }
        Ok(())
    }

    fn start(&self, stream: Stream, peer: Peer, is_plain: bool) {
        // On these systems, accepted sockets inherit the non-blocking mode from the listener.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = stream.set_blocking();
        let socket = match is_plain {
            true => Ok(Socket::new(stream)),
            false => self.shared.secure(stream),
        };
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                let watchdog = &self.shared.watchdog;
                log_limited!(
                    watchdog,
                    Kind::Exhausted,
                    "{peer}: TLS cannot be started: {error}"
                );
                return;
            }
        };
        let Ok(conversation) = self.shared.admit(socket, peer, true) else {
            return;
        };
        let Err(conversation) = self.shared.idle_threads.serve(conversation) else {
            return;
        };
        let link = Arc::clone(&conversation.link);
        let socket = Arc::clone(&conversation.socket);
        let stack = memory::stack(self.shared.settings.stack_size, || {
            self.shared.registry.count()
        });
        let started = match stack {
            Ok(stack) => self.start_thread(stack, conversation),
            Err(limit) => Err(io::Error::other(format!(
                "{limit} leaves no memory for a thread"
            ))),
        };
        if let Err(error) = started {
            let (watchdog, id) = (&self.shared.watchdog, link.id);
            log_limited!(
                watchdog,
                Kind::Exhausted,
                "client {id}: cannot start a thread: {error}"
            );
            self.shared.reject_without_thread(&link, socket);
        }
    }

    fn start_thread(&self, stack: usize, conversation: Box<Conversation>) -> io::Result<()> {
        let (shared, handler) = (self.shared, self.handler);
        // Only if memory is limited: the thread would keep the memory of the channel.
        let (begun, has_begun) = memory::is_limited().then(answer).unzip();
        thread::Builder::new()
            .name("client thread".to_owned())
            .stack_size(stack)
            .spawn_scoped(self.scope, move || {
                let wait = if begun.is_some() {
                    Duration::MAX
                } else {
                    KEPT_FOR
                };
                if let Some(begun) = begun {
                    report_start(begun);
                }
                let mut next = Some(conversation);
                while let Some(conversation) = next {
                    name_thread(conversation.link.id);
                    Client::serve(conversation, shared, handler);
                    next = shared.idle_threads.next(wait);
                }
            })?;
        if let Some(has_begun) = has_begun {
            let _ = has_begun.recv_timeout(BEGINS);
        }
        Ok(())
    }
}

/// Reports that the thread runs: by now it has its signal stack, and with this its heap. In a frame
/// of its own: every byte of stack below the handler is touched by each client.
#[inline(never)]
fn report_start(begun: Answer<Vec<u8>>) {
    begun.send(vec![0; 64]);
}

/// Names the thread after its client, for tools that list threads. In a frame of its own, as above.
#[inline(never)]
fn name_thread(id: ClientId) {
    system::name_thread(format_args!("client {id}"));
}
