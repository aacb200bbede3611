//! The recipe "Systemd service": its `main` in a process of its own, which systemd's protocol starts.

use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use stentor::{CloseCode, Received};

use crate::cookbook::{open, text};
use crate::support::{PATIENCE, eventually};

/// The test that is the service, if systemd's protocol has started it.
const SERVICE: &str = "cookbook::systemd::tests::the_service_of_the_other_test";

/// A process of the service; killed when this is dropped.
struct Service(Child);

impl Service {
    /// Starts this program again, with the listener as descriptor 3.
    fn start(listener: &TcpListener) -> Service {
        let mut shell = Command::new("sh");
        let become_it = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        shell.args(["-c", become_it]);
        shell.arg(std::env::current_exe().unwrap());
        shell.args(["--exact", SERVICE, "--ignored"]);
        shell.stdin(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        Service(shell.spawn().unwrap())
    }

    /// Sends SIGTERM, as systemd does.
    fn stop(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        eventually("the end of the service", || self.0.try_wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "a part of the other test, in a process of its own"]
fn the_service_of_the_other_test() {
    super::main().unwrap();
}

#[test]
fn a_restart_closes_with_1001_and_refuses_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut service = Service::start(&listener);
    let mut old = open(address, "/");
    old.send("one").unwrap();
    assert_eq!(text(&mut old), "one");
    service.stop();
    assert_eq!(old.recv_timeout(PATIENCE).unwrap(), Received::Closed);
    let code = old.closed().map(|closed| closed.code);
    assert_eq!(code, Some(CloseCode::GOING_AWAY));
    drop(old);
    assert!(service.end().success());
    // No process accepts now: the client waits in the queue of the listener.
    let waiting = thread::spawn(move || open(address, "/"));
    let mut service = Service::start(&listener);
    let mut new = waiting.join().unwrap();
    new.send("two").unwrap();
    assert_eq!(text(&mut new), "two");
    service.stop();
    assert_eq!(new.recv_timeout(PATIENCE).unwrap(), Received::Closed);
    drop(new);
    assert!(service.end().success());
}
