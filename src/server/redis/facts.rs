//! The first commands of a connection, and the facts about the server that it has reached.

use std::fmt;

/// Facts about a Redis or Valkey, of its answer to `INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFacts {
    /// The life of the data: another one after each start, and after each change of the role.
    pub(crate) life: String,
    pub(crate) run_id: String,
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) is_valkey: bool,
    pub(crate) maxmemory: u64,
    pub(crate) maxmemory_policy: String,
    pub(crate) is_cluster: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
    Other,
}

/// The reason why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The answer to `INFO` lacks this field.
    Missing(&'static str),
    Replica,
    TooOld(String),
    Cluster,
}

/// A setting with which messages can be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warning {
    /// Redis removes keys at its limit of memory, with this policy.
    Evicts(String),
}

impl ServerFacts {
    /// Reads the answer to `INFO server replication memory cluster`, or the answers to each, joined.
    ///
    /// # Errors
    /// If a field is missing.
    pub(crate) fn read(info: &str) -> Result<ServerFacts, Unusable> {
        let _ = info;
        Err(Unusable::Missing("run_id"))
    }

    /// Returns the warnings about a server that can be used.
    ///
    /// # Errors
    /// If the server cannot be used.
    pub(crate) fn check(&self) -> Result<Vec<Warning>, Unusable> {
        Ok(Vec::new())
    }
}

/// Appends `AUTH` with the user, if there is one, and the password.
pub(crate) fn auth(user: Option<&str>, password: &str, into: &mut Vec<u8>) {
    match user {
        Some(user) => super::wire::encode(&["AUTH", user, password], into),
        None => super::wire::encode(&["AUTH", password], into),
    }
}

/// Appends `SELECT` for a database.
pub(crate) fn select(database: u32, into: &mut Vec<u8>) {
    super::wire::encode(&["SELECT", &database.to_string()], into);
}

/// Appends `CLIENT SETNAME` with a name that has no spaces.
pub(crate) fn set_name(name: &str, into: &mut Vec<u8>) {
    super::wire::encode(&["CLIENT", "SETNAME", name], into);
}

/// Appends the commands whose answers, joined, are read by [`ServerFacts::read`]: so many.
pub(crate) fn info(into: &mut Vec<u8>) -> usize {
    const SECTIONS: [&str; 4] = ["server", "replication", "memory", "cluster"];
    for section in SECTIONS {
        super::wire::encode(&["INFO", section], into);
    }
    SECTIONS.len()
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Unusable {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
