//! Errors of Redis, by kind.

use std::fmt;

/// An error that Redis has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisError {
    pub(crate) kind: ErrorKind,
    /// The text of Redis, escaped and shortened.
    pub(crate) text: String,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ErrorKind {
    /// A script is not loaded: load all, and send the command again.
    NoScript,
    /// Redis is a replica, or has become one.
    ReadOnly,
    /// The limit `maxmemory` is reached.
    OutOfMemory,
    /// Redis reads its data after a start.
    Loading,
    /// Redis cannot save its data.
    Misconfigured,
    /// A password is needed.
    NoAuth,
    /// The user or the password is wrong.
    WrongPassword,
    /// The user may not execute the command.
    NoPermission,
    /// Somebody's script runs too long.
    Busy,
    /// Fewer replicas are connected than Redis needs for writing.
    NoReplicas,
    /// The replica has lost its primary, and does not answer.
    MasterDown,
    /// Redis is a node of a cluster.
    Cluster,
    /// A key has another type: another program has written it.
    WrongType,
    Other,
}

/// The code of each kind, its name for metrics, and the remedy.
const KINDS: [(&str, ErrorKind, &str, &str); 17] = [
    (
        "NOSCRIPT",
        ErrorKind::NoScript,
        "no_script",
        "the scripts are loaded again",
    ),
    (
        "READONLY",
        ErrorKind::ReadOnly,
        "read_only",
        "it is a replica: connect to the primary",
    ),
    (
        "OOM",
        ErrorKind::OutOfMemory,
        "out_of_memory",
        "it has reached its limit of memory: raise maxmemory, or keep less history",
    ),
    (
        "LOADING",
        ErrorKind::Loading,
        "loading",
        "it reads its data: wait",
    ),
    (
        "MISCONF",
        ErrorKind::Misconfigured,
        "misconfigured",
        "it cannot save its data: see its log, and make room on its disk",
    ),
    (
        "NOAUTH",
        ErrorKind::NoAuth,
        "no_auth",
        "add the password to the address",
    ),
    (
        "WRONGPASS",
        ErrorKind::WrongPassword,
        "wrong_password",
        "correct the user and the password in the address",
    ),
    (
        "NOPERM",
        ErrorKind::NoPermission,
        "no_permission",
        "allow the user this command, the keys and the channels of the namespace",
    ),
    (
        "BUSY",
        ErrorKind::Busy,
        "busy",
        "a script of another program runs too long: wait, or SCRIPT KILL",
    ),
    (
        "NOREPLICAS",
        ErrorKind::NoReplicas,
        "no_replicas",
        "too few replicas are connected: see min-replicas-to-write",
    ),
    (
        "MASTERDOWN",
        ErrorKind::MasterDown,
        "master_down",
        "it has lost its primary: connect to the primary",
    ),
    ("MOVED", ErrorKind::Cluster, "cluster", CLUSTER),
    ("ASK", ErrorKind::Cluster, "cluster", CLUSTER),
    ("CROSSSLOT", ErrorKind::Cluster, "cluster", CLUSTER),
    ("CLUSTERDOWN", ErrorKind::Cluster, "cluster", CLUSTER),
    (
        "WRONGTYPE",
        ErrorKind::WrongType,
        "wrong_type",
        "another program writes to the same keys: choose another namespace",
    ),
    (
        "",
        ErrorKind::Other,
        "other",
        "see the documentation of Redis",
    ),
];

const CLUSTER: &str = "clusters are not supported: use a Redis without cluster mode";

/// The most characters of a text that are kept.
const LONGEST: usize = 200;

impl RedisError {
    /// Reads the text of an error reply.
    pub(crate) fn read(text: &str) -> RedisError {
        let code = code(text);
        let kind = KINDS.iter().find(|(known, ..)| *known == code);
        // An unknown command is repeated with its arguments, and one of these can be a password.
        let text = text.split("with args").next().unwrap_or_default();
        RedisError {
            kind: kind.map_or(ErrorKind::Other, |(_, kind, ..)| *kind),
            text: text
                .chars()
                .take(LONGEST)
                .flat_map(char::escape_debug)
                .collect(),
        }
    }
}

/// Returns the code of an error. Redis 6.2 writes the error of a command in a script behind the script's place.
fn code(text: &str) -> &str {
    let is_of_script = text.starts_with("@user_script") || text.contains("Error running script");
    let inner = text.split_once(": -").filter(|_| is_of_script);
    let inner = inner
        .map_or(text, |(_, inner)| inner)
        .trim_start_matches('-');
    inner.split([' ', '\r', '\n']).next().unwrap_or_default()
}

impl ErrorKind {
    /// Returns the name for metrics.
    pub(crate) fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns whether a later connection can succeed where this one does not.
    pub(crate) fn needs_reconnect(self) -> bool {
        matches!(
            self,
            ErrorKind::ReadOnly | ErrorKind::MasterDown | ErrorKind::Loading | ErrorKind::Busy
        )
    }

    /// Returns the name and the remedy.
    fn row(self) -> (&'static str, &'static str) {
        let row = KINDS.iter().find(|(_, kind, ..)| *kind == self);
        row.map_or(("other", ""), |(_, _, name, remedy)| (*name, *remedy))
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, remedy) = self.kind.row();
        write!(
            f,
            "Redis has answered \"{}\": {remedy}",
            self.text.trim_end()
        )
    }
}

impl std::error::Error for RedisError {}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, RedisError};

    fn kind(text: &str) -> ErrorKind {
        RedisError::read(text).kind
    }

    #[test]
    fn an_error_has_the_kind_of_its_code() {
        let errors = [
            (
                "NOSCRIPT No matching script.",
                ErrorKind::NoScript,
                "no_script",
            ),
            ("READONLY You can't write", ErrorKind::ReadOnly, "read_only"),
            (
                "OOM command not allowed",
                ErrorKind::OutOfMemory,
                "out_of_memory",
            ),
            ("LOADING Redis is loading", ErrorKind::Loading, "loading"),
            (
                "MISCONF Redis is",
                ErrorKind::Misconfigured,
                "misconfigured",
            ),
            ("NOAUTH Authentication", ErrorKind::NoAuth, "no_auth"),
            (
                "WRONGPASS invalid",
                ErrorKind::WrongPassword,
                "wrong_password",
            ),
            ("NOPERM this user", ErrorKind::NoPermission, "no_permission"),
            ("BUSY Redis is busy", ErrorKind::Busy, "busy"),
            (
                "NOREPLICAS Not enough",
                ErrorKind::NoReplicas,
                "no_replicas",
            ),
            ("MASTERDOWN Link with", ErrorKind::MasterDown, "master_down"),
            ("MOVED 3999 127.0.0.1:6381", ErrorKind::Cluster, "cluster"),
            ("CROSSSLOT Keys", ErrorKind::Cluster, "cluster"),
            ("WRONGTYPE Operation", ErrorKind::WrongType, "wrong_type"),
            ("ERR unknown", ErrorKind::Other, "other"),
            ("", ErrorKind::Other, "other"),
            ("OOMPH", ErrorKind::Other, "other"),
        ];
        for (text, expected, name) in errors {
            assert_eq!(kind(text), expected, "{text}");
            assert_eq!(expected.name(), name);
            assert!(RedisError::read(text).to_string().contains(": "), "{text}");
        }
    }

    #[test]
    fn the_code_behind_the_text_of_an_older_redis_is_found() {
        let place = "@user_script: 9: -OOM command not allowed when used memory > 'maxmemory'.";
        let raised = format!("ERR Error running script (call to f_12): @user_script:9: {place}");
        for text in [place, &raised, "-OOM command not allowed"] {
            assert_eq!(kind(text), ErrorKind::OutOfMemory, "{text}");
        }
        assert_eq!(kind("ERR value: -OOM"), ErrorKind::Other);
    }

    #[test]
    fn a_text_is_short_escaped_and_has_no_arguments() {
        let long = RedisError::read(&"\u{1b}[2J\n".repeat(10_000)).text;
        assert!(long.len() < 2000 && !long.contains(['\u{1b}', '\n']));
        let text = "ERR unknown command 'AUTH', with args beginning with: 'secret' ";
        let error = RedisError::read(text);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
