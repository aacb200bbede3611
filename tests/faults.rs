//! Faults of the system: signals in the middle of every call, threads that cannot be started, peers
//! that vanish silently. In a process of its own, and one test at a time, since these affect
//! processes and not servers.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics is a test that fails"
)]

#[allow(
    dead_code,
    unused_imports,
    reason = "what the other tests use of it is not used here"
)]
#[path = "it/support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{gettid, set_current_timer_slack};
use signal_hook::consts::SIGUSR1;
use stentor::{Client, CloseCode, DisconnectReason, HandlerResult, Server, Version};

use support::{Head, Loopback, PATIENCE, Peer, dial, read_answer};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the flag when it is dropped, also in a panic.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Sends a signal to every thread except this one, again and again; returns the number of signals.
fn pelt(until: &AtomicBool) -> usize {
    let own = gettid().as_raw_nonzero().get();
    let mut sent = 0;
    while !until.load(SeqCst) {
        for task in fs::read_dir("/proc/self/task").unwrap() {
            let id: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
            if id != own {
                // If this id is a thread's, only that thread is interrupted.
                sent += usize::from(kill_process(Pid::from_raw(id).unwrap(), Signal::USR1).is_ok());
            }
        }
    }
    sent
}

/// Echoes each message, and sends it to everybody in the room.
fn echo_and_tell(client: &mut Client) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        client.send(message.clone())?;
        client.room("lobby").except(client.id()).broadcast(message);
    }
    Ok(())
}

#[test]
fn signals_in_the_middle_of_every_call_lose_nothing() {
    const EACH: usize = 60;
    let _alone = alone();
    signal_hook::flag::register(SIGUSR1, Arc::default()).unwrap();
    // A sleep that a signal interrupts goes on for the rest of its time and for the timer's slack, usually
    // 50 µs. If the next signal comes sooner, the rest never becomes shorter, and the sleep never ends.
    set_current_timer_slack(NonZeroU64::new(1)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Accepted sockets inherit both. With a small buffer every call sends a part; and a call on a
    // socket with a timeout, which never comes here, is not restarted after a signal.
    sockopt::set_socket_send_buffer_size(&listener, 0).unwrap();
    let never = Some(Duration::from_secs(3600));
    sockopt::set_socket_timeout(&listener, sockopt::Timeout::Recv, never).unwrap();
    let server = Server::builder().listener(listener).build().unwrap();
    let mut server = Loopback::start(server, echo_and_tell);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pelting = scope.spawn(|| pelt(&over));
        let until = Until(&over);
        let peers = server.open_all();
        server.wait_for_members("lobby", peers.len());
        let talking: Vec<_> = peers
            .into_iter()
            .enumerate()
            .map(|(who, mut peer)| {
                scope.spawn(move || {
                    let mut received = [0; Version::ALL.len()];
                    for number in 0..EACH {
                        peer.say(&format!("{who} {number} {}", "x".repeat(number * 50)));
                        hear(&mut peer, &mut received, |received| received[who] > number);
                    }
                    hear(&mut peer, &mut received, |received| *received == [EACH; 5]);
                    peer
                })
            })
            .collect();
        let mut peers: Vec<Peer> = talking
            .into_iter()
            .map(|talking| talking.join().unwrap())
            .collect();
        server.handle.shutdown(PATIENCE);
        for peer in &mut peers {
            peer.answer_goodbye(1001, "the server is going down");
        }
        server.join();
        drop(until);
        let signals = pelting.join().unwrap();
        assert!(signals > 1000, "{signals} signals");
    });
    let counters = server.handle.counters();
    assert_eq!(counters.closes, [(1001, 5)].into());
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

/// Receives the messages of all senders, each in order, until `enough` is true.
fn hear(peer: &mut Peer, received: &mut [usize; 5], enough: impl Fn(&[usize; 5]) -> bool) {
    while !enough(received) {
        let text = peer.hear_text();
        let mut words = text.split(' ').map(|word| word.parse::<usize>());
        let mut number = || words.next().unwrap().unwrap();
        let (who, number) = (number(), number());
        assert_eq!(number, received[who], "{} of {who}", peer.version);
        assert!(text.ends_with(&format!(" {}", "x".repeat(number * 50))));
        received[who] += 1;
    }
}

/// The address space limit of this process, lowered until this is dropped.
struct Mapped(Rlimit);

impl Mapped {
    fn at_most(more: usize) -> Mapped {
        let usual = getrlimit(Resource::As);
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let mut words = status.split_whitespace();
        words.find(|word| *word == "VmSize:").unwrap();
        let now: usize = words.next().unwrap().parse().unwrap();
        let current = Some((now * 1024 + more) as u64);
        setrlimit(Resource::As, Rlimit { current, ..usual }).unwrap();
        Mapped(usual)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        setrlimit(Resource::As, self.0).unwrap();
    }
}

#[test]
fn a_client_without_a_thread_gets_503_until_there_is_one() {
    const STACK: usize = 1 << 30;
    let _alone = alone();
    let server = Loopback::echo(Server::builder().stack_size(STACK));
    let mut peers = server.open_all();
    let limit = Mapped::at_most(STACK / 2);
    for version in Version::ALL {
        let mut stream = dial(server.address);
        stream.write_all(&Head::of(version).bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).status(), 503, "{version}");
        for peer in &mut peers {
            peer.expect_echo("those who are there stay");
        }
    }
    drop(limit);
    for version in Version::ALL {
        server.open(version).expect_echo("and others come");
    }
    assert_eq!(server.handle.counters().rejected, [("full", 5)].into());
}

/// A process may be stopped, and so may a machine: no timeout expires meanwhile.
#[test]
fn a_pause_of_the_whole_process_counts_in_no_timeout() {
    let _alone = alone();
    let deadline = Duration::from_secs(2);
    let builder = Server::builder()
        .send_queue_limit(64 * 1024)
        .handshake_timeout(deadline)
        .write_timeout(deadline)
        .close_timeout(deadline);
    let server = Loopback::run_with_send_buffer(0, builder, |client| {
        while let Some(message) = client.recv()? {
            match message.as_text() {
                Some("say much") => client.send("x".repeat(500_000))?,
                _ => client.send(message)?,
            }
        }
        Ok(())
    });
    let head = Head::of(Version::Rfc6455).bytes();
    let mut coming = dial(server.address);
    coming.write_all(&head[..100]).unwrap();
    let mut told = server.open(Version::Rfc6455);
    let handle = server.client(&told);
    handle.close(CloseCode::NORMAL, "").unwrap();
    told.expect_goodbye(1000, "");
    // One client whose own handler sends much to it, and one that receives much from another
    // thread.
    let mut client_handshake = server.open(Version::Hybi07);
    client_handshake.say("say much");
    client_handshake.stream.peek(&mut [0]).unwrap();
    let mut addressed = server.open(Version::Draft76);
    let handle = server.client(&addressed);
    handle.send("x".repeat(500_000)).unwrap();
    // Until neither socket takes any more.
    let sent = || server.handle.counters().bytes_out;
    let mut before = 0;
    while before != sent() {
        before = sent();
        thread::sleep(Duration::from_millis(50));
    }

    let pid = std::process::id();
    let script = format!("kill -STOP {pid}; sleep 2.2; kill -CONT {pid}");
    let shell = Command::new("sh").args(["-c", &script]).status();
    assert!(shell.unwrap().success());
    // So that code that takes the pause for a delay has time to report it.
    thread::sleep(deadline / 5);
    coming.write_all(&head[100..]).unwrap();
    Peer::after(coming, Version::Rfc6455, head.len()).expect_echo("here at last");
    told.start_close(1000, "");
    told.expect_end();
    assert_eq!(client_handshake.hear_text().len(), 500_000);
    assert_eq!(addressed.hear_text().len(), 500_000);
    let counters = server.handle.counters();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

const INSIDE: &str = "STENTOR_TEST_IS_IN_A_NETWORK_OF_ITS_OWN";

/// From now on no packet gets through, and neither side is notified.
const CUT_THE_WIRE: &str = "tc qdisc add dev lo root tbf rate 8bit burst 1 limit 1";

/// A program in a network namespace of its own, which needs root, or a user that may be root of a
/// namespace.
fn in_a_network_of_its_own(program: &str) -> Option<Command> {
    let attempts: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];
    attempts.into_iter().find_map(|options| {
        let command = |program: &str| {
            let mut command = Command::new("unshare");
            command.args(options).arg(program);
            command
        };
        let probe = format!("ip link set lo up && {CUT_THE_WIRE}");
        let mut possible = command("sh");
        possible.args(["-c", &probe]).stderr(Stdio::null());
        let possible = possible.status().is_ok_and(|status| status.success());
        possible.then(|| command(program))
    })
}

/// Takes some three seconds.
#[test]
fn a_peer_that_vanishes_silently_is_detected_in_every_version() {
    const NAME: &str = "a_peer_that_vanishes_silently_is_detected_in_every_version";
    if std::env::var_os(INSIDE).is_some() {
        return vanish();
    }
    let _alone = alone();
    let program = std::env::current_exe().unwrap();
    let Some(mut inside) = in_a_network_of_its_own(program.to_str().unwrap()) else {
        // Not captured, as the output of `println` would be.
        let why = "skipped: needs unshare, ip and tc, and the right to use them";
        writeln!(std::io::stderr(), "{NAME}: {why}").unwrap();
        return;
    };
    inside.args(["--exact", NAME]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

fn vanish() {
    let sh = |script: &str| {
        let status = Command::new("sh").args(["-c", script]).status();
        assert!(status.unwrap().success(), "{script}");
    };
    sh("ip link set lo up");
    let second = Duration::from_secs(1);
    let server = Loopback::echo(
        Server::builder()
            .ping_interval(Some(second))
            .pong_timeout(second),
    );
    let mut silent = server.open_all();
    let mut addressed = server.open_all();
    for peer in silent.iter_mut().chain(&mut addressed) {
        peer.expect_echo("hello");
    }
    sh(CUT_THE_WIRE);
    let since = Instant::now();
    for peer in &addressed {
        // The kernel takes it, and it never arrives.
        server.client(peer).send("are you there").unwrap();
    }
    let counters = server.wait_until_empty();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    // The others were found by TCP.
    assert_eq!(
        counters.disconnected,
        [(DisconnectReason::PongTimeout, 6)].into()
    );
    assert_eq!(counters.closes.values().sum::<u64>(), 10);
}
