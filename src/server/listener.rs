//! The listener: accepts, starts a thread for each client, and survives when there is none.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, Scope};
use std::time::Duration;

use log::warn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::client::{Client, Outcome};
use super::conversation::Conversation;
use super::crew::Shared;

/// How long the listener waits when the system has no descriptor, or no memory, for one more
/// connection. What is waiting in the kernel's queue stays there.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Accepts until the server stops.
pub(crate) fn listen<'scope, 'env, F>(
    listener: &TcpListener,
    woken: &UnixStream,
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env F,
) -> io::Result<()>
where
    F: Fn(&mut Client) -> Outcome + Sync,
{
    while !shared.is_stopping() {
        let error = match listener.accept() {
            Ok((stream, peer)) => {
                start(stream, peer, shared, scope, handler);
                continue;
            }
            Err(error) => error,
        };
        let mut polled = [
            PollFd::new(woken, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                let _ = poll(&mut polled, None);
            }
            // The client was gone before it was accepted, or a signal came.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
            io::ErrorKind::InvalidInput => return Err(error),
            _ => {
                warn!("cannot accept: {error}; trying again in {EXHAUSTED:?}");
                let timeout = Timespec::try_from(EXHAUSTED).ok();
                let _ = poll(&mut polled[..1], timeout.as_ref());
            }
        }
    }
    Ok(())
}

fn start<'scope, 'env, F>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &'env Arc<Shared>,
    scope: &'scope Scope<'scope, 'env>,
    handler: &'env F,
) where
    F: Fn(&mut Client) -> Outcome + Sync,
{
    // Where accepted sockets inherit it from the listener.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream.set_nonblocking(false);
    let (socket, link) = shared.welcome(stream, peer);
    if !shared.admit(&link) {
        shared.turn_away(&link, socket);
        return;
    }
    let builder = thread::Builder::new()
        .name(format!("client {}", link.id))
        .stack_size(shared.settings.stack_size);
    let (its_socket, its_link) = (Arc::clone(&socket), Arc::clone(&link));
    let spawned = builder.spawn_scoped(scope, move || {
        let talk = Conversation::new(its_link, its_socket, Arc::clone(shared));
        Client::serve(talk, handler);
    });
    if let Err(error) = spawned {
        warn!("client {}: no thread for it: {error}", link.id);
        shared.registry.remove(&link, &shared.totals);
        shared.turn_away(&link, socket);
    }
}
