//! The tap, between a server and a client of the library.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use stentor::{Connector, Server, Version};

use super::support::{program, run, scratch};

const TIMEOUT: Duration = Duration::from_secs(20);

/// The program as a tap, ended when it is dropped.
struct Tap {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

impl Tap {
    fn start(server: SocketAddr, arguments: &[&str]) -> Tap {
        let mut command = program();
        command.args(["--listen", "0", "--to", &server.to_string()]);
        Tap::spawn(command.args(arguments))
    }

    /// Starts a prepared command.
    fn spawn(command: &mut Command) -> Tap {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let first: String = lines.recv_timeout(TIMEOUT).unwrap();
        let address = first.strip_prefix("-- listening on ").unwrap();
        let address = address.split(',').next().unwrap().parse().unwrap();
        Tap {
            child,
            address,
            lines,
        }
    }

    /// Returns the lines until one has these words.
    #[track_caller]
    fn until(&self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("no \"{words}\" ({error}): {lines:#?}"),
            }
            if lines.last().is_some_and(|line| line.contains(words)) {
                return lines;
            }
        }
    }

    /// Ends the program as Ctrl-C does, and returns its exit status.
    fn interrupt(mut self) -> (i32, Vec<String>) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                let rest = self.lines.iter().collect();
                return (status.code().unwrap_or(-1), rest);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the tap does not end");
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An echo server of the library, which runs until the process ends.
fn echo() -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    thread::spawn(move || {
        server.run(|client| {
            while let Some(message) = client.recv()? {
                client.send(message)?;
            }
            Ok(())
        })
    });
    address
}

#[test]
fn conversations_of_every_version_are_explained_as_they_happen() {
    for version in Version::ALL {
        let path = scratch(&format!("tap-{version:?}.jsonl"));
        let tap = Tap::start(echo(), &["-q", "--save", path.to_str().unwrap()]);
        let url = format!("ws://{}/chat", tap.address);
        let mut socket = Connector::new().version(version).connect(&url).unwrap();
        tap.until("<S #1");
        socket.send("Hello").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("Hello".into()));
        let lines = tap.until("<S #1");
        let is_hello = |line: &String| line.contains("\"Hello\"") || line.contains("proof");
        assert!(lines.iter().all(is_hello), "{version}: {lines:?}");
        drop(socket);
        let ends = [tap.until(" end "), tap.until(" end ")].concat();
        assert!(
            ends.iter().all(|line| !line.contains("BROKEN")),
            "{version}: {ends:?}"
        );
        let (status, _) = tap.interrupt();
        assert_eq!(status, 0, "{version}");
        // The saved trace gives the same frames.
        let text = run(&["-q", path.to_str().unwrap()], b"").expect(0);
        assert_eq!(text.matches("\"Hello\"").count(), 2, "{version}: {text}");
        assert_eq!(text.matches(" end ").count(), 2, "{version}: {text}");
    }
}

#[test]
fn a_saved_trace_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let path = scratch("private.jsonl");
    let tap = Tap::start(echo(), &["--save", path.to_str().unwrap()]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    tap.interrupt();
}

#[test]
fn a_broken_rule_is_shown_at_once_and_gives_status_1() {
    let tap = Tap::start(echo(), &["--only", "broken"]);
    let mut socket = TcpStream::connect(tap.address).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    tap.until("BROKEN");
    let (status, _) = tap.interrupt();
    assert_eq!(status, 1);
}

/// Servers and clients that are no WebSocket at all: every byte arrives, both halves close.
#[test]
fn no_byte_is_altered_in_either_direction() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        // The client has closed its half, and still receives.
        socket
            .write_all(&bytes.iter().rev().copied().collect::<Vec<u8>>())
            .unwrap();
        bytes
    });
    let tap = Tap::start(address, &["-q"]);
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut socket = TcpStream::connect(tap.address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let copy = sent.clone();
    thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    socket.read_to_end(&mut back).unwrap();
    back.reverse();
    assert!(back == sent);
    assert!(received.join().unwrap() == sent);
}

/// A pipe that nobody reads stops the program's output, and not the relay.
#[test]
fn a_terminal_that_does_not_read_delays_nothing() {
    let server = echo();
    let mut child = program()
        .args(["-v", "--listen", "0", "--to", &server.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let address = first
        .strip_prefix("-- listening on ")
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let mut socket = stentor::connect(&format!("ws://{address}/")).unwrap();
    for n in 0..3000 {
        socket.send(format!("message {n}")).unwrap();
        assert_eq!(
            socket.recv().unwrap(),
            Some(format!("message {n}").as_str().into())
        );
    }
    // New connections are relayed, too, and end.
    for _ in 0..20 {
        let mut socket = Connector::new()
            .connect_timeout(TIMEOUT)
            .connect(&format!("ws://{address}/"))
            .unwrap();
        socket.send("new").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("new".into()));
    }
    // A signal ends the program, although its output waits.
    let id = child.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert_eq!(wait(&mut child), Some(130));
}

/// Returns the exit status of a program that ends.
fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("the tap does not end");
}

#[test]
fn connections_that_are_too_many_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<TcpStream>>());
    let tap = Tap::start(address, &[]);
    let open: Vec<TcpStream> = (0..256)
        .map(|_| TcpStream::connect(tap.address).unwrap())
        .collect();
    tap.until("-- #256: client");
    let mut one_more = TcpStream::connect(tap.address).unwrap();
    tap.until("-- too many connections: 1 closed");
    one_more.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert_eq!(one_more.read(&mut [0]).unwrap_or(0), 0);
    drop(open);
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let tap = Tap::start(closed, &[]);
    let mut socket = TcpStream::connect(tap.address).unwrap();
    tap.until("the server cannot be reached");
    let mut bytes = Vec::new();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let _ = socket.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
}

#[test]
fn all_connections_are_numbered() {
    let tap = Tap::start(echo(), &["-q"]);
    let url = format!("ws://{}/", tap.address);
    let mut sockets: Vec<_> = (0..10).map(|_| stentor::connect(&url).unwrap()).collect();
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.send(format!("from {n}")).unwrap();
        assert!(socket.recv().unwrap().is_some());
    }
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let line = tap.until("\"from ").pop().unwrap();
        let number = line.split('#').nth(1).unwrap().split(' ').next().unwrap();
        seen.push(number.parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..=10).collect::<Vec<u32>>());
}

#[test]
fn a_connection_has_two_file_descriptors_and_their_lack_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().collect::<Vec<TcpStream>>());
    let program = program();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""]);
    command.arg(program.get_program());
    let tap = Tap::spawn(command.args(["--listen", "0", "--to", &address]));
    let connect = || TcpStream::connect(tap.address).unwrap();
    let mut open: Vec<TcpStream> = (0..12).map(|_| connect()).collect();
    let lines = tap.until("-- #12: client");
    assert!(
        lines.iter().all(|line| line.contains(": client ")),
        "{lines:?}"
    );
    open.extend((0..12).map(|_| connect()));
    let lines = tap.until("closed, this program has too many open files");
    assert!(
        lines.iter().all(|line| !line.contains("reached")),
        "{lines:?}"
    );
}
