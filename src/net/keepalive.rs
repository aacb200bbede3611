//! How the watchdog tells a live peer from a dead one, and a slow message from a stuck one.
//!
//! Two things are signs of life: bytes that a read has brought, and bytes that the socket has taken
//! after it was full, since only the peer can have made that room. Bytes that an empty socket takes
//! are no sign: the kernel takes them for a dead peer as well. So neither a ping that has left nor
//! a broadcast that did not fill the socket keeps a dead peer alive.
//!
//! A peer that takes a large message slowly cannot get a ping before the message ends. So a ping is
//! written only where nothing waits before it, its pong is due only once its last byte has left
//! towards the socket, and the pong timeout starts then. While something waits and the socket takes
//! none of it, the write timeout runs instead.
//!
//! The kernel may hold megabytes before that ping. So a client whose time is over is not disconnected
//! while the kernel holds more than some forty kilobytes for it: from then on the kernel ends a connection
//! whose peer has taken nothing for as long as the write timeout. Once the peer has taken them, the pong
//! timeout starts anew. Less than that does not count: in a busy room, the last few messages to a client
//! are always on their way, and a frozen client must be found there too.
//!
//! Time counts only while the client's thread reads, or looks for input from time to time: a busy
//! handler is not the peer's fault.

use std::sync::Arc;
use std::time::Duration;

use super::link::{Link, Stage};
use super::log::traced::Written;
use super::log::{CONNECTION, debug};
use super::timeouts::Timeouts;
use crate::error::DisconnectReason;

/// A client and its signs of life at the last look.
pub(crate) struct Watched {
    pub(super) link: Arc<Link>,
    pub(super) stage: Stage,
    /// When it entered its stage.
    pub(super) since: Duration,
    /// The kernel still holds bytes before our close frame; until when it may, unless the kernel
    /// watches that itself.
    held: Option<Option<Duration>>,
    reads: u64,
    looks: u64,
    /// How often its socket had taken more after it was full.
    relieved: u64,
    /// For how long it has shown no sign of life while its thread was reading.
    silent: Duration,
    ping: Ping,
    /// How many bytes its socket had taken when the ping left.
    sent: u64,
    /// Its time was over, but the kernel held bytes for it; how long its silence may become then, unless
    /// the kernel watches that itself.
    behind: Option<Option<Duration>>,
    /// The message that has begun to come and has not ended.
    message: Unfinished,
    /// The writer of a message that is sent in pieces. In a box, since few clients have one.
    writer: Option<Box<Writer>>,
}

/// How far the ping of the present silence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// There is none.
    None,
    /// It has left once the socket has taken so many bytes in all.
    Waits(u64),
    /// It left when the client had been silent for so long.
    Left(Duration),
}

/// A message that has begun to come and has not ended, at the last look.
#[derive(Debug, Default)]
struct Unfinished {
    /// How many messages had come before it.
    number: u64,
    /// How many bytes of it have come; 0 where there is none.
    bytes: u64,
    /// For how long it has been coming while its thread was reading.
    age: Duration,
    /// For how long no byte of anything has come while its thread was reading.
    quiet: Duration,
}

/// The writer of a message that is sent in pieces, at the last look.
#[derive(Debug, Default)]
struct Writer {
    /// How often it has got bytes.
    writes: u64,
    /// For how long it has got none, while no bytes waited for the peer.
    unwritten: Duration,
}

/// A ping's payload says nothing: any sign of life answers it.
const PING: &[u8] = b"";

impl Watched {
    pub(super) fn new(link: Arc<Link>, now: Duration) -> Watched {
        Watched {
            link,
            stage: Stage::Handshake,
            since: now,
            held: None,
            reads: 0,
            looks: 0,
            relieved: 0,
            silent: Duration::ZERO,
            ping: Ping::None,
            sent: 0,
            behind: None,
            message: Unfinished::default(),
            writer: None,
        }
    }

    /// One look at an open client, `passed` after the last.
    pub(super) fn keep_alive(&mut self, passed: Duration) {
        if self.writer_is_late(passed) {
            return self.link.disconnect(DisconnectReason::WriteTimeout);
        }
        let link = Arc::clone(&self.link);
        let received = changed(&mut self.reads, link.reads());
        let relieved = changed(&mut self.relieved, link.send_queue.relieved());
        let looked = changed(&mut self.looks, link.looks());
        let is_alive = received || relieved;
        if is_alive {
            self.silent = Duration::ZERO;
            self.ping = Ping::None;
            self.behind = None;
        }
        if !looked && !link.is_reading() {
            // The handler is busy; its replies so far need not wait for it.
            return link.send_queue.flush();
        }
        if !is_alive {
            self.silent += passed;
        }
        self.message.look(&link, received, passed);
        match self.overdue(&link.timeouts) {
            Some(reason) => link.disconnect(reason),
            None => self.ping_if_due(),
        }
    }

    /// Whether a writer holds back the messages of other threads, and gets no bytes. Bytes that wait for
    /// the peer have a write timeout of their own.
    fn writer_is_late(&mut self, passed: Duration) -> bool {
        let send_queue = &self.link.send_queue;
        if !send_queue.is_in_pieces() {
            self.writer = None;
            return false;
        }
        let writer = self.writer.get_or_insert_default();
        let has_written = changed(&mut writer.writes, send_queue.writes());
        if has_written || send_queue.is_stalled() {
            writer.unwritten = Duration::ZERO;
            return false;
        }
        writer.unwritten += passed;
        writer.unwritten >= self.link.timeouts.write
    }

    /// Whether the client's time is over, and of which timeout.
    fn overdue(&mut self, timeouts: &Timeouts) -> Option<DisconnectReason> {
        if timeouts.idle.is_some_and(|idle| self.silent >= idle) && !self.is_behind() {
            return Some(DisconnectReason::IdleTimeout);
        }
        if self.message.is_late(timeouts) {
            return Some(DisconnectReason::UnfinishedMessage);
        }
        if matches!(self.ping, Ping::Waits(end) if self.link.send_queue.has_sent(end)) {
            self.ping_has_left();
        }
        match self.ping {
            Ping::Left(at) if self.silent - at >= timeouts.pong => self.pong_is_late(),
            _ => None,
        }
    }

    fn pong_is_late(&mut self) -> Option<DisconnectReason> {
        let was_behind = self.behind.is_some();
        if self.is_behind() {
            return None;
        }
        if was_behind && self.behind.is_none() {
            // Only now the ping has arrived.
            self.ping_has_left();
            return None;
        }
        Some(DisconnectReason::PongTimeout)
    }

    /// Whether the kernel still holds bytes that the peer may be about to take.
    fn is_behind(&mut self) -> bool {
        let write = self.link.timeouts.write;
        let Some(socket) = self.link.send_queue.socket() else {
            return false;
        };
        // Bytes behind the ping may have left just now.
        let is_busy = self.sent != self.link.send_queue.tally().bytes;
        if !socket.still_holds_unsent(is_busy) {
            self.behind = None;
            return false;
        }
        let until = self.behind.get_or_insert_with(|| {
            (!socket.set_user_timeout(write)).then(|| self.silent.saturating_add(write))
        });
        until.is_none_or(|until| self.silent < until)
    }

    /// The close timeout has passed since the kernel took our close frame. If it still holds
    /// bytes before it, the peer cannot have seen it: the close timeout starts anew once the peer
    /// has taken them. A peer that takes nothing has the write timeout for that.
    pub(super) fn close_is_late(&mut self, now: Duration) {
        let write = self.link.timeouts.write;
        let Some((is_held, socket)) = self.link.send_queue.kernel_holds_close_frame() else {
            return;
        };
        match (is_held, self.held) {
            (true, None) => {
                // The kernel knows when it last got rid of a byte: better than a time for all of it.
                let until = (!socket.set_user_timeout(write)).then(|| now.saturating_add(write));
                self.held = Some(until);
            }
            (true, Some(until)) if until.is_none_or(|until| now < until) => {}
            (false, Some(_)) => (self.since, self.held) = (now, None),
            (true, Some(_)) | (false, None) => self.link.disconnect(DisconnectReason::CloseTimeout),
        }
    }

    fn ping_if_due(&mut self) {
        let due = |every| self.silent >= every && self.ping == Ping::None;
        if !self.link.timeouts.ping.is_some_and(due) {
            return;
        }
        // If something waits, the next look tries again.
        if let Some(end) = ping(&self.link) {
            debug!(target: CONNECTION, "{}: ping", self.link);
            match self.link.send_queue.has_sent(end) {
                true => self.ping_has_left(),
                false => self.ping = Ping::Waits(end),
            }
        }
    }

    fn ping_has_left(&mut self) {
        self.ping = Ping::Left(self.silent);
        self.sent = self.link.send_queue.tally().bytes;
    }
}

/// Pings a client, unless its version has no ping or something waits for its socket. Returns how
/// many bytes the socket will have taken once it has taken the ping.
pub(super) fn ping(link: &Link) -> Option<u64> {
    let mut frame = Vec::new();
    link.encoder()?.encode_ping(PING, &mut frame).ok()?;
    let mut written = Written::for_log();
    written.note(&frame);
    let end = link.send_queue.ping(&frame)?;
    written.log(link);
    Some(end)
}

impl Unfinished {
    fn look(&mut self, link: &Link, received: bool, passed: Duration) {
        let (number, bytes) = (link.messages(), link.unfinished());
        // Fewer bytes than before are those of another: of a frame without a meaning, perhaps.
        let is_same = self.bytes > 0 && bytes >= self.bytes && number == self.number;
        if bytes > 0 && is_same {
            self.age += passed;
        } else {
            self.age = Duration::ZERO;
        }
        if received || bytes == 0 {
            self.quiet = Duration::ZERO;
        } else {
            self.quiet += passed;
        }
        (self.number, self.bytes) = (number, bytes);
    }

    fn is_late(&self, timeouts: &Timeouts) -> bool {
        let too_slow = || {
            let rate = timeouts.message_rate.as_ref();
            rate.is_some_and(|rate| self.age > rate.time_for(self.bytes))
        };
        self.bytes > 0 && (self.quiet >= timeouts.unfinished() || too_slow())
    }
}

fn changed(known: &mut u64, now: u64) -> bool {
    std::mem::replace(known, now) != now
}

#[cfg(test)]
#[cfg_attr(
    windows,
    allow(
        dead_code,
        unused_imports,
        reason = "some tests need the buffers of Unix"
    )
)]
mod tests {
    use super::{Ping, Watched};
    use crate::error::DisconnectReason;
    use crate::net::client_id::ClientId;
    use crate::net::link::{Identity, Link, Stage};
    use crate::net::peer::Peer;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::send_queue::{Push, SendQueue};
    use crate::net::socket::Socket;
    use crate::net::system::{LocalStream, local_pair};
    use crate::net::timeouts::{MessageRate, Timeouts};
    use crate::protocol::{Encoder, Role, Version};
    use std::io::{self, Read};
    use std::sync::Arc;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// A client whose thread reads, as the watchdog sees it, and its peer.
    struct Scene {
        watched: Watched,
        peer: LocalStream,
        sent: Option<u64>,
    }

    impl Scene {
        fn new(timeouts: Timeouts) -> io::Result<Scene> {
            let (own, peer) = local_pair()?;
            let (id, socket) = (ClientId(1), Arc::new(Socket::new(own)));
            let watcher = TotalQueued::new(usize::MAX);
            let send_queue = SendQueue::new(id, socket, 1 << 20, watcher);
            let timeouts = Arc::new(timeouts);
            let link = Link::new(id, Role::Server, Peer::Local, send_queue, timeouts);
            let encoder = Encoder::server(Version::Rfc6455);
            let identity = Identity::new(encoder);
            assert!(link.identity.set(identity).is_ok());
            link.enter(Stage::Open);
            link.set_reading(true);
            let mut watched = Watched::new(Arc::new(link), Duration::ZERO);
            watched.looks = watched.link.looks();
            peer.set_nonblocking(true)?;
            Ok(Scene {
                watched,
                peer,
                sent: None,
            })
        }

        fn pass(&mut self, passed: Duration) -> Option<DisconnectReason> {
            self.watched.keep_alive(passed);
            self.watched.link.send_queue.disconnect_reason()
        }

        /// Sends more than the socket takes.
        fn stall(&self) {
            self.watched
                .link
                .send_queue
                .reply_owned(vec![b'x'; 1 << 20].into());
        }

        /// As the watchdog does it; whether something waits still.
        fn drain(&mut self) -> bool {
            self.sent = self.watched.link.send_queue.drain(self.sent);
            self.sent.is_some()
        }

        /// Has the peer read all that has come.
        fn read(&mut self) -> usize {
            let mut all = Vec::new();
            let _ = self.peer.read_to_end(&mut all);
            all.len()
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_due_for_a_ping_that_could_not_be_sent() -> io::Result<()> {
        let mut stage = Scene::new(Timeouts::default())?;
        stage.stall();
        for _ in 0..10 {
            assert_eq!(stage.pass(30 * SECOND), None);
            assert_eq!(stage.watched.ping, Ping::None);
        }
        // Once nothing waits any more, it is pinged, and then a pong is due.
        while stage.drain() {
            assert!(stage.read() > 0);
        }
        stage.read();
        assert_eq!(stage.pass(SECOND), None);
        assert_eq!(stage.watched.silent, Duration::ZERO);
        assert_eq!(stage.pass(20 * SECOND), None);
        assert_eq!(stage.watched.ping, Ping::Left(20 * SECOND));
        assert_eq!(stage.pass(19 * SECOND), None);
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::PongTimeout));
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn what_a_full_socket_takes_is_a_sign_of_life_and_what_an_empty_one_takes_is_none()
    -> io::Result<()> {
        let timeouts = Timeouts {
            idle: Some(15 * SECOND),
            ..Timeouts::default()
        };
        let mut stage = Scene::new(timeouts)?;
        stage.stall();
        for _ in 0..3 {
            assert!(stage.drain());
            assert_eq!(stage.pass(14 * SECOND), None);
            assert!(stage.read() > 0 && stage.drain());
            assert_eq!(stage.pass(14 * SECOND), None);
        }
        while stage.drain() {
            stage.read();
        }
        stage.pass(SECOND);
        for _ in 0..14 {
            stage
                .watched
                .link
                .send_queue
                .reply_owned(vec![b'x'; 10].into());
            assert_eq!(stage.pass(SECOND), None);
        }
        // For as long as the write timeout, the peer may be about to take what the kernel holds.
        for _ in 0..10 {
            assert_eq!(stage.pass(SECOND), None);
        }
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::IdleTimeout));
        Ok(())
    }

    /// The bytes that the peer has not taken yet come before the ping.
    #[cfg(unix)]
    #[test]
    fn a_pong_is_due_only_once_the_kernel_has_got_rid_of_what_it_holds() -> io::Result<()> {
        let mut stage = Scene::new(Timeouts::default())?;
        let reply = |stage: &Scene| {
            let send_queue = &stage.watched.link.send_queue;
            assert_eq!(
                send_queue.reply_owned(vec![b'x'; 60_000].into()),
                Push::Sent
            );
        };
        reply(&stage);
        assert_eq!(stage.pass(20 * SECOND), None);
        assert_eq!(stage.watched.ping, Ping::Left(20 * SECOND));
        assert_eq!(stage.pass(20 * SECOND), None);
        assert_eq!(stage.pass(9 * SECOND), None);
        assert!(stage.read() > 60_000);
        assert_eq!(stage.pass(SECOND), None);
        assert_eq!(stage.watched.ping, Ping::Left(50 * SECOND));
        assert_eq!(stage.pass(19 * SECOND), None);
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::PongTimeout));
        // A peer that takes nothing is given up after the write timeout.
        let mut stage = Scene::new(Timeouts::default())?;
        reply(&stage);
        for passed in [20, 20, 9] {
            assert_eq!(stage.pass(passed * SECOND), None);
        }
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::PongTimeout));
        Ok(())
    }

    /// A slow peer has a few kilobytes before the ping, for longer than the pong timeout.
    #[cfg(unix)]
    #[test]
    fn few_bytes_before_the_ping_are_waited_for_unless_others_follow_it() -> io::Result<()> {
        let mut stage = Scene::new(Timeouts::default())?;
        let reply = |stage: &Scene, len| {
            let send_queue = &stage.watched.link.send_queue;
            assert_eq!(send_queue.reply_owned(vec![b'x'; len].into()), Push::Sent);
        };
        reply(&stage, 20_000);
        for passed in [20, 20, 5] {
            assert_eq!(stage.pass(passed * SECOND), None);
        }
        assert!(stage.read() > 20_000);
        for passed in [1, 19] {
            assert_eq!(stage.pass(passed * SECOND), None);
        }
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::PongTimeout));
        // Bytes that may have left just now are no reason to wait.
        let mut stage = Scene::new(Timeouts::default())?;
        assert_eq!(stage.pass(20 * SECOND), None);
        reply(&stage, 5_000);
        assert_eq!(stage.pass(20 * SECOND), Some(DisconnectReason::PongTimeout));
        Ok(())
    }

    /// A look finds each message at the same point as the last look found the one before.
    #[test]
    fn a_writer_is_late_only_within_one_message() -> io::Result<()> {
        let mut stage = Scene::new(Timeouts::default())?;
        stage.watched.link.set_reading(false);
        let fragment = |stage: &Scene, is_last| {
            let send_queue = &stage.watched.link.send_queue;
            assert_eq!(send_queue.fragment(b"xyz".into(), is_last), Push::Sent);
        };
        for _ in 0..5 {
            fragment(&stage, false);
            assert_eq!(stage.pass(9 * SECOND), None);
            fragment(&stage, true);
        }
        fragment(&stage, false);
        assert_eq!(stage.pass(9 * SECOND), None);
        assert_eq!(stage.pass(9 * SECOND), None);
        assert_eq!(stage.pass(SECOND), Some(DisconnectReason::WriteTimeout));
        Ok(())
    }

    #[test]
    fn the_age_of_a_message_counts_from_its_first_byte() -> io::Result<()> {
        let timeouts = Timeouts {
            message_rate: Some(MessageRate::new(10, 5 * SECOND)),
            ..Timeouts::default()
        };
        let mut stage = Scene::new(timeouts)?;
        for message in 1..4 {
            for second in 0..6 {
                stage.watched.link.set_unfinished(1 + second);
                stage.watched.link.received(1);
                assert_eq!(stage.pass(SECOND), None, "{message}, {second}");
            }
            stage.watched.link.received_message();
        }
        stage.watched.link.set_unfinished(100);
        for _ in 0..16 {
            stage.watched.link.received(1);
            assert_eq!(stage.pass(SECOND), None);
        }
        stage.watched.link.received(1);
        assert_eq!(
            stage.pass(SECOND),
            Some(DisconnectReason::UnfinishedMessage)
        );
        Ok(())
    }
}
