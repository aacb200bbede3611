//! The scripts that Redis executes, their calls, and their answers.
//!
//! A script is sent by its SHA-1. Redis may have forgotten it ([`NoScript`](super::fault::ErrorKind::NoScript)):
//! then [`load`] is sent, and the command again.

pub(crate) mod log;

use std::fmt;
use std::sync::OnceLock;

use sha1::{Digest, Sha1};

use super::fault::RedisError;
use super::keys::{Keys, Kind, MachineId};
use super::wire::{self, Reply};

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Script {
    Append,
    Read,
    Attach,
    Forget,
}

/// All scripts.
pub(crate) const ALL: [Script; 4] = [Script::Append, Script::Read, Script::Attach, Script::Forget];

/// What all calls of a connection have in common.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) keys: Keys,
    pub(crate) machine: MachineId,
    /// [`ServerFacts::life`](super::facts::ServerFacts::life) of the connection.
    pub(crate) life: String,
    pub(crate) log: LogBounds,
}

/// The limits of a room's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogBounds {
    /// An eighth more is kept before an eighth is removed.
    pub(crate) entries: u32,
    /// The bytes of headers and payloads, and 64 for each entry; an eighth more is kept. The newest entry is always
    /// kept.
    pub(crate) bytes: u64,
    /// Seconds after the newest entry after which the log is removed, or up to an eighth earlier.
    pub(crate) log_seconds: u32,
    /// Seconds after which the position is removed, if no server writes to the room.
    pub(crate) state_seconds: u32,
    /// A notification has the payloads of the entries up to so many bytes.
    pub(crate) inline: u32,
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Redis(RedisError),
    /// The reply is none of the script.
    Unexpected(Script),
}

/// A script without and with its common beginnings.
macro_rules! source {
    ($($file:literal)*) => { concat!($(include_str!($file)),*) };
}

impl Script {
    fn source(self) -> &'static str {
        match self {
            Script::Append => source!("prelude.lua" "append.lua"),
            Script::Read => source!("page.lua" "read.lua"),
            Script::Attach => source!("prelude.lua" "page.lua" "attach.lua"),
            Script::Forget => source!("forget.lua"),
        }
    }

    /// Returns the SHA-1 by which the script is called.
    fn digest(self) -> &'static str {
        static DIGESTS: OnceLock<[String; ALL.len()]> = OnceLock::new();
        let digest = |script: Script| {
            let digest = Sha1::digest(script.source());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        &DIGESTS.get_or_init(|| ALL.map(digest))[self as usize]
    }
}

/// Appends the commands that load all scripts: each is answered by its SHA-1. Returns their number.
pub(crate) fn load(into: &mut Vec<u8>) -> usize {
    for script in ALL {
        wire::encode(&["SCRIPT", "LOAD", script.source()], into);
    }
    ALL.len()
}

/// Checks the reply to a command of [`load`]; they come in the order of [`ALL`].
pub(crate) fn loaded(script: Script, reply: Reply) -> Result<(), NoAnswer> {
    match reply {
        Reply::Bulk(digest) if digest == script.digest().as_bytes() => Ok(()),
        reply => Err(NoAnswer::of(script, reply)),
    }
}

/// Appends the call of a script with its keys and arguments.
fn call(script: Script, keys: &[String], arguments: &[&[u8]], into: &mut Vec<u8>) {
    wire::begin(3 + keys.len() + arguments.len(), into);
    wire::part_of(b"EVALSHA", into);
    wire::part_of(script.digest().as_bytes(), into);
    wire::part_of(keys.len().to_string().as_bytes(), into);
    for key in keys {
        wire::part_of(key.as_bytes(), into);
    }
    for argument in arguments {
        wire::part_of(argument, into);
    }
}

impl Context {
    /// Returns the keys of a room with which each script begins that can write to its log, and others.
    fn keys<const N: usize>(&self, room: &str, others: [Kind; N]) -> Vec<String> {
        let kinds = [Kind::Log, Kind::State].into_iter().chain(others);
        kinds.map(|kind| self.keys.key(room, kind)).collect()
    }

    /// Appends the call of a script that can write to a room's log: its arguments follow the common ones.
    fn call(
        &self,
        script: Script,
        room: &str,
        keys: &[String],
        arguments: &[&[u8]],
        into: &mut Vec<u8>,
    ) {
        let channel = self.keys.channel(room);
        let log = &self.log;
        let numbers = [
            u64::from(log.entries),
            log.bytes,
            log.log_seconds.into(),
            log.state_seconds.into(),
            log.inline.into(),
        ];
        let numbers = numbers.map(|number| number.to_string());
        let common = [channel.as_bytes(), self.life.as_bytes()];
        let numbers = numbers.iter().map(String::as_bytes);
        let all: Vec<&[u8]> = common
            .into_iter()
            .chain(numbers)
            .chain(arguments.iter().copied())
            .collect();
        call(script, keys, &all, into);
    }
}

impl NoAnswer {
    /// Reads a reply that is not the script's.
    fn of(script: Script, reply: Reply) -> NoAnswer {
        match reply {
            Reply::Error(text) => NoAnswer::Redis(RedisError::read(&text)),
            _ => NoAnswer::Unexpected(script),
        }
    }
}

/// Returns the items of a script's answer.
fn items(script: Script, reply: Reply) -> Result<Vec<Reply>, NoAnswer> {
    match reply {
        Reply::Array(items) => Ok(items),
        reply => Err(NoAnswer::of(script, reply)),
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Redis(error) => error.fmt(f),
            NoAnswer::Unexpected(script) => write!(
                f,
                "Redis has answered the script {script:?} with an unexpected reply: use a Redis or Valkey without a proxy before it"
            ),
        }
    }
}

impl std::error::Error for NoAnswer {}

#[cfg(test)]
mod tests {
    use super::{ALL, NoAnswer, Reply, Script, load, loaded};

    #[test]
    fn each_script_is_called_by_the_hash_of_its_source() {
        let mut bytes = Vec::new();
        assert_eq!(load(&mut bytes), ALL.len());
        for (place, script) in ALL.into_iter().enumerate() {
            assert_eq!(place, script as usize);
            assert_eq!(script.digest().len(), 40);
            let digest = script.digest().as_bytes().to_vec();
            assert_eq!(loaded(script, Reply::Bulk(digest)), Ok(()));
            let other = loaded(script, Reply::Bulk(b"other".to_vec()));
            assert_eq!(other, Err(NoAnswer::Unexpected(script)));
        }
        assert!(Script::Read.source().contains("XRANGE"));
    }
}
