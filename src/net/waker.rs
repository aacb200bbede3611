//! The warden's sleep: until news, a socket that is ready, or a time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket::Socket;

/// Ends a sleep, from any thread.
#[derive(Debug)]
pub(crate) struct Waker {
    pipe: UnixStream,
}

/// Sleeps, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Sleeper {
    pipe: UnixStream,
}

/// The two sides of one sleep.
pub(crate) fn pair() -> io::Result<(Waker, Sleeper)> {
    let (waker, woken) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((Waker { pipe: waker }, Sleeper { pipe: woken }))
}

impl Waker {
    /// Ends the sleep, or else the next.
    pub(crate) fn wake(&self) {
        // A full pipe has woken it already.
        let _ = (&self.pipe).write(&[1]);
    }
}

impl Sleeper {
    /// Sleeps until it is woken, until one of `stalled` takes something, until one of `lingering`
    /// has something to say or has gone, or for `at_most`.
    pub(crate) fn sleep<'a>(
        &self,
        stalled: &[Arc<Socket>],
        lingering: impl Iterator<Item = &'a Socket>,
        at_most: Option<Duration>,
    ) {
        let timeout = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
        let mut polled = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        polled.extend(
            stalled
                .iter()
                .map(|socket| PollFd::new(socket, PollFlags::OUT)),
        );
        polled.extend(lingering.map(|socket| PollFd::new(socket, PollFlags::IN)));
        // An interrupted or failed poll is a short sleep.
        let _ = poll(&mut polled, timeout.as_ref());
    }

    /// Forgets that it was woken: news that come from now on wake it again.
    pub(crate) fn awake(&self) {
        let _ = (&self.pipe).read(&mut [0; 64]);
    }
}
