//! The end of a server that is busy: what was said before is delivered, everybody is told, and it
//! takes no longer than was said.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use stentor::{Closing, Loss, Server, Version};

use crate::support::{Heard, Loopback, PATIENCE, Peer, eventually};

const REASON: &str = "the server is going down";

/// Of these, each handler and each thread says numbers, one after the other, as fast as it can.
const HANDLERS: usize = 5;
const THREADS: usize = 3;

/// Who says much at once, right before the end.
const LAST: usize = HANDLERS + THREADS;
const ALL: usize = LAST + 1;

/// How many each of them has posted: counted when `broadcast` has returned.
type Posted = [AtomicUsize; ALL];

/// A server whose handlers talk, once they are told to, for as long as their clients are open, and
/// threads that do so until this is dropped.
struct Storm {
    server: Loopback,
    posted: &'static Posted,
    over: &'static AtomicBool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Storm {
    fn new() -> Storm {
        let posted: &Posted = Box::leak(Box::default());
        let over: &AtomicBool = Box::leak(Box::default());
        // Nobody is thrown out for reading slowly: there are many of them on few processors.
        let builder = Server::builder().outbox(64 * 1024 * 1024);
        let server = Loopback::run(builder, move |client| {
            client.join("lobby");
            while let Some(message) = client.recv()? {
                let who: usize = message.as_text().unwrap_or_default().parse()?;
                let (own, room) = (client.handle(), client.room("lobby"));
                for number in 0.. {
                    if !own.is_open() {
                        break;
                    }
                    room.broadcast(format!("{who} {number}"));
                    posted[who].store(number + 1, SeqCst);
                }
            }
            Ok(())
        });
        Storm {
            server,
            posted,
            over,
            threads: Vec::new(),
        }
    }

    /// Everybody begins to talk.
    fn rise(&mut self, peers: &mut [Peer]) {
        self.server.wait_for_members("lobby", peers.len());
        for (who, peer) in peers.iter_mut().take(HANDLERS).enumerate() {
            peer.say(&who.to_string());
        }
        for who in HANDLERS..LAST {
            let (handle, posted, over) = (self.server.handle.clone(), self.posted, self.over);
            self.threads.push(thread::spawn(move || {
                for number in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    handle.broadcast(format!("{who} {number}"));
                    posted[who].store(number + 1, SeqCst);
                }
            }));
        }
        eventually("the storm", || {
            let talking = &self.posted[..LAST];
            let all = talking.iter().all(|posted| posted.load(SeqCst) > 50);
            all.then_some(())
        });
    }

    /// More than the hub can have worked off when this returns.
    fn burst(&self) {
        let filler = "x".repeat(10_000);
        for number in 0..300 {
            let room = self.server.handle.room("lobby");
            room.broadcast(format!("{LAST} {number} {filler}"));
            self.posted[LAST].store(number + 1, SeqCst);
        }
    }

    fn so_far(&self) -> Vec<usize> {
        let counts = self.posted.iter().map(|posted| posted.load(SeqCst));
        counts.collect()
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How many were heard of each who talks, which must be the first ones, in order; up to the
/// server's goodbye, which is answered.
fn hear_until_goodbye(mut peer: Peer) -> Vec<usize> {
    let mut heard = vec![0; ALL];
    let goodbye = loop {
        match peer.hear() {
            Heard::Text(text) => {
                let mut words = text.split(' ').map(str::parse::<usize>);
                let who = words.next().unwrap().unwrap();
                let next = &mut heard[who];
                assert_eq!(words.next(), Some(Ok(*next)), "{} of {who}", peer.version);
                *next += 1;
            }
            goodbye => break goodbye,
        }
    };
    match peer.version.closing() {
        Closing::HangUp => assert_eq!(goodbye, Heard::End),
        Closing::Marker => assert_eq!(goodbye, Heard::Marker),
        Closing::Frame => assert_eq!(goodbye, Heard::Close(1001, REASON.to_owned())),
    }
    peer.say_goodbye(1001, "");
    peer.expect_end();
    heard
}

#[test]
fn what_was_posted_before_a_shutdown_is_heard_by_all_before_the_goodbye() {
    let mut storm = Storm::new();
    let versions = Version::ALL.into_iter().cycle().take(20);
    let mut peers: Vec<Peer> = versions.map(|version| storm.server.open(version)).collect();
    let count = peers.len();
    storm.rise(&mut peers);
    let heard: Vec<Vec<usize>> = thread::scope(|scope| {
        let hearing: Vec<_> = peers
            .drain(..)
            .map(|peer| scope.spawn(|| hear_until_goodbye(peer)))
            .collect();
        storm.burst();
        let before = storm.so_far();
        let since = Instant::now();
        storm.server.handle.shutdown(PATIENCE);
        let heard = hearing.into_iter().map(|hearing| hearing.join().unwrap());
        let heard: Vec<Vec<usize>> = heard.collect();
        storm.server.join();
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        for heard in &heard {
            let enough = heard
                .iter()
                .zip(&before)
                .all(|(heard, before)| heard >= before);
            assert!(enough, "{heard:?} of {before:?}");
        }
        heard
    });
    // All of one audience have heard the same.
    assert!(heard.iter().all(|one| *one == heard[0]), "{heard:?}");
    let counters = storm.server.handle.counters();
    assert_eq!(counters.closes, [(1001, count as u64)].into());
    assert!(counters.lost.is_empty(), "{counters:?}");
    let texts: usize = heard.iter().flatten().sum();
    assert_eq!(counters.messages_out, texts as u64);
}

#[test]
fn a_storm_does_not_delay_the_end() {
    let patience = Duration::from_millis(300);
    let mut storm = Storm::new();
    let mut peers = storm.server.open_all();
    storm.rise(&mut peers);
    // Nobody reads, and nobody answers.
    let since = Instant::now();
    storm.server.handle.shutdown(patience);
    storm.server.join();
    let took = since.elapsed();
    assert!(took < patience + Duration::from_secs(3), "{took:?}");
    let counters = storm.server.handle.counters();
    // Hanging up is all that there is in draft-75: it need not be answered.
    let cut = counters.lost.get(&Loss::Cut).copied().unwrap_or_default();
    assert!(cut == 4 || cut == 5, "{counters:?}");
}
