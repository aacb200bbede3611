//! The parts of a scenario: a link without a conversation, a watchdog, a server without a listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::incoming::Incoming;
use crate::net::link::{Identity, Link, Stage};
use crate::net::peer;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::send_queue::total::TotalQueued;
use crate::net::send_queue::{Push, SendQueue};
use crate::net::socket::{Peer, connection};
use crate::net::sync::atomic::AtomicBool;
use crate::net::sync::atomic::Ordering::SeqCst;
use crate::net::sync::thread;
use crate::net::sync::thread::JoinHandle;
use crate::net::sync::{Mutex, MutexGuard, clock};
use crate::net::watchdog::Watchdog;
use crate::net::watcher::Watcher;
use crate::protocol::{Encoder, Role, State, Transition, Version};
use crate::server::client::{Client, HandlerResult};
use crate::server::counters::Totals;
use crate::server::registry::Registry;
use crate::server::settings::Settings;
use crate::server::shared::Shared;
use crate::server::teardown::CloseReport;

use super::wire::{Frame, frames};

/// The most bytes that may wait in a send queue: two small messages with their overhead.
pub(super) const LIMIT: usize = 280;

/// Settings with little room everywhere.
pub(super) fn settings() -> Settings {
    with_send_queue_limit(LIMIT)
}

/// Settings with this much room in each send queue.
pub(super) fn with_send_queue_limit(bytes: usize) -> Settings {
    let mut settings = Settings::default();
    settings.connection.send_queue_limit = bytes;
    settings
}

/// A watchdog on its own thread, and its counters.
pub(super) struct Watched {
    pub(super) watchdog: Arc<Watchdog>,
    pub(super) totals: Arc<Totals>,
    thread: JoinHandle<()>,
}

impl Watched {
    pub(super) fn new(settings: &Settings) -> Watched {
        let registry = Arc::new(Registry::new(settings.per_address.clone()));
        let totals = Arc::clone(&registry.totals);
        let (watchdog, watch) =
            Watchdog::new(total_queued(), Incoming::unlimited(), registry).unwrap();
        let thread = thread::spawn(move || watch.run());
        Watched {
            watchdog,
            totals,
            thread,
        }
    }

    /// A client of RFC 6455 whose handshake is done, with a kernel buffer of `room` bytes.
    pub(super) fn link(&self, settings: &Settings, room: usize) -> (Arc<Link>, Peer) {
        self.link_of(Version::Rfc6455, settings, room)
    }

    pub(super) fn link_of(
        &self,
        version: Version,
        settings: &Settings,
        room: usize,
    ) -> (Arc<Link>, Peer) {
        let watchdog = Arc::clone(&self.watchdog);
        let (link, peer) = link_with(watchdog, version, settings, room);
        self.watchdog.watch(&link);
        (link, peer)
    }

    /// Ends it.
    pub(super) fn stop(self) {
        self.watchdog.stop();
        self.thread.join().unwrap();
    }
}

/// A client whose handshake is done, and which only this watcher knows.
pub(super) fn link_with(
    watcher: Arc<dyn Watcher>,
    version: Version,
    settings: &Settings,
    room: usize,
) -> (Arc<Link>, Peer) {
    let (socket, peer) = connection(room);
    let (id, own, policy) = (ClientId(1), Arc::new(socket), settings.slow_client);
    let limit = settings.connection.send_queue_limit;
    let send_queue = SendQueue::new(id, own, limit, watcher).with_policy(policy);
    let timeouts = Arc::clone(&settings.connection.timeouts);
    let link = Link::new(id, Role::Server, address(), send_queue, timeouts);
    let encoder = Encoder::server(version);
    let identity = Identity::new(encoder);
    link.identity.set(identity).unwrap();
    link.enter(Stage::Open);
    (Arc::new(link), peer)
}

/// Returns a total limit that has room for everything.
fn total_queued() -> Arc<TotalQueued> {
    TotalQueued::new(usize::MAX)
}

/// Returns frames as a broadcast has them.
pub(super) fn shared(bytes: Vec<u8>) -> Arc<SharedFrames> {
    SharedFrames::new(bytes.into(), &total_queued())
}

/// Pushes a message as the hub or a handle does.
pub(super) fn push(link: &Link, bytes: Vec<u8>) -> Push {
    let push = link.push(&shared(bytes), 1);
    if push == Push::Queued {
        link.send_queue.watcher().relieve();
    }
    push
}

/// Sends a reply as a client's own thread does: the result is never [`Push::Full`].
pub(super) fn reply(link: &Link, at_once: bool, bytes: &[u8]) -> Push {
    let push = link.send_queue.reply(at_once, |out| {
        out.extend_from_slice(bytes);
        Ok::<u64, ()>(1)
    });
    settle(link, push.unwrap())
}

/// As [`reply`], for a message that is not copied.
pub(super) fn reply_owned(link: &Link, bytes: &[u8]) -> Push {
    let (head, rest) = bytes.split_at(2);
    let mut frames = Frames::from(head.to_vec());
    frames.payload(rest.into());
    let push = link.send_queue.reply_owned(frames);
    settle(link, push)
}

fn settle(link: &Link, push: Push) -> Push {
    let limit = Settings::default().connection.timeouts.write;
    let send_queue = &link.send_queue;
    match push {
        Push::Full => match send_queue.wait_for_room(send_queue.limit(), limit) {
            Ok(()) => Push::Sent,
            Err(_) => Push::Closed,
        },
        push => push,
    }
}

/// The events that the hooks of a server's clients have seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    inside: Arc<Mutex<(Vec<CloseReport>, Vec<Transition>)>>,
}

impl Seen {
    /// Returns settings whose hooks record these.
    pub(super) fn watching(&self, settings: Settings) -> Settings {
        let (departures, transitions) = (self.clone(), self.clone());
        Settings {
            on_close: Some(Arc::new(move |report| {
                departures.lock().0.push(report.clone());
            })),
            on_state: Some(Arc::new(move |_, transition| {
                transitions.lock().1.push(transition);
            })),
            ..settings
        }
    }

    /// Returns the only departure.
    pub(super) fn report(&self) -> CloseReport {
        let seen = self.lock();
        assert_eq!(seen.0.len(), 1, "{seen:?}");
        seen.0[0].clone()
    }

    pub(super) fn departures(&self) -> usize {
        self.lock().0.len()
    }

    /// Returns how often the state became `Closing`.
    pub(super) fn closings(&self) -> usize {
        let seen = self.lock();
        let closings = seen.1.iter().filter(|change| change.to == State::Closing);
        closings.count()
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<CloseReport>, Vec<Transition>)> {
        self.inside.lock().unwrap()
    }
}

/// Advances time, one tick of the watchdog at a time, until it is stopped.
pub(super) struct Ticking {
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Ticking {
    pub(super) fn start() -> Ticking {
        let done = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&done);
        let thread = thread::spawn(move || {
            while !stopped.load(SeqCst) {
                clock::pass(Duration::from_millis(500));
                thread::yield_now();
            }
        });
        Ticking { done, thread }
    }

    pub(super) fn stop(self) {
        self.done.store(true, SeqCst);
        self.thread.join().unwrap();
    }
}

/// Serves one client of a server without a listener, on a thread of its own.
pub(super) fn serve(
    shared: &Arc<Shared>,
    handler: impl Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
) -> (JoinHandle<()>, Arc<Link>, Peer) {
    let_in(shared, handler).expect("a server that is not stopping")
}

/// As [`serve`], unless the server is stopping.
pub(super) fn let_in(
    shared: &Arc<Shared>,
    handler: impl Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
) -> Option<(JoinHandle<()>, Arc<Link>, Peer)> {
    let (socket, peer) = connection(256);
    let conversation = shared.admit(socket, address(), true).ok()?;
    let (link, shared) = (Arc::clone(&conversation.link), Arc::clone(shared));
    let thread = thread::spawn(move || Client::serve(conversation, &shared, &handler));
    Some((thread, link, peer))
}

/// Rejects one client at the client limit, as the listener does.
pub(super) fn reject_on_arrival(shared: &Arc<Shared>) -> Peer {
    let (socket, peer) = connection(256);
    assert!(
        shared.admit(socket, address(), true).is_err(),
        "there was room"
    );
    peer
}

/// A request of RFC 6455, as a browser sends it.
pub(super) const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Does the handshake, as the peer; then the kernel's buffer has `room` bytes.
pub(super) fn shake_hands(peer: Peer, room: usize) {
    peer.say(REQUEST);
    let mut head = Vec::new();
    // Frames may follow it directly.
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = peer.read();
        assert!(
            !read.is_empty(),
            "no answer: {:?}",
            head.escape_ascii().to_string()
        );
        head.extend(read);
    }
    peer.narrow(room);
}

/// Runs the rest of a peer's life: answers the close frame, and closes TCP at the end of the
/// stream.
pub(super) fn read_politely(peer: Peer) {
    let mut has_answered = false;
    loop {
        // The close frame may have come with the last bytes that were read.
        let taken = peer.taken();
        let frames = frames(behind_head(&taken), true);
        if let (false, Some(Frame::Close(code))) = (has_answered, frames.last()) {
            peer.say(&masked(8, &code.to_be_bytes()));
            has_answered = true;
        }
        if peer.read().is_empty() {
            peer.close_tcp();
            return;
        }
    }
}

/// Returns the bytes behind the response to [`REQUEST`], if it was accepted.
pub(super) fn behind_head(stream: &[u8]) -> &[u8] {
    let end = stream.windows(4).position(|four| four == b"\r\n\r\n");
    match end {
        Some(end) if stream.starts_with(b"HTTP/1.1 101 ") => &stream[end + 4..],
        _ => &[],
    }
}

/// Returns a client's frame; its mask is all zeros.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0x80 | opcode, 0x80 | len, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn address() -> peer::Peer {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1)).into()
}
