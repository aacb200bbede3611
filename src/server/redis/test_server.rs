//! A Redis for one test, in a folder of its own: on a Unix socket, and on a port of loopback if replicas need one.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// A running `redis-server`. Dropping it ends the process, and removes its folder.
#[derive(Debug)]
pub(crate) struct RedisServer {
    folder: PathBuf,
    options: Vec<String>,
    port: u16,
    child: Option<Child>,
}

/// The most time for anything that a Redis is waited for.
const LONG: Duration = Duration::from_secs(60);

/// Names another program to test with, such as a `valkey-server` or an older `redis-server`.
const PROGRAM: &str = "STENTOR_REDIS_SERVER";

/// All that is acknowledged is on the disk, and a replica gets its data at once.
const OPTIONS: [&str; 14] = [
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--repl-diskless-sync-delay",
    "0",
    "--bind",
    "127.0.0.1",
    "--unixsocket",
    "socket",
    "--loglevel",
    "notice",
];

impl RedisServer {
    /// Starts a Redis with more options. Returns `None`, and prints that the test is skipped, if `redis-server` is not
    /// installed.
    ///
    /// # Errors
    /// If it does not start; or if it is not installed, and the environment variable `STENTOR_NEEDS_REDIS` is 1.
    pub(crate) fn start(options: &[&str]) -> io::Result<Option<RedisServer>> {
        RedisServer::start_on(0, options)
    }

    /// Starts a Redis that can have replicas.
    pub(crate) fn start_primary() -> io::Result<Option<RedisServer>> {
        RedisServer::start_on(free_port()?, &[])
    }

    /// Starts a replica of this Redis, which must be a primary, and waits until it has all data.
    pub(crate) fn start_replica(&self) -> io::Result<RedisServer> {
        let port = self.port.to_string();
        let options = ["--replicaof", "127.0.0.1", &port];
        let replica = RedisServer::start_on(free_port()?, &options)?;
        let replica = replica.ok_or_else(|| io::Error::other("no replica was started"))?;
        let began = Instant::now();
        while began.elapsed() < LONG {
            let info = replica.command(&["INFO", "replication"])?;
            if info.contains("master_link_status:up") {
                return Ok(replica);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(io::Error::other("the replica does not get the data"))
    }

    /// Makes a replica a primary.
    pub(crate) fn promote(&self) -> io::Result<()> {
        self.command(&["REPLICAOF", "NO", "ONE"]).map(drop)
    }

    fn start_on(port: u16, options: &[&str]) -> io::Result<Option<RedisServer>> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("stentor-redis-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        let mut server = RedisServer {
            folder,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            port,
            child: None,
        };
        match server.restart() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if env::var("STENTOR_NEEDS_REDIS").is_ok_and(|value| value == "1") {
                    return Err(io::Error::other("redis-server is not installed"));
                }
                eprintln!("skipped: no redis-server");
                Ok(None)
            }
            result => result.map(|()| Some(server)),
        }
    }

    /// Starts the Redis again in its folder, after [`kill`](RedisServer::kill).
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        let program = env::var_os(PROGRAM).unwrap_or_else(|| "redis-server".into());
        let mut child = Command::new(program)
            .args(["--port", &self.port.to_string()])
            .args(OPTIONS)
            .args(&self.options)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        self.child = Some(child);
        let (ready, is_ready) = channel();
        thread::spawn(move || {
            let mut lines = String::new();
            for line in output
                .into_iter()
                .flat_map(|pipe| BufReader::new(pipe).lines())
            {
                lines += &line.unwrap_or_default();
                lines.push('\n');
                if lines.contains("eady to accept connections") {
                    let _ = ready.send(Ok(()));
                    lines.clear();
                }
            }
            let _ = ready.send(Err(io::Error::other(lines)));
        });
        is_ready.recv_timeout(LONG).map_err(io::Error::other)?
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().and_then(|()| child.wait()).map(drop),
            None => Ok(()),
        }
    }

    /// Returns the path of the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Connects to the socket.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(LONG))?;
        Ok(stream)
    }

    /// Executes a command on a connection of its own. Returns the reply as text, with the items of arrays in
    /// lines.
    ///
    /// # Errors
    /// If Redis answers with an error.
    pub(crate) fn command(&self, parts: &[&str]) -> io::Result<String> {
        let mut stream = self.connect()?;
        let mut command = format!("*{}\r\n", parts.len());
        for part in parts {
            command += &format!("${}\r\n{part}\r\n", part.len());
        }
        stream.write_all(command.as_bytes())?;
        reply(&mut BufReader::new(stream))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn reply(from: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let (kind, text) = line.trim_end().split_at_checked(1).unwrap_or_default();
    match kind {
        "+" | ":" => Ok(text.to_owned()),
        "$" if text != "-1" => {
            let len: usize = text.parse().map_err(io::Error::other)?;
            let mut bytes = vec![0; len + 2];
            from.read_exact(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
        }
        "*" if text != "-1" => {
            let count: usize = text.parse().map_err(io::Error::other)?;
            let items: io::Result<Vec<String>> = (0..count).map(|_| reply(from)).collect();
            Ok(items?.join("\n"))
        }
        "$" | "*" => Ok(String::new()),
        _ => Err(io::Error::other(text.to_owned())),
    }
}
