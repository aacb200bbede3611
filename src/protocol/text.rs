//! Bytes of a peer as text that may be shown.

use std::fmt::{self, Write};

/// Bytes as printable ASCII: each that is no such character is escaped, and so are the backslash and
/// the double quote, since what is escaped often stands between two of them. A single quote stays as
/// it is.
///
/// ```
/// use stentor::protocol::Escaped;
///
/// // Draft-76's own example of a proof.
/// let proof = b"8jKS'y:G*Co,Wxa-";
/// assert_eq!(Escaped(proof).to_string(), "8jKS'y:G*Co,Wxa-");
/// assert_eq!(Escaped(b"\xff\0\r\n\"\\").to_string(), r#"\xff\x00\r\n\"\\"#);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'\'' => f.write_char('\'')?,
                byte => byte.escape_ascii().fmt(f)?,
            }
        }
        Ok(())
    }
}
