//! A Redis for one test, on a Unix socket in a folder of its own; its data survives its process.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::unix::Folder;
use super::waiting::{PATIENCE, eventually};

pub(crate) struct RedisServer {
    folder: Folder,
    child: Option<Child>,
    options: Vec<String>,
}

/// Returns the program to test with: `STENTOR_REDIS_SERVER` names another one, such as a `valkey-server`.
fn program() -> Command {
    let named = std::env::var_os("STENTOR_REDIS_SERVER");
    Command::new(named.unwrap_or_else(|| "redis-server".into()))
}

/// Returns a Redis, or `None` if the machine has no program `redis-server`: then a test is skipped, unless
/// `STENTOR_NEEDS_REDIS` is set.
pub(crate) fn redis(options: &[&str]) -> Option<RedisServer> {
    let found = program().arg("--version").output();
    if found.is_err() {
        let is_needed = std::env::var_os("STENTOR_NEEDS_REDIS").is_some();
        assert!(!is_needed, "there is no redis-server");
        return None;
    }
    let options = options.iter().map(|option| (*option).to_owned());
    let mut server = RedisServer {
        folder: Folder::new(),
        child: None,
        options: options.collect(),
    };
    server.start();
    Some(server)
}

impl RedisServer {
    /// Starts the process, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let socket = self.folder.file("s");
        let folder = socket.parent().unwrap();
        let mut command = program();
        command.args(["--port", "0", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always"]);
        command.arg("--unixsocket").arg(&socket);
        command.arg("--dir").arg(folder).args(&self.options);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
        eventually("Redis", || {
            let mut stream = UnixStream::connect(self.folder.file("s")).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            let answer = request(&mut stream, &["PING"])?;
            (!answer.starts_with("-LOADING")).then_some(())
        });
    }

    /// Ends the process at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A stopped process ends too.
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process, which keeps its connections, or lets it go on.
    pub(crate) fn freeze(&self, freezes: bool) {
        let signal = if freezes { "-STOP" } else { "-CONT" };
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Returns the length of the file to which Redis appends every write.
    pub(crate) fn log_length(&self) -> u64 {
        self.log_file().metadata().unwrap().len()
    }

    /// Removes the end of that file, as if it had not reached the disk. Redis does not run meanwhile.
    pub(crate) fn truncate_log(&self, length: u64) {
        assert!(self.child.is_none());
        let file = File::options().write(true).open(self.log_file()).unwrap();
        file.set_len(length).unwrap();
    }

    fn log_file(&self) -> PathBuf {
        // From 7.0 on in parts, the last of which grows.
        let parts = self.folder.file("appendonlydir/appendonly.aof.1.incr.aof");
        if parts.exists() {
            parts
        } else {
            self.folder.file("appendonly.aof")
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.file("s")
    }

    pub(crate) fn address(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Executes a command; returns the answer as it is on the wire, without the lengths of its parts.
    pub(crate) fn execute(&self, words: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        request(&mut stream, words).unwrap()
    }

    /// Returns how often a command was executed.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let statistics = self.execute(&["INFO", "commandstats"]);
        let beginning = format!("cmdstat_{command}:calls=");
        let line = statistics
            .lines()
            .find_map(|line| line.strip_prefix(&beginning));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn request(stream: &mut UnixStream, words: &[&str]) -> Option<String> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(bytes.as_bytes()).ok()?;
    read(&mut BufReader::new(stream))
}

fn read(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let line = line.trim_end();
    match line.split_at_checked(1)? {
        ("$", "-1") | ("*", "-1") => Some(String::new()),
        ("$", len) => {
            let mut bytes = vec![0; len.parse::<usize>().ok()? + 2];
            stream.read_exact(&mut bytes).ok()?;
            bytes.truncate(bytes.len() - 2);
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        ("*", count) => {
            let count = count.parse::<usize>().ok()?;
            let parts: Option<Vec<_>> = (0..count).map(|_| read(stream)).collect();
            Some(parts?.join("\n"))
        }
        _ => Some(line.to_owned()),
    }
}
