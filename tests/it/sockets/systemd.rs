//! Listeners that were bound before the server was started, and passed as systemd does it
//! (`sd_listen_fds(3)`): descriptors from 3 on, and two variables that hold their number and the
//! process they are for.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use stentor::{Server, Version};

use crate::support::{Folder, Peer, build, eventually, open_unix};

const TO_IT: &str = "LISTEN_PID=$$ LISTEN_FDS=2";

/// A chat that takes the sockets passed to it; killed when this is dropped.
struct Chat(Child);

impl Chat {
    /// The shell has only these descriptors to put in place, and becomes the chat.
    fn start(first: impl Into<OwnedFd>, second: impl Into<OwnedFd>, told: &str) -> Chat {
        let chat = build("chat");
        let in_place = "exec 3<&0 4<&1 0</dev/null 1>&2";
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("{in_place}; {told} exec \"$0\" --data none --systemd"),
        ]);
        shell.arg(chat);
        // The debug line tells the kind of an error, too.
        shell.env("RUST_LOG", "chat=debug");
        shell.env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        shell.stdin(first.into()).stdout(second.into());
        Chat(shell.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Returns the first lines that it prints.
    fn lines(&mut self, count: usize) -> Vec<String> {
        let printed = BufReader::new(self.0.stderr.take().unwrap()).lines();
        printed.take(count).map(Result::unwrap).collect()
    }

    /// Returns its message when it fails.
    fn failure(mut self) -> String {
        let status = eventually("its end", || self.0.try_wait().unwrap());
        let mut words = String::new();
        let printed = self.0.stderr.as_mut().unwrap();
        printed.read_to_string(&mut words).unwrap();
        assert!(!status.success(), "{words}");
        words
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn join(mut peer: Peer) -> Peer {
    let name = peer.version.name();
    peer.say(&format!(r#"{{"type":"join","name":"{name}"}}"#));
    let welcome = peer.hear_text();
    assert!(welcome.contains("welcome"), "{welcome}");
    peer
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn all_passed_sockets_make_one_server() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let (listener, address) = listen();
    // A client that connects before the server starts waits for it.
    let early = TcpStream::connect(address).unwrap();
    let mut chat = Chat::start(listener, UnixListener::bind(&path).unwrap(), TO_IT);
    let expected = [
        format!("chatting at http://{address}/"),
        format!("chatting at {}", path.display()),
    ];
    assert_eq!(chat.lines(2), expected);
    let head = crate::support::Head::of(Version::Rfc6455).bytes();
    let mut one = join(Peer::on(early, Version::Rfc6455, &head));
    let mut two = join(open_unix(&path, Version::Draft76));
    two.say(r#"{"type":"say","text":"hello"}"#);
    for peer in [&mut one, &mut two] {
        // The entries about the members come before.
        while !peer.hear_text().contains("hello") {}
    }
    kill_process(Pid::from_child(&chat.0), Signal::TERM).unwrap();
    one.answer_goodbye(1001, "the server is going down");
    // The server did not make it, and does not remove it.
    assert!(path.exists());
}

#[test]
fn no_passed_socket_is_an_error_that_says_so() {
    for told in [
        "",
        "LISTEN_PID=$$ LISTEN_FDS=0",
        "LISTEN_PID=1 LISTEN_FDS=2",
        "LISTEN_PID=$$ LISTEN_FDS=two",
    ] {
        let failure = Chat::start(listen().0, listen().0, told).failure();
        assert!(failure.contains("no sockets were passed"), "{failure}");
        assert!(failure.contains("NotFound"), "{failure}");
    }
}

#[test]
fn a_passed_descriptor_that_is_no_listener_is_an_error_that_names_it() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unbound = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    );
    let file = std::fs::File::open("/dev/null").unwrap();
    let unfit: [OwnedFd; 3] = [datagrams.into(), unbound.unwrap(), file.into()];
    for unfit in unfit {
        let failure = Chat::start(listen().0, unfit, TO_IT).failure();
        assert!(failure.contains("socket 2 of 2"), "{failure}");
        assert!(failure.contains("InvalidInput"), "{failure}");
    }
}

#[test]
fn a_builder_takes_them_once() {
    let error = Server::builder().systemd().systemd().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("call it once"), "{error}");
}

/// Runs the test below in a process of its own, to which a socket is passed.
#[test]
fn a_second_server_is_told_that_the_first_has_them() {
    let mut shell = Command::new("sh");
    let become_it = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    shell.args(["-c", become_it]);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "sockets::systemd::two_servers", "--ignored"]);
    shell.stdin(OwnedFd::from(listen().0));
    let output = shell.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
}

#[test]
#[ignore = "another test starts it with a socket"]
fn two_servers() {
    let _first = Server::builder().systemd().build().unwrap();
    let error = Server::builder().systemd().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("another server"), "{error}");
}
