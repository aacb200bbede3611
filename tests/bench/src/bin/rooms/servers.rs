//! The servers: in this process, and as child processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use stentor::server::{History, Redis, Since};
use stentor::{Client, HandlerResult as Handled, Server, ServerHandle};

use crate::HandlerResult;

/// The room of most rows.
pub(crate) const ROOM: &str = "lobby";

/// The address of a server that shares nothing.
pub(crate) const ALONE: &str = "-";

/// The rooms of a client that sends `rooms`.
pub(crate) const ROOMS: usize = 10_000;

/// The messages that a client receives which sends `resume`.
pub(crate) const MISSED: usize = 100;

/// A server in this process.
pub(crate) struct Local {
    pub(crate) handle: ServerHandle,
    pub(crate) port: u16,
    thread: Option<JoinHandle<()>>,
}

/// A server in a child process; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

impl Local {
    pub(crate) fn start(history: History) -> HandlerResult<Local> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let builder = Server::builder().listener(listener).history(history);
        let server = builder.max_rooms_per_client(ROOMS + 1).build()?;
        let handle = server.handle();
        let thread = thread::spawn(move || {
            if let Err(error) = server.run(obey) {
                eprintln!("a server has failed: {error}");
            }
        });
        Ok(Local {
            handle,
            port,
            thread: Some(thread),
        })
    }

    pub(crate) fn shared(address: &str) -> HandlerResult<Local> {
        Local::start(History::new().redis(Redis::at(address)?))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Process {
    /// Starts this program again as a server at a Redis, or [`ALONE`].
    pub(crate) fn stentor(address: &str) -> HandlerResult<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", address]);
        Process::start(command)
    }

    /// Starts a server of Socket.IO.
    pub(crate) fn socket_io(socket: &Path) -> HandlerResult<Process> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("socketio");
        if !folder.join("node_modules").exists() {
            return Err("Socket.IO is missing: run npm ci --prefix tests/bench/socketio".into());
        }
        let mut command = crate::guarded("node")?;
        command.arg(folder.join("server.js")).arg(socket);
        Process::start(command)
    }

    fn start(mut command: Command) -> HandlerResult<Process> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        let mut server = Process { child, port: 0 };
        let mut port = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut port)?;
        }
        server.port = port
            .trim_end()
            .parse()
            .map_err(|_| "a server did not start")?;
        Ok(server)
    }

    /// Returns the processor time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> HandlerResult<f64> {
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            let time = stat.split(' ').next().unwrap_or_default();
            nanoseconds += time.parse::<f64>()?;
        }
        Ok(nanoseconds / 1e9)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the child process: prints its port, and serves until it is killed.
pub(crate) fn serve(address: &str) -> HandlerResult<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let history = match address {
        ALONE => History::new(),
        address => History::new()
            .max_entries(10_000)
            .max_bytes(16 * 1024 * 1024)
            .redis(Redis::at(address)?),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let server = Server::builder()
        .listener(listener)
        .history(history)
        .build()?;
    println!("{port}");
    Ok(server.run(obey)?)
}

/// Enters the room with the first message, and broadcasts the further ones, beside a few commands.
fn obey(client: &mut Client) -> Handled {
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some("join") => {
                client.resume(ROOM, Since::Last(0))?;
                client.send("joined")?;
            }
            Some("resume") => {
                client.resume(ROOM, Since::Last(MISSED))?;
            }
            Some("rooms") => {
                for number in 0..ROOMS {
                    client.try_join(&room(number))?;
                }
                client.send("joined")?;
            }
            _ => client.room(ROOM).broadcast(message),
        }
    }
    Ok(())
}

pub(crate) fn room(number: usize) -> String {
    format!("room {number}")
}
