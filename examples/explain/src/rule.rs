//! The rules of the specifications, each with its source and its reason.

use crate::rules;

/// A rule of a specification.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// A stable name, such as `mask.client`.
    pub id: &'static str,
    /// The specification and its section, such as `RFC 6455 §5.1`.
    pub source: &'static str,
    /// The rule, in one plain sentence.
    pub says: &'static str,
    /// The reason for it.
    pub why: &'static str,
}

/// Returns all rules, those of the handshake first.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let all = [rules::handshake::ALL, rules::frames::ALL];
    all.into_iter().flatten().copied()
}
