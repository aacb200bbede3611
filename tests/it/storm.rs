//! The shutdown of a busy server: earlier messages are delivered, every client gets a close frame,
//! and it takes no longer than its timeout.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use stentor::protocol::version::Closing;
use stentor::{DisconnectReason, Server, Version};

use crate::support::{Heard, Loopback, PATIENCE, Peer, eventually};

const REASON: &str = "the server is going down";

/// Each of these handlers and threads sends numbers, in sequence, as fast as it can.
const HANDLERS: usize = 5;
const THREADS: usize = 3;

/// The sender that posts much at once, directly before the end.
const LAST: usize = HANDLERS + THREADS;
const ALL: usize = LAST + 1;

/// The number of messages that each of them has posted: counted when `broadcast` has returned.
type Posted = [AtomicUsize; ALL];

/// A server whose handlers send, once they get the signal, for as long as their clients are open,
/// and threads that do so until this is dropped.
struct Storm {
    server: Loopback,
    commands_in: &'static Posted,
    over: &'static AtomicBool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Storm {
    fn new() -> Storm {
        let commands_in: &Posted = Box::leak(Box::default());
        let over: &AtomicBool = Box::leak(Box::default());
        // No client is evicted for reading slowly: there are many of them on few processors.
        let builder = Server::builder().send_queue_limit(64 * 1024 * 1024);
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
                    commands_in[who].store(number + 1, SeqCst);
                }
            }
            Ok(())
        });
        Storm {
            server,
            commands_in,
            over,
            threads: Vec::new(),
        }
    }

    /// All handlers and threads begin to send.
    fn rise(&mut self, peers: &mut [Peer]) {
        self.server.wait_for_members("lobby", peers.len());
        for (who, peer) in peers.iter_mut().take(HANDLERS).enumerate() {
            peer.say(&who.to_string());
        }
        for who in HANDLERS..LAST {
            let (handle, commands_in, over) =
                (self.server.handle.clone(), self.commands_in, self.over);
            self.threads.push(thread::spawn(move || {
                for number in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    handle.broadcast(format!("{who} {number}"));
                    commands_in[who].store(number + 1, SeqCst);
                }
            }));
        }
        eventually("the storm", || {
            let talking = &self.commands_in[..LAST];
            let all = talking
                .iter()
                .all(|commands_in| commands_in.load(SeqCst) > 50);
            all.then_some(())
        });
    }

    /// More than the hub can have processed when this returns.
    fn burst(&self) {
        let filler = "x".repeat(10_000);
        for number in 0..300 {
            let room = self.server.handle.room("lobby");
            room.broadcast(format!("{LAST} {number} {filler}"));
            self.commands_in[LAST].store(number + 1, SeqCst);
        }
    }

    fn so_far(&self) -> Vec<usize> {
        let counts = self
            .commands_in
            .iter()
            .map(|commands_in| commands_in.load(SeqCst));
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

/// Returns the number of messages received from each sender, which must be the first ones, in
/// order; up to the server's close frame, which is answered.
fn hear_until_goodbye(mut peer: Peer) -> Vec<usize> {
    let mut received = vec![0; ALL];
    let close_frame = loop {
        match peer.hear() {
            Heard::Text(text) => {
                let mut words = text.split(' ').map(str::parse::<usize>);
                let who = words.next().unwrap().unwrap();
                let next = &mut received[who];
                assert_eq!(words.next(), Some(Ok(*next)), "{} of {who}", peer.version);
                *next += 1;
            }
            close_frame => break close_frame,
        }
    };
    match peer.version.closing() {
        Closing::CloseTcp => assert_eq!(close_frame, Heard::End),
        Closing::Marker => assert_eq!(close_frame, Heard::Marker),
        Closing::Frame => assert_eq!(close_frame, Heard::Close(1001, REASON.to_owned())),
    }
    peer.start_close(1001, "");
    peer.expect_end();
    received
}

#[test]
fn messages_posted_before_a_shutdown_reach_all_clients_before_the_close_frame() {
    let mut storm = Storm::new();
    let versions = Version::ALL.into_iter().cycle().take(20);
    let mut peers: Vec<Peer> = versions.map(|version| storm.server.open(version)).collect();
    let count = peers.len();
    storm.rise(&mut peers);
    let received: Vec<Vec<usize>> = thread::scope(|scope| {
        let hearing: Vec<_> = peers
            .drain(..)
            .map(|peer| scope.spawn(|| hear_until_goodbye(peer)))
            .collect();
        storm.burst();
        let before = storm.so_far();
        let since = Instant::now();
        storm.server.handle.shutdown(PATIENCE);
        let received = hearing.into_iter().map(|hearing| hearing.join().unwrap());
        let received: Vec<Vec<usize>> = received.collect();
        storm.server.join();
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        for received in &received {
            let enough = received
                .iter()
                .zip(&before)
                .all(|(received, before)| received >= before);
            assert!(enough, "{received:?} of {before:?}");
        }
        received
    });
    // All clients of one audience have received the same.
    assert!(
        received.iter().all(|one| *one == received[0]),
        "{received:?}"
    );
    let counters = storm.server.handle.counters();
    assert_eq!(counters.closes, [(1001, count as u64)].into());
    assert!(counters.disconnected.is_empty(), "{counters:?}");
    let texts: usize = received.iter().flatten().sum();
    assert_eq!(counters.messages_out, texts as u64);
}

#[test]
fn a_storm_does_not_delay_the_end() {
    let limit = Duration::from_millis(300);
    let mut storm = Storm::new();
    let mut peers = storm.server.open_all();
    storm.rise(&mut peers);
    // No client reads, and none answers.
    let since = Instant::now();
    storm.server.handle.shutdown(limit);
    storm.server.join();
    let took = since.elapsed();
    assert!(took < limit + Duration::from_secs(3), "{took:?}");
    let counters = storm.server.handle.counters();
    // Draft-75 has only the end of TCP, which need not be answered.
    let cut = counters
        .disconnected
        .get(&DisconnectReason::ShutdownTimeout)
        .copied()
        .unwrap_or_default();
    assert!(cut == 4 || cut == 5, "{counters:?}");
}
