//! A TLS session between a socket and its send queue.
//!
//! To the send queue it looks like the socket itself: it takes a part of the given bytes, and the
//! caller sends the rest later. It encrypts one record at a time, and no other before that one has
//! left; a byte counts as sent when as much of its record has, and the last byte only when all of the
//! record has. So behind an empty queue the session is empty too, behind a stalled one it holds one
//! record, and the bytes that a slow peer takes are counted as it takes them.
//!
//! The lock is held for work in memory and for calls that do not block. The client's own thread
//! waits without the lock, until there is plaintext: bytes that merely arrive on the wire may be half
//! a record, or no application data.

use std::fmt;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::{Errno, Result, retry_on_intr};
use rustix::net::{Shutdown, shutdown};
use rustls::Connection;

use crate::net::system;
use crate::net::system::{IO, PIPE, PROTO, SocketRef, VECTORS, poll_until};

use crate::error::tls::{Cause, TlsError};

/// One side of a TLS connection. Each call is given the socket.
pub(crate) struct TlsSession {
    inside: Mutex<Inside>,
}

struct Inside {
    connection: Connection,
    /// Bytes of the send queue that are encrypted and that it does not count as sent: its next send
    /// begins with them.
    committed: usize,
    /// How many of those are sent.
    credit: usize,
    /// Bytes that were read from the socket before there was a session.
    before: Vec<u8>,
    /// The last read filled its buffer: there may be more.
    readable: bool,
    /// Bytes that have arrived since there was plaintext.
    fruitless: usize,
    /// The first byte that the peer ever sent.
    first: Option<u8>,
    /// The first read brought a header of the PROXY protocol.
    has_proxy_header: bool,
    /// Why nothing more will be read.
    broken: Option<Errno>,
    /// Why nothing more will be sent.
    mute: Option<Errno>,
    /// The closing alert (`close_notify`) is encrypted: nothing follows it.
    finished: bool,
    failure: Option<TlsError>,
}

/// The socket as rustls uses it: a call that would block returns an error.
struct Wire<'a> {
    socket: SocketRef<'a>,
    /// The last read filled its buffer.
    filled: bool,
    first: Option<u8>,
    has_proxy_header: bool,
}

/// The most bytes that are encrypted ahead: one record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

/// The most bytes that may arrive before there is plaintext: a handshake with long certificate chains
/// fits. A peer that sends records without content for ever would keep a thread busy that only checks
/// for input: rustls limits empty records in a row, and key updates in a row, but not both in turns.
const FRUITLESS: usize = 256 * 1024;

/// Sent to a client that this server cannot serve before there is a session: a fatal
/// `internal_error` alert (RFC 8446 §6.2), which needs no keys.
const ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

impl TlsSession {
    pub(super) fn new(mut connection: Connection) -> TlsSession {
        connection.set_buffer_limit(Some(RECORD));
        TlsSession {
            inside: Mutex::new(Inside {
                connection,
                committed: 0,
                credit: 0,
                before: Vec::new(),
                readable: false,
                fruitless: 0,
                first: None,
                has_proxy_header: false,
                broken: None,
                mute: None,
                finished: false,
                failure: None,
            }),
        }
    }

    /// Receives bytes that were read from the socket before, as if they were still there.
    #[cfg(feature = "server")]
    pub(crate) fn receive_first(&self, bytes: Vec<u8>) {
        let mut inside = self.lock();
        inside.readable = !bytes.is_empty();
        inside.before = bytes;
    }

    /// Sends the bytes that the kernel takes at once, and returns how many. Bytes that were not
    /// counted must come first in the next call.
    ///
    /// Before the TLS handshake is done, nothing leaves in the clear: a client's request waits in
    /// the session, and a server's response, which can only be a rejection by then, becomes an
    /// alert.
    pub(crate) fn send(&self, socket: SocketRef<'_>, vectors: &[IoSlice<'_>]) -> Result<usize> {
        let mut inside = self.lock();
        let early = inside.connection.is_handshaking();
        match inside.connection {
            Connection::Client(_) if early => inside.keep(socket, vectors),
            Connection::Server(_) if early => inside.reject(socket),
            _ => return inside.send(socket, vectors),
        }
        Ok(vectors.iter().map(|vector| vector.len()).sum())
    }

    /// Returns how many bytes are encrypted, not counted as sent yet, and must still be sent.
    #[cfg(feature = "server")]
    pub(crate) fn committed(&self) -> usize {
        self.lock().committed
    }

    /// Reads once, blocking, into the buffer's spare capacity; returns 0 at the end that the peer has
    /// announced. Anyone on the network can cause an unannounced end: it is an error.
    pub(crate) fn receive(&self, socket: SocketRef<'_>, buffer: &mut Vec<u8>) -> Result<usize> {
        self.wait_for_plaintext(socket, None);
        self.lock().take(buffer)
    }

    /// Blocks until [`receive`](TlsSession::receive) would not, or until `end`; returns `false` for
    /// the latter.
    pub(crate) fn wait_for_plaintext(&self, socket: SocketRef<'_>, end: Option<Instant>) -> bool {
        let mut readable = false;
        loop {
            let flags = {
                let mut inside = self.lock();
                // If this fails, the read reports why.
                let _ = inside.flush(socket);
                if inside.has_plaintext() || inside.broken.is_some() {
                    return true;
                }
                // One read, then the lock is free for threads that send.
                if std::mem::take(&mut inside.readable) || readable {
                    inside.read(socket);
                    readable = false;
                    continue;
                }
                // A read may have produced bytes to send, which may wait for the socket too.
                match inside.is_stuck() {
                    true => PollFlags::IN | PollFlags::OUT,
                    false => PollFlags::IN,
                }
            };
            if !poll_until(socket, flags, end) {
                return false;
            }
            readable = true;
        }
    }

    /// Returns whether there is plaintext, or its end: [`receive`](TlsSession::receive) returns it without
    /// the socket.
    pub(crate) fn holds_plaintext(&self) -> bool {
        self.lock().has_plaintext()
    }

    /// Announces the end of our data, and shuts the write side: `WouldBlock` means that this waits
    /// for the socket, and is to be tried again.
    pub(crate) fn shut_write(&self, socket: SocketRef<'_>) -> io::Result<()> {
        let mut inside = self.lock();
        if !inside.finished && !inside.connection.is_handshaking() {
            inside.connection.send_close_notify();
        }
        inside.finished = true;
        // If it cannot be sent any more, it need not be.
        let _ = inside.flush(socket);
        if inside.is_stuck() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        inside.mute = Some(PIPE);
        Ok(shutdown(socket, Shutdown::Write)?)
    }

    /// Returns the error that ended the session, once.
    pub(crate) fn failure(&self) -> Option<TlsError> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn send(&mut self, socket: SocketRef<'_>, vectors: &[IoSlice<'_>]) -> Result<usize> {
        let mut own = [IoSlice::new(&[]); VECTORS];
        let count = vectors.len().min(VECTORS);
        own[..count].copy_from_slice(&vectors[..count]);
        let mut rest = &mut own[..count];
        let mut sent = 0;
        loop {
            self.flush(socket)?;
            let credit = std::mem::take(&mut self.credit);
            self.committed -= credit;
            sent += credit;
            IoSlice::advance_slices(&mut rest, credit);
            if self.is_stuck() || rest.is_empty() {
                break;
            }
            self.committed = match self.finished {
                true => 0,
                false => self.connection.writer().write_vectored(rest).unwrap_or(0),
            };
            if self.committed == 0 {
                return Err(PIPE);
            }
        }
        match sent {
            0 => Err(Errno::AGAIN),
            sent => Ok(sent),
        }
    }

    /// Sends encrypted bytes, as far as the kernel takes them.
    fn flush(&mut self, socket: SocketRef<'_>) -> Result<()> {
        if let Some(error) = self.mute {
            return Err(error);
        }
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Wire::new(socket)) {
                // A record is longer than its content: the last byte is sent when all of it is.
                Ok(sent) => {
                    self.credit = (self.credit + sent).min(self.committed.saturating_sub(1));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    let error = Errno::from_io_error(&error).unwrap_or(PIPE);
                    self.mute = Some(error);
                    return Err(error);
                }
            }
        }
        self.credit = self.committed;
        Ok(())
    }

    /// Returns whether encrypted bytes wait for the socket.
    fn is_stuck(&self) -> bool {
        self.mute.is_none() && self.connection.wants_write()
    }

    /// Reads once, and processes the records.
    fn read(&mut self, socket: SocketRef<'_>) {
        let read = match self.before.is_empty() {
            true => {
                let mut wire = Wire::new(socket);
                let read = self.connection.read_tls(&mut wire);
                self.readable = wire.filled;
                self.has_proxy_header |= self.first.is_none() && wire.has_proxy_header;
                self.first = self.first.or(wire.first);
                read
            }
            false => self.read_before(),
        };
        match read {
            Ok(0) => self.broken = Some(Errno::CONNRESET),
            Ok(read) => {
                self.fruitless += read;
                match self.connection.process_new_packets() {
                    Err(error) => self.fail(socket, error),
                    Ok(_) if self.has_plaintext() => self.fruitless = 0,
                    Ok(_) if self.fruitless > FRUITLESS => {
                        let words = "more than 256 KiB received without any content";
                        self.fail(socket, rustls::Error::General(words.to_owned()));
                    }
                    Ok(_) => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broken = Some(Errno::from_io_error(&error).unwrap_or(IO)),
        }
    }

    fn read_before(&mut self) -> io::Result<usize> {
        self.first = self.first.or(self.before.first().copied());
        let mut rest = &self.before[..];
        let read = self.connection.read_tls(&mut rest);
        let used = self.before.len() - rest.len();
        self.before.drain(..used);
        self.readable = !self.before.is_empty();
        read
    }

    /// Returns whether there is plaintext, or its end.
    fn has_plaintext(&mut self) -> bool {
        let chunk = self.connection.reader().into_first_chunk();
        !matches!(chunk, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn take(&mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        let before = buffer.len();
        let mut reader = self.connection.reader();
        while let Ok(chunk) = reader.fill_buf() {
            let most = chunk.len().min(buffer.capacity() - buffer.len());
            if most == 0 && buffer.len() == before {
                // The peer has announced the end.
                return Ok(0);
            }
            if most == 0 {
                break;
            }
            buffer.extend_from_slice(&chunk[..most]);
            reader.consume(most);
        }
        match (buffer.len() - before, self.broken) {
            (0, error) => Err(error.unwrap_or(Errno::CONNRESET)),
            (taken, _) => Ok(taken),
        }
    }

    /// Fails the session: the peer made a protocol error, or does not trust us. rustls has encrypted
    /// the alert for that. A client that speaks plain HTTP gets an HTTP response instead.
    fn fail(&mut self, socket: SocketRef<'_>, error: rustls::Error) {
        let is_plain = self.connection.is_handshaking() && self.first != Some(HANDSHAKE);
        let _ = match (&self.connection, self.first) {
            #[cfg(feature = "server")]
            (Connection::Server(_), Some(b'A'..=b'Z')) if is_plain => {
                Wire::new(socket).write(&plain_answer()).map(drop)
            }
            _ => self.flush(socket).map_err(io::Error::from),
        };
        self.mute = Some(PIPE);
        self.broken = Some(PROTO);
        let cause = match is_plain {
            true if self.has_proxy_header => Cause::ProxyHeader,
            true => Cause::NotTls,
            false => Cause::Rustls(error),
        };
        self.failure = Some(cause.into());
    }

    /// Keeps a request, which is sent after the handshake.
    fn keep(&mut self, socket: SocketRef<'_>, vectors: &[IoSlice<'_>]) {
        self.connection.set_buffer_limit(None);
        // Writes to memory, which takes all of it.
        let _ = self.connection.writer().write_vectored(vectors);
        self.connection.set_buffer_limit(Some(RECORD));
        let _ = self.flush(socket);
    }

    fn reject(&mut self, socket: SocketRef<'_>) {
        if self.mute.replace(PIPE).is_none() {
            let _ = Wire::new(socket).write(ALERT);
        }
    }
}

/// The type of the record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// The beginnings of the headers of the PROXY protocol, version 1 and version 2.
const PROXY: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

#[cfg(feature = "server")]
fn plain_answer() -> Vec<u8> {
    use crate::net::date;
    use crate::protocol::{Rejection, rejection_bytes};

    let rejection = Rejection::Application {
        status: 400,
        reason: "this port speaks TLS: try https:// or wss://".to_owned(),
    };
    rejection_bytes(&rejection, Some(date::now))
}

impl Wire<'_> {
    fn new(socket: SocketRef<'_>) -> Wire<'_> {
        Wire {
            socket,
            filled: false,
            first: None,
            has_proxy_header: false,
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let read = retry_on_intr(|| system::receive_at_once(self.socket, buffer))?;
        self.filled = read == room;
        self.first = buffer[..read].first().copied();
        let begins = |start: &&[u8]| buffer[..read].starts_with(start);
        self.has_proxy_header = PROXY.iter().any(begins);
        Ok(read)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, vectors: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(system::send_vectored(self.socket, vectors)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession").finish_non_exhaustive()
    }
}
