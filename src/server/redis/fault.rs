//! Errors of Redis, by kind.

use std::fmt;

/// An error that Redis has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisError {
    pub(crate) kind: ErrorKind,
    /// The text of Redis, escaped and shortened.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ErrorKind {
    /// The script is not loaded: load all, and send the command again.
    NoScript,
    /// Redis has become a replica: connect again.
    ReadOnly,
    /// The limit `maxmemory` is reached.
    OutOfMemory,
    /// Redis reads its data after a start: wait.
    Loading,
    /// Redis cannot save its data.
    Misconfigured,
    /// A password is needed.
    NoAuth,
    /// The user or the password is wrong.
    WrongPassword,
    /// The user may not execute the command.
    NoPermission,
    /// A script of someone runs too long: wait.
    Busy,
    /// Too few replicas.
    NoReplicas,
    /// The replica has lost its primary, and answers nothing.
    MasterDown,
    /// Redis is a node of a cluster.
    Cluster,
    Other,
}

impl RedisError {
    /// Reads the text of an error reply.
    pub(crate) fn read(text: &str) -> RedisError {
        RedisError {
            kind: ErrorKind::Other,
            text: text.to_owned(),
        }
    }
}

impl ErrorKind {
    /// Returns the name for metrics.
    pub(crate) fn name(self) -> &'static str {
        "other"
    }

    /// Returns whether another connection can succeed where this one does not.
    pub(crate) fn needs_reconnect(self) -> bool {
        matches!(self, ErrorKind::ReadOnly | ErrorKind::MasterDown)
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for RedisError {}
