//! Connects a socket to a name: every address is tried, within one timeout.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::net::deadline::Deadline;
use crate::net::system::start_connect;

use super::resolve::resolve;

/// How long an address is tried before the next one is tried in parallel (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to `host`, a name or an address, from the address `local` if one is given. The returned
/// stream is blocking.
///
/// # Errors
/// If the name is not found or no address answers; [`io::ErrorKind::TimedOut`] if that takes too long.
pub(super) fn dial(
    host: &str,
    port: u16,
    local: Option<IpAddr>,
    limit: Deadline,
) -> io::Result<TcpStream> {
    let mut addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => resolve(host, port, limit)?,
    };
    if let Some(local) = local {
        addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
    }
    let stream = race(&in_turn(addresses), local, limit)
        .map_err(|error| io::Error::new(error.kind(), format!("{host} port {port}: {error}")))?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Sorts addresses: the system's order, except that the families alternate. If one family does not
/// work, every second address is of the other (RFC 8305 §4).
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == preferred);
    let mut second = second.into_iter();
    let mut turns: Vec<SocketAddr> = first
        .into_iter()
        .flat_map(|address| [Some(address), second.next()])
        .flatten()
        .collect();
    turns.extend(second);
    turns
}

/// Returns the first connection that succeeds. The addresses are tried one after the other, the next
/// as soon as one has failed, or has used up its head start.
fn race(addresses: &[SocketAddr], local: Option<IpAddr>, limit: Deadline) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut running: Vec<TcpStream> = Vec::new();
    let none = "no address of the family that is to be used";
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, none);
    loop {
        match waiting.next().map(|address| start_connect(*address, local)) {
            Some(Ok(stream)) => running.push(stream),
            Some(Err(error)) => {
                failure = error;
                continue;
            }
            None if running.is_empty() => return Err(failure),
            None => {}
        }
        let left = limit.left();
        let alone = waiting.as_slice().is_empty();
        let wait = match (alone, left) {
            (true, left) => left,
            (false, left) => Some(left.map_or(HEAD_START, |left| left.min(HEAD_START))),
        };
        for (at, result) in decided(&running, wait).into_iter().rev() {
            let stream = running.remove(at);
            match result {
                Ok(()) if is_its_own_peer(&stream) => failure = Errno::CONNREFUSED.into(),
                Ok(()) => return Ok(stream),
                Err(error) => failure = error.into(),
            }
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Err(late("no answer in time"));
        }
    }
}

/// Returns whether a socket is connected to itself. If no program listens on a port of this machine, the
/// system may assign that very port to a client that connects to it, and TCP connects the socket to
/// itself. It would occupy the server's port.
fn is_its_own_peer(stream: &TcpStream) -> bool {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        _ => false,
    }
}

/// Waits at most for `wait`, and returns the indices and the results of the sockets that are connected or
/// have failed.
fn decided(running: &[TcpStream], wait: Option<Duration>) -> Vec<(usize, Result<(), Errno>)> {
    // Before its version 2004, Windows 10 reports no failure to a poll: so it is looked for from time to time.
    let wait = match cfg!(windows) {
        true => Some(wait.map_or(HEAD_START, |wait| wait.min(HEAD_START))),
        false => wait,
    };
    let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
    let mut polled: Vec<PollFd<'_>> = running
        .iter()
        .map(|stream| PollFd::new(stream, PollFlags::OUT))
        .collect();
    // An interrupted poll only ends early.
    let _ = poll(&mut polled, timeout.as_ref());
    let result = |(at, polled): (usize, &PollFd<'_>)| {
        let is_ready = !polled.revents().is_empty();
        let result = (is_ready || cfg!(windows))
            .then(|| sockopt::socket_error(&running[at]).and_then(|result| result))?;
        (is_ready || result.is_err()).then_some((at, result))
    };
    polled.iter().enumerate().filter_map(result).collect()
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use super::{Deadline, dial, in_turn, is_its_own_peer, race};
    use std::io;
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        let parsed = addresses.iter().map(|address| address.parse());
        parsed.filter_map(Result::ok).collect()
    }

    #[test]
    fn address_families_alternate_and_the_first_stays_first() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"];
        let turns = ["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"];
        assert_eq!(in_turn(parsed(&given)), parsed(&turns));
        let given = ["1.0.0.1:1", "[::1]:1", "[::2]:1"];
        assert_eq!(in_turn(parsed(&given)), parsed(&given));
        assert_eq!(in_turn(Vec::new()), Vec::new());
    }

    #[test]
    fn refused_address_is_followed_by_the_next() -> io::Result<()> {
        let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let here = listener.local_addr()?;
        let limit = Deadline::after(Duration::from_secs(10));
        let stream = race(&[gone, gone, here], None, limit)?;
        assert_eq!(stream.peer_addr()?, here);
        let rejected = race(&[gone, gone], None, limit).map_err(|error| error.kind());
        assert_eq!(rejected.err(), Some(io::ErrorKind::ConnectionRefused));
        Ok(())
    }

    #[test]
    fn silent_address_is_overtaken_by_the_next() -> io::Result<()> {
        let (silent, _queue) = silent()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let here = listener.local_addr()?;
        let limit = Deadline::after(Duration::from_secs(10));
        let stream = race(&[silent, here], None, limit)?;
        assert_eq!(stream.peer_addr()?, here);
        Ok(())
    }

    #[test]
    fn silent_address_fails_when_the_timeout_passes() -> io::Result<()> {
        let (silent, _queue) = silent()?;
        let limit = Deadline::after(Duration::from_millis(20));
        let late = dial(&silent.ip().to_string(), silent.port(), None, limit);
        assert_eq!(
            late.err().map(|error| error.kind()),
            Some(io::ErrorKind::TimedOut)
        );
        Ok(())
    }

    #[test]
    fn socket_connected_to_itself_is_detected() -> io::Result<()> {
        use rustix::net::{AddressFamily, SocketType, bind, connect};
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        assert!(!is_its_own_peer(&stream));
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        let stream = TcpStream::from(socket);
        bind(&stream, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
        connect(&stream, &stream.local_addr()?)?;
        assert!(is_its_own_peer(&stream));
        Ok(())
    }

    #[test]
    fn name_is_resolved_and_the_local_address_is_used() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own: IpAddr = [127, 0, 0, 9].into();
        let limit = Deadline::after(Duration::from_secs(10));
        let port = listener.local_addr()?.port();
        let stream = dial("localhost", port, Some(own), limit)?;
        assert_eq!(stream.local_addr()?.ip(), own);
        Ok(())
    }

    /// Returns an address with a full queue: the system drops further connection requests.
    fn silent() -> io::Result<(SocketAddr, (TcpListener, TcpStream))> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        rustix::net::listen(&listener, 0)?;
        let address = listener.local_addr()?;
        // There is room for one.
        let first = TcpStream::connect(address)?;
        Ok((address, (listener, first)))
    }
}
