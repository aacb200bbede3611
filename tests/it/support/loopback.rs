//! A server on a port of the system's choice, with its thread; stopped when the value is dropped.

use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stentor::server::Counters;
use stentor::{Client, ClientHandle, HandlerResult, Server, ServerBuilder, ServerHandle, Version};

use super::peer::Peer;
use super::waiting::eventually;

pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Loopback {
    /// Serves with these options and this handler.
    pub(crate) fn run<H>(builder: ServerBuilder, handler: H) -> Loopback
    where
        H: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        Loopback::start(builder.listen("127.0.0.1:0").build().unwrap(), handler)
    }

    /// The same, on sockets with a send buffer of that many bytes: with 0, it is as small as the
    /// system allows, and bytes that a client does not read are soon in the send queue.
    pub(crate) fn run_with_send_buffer<H>(
        bytes: usize,
        builder: ServerBuilder,
        handler: H,
    ) -> Loopback
    where
        H: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Accepted sockets inherit it.
        rustix::net::sockopt::set_socket_send_buffer_size(&listener, bytes).unwrap();
        Loopback::start(builder.listener(listener).build().unwrap(), handler)
    }

    /// Sends every message back to its sender.
    pub(crate) fn echo(builder: ServerBuilder) -> Loopback {
        Loopback::run(builder, echo)
    }

    pub(crate) fn start<H>(server: Server, handler: H) -> Loopback
    where
        H: Fn(&mut Client) -> HandlerResult + Send + Sync + 'static,
    {
        Loopback {
            address: server.local_addr().unwrap(),
            handle: server.handle(),
            thread: Some(thread::spawn(move || server.run(handler))),
        }
    }

    /// Opens a client, with its handshake done.
    pub(crate) fn open(&self, version: Version) -> Peer {
        Peer::open(self.address, version)
    }

    /// One client of each version, oldest first.
    pub(crate) fn open_all(&self) -> Vec<Peer> {
        Version::ALL.map(|version| self.open(version)).into()
    }

    /// Returns the server's handle of this client, which must be open.
    pub(crate) fn client(&self, peer: &Peer) -> ClientHandle {
        let clients = self.handle.clients().into_iter();
        let mut found = clients.filter(|client| client.peer() == peer.local_addr().into());
        found.next().expect("it is not open")
    }

    /// Waits until that many clients are members of a room.
    pub(crate) fn wait_for_members(&self, room: &str, count: usize) {
        let room = self.handle.room(room);
        eventually("the members", || {
            (room.members().len() == count).then_some(())
        });
    }

    /// Waits until all connections are closed, and all reports about them are made.
    pub(crate) fn wait_until_empty(&self) -> Counters {
        eventually("everybody gone", || {
            let counters = self.handle.counters();
            (counters.connections == 0).then_some(counters)
        })
    }

    /// Waits until the server has ended, by itself or by a shutdown.
    pub(crate) fn join(&mut self) {
        let thread = self.thread.take().expect("it was joined before");
        eventually("the server's end", || thread.is_finished().then_some(()));
        thread.join().expect("the server panicked").unwrap();
    }

    /// Whether the server has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
        if self.thread.is_some() && !thread::panicking() {
            self.join();
        }
    }
}

/// The handler of an echo server.
pub(crate) fn echo(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

/// The handler of an echo server that panics on the message `panic`; see [`hush`](super::hush).
pub(crate) fn panic_when_told(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        assert_ne!(message.as_text(), Some("panic"), "panicking on purpose");
        client.send(message)?;
    }
    Ok(())
}
