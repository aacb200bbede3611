//! The watchdog's sleep: until it is woken, a socket is ready, or a time has passed.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::socket::Socket;
use super::system::{LocalStream, local_pair, poll_all};

/// Wakes the [`Sleeper`], from any thread.
#[derive(Debug)]
pub(crate) struct Waker {
    pipe: LocalStream,
}

/// Sleeps on the watchdog's thread until its [`Waker`] wakes it.
#[derive(Debug)]
pub(crate) struct Sleeper {
    pipe: LocalStream,
}

/// Returns a waker and its sleeper.
pub(crate) fn pair() -> io::Result<(Waker, Sleeper)> {
    let (waker, woken) = local_pair()?;
    waker.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    Ok((Waker { pipe: waker }, Sleeper { pipe: woken }))
}

impl Waker {
    /// Ends the present sleep, or the next one if there is none.
    pub(crate) fn wake(&self) {
        // A full pipe has woken it already.
        let _ = (&self.pipe).write(&[1]);
    }
}

impl Sleeper {
    /// Sleeps until it is woken, until one of `stalled` accepts bytes, until one of `lingering`
    /// has bytes to read or is closed by its peer, or for `at_most`.
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
        poll_all(&mut polled, timeout.as_ref());
    }

    /// Sleeps until it is woken, until one of these sockets is ready, or for `at_most`.
    #[cfg(feature = "redis")]
    pub(crate) fn poll<'a>(&'a self, mut polled: Vec<PollFd<'a>>, at_most: Option<Duration>) {
        let timeout = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
        polled.push(PollFd::new(&self.pipe, PollFlags::IN));
        poll_all(&mut polled, timeout.as_ref());
    }

    /// Resets the waker: a call of [`Waker::wake`] from now on ends the next sleep.
    pub(crate) fn awake(&self) {
        let _ = (&self.pipe).read(&mut [0; 64]);
    }
}
