//! A peer that does nothing by itself: each step is a call of the test.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::net::sockopt;

use crate::client::entropy;
use crate::net::link::Link;
use crate::net::system::LocalStream;
use crate::protocol::{ClientRequest, Config, Connection, Event, Message, Version};

use super::clock::TestClock;
use super::settling::PATIENCE;

/// The other end of a connection to a [`TestServer`](super::TestServer). It does nothing by itself:
/// nothing is read before [`recv`](RawPeer::recv), and no ping and no close frame is answered. So it can
/// behave as badly as the worst clients do:
///
/// - It [stalls](RawPeer::stall): it still sends, and reads nothing, so the server's send queue fills.
/// - It [drips](RawPeer::drip): it sends one byte at a time, with a pause after each.
/// - It [vanishes](RawPeer::vanish): the connection stays, and nothing comes any more, as after a power
///   failure.
///
/// Dropping it ends the stream without a close frame. The server's handler gets
/// [`DisconnectReason::EndOfStream`](crate::DisconnectReason::EndOfStream); in draft-75 and draft-76, this is
/// a regular close.
#[must_use = "dropping a peer disconnects it"]
pub struct RawPeer {
    stream: LocalStream,
    /// The server's side; `None` if the server rejected the peer on arrival.
    server: Option<Arc<Link>>,
    clock: TestClock,
    /// The engine, from the handshake on. The test sends its output, or drops it.
    connection: Option<Connection>,
    /// Bytes that were written.
    written: Arc<AtomicU64>,
    behaviour: Behaviour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Normal,
    Stalled,
    Vanished,
}

/// The buffer of a peer that does not stall.
const ORDINARY: usize = 100 * 1024;

impl RawPeer {
    /// Creates the peer of a connection that the server serves.
    pub(super) fn new(
        stream: LocalStream,
        server: Option<Arc<Link>>,
        clock: TestClock,
    ) -> io::Result<RawPeer> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(RawPeer {
            stream,
            server,
            clock,
            connection: None,
            written: Arc::default(),
            behaviour: Behaviour::Normal,
        })
    }

    /// Returns the counter of written bytes.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Performs a handshake.
    pub(super) fn shake_hands(&mut self, version: Version, url: &str) -> io::Result<()> {
        entropy::check()?;
        let request = ClientRequest::to(url).map_err(io::Error::other)?;
        let request = request.version(version);
        let mut connection =
            Connection::client(Arc::new(Config::default()), &request, entropy::fill);
        self.write(&connection.data_to_send())?;
        self.connection = Some(connection);
        match self.recv()? {
            Some(Event::Open) => Ok(()),
            Some(Event::Declined(error)) => Err(io::Error::other(error)),
            other => Err(io::Error::other(format!(
                "no handshake response: {other:?}"
            ))),
        }
    }

    /// Returns the bytes of a message in the peer's version, for [`write`](RawPeer::write) and
    /// [`drip`](RawPeer::drip).
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the version cannot carry the message (binary, in draft-75
    /// and draft-76), before the handshake, and once the peer has received a close frame.
    pub fn frame(&mut self, message: impl Into<Message>) -> io::Result<Vec<u8>> {
        let early = || invalid("there are no frames before the handshake: use `TestServer::peer`");
        let connection = self.connection.as_mut().ok_or_else(early)?;
        // Answers to earlier input, which this peer does not give.
        drop(connection.data_to_send());
        let sent = connection.send(&message.into());
        sent.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        Ok(connection.data_to_send())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The same as [`frame`](RawPeer::frame) and [`write`](RawPeer::write).
    pub fn send(&mut self, message: impl Into<Message>) -> io::Result<()> {
        let bytes = self.frame(message)?;
        self.write(&bytes)
    }

    /// Writes bytes: valid frames, other frames, or a part of one.
    ///
    /// # Errors
    /// - If the server has ended the connection, or accepts no byte for 5 s.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a peer that has vanished.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check(|behaviour| behaviour != Behaviour::Vanished)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.stream.write(rest)?;
            self.written.fetch_add(count as u64, Relaxed);
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Writes bytes one at a time. After each byte, the [clock](TestClock::advance) moves forward by `pause`.
    /// Returns how many bytes were written: fewer than all if the server has ended the connection meanwhile.
    /// The bytes that the server sends in this time, such as pings, wait for [`recv`](RawPeer::recv).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stentor::testing::TestServer;
    /// # use stentor::{DisconnectReason, Server, Version};
    /// let pause = Duration::from_secs(1);
    /// let builder = Server::builder().min_message_rate(100, Duration::from_secs(5));
    /// let server = TestServer::new(builder, |client| Ok(drop(client.recv()?)))?;
    /// let mut peer = server.peer(Version::Rfc6455)?;
    /// let frame = peer.frame("more than five bytes")?;
    /// assert!(peer.drip(&frame, pause)? < frame.len());
    /// let report = server.next_report().ok_or("no report")?;
    /// assert_eq!(report.disconnect_reason, Some(DisconnectReason::UnfinishedMessage));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the server accepts no byte for 5 s, or for a peer that has vanished.
    pub fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<usize> {
        for (count, byte) in bytes.iter().enumerate() {
            match self.write(std::slice::from_ref(byte)) {
                Ok(()) => self.clock.advance(pause),
                Err(error) if is_end(&error) => return Ok(count),
                Err(error) => return Err(error),
            }
            if self.behaviour == Behaviour::Normal {
                self.take_arrived(|connection, bytes| connection.receive_data(bytes));
            }
        }
        Ok(bytes.len())
    }

    /// Waits up to 5 s for the next message, ping, pong or close, and returns it. `None` is the end of the
    /// stream. Nothing is answered.
    ///
    /// # Errors
    /// - [`WouldBlock`](ErrorKind::WouldBlock) or [`TimedOut`](ErrorKind::TimedOut) if nothing comes in that
    ///   time.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a peer that stalls or has vanished, and before the
    ///   handshake: [`read_to_end`](RawPeer::read_to_end) returns the bytes.
    pub fn recv(&mut self) -> io::Result<Option<Event>> {
        self.check(|behaviour| behaviour == Behaviour::Normal)?;
        let early = || invalid("there are no frames before the handshake: use `read_to_end`");
        let connection = self.connection.as_mut().ok_or_else(early)?;
        let mut chunk = [0; 4096];
        loop {
            if let Some(event) = connection.next_event() {
                return Ok(Some(event));
            }
            match receive(&self.stream, &mut chunk)? {
                0 => return Ok(None),
                count => connection.receive_data(&chunk[..count]),
            }
        }
    }

    /// Reads the bytes that the server still sends, up to the end of the stream: for example the response to
    /// a request that the test has written. Waits up to 5 s for each byte.
    ///
    /// # Errors
    /// If the end does not come in that time, and for a peer that stalls or has vanished.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        self.check(|behaviour| behaviour == Behaviour::Normal)?;
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            match receive(&self.stream, &mut chunk)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// From now on, reads nothing. The peer can still send.
    ///
    /// This also makes the buffer between the server and the peer as small as the system allows: on Linux, it
    /// takes five small frames, or some four kilobytes. On Windows, it takes some hundred kilobytes. All further bytes wait in the server's send queue. So
    /// the [write timeout](crate::ServerBuilder::write_timeout) begins to run, and with a small
    /// [`send_queue_limit`](crate::ServerBuilder::send_queue_limit), a few broadcasts cause the
    /// [`slow_client`](crate::ServerBuilder::slow_client) policy. The hub joins broadcasts that follow each
    /// other closely, and an empty queue takes them whole: call
    /// [`settle`](super::TestServer::settle) after each.
    pub fn stall(&mut self) {
        self.behaviour = Behaviour::Stalled;
        self.set_send_buffer(1);
    }

    /// From now on, neither reads nor sends, and the connection stays. The bytes that the server has sent before
    /// count as read.
    ///
    /// The server pings the peer after the [ping interval](crate::ServerBuilder::ping_interval), and
    /// disconnects it after the [pong timeout](crate::ServerBuilder::pong_timeout). It has the
    /// [write timeout](crate::ServerBuilder::write_timeout) in addition if the server has sent it something
    /// meanwhile. Draft-75 and draft-76 have no ping: there only the
    /// [idle timeout](crate::ServerBuilder::idle_timeout) helps, or the write timeout once the server sends
    /// more than the system's buffer holds. (Over TCP, TCP's own keepalive helps too.)
    pub fn vanish(&mut self) {
        self.clock.advance(Duration::ZERO);
        self.take_arrived(|_, _| {});
        self.behaviour = Behaviour::Vanished;
    }

    /// Ends a [stall](RawPeer::stall): the peer can read again. A peer that has vanished does not come back.
    pub fn resume(&mut self) {
        if self.behaviour == Behaviour::Stalled {
            self.behaviour = Behaviour::Normal;
            self.set_send_buffer(ORDINARY);
        }
    }

    /// Ends the stream towards the server, and can still read.
    pub fn end_stream(&mut self) {
        // Fails only if the server has ended the connection.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads the bytes that have arrived after the handshake.
    fn take_arrived(&mut self, take: impl Fn(&mut Connection, &[u8])) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let mut chunk = [0; 4096];
        let _ = self.stream.set_nonblocking(true);
        while let Ok(count @ 1..) = receive(&self.stream, &mut chunk) {
            take(connection, &chunk[..count]);
        }
        let _ = self.stream.set_nonblocking(false);
    }

    /// Sets the size of the buffer from the server to this peer.
    fn set_send_buffer(&self, bytes: usize) {
        let server = self.server.as_ref();
        if let Some(socket) = server.and_then(|link| link.send_queue.socket()) {
            // If the system does not allow it, more or fewer bytes fit.
            let _ = sockopt::set_socket_send_buffer_size(&*socket, bytes);
        }
    }

    fn check(&self, allows: impl Fn(Behaviour) -> bool) -> io::Result<()> {
        match self.behaviour {
            behaviour if allows(behaviour) => Ok(()),
            Behaviour::Vanished => {
                Err(invalid("the peer has vanished: it neither reads nor sends"))
            }
            _ => Err(invalid(
                "the peer stalls and reads nothing: call `resume` first",
            )),
        }
    }
}

/// Reads once. A reset is an end too: the server has closed the connection with bytes of this peer unread.
fn receive(mut stream: &LocalStream, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_end(&error) => return Ok(0),
            read => return read,
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
    )
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, words)
}

impl fmt::Debug for RawPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPeer")
            .field(
                "version",
                &self.connection.as_ref().map(Connection::version),
            )
            .field("behaviour", &self.behaviour)
            .finish_non_exhaustive()
    }
}
