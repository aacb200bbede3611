//! The first commands of a connection, and the facts about the server that it has reached.

use std::fmt;

use super::wire::encode;

/// Facts about a Redis or Valkey, out of its answer to `INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFacts {
    /// The life of the data: another one after each start, and after each change of the role. A primary that was a
    /// replica for a while may have lost entries.
    pub(crate) life: String,
    pub(crate) run_id: String,
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) is_valkey: bool,
    /// Empty if the server does not tell it.
    pub(crate) maxmemory_policy: String,
    pub(crate) is_cluster: bool,
}

/// The role of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// The reason why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The answer to `INFO` lacks this field.
    Missing(&'static str),
    Replica,
    /// The version, escaped.
    TooOld(String),
    Cluster,
}

/// A setting with which messages can be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warning {
    /// Redis removes keys at its limit of memory, with this policy.
    Evicts(String),
}

/// The oldest version: its scripts have `XRANGE` behind an entry, and `HRANDFIELD`.
const OLDEST: (u32, u32) = (6, 2);

impl ServerFacts {
    /// Reads the answers to the commands of [`info`], joined.
    ///
    /// # Errors
    /// If a field is missing.
    pub(crate) fn read(info: &str) -> Result<ServerFacts, Unusable> {
        let field = |name: &'static str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(field, _)| *field == name);
            found.map(|(_, value)| value.trim())
        };
        let needed = |name| field(name).ok_or(Unusable::Missing(name));
        let run_id = needed("run_id")?.to_owned();
        let role = match needed("role")? {
            "master" => Role::Primary,
            _ => Role::Replica,
        };
        let valkey = field("valkey_version");
        let version = match valkey {
            Some(version) => version,
            None => needed("redis_version")?,
        };
        Ok(ServerFacts {
            life: format!("{run_id} {}", field("master_replid").unwrap_or_default()),
            run_id,
            role,
            version: version.escape_debug().take(30).collect(),
            is_valkey: valkey.is_some(),
            maxmemory_policy: field("maxmemory_policy").unwrap_or_default().to_owned(),
            is_cluster: field("cluster_enabled") == Some("1"),
        })
    }

    /// Returns the warnings about a server that can be used.
    ///
    /// # Errors
    /// If the server cannot be used.
    pub(crate) fn check(&self) -> Result<Vec<Warning>, Unusable> {
        if self.role == Role::Replica {
            return Err(Unusable::Replica);
        }
        let mut numbers = self.version.split('.').map(|number| number.parse().ok());
        let version = numbers.next().flatten().zip(numbers.next().flatten());
        // The first Valkey is a Redis 7.2.
        if !self.is_valkey && version.is_none_or(|version| version < OLDEST) {
            return Err(Unusable::TooOld(self.version.clone()));
        }
        if self.is_cluster {
            return Err(Unusable::Cluster);
        }
        Ok(match self.maxmemory_policy.as_str() {
            "noeviction" | "" => Vec::new(),
            policy => vec![Warning::Evicts(policy.escape_debug().take(40).collect())],
        })
    }
}

/// Appends `AUTH` with the user, if there is one, and the password.
pub(crate) fn auth(user: Option<&str>, password: &str, into: &mut Vec<u8>) {
    match user {
        Some(user) => encode(&["AUTH", user, password], into),
        None => encode(&["AUTH", password], into),
    }
}

/// Appends `SELECT` for a database.
pub(crate) fn select(database: u32, into: &mut Vec<u8>) {
    encode(&["SELECT", &database.to_string()], into);
}

/// Appends `CLIENT SETNAME` with a name that has no spaces.
pub(crate) fn set_name(name: &str, into: &mut Vec<u8>) {
    encode(&["CLIENT", "SETNAME", name], into);
}

/// Appends the commands whose answers, joined, [`ServerFacts::read`] reads. Returns their number.
pub(crate) fn info(into: &mut Vec<u8>) -> usize {
    // Redis 6.2 takes one section in each command.
    const SECTIONS: [&str; 4] = ["server", "replication", "memory", "cluster"];
    for section in SECTIONS {
        encode(&["INFO", section], into);
    }
    SECTIONS.len()
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Missing(field) => write!(
                f,
                "the server's answer to INFO has no {field}: it is neither Redis nor Valkey, or the user may not read it"
            ),
            Unusable::Replica => f.write_str(
                "this Redis is a replica, which cannot store messages: connect to the primary",
            ),
            Unusable::TooOld(version) => write!(
                f,
                "the version of this Redis is {version}: use Redis {}.{} or later, or Valkey",
                OLDEST.0, OLDEST.1
            ),
            Unusable::Cluster => f.write_str(
                "this Redis is a node of a cluster, and clusters are not supported: use one without cluster mode",
            ),
        }
    }
}

impl std::error::Error for Unusable {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Evicts(policy) => write!(
                f,
                "Redis removes keys at its limit of memory, and with them messages and members: set maxmemory-policy to noeviction, instead of {policy}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, ServerFacts, Unusable, Warning, auth, info, select, set_name};

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n# Replication\r\nrole:master\r\n\
        master_replid:def\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n# Cluster\r\ncluster_enabled:0\r\n";

    fn checked(info: &str) -> Result<Vec<Warning>, Unusable> {
        ServerFacts::read(info)?.check()
    }

    #[test]
    fn facts_are_read() {
        let expected = ServerFacts {
            life: "abc def".to_owned(),
            run_id: "abc".to_owned(),
            role: Role::Primary,
            version: "7.0.15".to_owned(),
            is_valkey: false,
            maxmemory_policy: "noeviction".to_owned(),
            is_cluster: false,
        };
        assert_eq!(ServerFacts::read(INFO), Ok(expected));
        assert_eq!(checked(INFO), Ok(Vec::new()));
        let valkey = format!("{INFO}valkey_version:8.1.0\r\n");
        let facts = ServerFacts::read(&valkey).map(|facts| (facts.is_valkey, facts.version));
        assert_eq!(facts, Ok((true, "8.1.0".to_owned())));
        assert_eq!(checked(&valkey), Ok(Vec::new()));
    }

    #[test]
    fn servers_that_cannot_be_used_are_named() {
        assert_eq!(checked(""), Err(Unusable::Missing("run_id")));
        let replica = INFO.replace("role:master", "role:slave");
        assert_eq!(checked(&replica), Err(Unusable::Replica));
        for (version, is_old) in [
            ("6.0.16", true),
            ("5.9", true),
            ("x", true),
            ("", true),
            ("6.2.0", false),
            ("6.10.1", false),
            ("10.0", false),
        ] {
            let info = INFO.replace("7.0.15", version);
            let too_old = Err(Unusable::TooOld(version.to_owned()));
            let expected = if is_old { too_old } else { Ok(Vec::new()) };
            assert_eq!(checked(&info), expected, "{version}");
        }
        let cluster = INFO.replace("cluster_enabled:0", "cluster_enabled:1");
        assert_eq!(checked(&cluster), Err(Unusable::Cluster));
        let faults = [
            Unusable::Missing("role"),
            Unusable::Replica,
            Unusable::TooOld("5".to_owned()),
            Unusable::Cluster,
        ];
        for fault in faults {
            assert!(fault.to_string().contains(": ") || fault == Unusable::Replica);
        }
    }

    #[test]
    fn a_policy_that_evicts_is_a_warning() {
        let info = INFO.replace("noeviction", "allkeys-lru");
        let warning = Warning::Evicts("allkeys-lru".to_owned());
        assert!(warning.to_string().contains("noeviction"));
        assert_eq!(checked(&info), Ok(vec![warning]));
    }

    #[test]
    fn the_first_commands_are_encoded() {
        let mut bytes = Vec::new();
        auth(Some("ann"), "secret", &mut bytes);
        auth(None, "secret", &mut bytes);
        select(3, &mut bytes);
        set_name("stentor", &mut bytes);
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", " ");
        let expected = "*3 $4 AUTH $3 ann $6 secret *2 $4 AUTH $6 secret *2 $6 SELECT $1 3 \
            *3 $6 CLIENT $7 SETNAME $7 stentor ";
        assert_eq!(text, expected);
        bytes.clear();
        let count = info(&mut bytes);
        assert_eq!(bytes.iter().filter(|byte| **byte == b'*').count(), count);
    }
}
