//! Replaces `src/net/socket.rs`: a wire with little room, which takes a prefix, whose length it
//! chooses, of each write, and the peer at its other end.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::{Errno, Result};
use shuttle::rand::{Rng, thread_rng};

use crate::net::tls::TlsSession;

use super::relay::FarEnd;
use super::stream::Stream;
use super::sync::Instant;
use super::sync::world;
use super::sync::world::Kernel;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    None,
    OfStream,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(super) wire: usize,
}

/// The other end, used by the test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    wire: usize,
}

/// Both directions of one connection, as the kernel has them.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// The most bytes that are taken before the peer reads.
    room: usize,
    /// All bytes ever taken, and the number of them that the peer has read.
    taken: Vec<u8>,
    read: usize,
    /// Bytes that the peer has sent and nobody has read.
    said: VecDeque<u8>,
    /// The peer will send no more.
    peer_done: bool,
    /// The peer has reset the connection.
    reset: bool,
    write_shut: bool,
    read_shut: bool,
    closed: bool,
}

/// Returns a connection whose kernel buffer has `room` bytes.
pub(crate) fn connection(room: usize) -> (Socket, Peer) {
    let wire = world::call(|kernel| {
        kernel.wires.push(Wire {
            room,
            ..Wire::default()
        });
        kernel.wires.len() - 1
    });
    (Socket { wire }, Peer { wire })
}

impl Wire {
    /// Whether the socket is writable, as for `poll(2)`: only when a good part of the buffer is
    /// free, or when writing fails.
    pub(crate) fn is_writable(&self) -> bool {
        self.free() * 3 >= self.room || self.write_shut || self.reset
    }

    pub(crate) fn is_readable(&self) -> bool {
        !self.said.is_empty() || self.peer_done || self.read_shut || self.reset
    }

    fn free(&self) -> usize {
        self.room.saturating_sub(self.taken.len() - self.read)
    }

    fn take<'a>(&mut self, bytes: impl Iterator<Item = &'a u8>, len: usize) -> Result<usize> {
        if self.write_shut || self.reset {
            return Err(Errno::PIPE);
        }
        let most = self.free().min(len);
        if len > 0 && most == 0 {
            return Err(Errno::AGAIN);
        }
        let sent = match most {
            0 | 1 => most,
            most => thread_rng().gen_range(1..=most),
        };
        self.taken.extend(bytes.take(sent));
        Ok(sent)
    }

    /// Returns the result of a read, or `None` while it would block.
    fn bring(&mut self, most: usize) -> Option<Result<Vec<u8>>> {
        if self.reset {
            return Some(Err(Errno::CONNRESET));
        }
        if self.is_readable() {
            let most = most.min(self.said.len());
            return Some(Ok(self.said.drain(..most).collect()));
        }
        None
    }
}

impl Socket {
    pub(crate) fn new(_: impl Into<Stream>) -> Socket {
        unreachable!("the model has no real sockets")
    }

    pub(crate) fn secured(_: impl Into<Stream>, _: TlsSession) -> Socket {
        unreachable!("the model has no real sockets")
    }

    pub(crate) fn relayed(_: UnixStream, _: Arc<dyn FarEnd>) -> Socket {
        unreachable!("the model has no real sockets")
    }

    pub(crate) fn tls(&self) -> Option<&TlsSession> {
        None
    }

    pub(crate) fn is_relayed(&self) -> bool {
        false
    }

    pub(crate) fn flush_relay(&self) {}

    pub(crate) fn close_relay(&self) {}

    pub(crate) fn committed(&self) -> usize {
        0
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize> {
        self.call(|wire| wire.take(bytes.iter(), bytes.len()))
    }

    pub(crate) fn send_vectored(&self, vectors: &[IoSlice<'_>]) -> Result<usize> {
        let len = vectors.iter().map(|vector| vector.len()).sum();
        self.call(|wire| wire.take(vectors.iter().flat_map(|vector| vector.iter()), len))
    }

    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> Result<usize> {
        let bytes = self.wait(None, |wire| wire.bring(buffer.capacity() - buffer.len()));
        let bytes = bytes.unwrap_or(Ok(Vec::new()))?;
        buffer.extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    pub(crate) fn peek(&self, _: &mut [u8]) -> Result<usize> {
        unreachable!("the model has no proxies")
    }

    pub(crate) fn discard(&self, scrap: &mut [u8]) -> Result<usize> {
        let bytes = self.wait(None, |wire| wire.bring(scrap.len()));
        Ok(bytes.unwrap_or(Ok(Vec::new()))?.len())
    }

    pub(crate) fn discard_at_once(&self, scrap: &mut [u8]) -> Result<usize> {
        let bytes = self.call(|wire| wire.bring(scrap.len()));
        Ok(bytes.unwrap_or(Err(Errno::AGAIN))?.len())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> std::io::Result<()> {
        self.call(|wire| {
            wire.write_shut |= how != Shutdown::Read;
            wire.read_shut |= how != Shutdown::Write;
            match wire.reset {
                true => Err(std::io::ErrorKind::NotConnected.into()),
                false => Ok(()),
            }
        })
    }

    pub(crate) fn wait_until(&self, flags: PollFlags, wait: Duration) -> bool {
        let end = Instant::now().checked_add(wait);
        let ready = |wire: &mut Wire| {
            let ready = match flags {
                PollFlags::OUT => wire.is_writable(),
                _ => wire.is_readable(),
            };
            ready.then_some(())
        };
        self.wait(end, ready).is_some()
    }

    pub(crate) fn unread(&self) -> u64 {
        self.call(|wire| wire.said.len() as u64)
    }

    pub(crate) fn holds_plaintext(&self) -> bool {
        false
    }

    pub(crate) fn forget_unsent(&self) {}

    pub(crate) fn holds_unsent(&self) -> bool {
        self.call(|wire| wire.read < wire.taken.len() && !wire.write_shut && !wire.reset)
    }

    pub(crate) fn still_holds_unsent(&self, _: bool) -> bool {
        self.holds_unsent()
    }

    pub(crate) fn set_user_timeout(&self, _: Duration) -> bool {
        false
    }

    pub(crate) fn peer_end(&self) -> PeerEnd {
        self.call(|wire| match wire {
            Wire { reset: true, .. } => PeerEnd::Reset,
            Wire {
                peer_done: true, ..
            } => PeerEnd::OfStream,
            _ => PeerEnd::None,
        })
    }

    pub(crate) fn set_no_delay(&self) {}

    pub(crate) fn set_keepalive(&self, _: Duration, _: Duration) {}

    fn call<T>(&self, change: impl FnOnce(&mut Wire) -> T) -> T {
        world::call(|kernel| change(&mut kernel.wires[self.wire]))
    }

    fn wait<T>(
        &self,
        end: Option<Instant>,
        mut attempt: impl FnMut(&mut Wire) -> Option<T>,
    ) -> Option<T> {
        let wire = |kernel: &mut Kernel| attempt(&mut kernel.wires[self.wire]);
        world::block(end, wire)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.call(|wire| wire.closed = true);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("the model has no real sockets")
    }
}

impl Peer {
    /// Waits for bytes and reads a few of them; none once the stream has ended.
    pub(crate) fn read(self) -> Vec<u8> {
        let read = world::block(None, |kernel| {
            let wire = &mut kernel.wires[self.wire];
            let unread = wire.taken.len() - wire.read;
            if unread == 0 {
                return (wire.write_shut || wire.reset || wire.closed).then(Vec::new);
            }
            let from = wire.read;
            wire.read += thread_rng().gen_range(1..=unread);
            Some(wire.taken[from..wire.read].to_vec())
        });
        read.unwrap_or_default()
    }

    /// Reads to the end of the stream.
    pub(crate) fn read_to_end(self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let read = self.read();
            if read.is_empty() {
                return all;
            }
            all.extend(read);
        }
    }

    /// Sets the size of the kernel's buffer to `room` bytes.
    pub(crate) fn narrow(self, room: usize) {
        self.call(|wire| wire.room = room);
    }

    pub(crate) fn say(self, bytes: &[u8]) {
        self.call(|wire| wire.said.extend(bytes));
    }

    pub(crate) fn close_tcp(self) {
        self.call(|wire| wire.peer_done = true);
    }

    pub(crate) fn reset(self) {
        self.call(|wire| wire.reset = true);
    }

    /// Returns all bytes that the kernel has taken, read or not.
    pub(crate) fn taken(self) -> Vec<u8> {
        self.call(|wire| wire.taken.clone())
    }

    pub(crate) fn wait_until_closed(self) {
        world::block(None, |kernel| {
            let closed = kernel.wires[self.wire].closed;
            closed.then_some(())
        });
    }

    pub(crate) fn is_closed(self) -> bool {
        self.call(|wire| wire.closed)
    }

    fn call<T>(self, change: impl FnOnce(&mut Wire) -> T) -> T {
        world::call(|kernel| change(&mut kernel.wires[self.wire]))
    }
}
