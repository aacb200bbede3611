//! A Redis of this program's own, on a Unix socket.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::HandlerResult;

/// When Redis writes a message to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Never.
    Off,
    /// Once in a second.
    EverySecond,
    /// Before it answers.
    Always,
}

/// A running server; it is killed when this is dropped.
pub(crate) struct Redis {
    folder: PathBuf,
    disk: Disk,
    child: Option<Child>,
}

/// The longest time in which it starts, or answers.
const PATIENCE: Duration = Duration::from_secs(20);

impl Disk {
    fn options(self) -> [&'static str; 4] {
        let (is_on, when) = match self {
            Disk::Off => ("no", "no"),
            Disk::EverySecond => ("yes", "everysec"),
            Disk::Always => ("yes", "always"),
        };
        ["--appendonly", is_on, "--appendfsync", when]
    }
}

impl Redis {
    /// Starts a server with its data in a new folder beside this program: a folder for temporary files is often in
    /// memory.
    pub(crate) fn start(disk: Disk) -> HandlerResult<Redis> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("redis-{}-{}", process::id(), NUMBER.fetch_add(1, Relaxed));
        let folder = std::env::current_exe()?.with_file_name("stores").join(name);
        fs::create_dir_all(&folder)?;
        let mut redis = Redis {
            folder,
            disk,
            child: None,
        };
        redis.restart()?;
        Ok(redis)
    }

    /// Starts it again with its data, after [`kill`](Redis::kill).
    pub(crate) fn restart(&mut self) -> HandlerResult<()> {
        let mut command = crate::guarded(program())?;
        command.args(["--port", "0", "--save", "", "--unixsocket"]);
        command.arg(self.socket()).args(self.disk.options());
        command.current_dir(&self.folder).stdout(Stdio::null());
        self.child = Some(command.spawn()?);
        let began = Instant::now();
        loop {
            match self.command(&["PING"]) {
                Ok(_) => return Ok(()),
                Err(_) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(2)),
                Err(error) => return Err(format!("{}: {error}", name()).into()),
            }
        }
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        // The path of a socket is short.
        let name = self.folder.file_name().unwrap_or_default();
        std::env::temp_dir().join(name).with_extension("socket")
    }

    pub(crate) fn address(&self) -> String {
        self.address_of("")
    }

    /// Returns the address with credentials, such as `user:password@`.
    pub(crate) fn address_of(&self, credentials: &str) -> String {
        format!("redis+unix://{credentials}{}", self.socket().display())
    }

    /// Executes a command; the items of an array are lines of the text.
    pub(crate) fn command(&self, words: &[&str]) -> HandlerResult<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(bytes.as_bytes())?;
        reply(&mut BufReader::new(stream))
    }

    /// Returns the processor time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> HandlerResult<f64> {
        let info = self.command(&["INFO", "cpu"])?;
        let times = info.lines().filter_map(|line| line.split_once(':'));
        let times = times.filter(|(name, _)| ["used_cpu_sys", "used_cpu_user"].contains(name));
        let times: Result<Vec<f64>, _> = times.map(|(_, time)| time.trim().parse()).collect();
        Ok(times?.iter().sum())
    }

    /// Returns how many scripts it has executed.
    pub(crate) fn scripts(&self) -> HandlerResult<u64> {
        let info = self.command(&["INFO", "commandstats"])?;
        let calls = info
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let calls = calls.and_then(|calls| calls.split(',').next());
        Ok(calls.map_or(Ok(0), str::parse)?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(self.socket());
    }
}

/// Returns the program's version, or an error if it is not there.
pub(crate) fn version() -> HandlerResult<String> {
    let output = Command::new(program()).arg("--version").output();
    let output = output.map_err(|error| {
        format!(
            "{}: {error}: install redis-server, or name a program in STENTOR_REDIS_SERVER",
            name()
        )
    })?;
    let text = String::from_utf8(output.stdout)?;
    let words = text.split(' ').take(3);
    Ok(words.collect::<Vec<_>>().join(" "))
}

fn program() -> OsString {
    std::env::var_os("STENTOR_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn name() -> String {
    program().to_string_lossy().into_owned()
}

fn reply(from: &mut impl BufRead) -> HandlerResult<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let (kind, text) = line.trim_end().split_at_checked(1).unwrap_or_default();
    match kind {
        "+" | ":" => Ok(text.to_owned()),
        "$" if text != "-1" => {
            let mut bytes = vec![0; text.parse::<usize>()? + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(String::from_utf8(bytes)?)
        }
        "*" if text != "-1" => {
            let items: HandlerResult<Vec<_>> =
                (0..text.parse::<usize>()?).map(|_| reply(from)).collect();
            Ok(items?.join("\n"))
        }
        "$" | "*" => Ok(String::new()),
        _ => Err(format!("Redis: {line}").into()),
    }
}
