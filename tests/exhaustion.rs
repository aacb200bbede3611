//! What a server takes from its process, and gives back: descriptors, threads, memory. In a process
//! of its own, and one test at a time, since these are the process's and not the server's.

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

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stentor::{Loss, Server, SlowClient, Version};

use support::{
    Folder, Head, Heard, Loopback, PATIENCE, Peer, becomes, dial, eventually, keep_logbook, logged,
    read_answer,
};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An echo server that listens on two ports and a Unix socket.
fn several_sockets(folder: &Folder) -> Loopback {
    let server = Server::bind("127.0.0.1:0")
        .and_then(|server| server.and_bind("127.0.0.1:0"))
        .and_then(|server| server.and_bind_unix(folder.file("socket")));
    Loopback::start(server.unwrap(), support::echo)
}

fn set_descriptors(most: Option<u64>) -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let limits = Rlimit {
        current: most,
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, limits).unwrap();
    before.current
}

/// The hundredths of a second of processor time that this process has used so far.
fn used_time(stat: &File) -> u64 {
    let mut text = [0; 1024];
    let read = stat.read_at(&mut text, 0).unwrap();
    let text = std::str::from_utf8(&text[..read]).unwrap();
    // User and system time are the 14th and 15th field; the second is in parentheses.
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11..13]
        .iter()
        .map(|field| field.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let _alone = alone();
    keep_logbook();
    let folder = Folder::new();
    let server = several_sockets(&folder);
    let mut open = server.open(Version::Draft76);
    let stat = File::open("/proc/self/stat").unwrap();
    // They have their descriptors before there are none; the server needs one more for each.
    let waiting = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let local = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();

    let usual = set_descriptors(Some(100));
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    rustix::net::connect(&waiting, &server.address).unwrap();
    let path = SocketAddrUnix::new(folder.file("socket")).unwrap();
    rustix::net::connect(&local, &path).unwrap();
    eventually("the warning", || {
        (!logged(&["cannot accept"]).is_empty()).then_some(())
    });

    let began = used_time(&stat);
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        open.expect_echo("those who are there stay");
    }
    let used = used_time(&stat) - began;
    let warnings = logged(&["cannot accept"]).len();
    assert!(used < 25, "{used} hundredths of the fifty that have passed");
    assert!(warnings < 2 * 15, "{warnings} warnings of two sockets");

    drop(taken);
    set_descriptors(usual);
    for waiting in [waiting, local].map(TcpStream::from) {
        waiting.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = Head::of(Version::Rfc6455).bytes();
        Peer::on(waiting, Version::Rfc6455, &head).expect_echo("better late than never");
    }
    server.open(Version::Hybi08).expect_echo("and others too");
}

#[test]
fn a_server_without_descriptors_can_still_be_shut_down() {
    let _alone = alone();
    keep_logbook();
    let before = logged(&["cannot accept"]).len();
    let mut server = Loopback::echo(Server::builder());
    let waiting = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let usual = set_descriptors(Some(100));
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    rustix::net::connect(&waiting, &server.address).unwrap();
    eventually("the warning", || {
        (logged(&["cannot accept"]).len() > before).then_some(())
    });
    server.handle.shutdown(PATIENCE);
    server.join();
    drop(taken);
    set_descriptors(usual);
}

/// Descriptors that run out are survived; it is better still if they do not.
#[test]
fn no_more_clients_are_let_in_than_there_are_descriptors_for() {
    let _alone = alone();
    // Some are kept for everything that is no client.
    let usual = set_descriptors(Some(64 + 3));
    let server = Loopback::echo(Server::builder());
    let mut peers: Vec<Peer> = (0..3).map(|_| server.open(Version::Draft75)).collect();
    let mut fourth = dial(server.address);
    assert_eq!(read_answer(&mut fourth).status(), 503);
    peers.pop().unwrap().leave();
    becomes(&2, || server.handle.counters().connections);
    server.open(Version::Rfc6455).expect_echo("hello");
    set_descriptors(usual);
}

/// A process may be stopped, and a machine may: what nobody could read meanwhile is not the
/// clients' silence.
#[test]
fn a_pause_of_the_whole_process_is_nobodys_silence() {
    let _alone = alone();
    let (ping, idle) = (Duration::from_millis(100), Duration::from_millis(600));
    let builder = Server::builder().keepalive(Some(ping), PATIENCE);
    let server = Loopback::echo(builder.idle_deadline(Some(idle)));
    let mut peer = server.open(Version::Rfc6455);
    let since = Instant::now();
    let pid = std::process::id();
    let script = format!("kill -STOP {pid}; sleep 1.2; kill -CONT {pid}");
    let mut shell = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    while since.elapsed() < idle * 4 {
        match peer.hear() {
            Heard::Ping(payload) => peer.pong(&payload),
            other => panic!("{other:?}"),
        }
    }
    assert!(shell.wait().unwrap().success());
}

/// How many threads have names that begin so.
fn threads(prefix: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn there_is_a_thread_for_each_client_and_three_more() {
    let _alone = alone();
    let folder = Folder::new();
    let mut server = several_sockets(&folder);
    let mut peers = server.open_all();
    let half = dial(server.address);
    becomes(&6, || threads("client "));
    // The third is the one that called `run`.
    becomes(&2, || threads("stentor "));
    peers.pop().unwrap().leave();
    drop(half);
    becomes(&4, || threads("client "));
    server.handle.shutdown(PATIENCE);
    for peer in &mut peers {
        peer.answer_goodbye(1001, "the server is going down");
    }
    server.join();
    becomes(&0, || threads("client ") + threads("stentor "));
}

#[test]
fn nothing_is_left_of_a_server_that_is_gone() {
    let _alone = alone();
    let before = descriptors();
    let folder = Folder::new();
    for round in 0..3 {
        let mut server = several_sockets(&folder);
        let mut peers: Vec<Peer> = Vec::new();
        for version in Version::ALL.into_iter().cycle().take(40) {
            let mut peer = server.open(version);
            peer.expect_echo("hello");
            peers.push(peer);
        }
        // Some leave, some are cut off, some are still there at the end, and one hangs half-way.
        for peer in &mut peers[..10] {
            peer.leave();
        }
        peers.drain(10..20);
        let half = Peer::without_key3(server.address);
        // Handles keep nothing alive but themselves.
        let handles = server.handle.clients();
        server.handle.shutdown(Duration::from_millis(50));
        server.join();
        drop((peers, half));
        becomes(&0, || threads("client ") + threads("stentor "));
        assert_eq!(server.handle.counters().connections, 0, "round {round}");
        drop((server, handles));
        becomes(&before, descriptors);
        assert!(!folder.file("socket").exists());
    }
}

/// A handle that outlives its client holds no descriptor.
#[test]
fn a_client_that_is_gone_gives_its_descriptor_back() {
    let _alone = alone();
    let server = Loopback::echo(Server::builder());
    let before = descriptors();
    let mut handles = Vec::new();
    for version in Version::ALL.into_iter().cycle().take(50) {
        let mut peer = server.open(version);
        handles.push(server.client(&peer));
        peer.leave();
    }
    server.wait_until_empty();
    becomes(&before, descriptors);
    assert!(handles.iter().all(|handle| !handle.is_open()));
}

/// The folder that a process is in is the process's.
#[test]
fn a_unix_sockets_file_goes_with_the_server_whatever_folder_the_program_is_in_by_then() {
    let _alone = alone();
    let folder = Folder::new();
    let before = env::current_dir().unwrap();
    env::set_current_dir(folder.file("")).unwrap();
    let server = Server::builder().bind_unix("socket").unwrap();
    let endpoint = server.endpoints().unwrap().remove(0);
    env::set_current_dir(before).unwrap();
    let path = folder.file("socket");
    assert!(path.exists());
    assert_eq!(endpoint.to_string(), path.to_str().unwrap());
    drop(server);
    assert!(!path.exists());
}

/// What is resident of this process, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn what_is_not_read_costs_no_more_than_its_bound() {
    const SLEEPERS: usize = 20;
    const OUTBOX: usize = 128 * 1024;
    const MESSAGES: usize = 600;
    let _alone = alone();
    let builder = Server::builder()
        .outbox(OUTBOX)
        .slow_client(SlowClient::DropNewest);
    let server = Loopback::run_with_send_buffer(64 * 1024, builder, support::echo);
    let _sleepers: Vec<Peer> = (0..SLEEPERS)
        .map(|_| server.open(Version::Rfc6455))
        .collect();
    // One reads, and sets the pace.
    let mut reader = server.open(Version::Rfc6455);
    let message = "x".repeat(64 * 1024);
    let mut hear_one = |server: &Loopback| {
        server.handle.broadcast(message.as_str());
        assert_eq!(reader.hear_text().len(), message.len());
    };
    for _ in 0..10 {
        hear_one(&server);
    }
    let before = resident();
    for _ in 0..MESSAGES {
        hear_one(&server);
    }
    let grown = resident().saturating_sub(before);
    // All that was sent to them are 37 MiB each, or together where the bytes are shared.
    assert!(grown < SLEEPERS * OUTBOX + 8 * 1024 * 1024, "{grown} bytes");
    assert!(server.handle.counters().dropped > 0);
}

/// What comes back from an echo server, and is not read, holds the sender back.
#[test]
fn a_flood_that_is_echoed_and_not_read_costs_no_more_than_its_bound() {
    const FLOODERS: usize = 10;
    let _alone = alone();
    let builder = Server::builder()
        .outbox(128 * 1024)
        .write_deadline(Duration::from_millis(500));
    let server = Loopback::run_with_send_buffer(64 * 1024, builder, support::echo);
    let peers: Vec<Peer> = (0..FLOODERS)
        .map(|_| server.open(Version::Rfc6455))
        .collect();
    let frame = support::text(Version::Rfc6455, &"x".repeat(10_000));
    let (frame, ended) = (&frame, &AtomicBool::new(false));
    let before = resident();
    let mut most = 0;
    thread::scope(|scope| {
        for mut peer in peers {
            let a_moment = Some(Duration::from_millis(100));
            peer.stream.set_write_timeout(a_moment).unwrap();
            scope.spawn(move || {
                while !ended.load(SeqCst) {
                    // Held back, or refused.
                    let _ = peer.stream.write_all(frame);
                }
            });
        }
        eventually("their end", || {
            most = most.max(resident().saturating_sub(before));
            let lost = server.handle.counters().lost;
            (lost.get(&Loss::Write) == Some(&(FLOODERS as u64))).then_some(())
        });
        ended.store(true, SeqCst);
    });
    assert!(most < 16 * 1024 * 1024, "{most} bytes");
}

/// Many talk faster than the hub can listen: they are held back, and what waits is bounded.
#[test]
fn what_waits_for_the_hub_is_bounded_in_bytes() {
    const TALKERS: usize = 4;
    const EACH: usize = 250;
    let _alone = alone();
    let builder = Server::builder()
        .outbox(128 * 1024)
        .slow_client(SlowClient::DropNewest);
    let server = Loopback::run_with_send_buffer(64 * 1024, builder, support::echo);
    let _sleepers = server.open_all();
    let message = "x".repeat(1024 * 1024);
    let before = resident();
    let mut most = 0;
    thread::scope(|scope| {
        let talking: Vec<_> = (0..TALKERS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        server.handle.broadcast(message.as_str());
                    }
                })
            })
            .collect();
        while talking.iter().any(|talking| !talking.is_finished()) {
            most = most.max(resident().saturating_sub(before));
            thread::sleep(Duration::from_millis(1));
        }
    });
    // All of it would be 1000 MiB.
    assert!(most < 64 * 1024 * 1024, "{most} bytes");
}

const LIMITED: &str = "STENTOR_TEST_HAS_SO_MUCH_MEMORY";

/// A server that its system allows little memory, in a process of its own, which ends with its input.
struct Poor {
    child: Child,
    /// What it says is not read, but has to go somewhere.
    _output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Poor {
    /// Starts this very test again, which then calls [`Poor::serve`].
    fn start(test: &str, limit: &str, heaps: usize) -> Poor {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(LIMITED, limit)
            .env("MALLOC_ARENA_MAX", heaps.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "no address");
            if let Some((_, address)) = line.trim().split_once("listens on ") {
                break address.parse().unwrap();
            }
        };
        Poor {
            child,
            _output: output,
            address,
        }
    }

    fn serve(limit: &str) {
        let (resource, mib) = limit.split_once(' ').unwrap();
        let resource = match resource {
            "space" => Resource::As,
            _ => Resource::Data,
        };
        let limits = Rlimit {
            current: Some(mib.parse::<u64>().unwrap() * 1024 * 1024),
            ..getrlimit(resource)
        };
        setrlimit(resource, limits).unwrap();
        let server = Loopback::echo(Server::builder());
        println!("listens on {}", server.address);
        let mut word = String::new();
        while std::io::stdin().read_line(&mut word).unwrap() > 0 {}
    }

    /// Who comes in, or is told otherwise with a status.
    fn knock(&self, version: Version) -> Result<Peer, u16> {
        let mut stream = dial(self.address);
        let head = Head::of(version).bytes();
        stream.write_all(&head).unwrap();
        let mut first = [0; 12];
        while stream.peek(&mut first).unwrap() < first.len() {}
        match &first[9..] {
            b"101" => Ok(Peer::after(stream, version, head.len())),
            _ => Err(read_answer(&mut stream).status()),
        }
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// An allocation that fails aborts the process; there must be none.
#[test]
fn a_process_with_little_memory_turns_clients_away_with_503() {
    const NAME: &str = "a_process_with_little_memory_turns_clients_away_with_503";
    if let Some(limit) = env::var_os(LIMITED) {
        return Poor::serve(limit.to_str().unwrap());
    }
    let _alone = alone();
    // With glibc, the first threads may take nearly all of the address space for their heaps; with one
    // heap for all, the limit is the clients'.
    let limits = ["space 200", "space 300", "space 400", "data 100"];
    for (limit, heaps) in limits
        .into_iter()
        .flat_map(|limit| [(limit, 1), (limit, 64)])
    {
        let poor = Poor::start(NAME, limit, heaps);
        let mut peers = Vec::new();
        let mut turned_away = 0;
        for version in Version::ALL.into_iter().cycle().take(500) {
            match poor.knock(version) {
                Ok(peer) => peers.push(peer),
                Err(status) => {
                    assert_eq!(status, 503, "{limit}");
                    turned_away += 1;
                }
            }
            if turned_away == 40 {
                break;
            }
        }
        assert_eq!(turned_away, 40, "{limit}: {} came in", peers.len());
        if heaps == 1 || limit.starts_with("data") {
            assert!(peers.len() > 20, "{limit}: {} came in", peers.len());
        }
        // Those who are there are served, with messages of some size.
        for peer in &mut peers {
            peer.expect_echo(&"x".repeat(10_000));
        }
        let kept = peers.len() / 2;
        println!("{limit} MiB, {heaps} heaps: {} came in", peers.len());
        peers.truncate(kept);
        if kept > 0 {
            let mut peer = eventually("a place", || poor.knock(Version::Rfc6455).ok());
            peer.expect_echo("there is room again");
        }
        poor.end();
    }
}

/// A compressor of a context is large, and outlives messages; it does not outlive the client.
#[cfg(feature = "deflate")]
#[test]
fn a_client_that_is_gone_gives_its_compressor_back() {
    const CLIENTS: usize = 60;
    let _alone = alone();
    let builder = Server::builder().deflate(stentor::Deflate::new().send_takeover(true));
    let server = Loopback::echo(builder);
    let head = Head::of(Version::Rfc6455).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let visit = || {
        let mut peer = Peer::open_with(server.address, Version::Rfc6455, &head);
        peer.say(&"x".repeat(1000));
        assert!(matches!(peer.hear(), Heard::Deflated(..)));
        peer
    };
    let mut handles = Vec::new();
    let mut visit_and_leave = || {
        let mut peer = visit();
        handles.push(server.client(&peer));
        peer.leave();
        server.wait_until_empty();
    };
    (0..10).for_each(|_| visit_and_leave());
    let before = resident();
    (0..CLIENTS).for_each(|_| visit_and_leave());
    let grown = resident().saturating_sub(before);
    assert!(grown < CLIENTS * 100 * 1024, "{grown} bytes");
    assert_eq!(handles.len(), CLIENTS + 10);
}
