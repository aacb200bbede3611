//! The resources that a server takes from its process and gives back: descriptors, threads, memory.
//! In a process of its own, and one test at a time, since these belong to the process and not to
//! the server.

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
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stentor::{DisconnectReason, Server, SlowClient, Version};

use support::{
    Folder, Head, Heard, Loopback, PATIENCE, Peer, becomes, dial, eventually, keep_logbook, logged,
    read_answer,
};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts an echo server that listens on two ports and a Unix socket.
fn several_sockets(folder: &Folder) -> Loopback {
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .listen("127.0.0.1:0")
        .listen_unix(folder.file("socket"));
    Loopback::start(server.build().unwrap(), support::echo)
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

/// Returns the processor time that this process has used so far, in hundredths of a second.
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
    // They have their descriptors before these run out; the server needs one more for each.
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

/// The server survives running out of descriptors; it is better still not to run out of them.
#[test]
fn no_more_clients_are_accepted_than_there_are_descriptors_for() {
    let _alone = alone();
    // Some descriptors are kept for purposes other than clients.
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

/// A process may be stopped, and so may a machine: bytes that nobody could read meanwhile do not
/// count as the clients' silence.
#[test]
fn a_pause_of_the_whole_process_does_not_count_as_silence() {
    let _alone = alone();
    let (ping, idle) = (Duration::from_millis(100), Duration::from_millis(600));
    let builder = Server::builder()
        .ping_interval(Some(ping))
        .pong_timeout(PATIENCE);
    let server = Loopback::echo(builder.idle_timeout(Some(idle)));
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

/// Returns the number of threads whose names begin with this prefix.
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
    // The third is the thread that called `run`.
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
        // Some leave, some are aborted, some are still there at the end, and one stops in its
        // handshake.
        for peer in &mut peers[..10] {
            peer.leave();
        }
        peers.drain(10..20);
        let half = Peer::without_key3(server.address);
        // Handles keep nothing alive except themselves.
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

/// The current folder belongs to the process and may change.
#[test]
fn a_unix_sockets_file_is_removed_with_the_server_even_if_the_current_folder_has_changed() {
    let _alone = alone();
    let folder = Folder::new();
    let before = env::current_dir().unwrap();
    env::set_current_dir(folder.file("")).unwrap();
    let server = Server::builder().listen_unix("socket").build().unwrap();
    let endpoint = server.endpoints().unwrap().remove(0);
    env::set_current_dir(before).unwrap();
    let path = folder.file("socket");
    assert!(path.exists());
    assert_eq!(endpoint.to_string(), path.to_str().unwrap());
    drop(server);
    assert!(!path.exists());
}

/// Returns the resident memory of this process, in bytes.
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
fn unread_messages_cost_no_more_than_their_bound() {
    const SLEEPERS: usize = 20;
    const OUTBOX: usize = 128 * 1024;
    const MESSAGES: usize = 600;
    let _alone = alone();
    let builder = Server::builder()
        .send_queue_limit(OUTBOX)
        .slow_client(SlowClient::DropNewest);
    let server = Loopback::run_with_send_buffer(64 * 1024, builder, support::echo);
    let _sleepers: Vec<Peer> = (0..SLEEPERS)
        .map(|_| server.open(Version::Rfc6455))
        .collect();
    // One client reads, and sets the pace.
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
    // The messages sent to them are 37 MiB for each client, or in total where the bytes are shared.
    assert!(grown < SLEEPERS * OUTBOX + 8 * 1024 * 1024, "{grown} bytes");
    assert!(server.handle.counters().dropped > 0);
}

/// Replies of an echo server that are not read delay the sender: backpressure.
#[test]
fn a_flood_that_is_echoed_and_not_read_costs_no_more_than_its_bound() {
    const FLOODERS: usize = 10;
    let _alone = alone();
    let builder = Server::builder()
        .send_queue_limit(128 * 1024)
        .write_timeout(Duration::from_millis(500));
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
                    // Delayed by backpressure, or rejected.
                    let _ = peer.stream.write_all(frame);
                }
            });
        }
        eventually("their end", || {
            most = most.max(resident().saturating_sub(before));
            let disconnected = server.handle.counters().disconnected;
            (disconnected.get(&DisconnectReason::WriteTimeout) == Some(&(FLOODERS as u64)))
                .then_some(())
        });
        ended.store(true, SeqCst);
    });
    assert!(most < 16 * 1024 * 1024, "{most} bytes");
}

/// Many threads post faster than the hub takes messages: they wait, and the queued bytes are
/// bounded.
#[test]
fn bytes_queued_for_the_hub_are_bounded() {
    const TALKERS: usize = 4;
    const EACH: usize = 250;
    let _alone = alone();
    let builder = Server::builder()
        .send_queue_limit(128 * 1024)
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

/// The process has a name that is not UTF-8.
const FOREIGN: &str = "STENTOR_TEST_HAS_A_FOREIGN_NAME";

/// A server that its system allows little memory, in a process of its own, which ends with its input.
struct Poor {
    child: Child,
    /// Its output is not read, but has to go somewhere.
    _output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Poor {
    /// Starts this very test again, which then calls [`Poor::serve`].
    fn start(test: &str, limit: &str, environment: &[(&str, &str)]) -> Poor {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(LIMITED, limit)
            .envs(environment.iter().copied())
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
        if env::var_os(FOREIGN).is_some() {
            fs::write("/proc/self/comm", b"serveur d'\xe9cho").unwrap();
        }
        let server = Loopback::echo(Server::builder());
        println!("listens on {}", server.address);
        let mut word = String::new();
        while std::io::stdin().read_line(&mut word).unwrap() > 0 {}
    }

    /// Returns a client, or the status of the rejection.
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

    /// Lets in as many as there are places for, and then knocks a good many times more: whatever a
    /// refusal costs is given back.
    fn fill(&self) -> Vec<Peer> {
        let (mut peers, mut turned_away) = (Vec::new(), 0);
        for version in Version::ALL.into_iter().cycle().take(1000) {
            match self.knock(version) {
                Ok(peer) => peers.push(peer),
                Err(status) => {
                    assert_eq!(status, 503);
                    turned_away += 1;
                }
            }
            if turned_away == 300 {
                return peers;
            }
        }
        panic!("{} came in", peers.len());
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
    for limit in [
        "space 200",
        "space 300",
        "space 400",
        "space 600",
        "data 100",
    ] {
        let poor = Poor::start(NAME, limit, &[]);
        let mut peers = poor.fill();
        println!("{limit} MiB: {} came in", peers.len());
        assert!(peers.len() > 1, "{limit}: {} came in", peers.len());
        // The connected clients are served, with messages of some size.
        for peer in &mut peers {
            peer.expect_echo(&"x".repeat(10_000));
        }
        let places = peers.len();
        peers.truncate(places / 2);
        let mut peer = eventually("a place", || poor.knock(Version::Rfc6455).ok());
        peer.expect_echo("there is room again");
        // The places of those who have left are there for others, all of them.
        drop((peer, peers));
        eventually("most of the places", || {
            (poor.fill().len() >= places * 3 / 4).then_some(())
        });
        poor.end();
    }
}

/// A program's name is made of bytes, and Linux cuts it after the fifteenth: it may end within a character.
#[test]
fn a_process_whose_name_is_not_utf8_knows_its_memory() {
    const NAME: &str = "a_process_whose_name_is_not_utf8_knows_its_memory";
    if let Some(limit) = env::var_os(LIMITED) {
        return Poor::serve(limit.to_str().unwrap());
    }
    let _alone = alone();
    let poor = Poor::start(NAME, "data 100", &[(FOREIGN, "yes")]);
    assert!(poor.fill().len() > 1);
    poor.end();
}

/// The unfinished messages of clients are bounded by far less than they could send in the time that the
/// server takes to end those that hold most.
#[test]
fn unfinished_messages_do_not_abort_a_process_with_little_memory() {
    const NAME: &str = "unfinished_messages_do_not_abort_a_process_with_little_memory";
    if let Some(limit) = env::var_os(LIMITED) {
        return Poor::serve(limit.to_str().unwrap());
    }
    let _alone = alone();
    thread::scope(|scope| {
        for limit in ["data 100", "data 160"] {
            scope.spawn(move || begin_messages(NAME, limit));
        }
    });
}

/// Fills a server of little memory with clients that each send a message without its last byte, for four
/// seconds.
fn begin_messages(test: &str, limit: &str) {
    const LEN: usize = 1_000_000;
    // As the documentation says for glibc, whose heaps keep what was freed.
    let poor = Poor::start(test, limit, &[("MALLOC_ARENA_MAX", "1")]);
    let mut streams = Vec::new();
    let head = Head::of(Version::Rfc6455).bytes();
    loop {
        let mut stream = dial(poor.address);
        stream.write_all(&head).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        if &first[9..] != b"101" {
            break;
        }
        // All of a message but its last byte.
        let mut message = vec![0x82, 0xff];
        message.extend((LEN as u64).to_be_bytes());
        message.resize(message.len() + 4 + LEN - 1, 0);
        stream.set_nonblocking(true).unwrap();
        streams.push((stream, message, 0));
    }
    let count = streams.len();
    assert!(count > 20, "{limit}: {count}");
    let until = Instant::now() + Duration::from_secs(4);
    while !streams.is_empty() && Instant::now() < until {
        let mut has_written = false;
        streams.retain_mut(|(stream, message, written)| {
            let end = message.len().min(*written + 64 * 1024);
            match stream.write(&message[*written..end]) {
                Ok(bytes) => {
                    *written += bytes;
                    has_written |= bytes > 0;
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        if !has_written {
            thread::yield_now();
        }
    }
    drop(streams);
    let mut peer = eventually("a place", || poor.knock(Version::Rfc6455).ok());
    peer.expect_echo("the server is there");
    poor.end();
}

/// A compressor of a context is large, and outlives messages; it does not outlive the client.
#[cfg(feature = "deflate")]
#[test]
fn a_client_that_is_gone_gives_its_compressor_back() {
    // So many that their compressors, of more than 256 KiB each, cannot be mistaken for what the
    // allocator's heaps keep of them: 30 MiB at most as it was seen, mostly far less.
    const CLIENTS: usize = 1000;
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
