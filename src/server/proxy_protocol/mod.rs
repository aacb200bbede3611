//! The PROXY protocol on the server: a trusted proxy names its client before the client's first byte. The
//! specification is `doc/proxy-protocol.txt` of HAProxy.
//!
//! The bytes of the header are plain, and TLS may follow. So this looks at the bytes that have arrived, and
//! takes those that belong to the header out of the socket, and no others.

mod header;

mod trusted;

pub use trusted::{InvalidNetwork, TrustedProxies};

use std::net::SocketAddr;

use rustix::io::Errno;

use crate::net::connection::Conversation;

use header::Header;

/// How the wait for a header has ended.
pub(super) enum Arrival {
    /// The header has come. It names the client, or not.
    Header(Option<SocketAddr>),
    /// The bytes are not a header, for this reason.
    Invalid(&'static str),
    /// The stream has ended before its first byte, with this error if there was one; or another thread has
    /// stopped the wait.
    Ended(Option<Errno>),
}

/// The bytes that are looked at first: a header without extensions fits.
const ROOM: usize = 256;

/// Receives the header, blocking, on the client's own thread: the watchdog ends this at the handshake
/// timeout. On the heap, and in a frame of its own: a client keeps the stack below its handler.
#[inline(never)]
pub(super) fn receive(conversation: &Conversation) -> Arrival {
    let mut bytes = vec![0; ROOM];
    let mut taken = 0;
    loop {
        if taken == bytes.len() {
            // Bounded: the parser does not accept more than a few kilobytes.
            bytes.resize(2 * taken, 0);
        }
        let arrived = match look(conversation, &mut bytes[taken..]) {
            Ok(0) if taken > 0 && conversation.link.abort_reason().is_none() => {
                return Arrival::Invalid("the connection ends in the middle of it");
            }
            Ok(0) => return Arrival::Ended(None),
            Ok(arrived) => taken + arrived,
            Err(error) => return Arrival::Ended(Some(error)),
        };
        let (length, client) = match header::parse(&bytes[..arrived]) {
            Ok(Header::Complete { length, client }) => (length, Some(client)),
            Ok(Header::Incomplete) => (arrived, None),
            Err(fault) => return Arrival::Invalid(fault),
        };
        if let Err(error) = take(conversation, &mut bytes[taken..length]) {
            return Arrival::Ended(Some(error));
        }
        taken = length;
        if let Some(client) = client {
            return Arrival::Header(client);
        }
    }
}

/// Waits for bytes, and copies them, without taking them out of the socket. Returns how many; 0 at the end
/// of the stream, or if another thread has stopped the wait.
fn look(conversation: &Conversation, room: &mut [u8]) -> Result<usize, Errno> {
    let link = &conversation.link;
    loop {
        link.set_reading(true);
        let arrived = conversation.socket.peek(room);
        link.set_reading(false);
        // Bytes can still arrive after the wait was stopped.
        if link.abort_reason().is_some() {
            return Ok(0);
        }
        match arrived {
            Err(Errno::INTR) => {}
            arrived => return arrived,
        }
    }
}

/// Takes as many bytes out of the socket. They have arrived, so this does not wait.
fn take(conversation: &Conversation, bytes: &mut [u8]) -> Result<(), Errno> {
    let mut taken = 0;
    while taken < bytes.len() {
        match conversation.socket.discard(&mut bytes[taken..]) {
            Ok(0) => return Err(Errno::CONNRESET),
            Ok(count) => {
                taken += count;
                conversation.link.received(count);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
