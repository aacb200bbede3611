//! The library's errors, and the rules of the specifications that they report.
//!
//! One error may stand for several rules: the library reports a header line that it cannot parse, and the
//! explainer names the line end, the name or the value. Some errors belong to no rule: the specification
//! leaves the decision to the application, or to its settings.

/// A basis of these rules. A list of statics must be a static itself.
macro_rules! rules {
    ($($rule:ident),+) => {{
        static RULES: &[&$crate::rule::Rule] = &[$(&$rule),+];
        Basis::Rules(RULES)
    }};
}

mod frames;
mod handshake;

pub use frames::protocol_error;
pub use handshake::{handshake_error, key_error, rejection};

use crate::rule::Rule;

/// The reason of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The peer has broken one of these rules.
    Rules(&'static [&'static Rule]),
    /// No rule: the decision of the application, of its settings or of the network, with the reason in
    /// one sentence.
    Policy(&'static str),
}

impl Basis {
    /// Returns the rules; none for a decision of the application.
    pub fn rules(&self) -> &'static [&'static Rule] {
        match self {
            Basis::Rules(rules) => rules,
            Basis::Policy(_) => &[],
        }
    }
}
