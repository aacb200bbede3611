//! Parses the names of versions, as options and configuration files use them.

use std::str::FromStr;

use super::Version;

invalid_text! {
    /// The error for a text that is not the name of a version.
    InvalidVersion: "\"{}\" is not a version: give draft-75, draft-76, 7, 8 or 13"
}

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
    type Err = InvalidVersion;

    #[inline]
    fn from_str(text: &str) -> Result<Version, InvalidVersion> {
        let numbered = |version: Version| version.wire_number().map(|number| number.to_string());
        Version::ALL
            .into_iter()
            .find(|version| version.name() == text || numbered(*version).as_deref() == Some(text))
            .ok_or_else(|| InvalidVersion(text.to_owned()))
    }
}
