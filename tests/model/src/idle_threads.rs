//! The threads that wait for a client, against new clients, the end of their wait, and the end of the listener: each
//! client is served once, and no thread stays.

use std::sync::Arc;
use std::time::Duration;

use crate::net::sync::atomic::AtomicUsize;
use crate::net::sync::atomic::Ordering::SeqCst;
use crate::net::sync::thread::JoinHandle;
use crate::net::sync::{clock, thread};
use crate::server::idle_threads::IdleThreads;

use super::check;

const CLIENTS: usize = 3;
const WAIT: Duration = Duration::from_secs(2);

/// Two threads that serve clients until none comes. They return the clients.
struct Workers {
    idle: Arc<IdleThreads<usize>>,
    served: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<usize>>>,
}

impl Workers {
    fn start(wait: Duration) -> Workers {
        let idle = Arc::new(IdleThreads::new());
        let served = Arc::new(AtomicUsize::new(0));
        let worker = |_| {
            let (idle, served) = (Arc::clone(&idle), Arc::clone(&served));
            thread::spawn(move || {
                let mut clients = Vec::new();
                while let Some(client) = idle.next(wait) {
                    clients.push(client);
                    served.fetch_add(1, SeqCst);
                }
                clients
            })
        };
        let threads = (0..2).map(worker).collect();
        Workers {
            idle,
            served,
            threads,
        }
    }

    /// Checks that each client was served once, by these threads or by new ones.
    fn end(self, new: Vec<usize>) {
        let mut clients = new;
        for thread in self.threads {
            clients.extend(thread.join().unwrap());
        }
        clients.sort_unstable();
        assert!(clients.into_iter().eq(0..CLIENTS));
    }
}

/// Without a timeout, so that a client whose thread is not woken is found.
#[test]
fn each_client_wakes_an_idle_thread() {
    check(|| {
        let workers = Workers::start(Duration::MAX);
        for client in 0..CLIENTS {
            while workers.idle.serve(client).is_err() {
                thread::yield_now();
            }
        }
        while workers.served.load(SeqCst) < CLIENTS {
            thread::yield_now();
        }
        workers.idle.close();
        workers.end(Vec::new());
    });
}

#[test]
fn no_client_is_lost_when_an_idle_thread_ends() {
    check(|| {
        let workers = Workers::start(WAIT);
        let time = thread::spawn(|| {
            for _ in 0..2 {
                clock::pass(WAIT);
            }
        });
        let clients = 0..CLIENTS;
        let new = clients.filter(|client| workers.idle.serve(*client).is_err());
        let new = new.collect();
        time.join().unwrap();
        // A thread that began to wait since then.
        clock::pass(WAIT);
        workers.idle.close();
        workers.end(new);
    });
}

#[test]
fn no_client_is_lost_and_no_thread_stays_when_the_listener_ends() {
    check(|| {
        let workers = Workers::start(Duration::MAX);
        let clients = 0..CLIENTS;
        let new = clients.filter(|client| workers.idle.serve(*client).is_err());
        let new = new.collect();
        workers.idle.close();
        workers.end(new);
    });
}
