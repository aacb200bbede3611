//! Resolves a name to its addresses, with the system's resolver, which has no timeout.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::net::deadline::Deadline;

/// The most names that the process resolves at a time. Each has a thread, which a resolver that hangs
/// keeps occupied; a further lookup waits for one of them to end.
const MOST: usize = 64;

/// Returns the addresses of `host`, a name.
///
/// # Errors
/// If the name is not found; [`io::ErrorKind::TimedOut`] if that takes too long.
pub(super) fn resolve(host: &str, port: u16, limit: Deadline) -> io::Result<Vec<SocketAddr>> {
    static LOOKUPS: Lookups = Lookups::new(MOST);
    let system = move |host: &str| Ok((host, port).to_socket_addrs()?.collect());
    LOOKUPS.find(host, limit, system)
}

/// The lookups in progress, each on its own thread.
struct Lookups {
    running: Mutex<usize>,
    ended: Condvar,
    most: usize,
}

/// One lookup in progress.
struct Lookup(&'static Lookups);

impl Lookups {
    const fn new(most: usize) -> Lookups {
        Lookups {
            running: Mutex::new(0),
            ended: Condvar::new(),
            most,
        }
    }

    /// Looks a name up. A lookup that takes too long is abandoned; its thread ends when it does.
    fn find(
        &'static self,
        host: &str,
        limit: Deadline,
        look_up: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let Some(lookup) = self.begin(limit) else {
            let most = self.most;
            return Err(late(&format!(
                "{host} was not looked up: {most} names are being looked up already"
            )));
        };
        let name = host.to_owned();
        let (update, told) = mpsc::channel();
        let builder = thread::Builder::new().name("stentor resolver".to_owned());
        builder.spawn(move || {
            let found = look_up(&name);
            drop(lookup);
            // The receiver may have stopped waiting.
            let _ = update.send(found);
        })?;
        let found = match limit.left() {
            Some(left) => told.recv_timeout(left).ok(),
            None => told.recv().ok(),
        };
        match found {
            Some(found) => {
                found.map_err(|error| io::Error::new(error.kind(), format!("{host}: {error}")))
            }
            None => Err(late(&format!("{host} was not found in time"))),
        }
    }

    /// Waits until one more lookup may start; `None` if that takes too long.
    fn begin(&'static self, limit: Deadline) -> Option<Lookup> {
        let mut running = self.running();
        while *running >= self.most {
            running = match limit.left() {
                Some(left) if left.is_zero() => return None,
                Some(left) => {
                    let waited = self.ended.wait_timeout(running, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.ended.wait(running);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        *running += 1;
        Some(Lookup(self))
    }

    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        *self.0.running() -= 1;
        self.0.ended.notify_one();
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use super::{Deadline, Lookups};
    use std::io;
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(10);

    /// The addresses, or the error's kind and message.
    type Found = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

    fn in_words(found: io::Result<Vec<SocketAddr>>) -> Found {
        found.map_err(|error| (error.kind(), error.to_string()))
    }

    #[test]
    fn hanging_lookups_occupy_a_bounded_number_of_threads() {
        static LOOKUPS: Lookups = Lookups::new(2);
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let hangs = || {
            let (ends, hang) = mpsc::channel::<()>();
            let look_up = move |_: &str| {
                let _ = hang.recv();
                Ok(Vec::new())
            };
            let found = LOOKUPS.find("hangs.example", Deadline::after(SOON), look_up);
            (ends, in_words(found))
        };
        let answers = |limit| {
            let found = LOOKUPS.find("a.example", limit, move |_| Ok(vec![here]));
            in_words(found)
        };
        let late = |words: &str| Err((io::ErrorKind::TimedOut, words.to_owned()));

        let (ends, first) = hangs();
        assert_eq!(first, late("hangs.example was not found in time"));
        assert_eq!(answers(Deadline::after(LONG)), Ok(vec![here]));
        let (_other_ends, second) = hangs();
        assert_eq!(second, late("hangs.example was not found in time"));
        let full = "a.example was not looked up: 2 names are being looked up already";
        assert_eq!(answers(Deadline::after(SOON)), late(full));
        // One of them ends, now or while this waits.
        drop(ends);
        assert_eq!(answers(Deadline::after(LONG)), Ok(vec![here]));
    }

    #[test]
    fn resolver_errors_name_the_host() {
        static LOOKUPS: Lookups = Lookups::new(1);
        for _ in 0..2 {
            let found = LOOKUPS.find("no.example", Deadline::after(LONG), |host| {
                Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no {host}"),
                ))
            });
            let words = "no.example: no no.example".to_owned();
            assert_eq!(in_words(found), Err((io::ErrorKind::NotFound, words)));
        }
    }
}
