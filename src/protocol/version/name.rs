//! Parses the names of versions, as options and configuration files use them.

use std::fmt;
use std::str::FromStr;

use super::Version;
use crate::protocol::http::text::Escaped;

/// The error for a text that is not the name of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVersion(String);

/// Parses a version's [`name`](Version::name), or its number on the wire: `draft-75`, `draft-76`, `7`,
/// `8`, `13`.
///
/// ```
/// use stentor::Version;
///
/// assert_eq!("draft-76".parse(), Ok(Version::Draft76));
/// assert_eq!("13".parse(), Ok(Version::Rfc6455));
/// assert!("14".parse::<Version>().is_err());
/// ```
impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Version, BadVersion> {
        let numbered = |version: Version| version.wire_number().map(|number| number.to_string());
        Version::ALL
            .into_iter()
            .find(|version| version.name() == text || numbered(*version).as_deref() == Some(text))
            .ok_or_else(|| BadVersion(text.to_owned()))
    }
}

impl fmt::Display for BadVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Escaped::Text(&self.0);
        write!(f, "\"{text}\" is none of draft-75, draft-76, 7, 8 and 13")
    }
}

impl std::error::Error for BadVersion {}

impl From<BadVersion> for std::io::Error {
    fn from(bad: BadVersion) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, bad)
    }
}
