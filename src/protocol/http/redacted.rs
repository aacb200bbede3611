//! Header blocks for logs, without credentials, since logs are kept.
//!
//! Queries are hidden, and so are the values of headers that are credentials by their names, and
//! subprotocols: a browser's page can set no other header, and many pages pass a token there.

use std::borrow::Cow;
use std::fmt;

use super::text::{Escaped, escaped};

/// Headers for `Debug`: complete, except for secrets.
pub(crate) struct Shown<I>(pub(crate) I);

/// A header block on the wire, and the bytes after it, for one line of a log.
#[cfg(any(feature = "server", feature = "client", test))]
pub(crate) struct Redacted<'a>(pub(crate) &'a [u8]);

/// The first line of a header block.
pub(crate) struct FirstLine<'a>(pub(crate) &'a [u8]);

/// The replacement for a hidden value.
const HIDDEN: &str = "...";

/// Returns whether the value of a header may be a credential.
fn is_secret(name: &str) -> bool {
    /// As a part of a header's name, in whatever letter case.
    const WORDS: [&str; 13] = [
        "auth",
        "cookie",
        "token",
        "secret",
        "passw",
        "session",
        "api-key",
        "apikey",
        "jwt",
        "assertion",
        "credential",
        "signature",
        "websocket-protocol",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Returns a header's value for a log: without secrets, and without the query of a URL.
fn value(name: &str, value: &[u8]) -> String {
    match is_secret(name) {
        true => HIDDEN.to_owned(),
        false => without_query(value),
    }
}

fn without_query(text: &[u8]) -> String {
    let text = without_user(text);
    match text.iter().position(|byte| *byte == b'?') {
        Some(at) => format!("{}{HIDDEN}", Escaped::Bytes(&text[..=at])),
        None => Escaped::Bytes(&text).to_string(),
    }
}

/// Returns the part of a requested resource that may be shown: neither the user and the password that a
/// whole URL may have, nor the query or the fragment.
pub(crate) fn path(target: &str) -> String {
    let end = target.find(['?', '#']).unwrap_or(target.len());
    escaped(&without_user(&target.as_bytes()[..end]))
}

/// Removes user and password from a URL, and returns anything else as it is.
fn without_user(text: &[u8]) -> Cow<'_, [u8]> {
    const BEFORE: &[u8] = b"://";
    let start = match memchr::memmem::find(text, BEFORE) {
        Some(at) => at + BEFORE.len(),
        None => return Cow::Borrowed(text),
    };
    let (scheme, rest) = text.split_at(start);
    let border = rest.iter().position(|byte| b"/?#".contains(byte));
    let authority = &rest[..border.unwrap_or(rest.len())];
    match memchr::memrchr(b'@', authority) {
        Some(at) => Cow::Owned([scheme, HIDDEN.as_bytes(), &rest[at..]].concat()),
        None => Cow::Borrowed(text),
    }
}

impl fmt::Display for FirstLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words after a status may contain a question mark.
        if self.0.starts_with(b"HTTP/") {
            return Escaped::Bytes(self.0).fmt(f);
        }
        for (at, part) in self.0.split(|byte| *byte == b' ').enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{}", without_query(part))?;
        }
        Ok(())
    }
}

#[cfg(any(feature = "server", feature = "client", test))]
impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = memchr::memmem::find(self.0, b"\r\n\r\n").unwrap_or(self.0.len());
        let (head, behind) = self.0.split_at(end);
        for (at, line) in head.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':');
            match colon {
                _ if at == 0 => FirstLine(line).fmt(f)?,
                Some(colon) => {
                    let name = Escaped::Bytes(&line[..colon]).to_string();
                    let value = value(&name, line[colon + 1..].trim_ascii());
                    write!(f, "\\r\\n{name}: {value}")?;
                }
                // A line that is not a header may be a secret.
                None => write!(f, "\\r\\n{HIDDEN}")?,
            }
        }
        match behind.len().saturating_sub(4) {
            0 => Ok(()),
            bytes => write!(f, ", and {bytes} bytes"),
        }
    }
}

impl<'a, V, I> fmt::Debug for Shown<I>
where
    V: AsRef<[u8]> + ?Sized + 'a,
    I: Iterator<Item = (&'a str, &'a V)> + Clone,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, own): (&'a str, &'a V)| (name, value(name, own.as_ref()));
        f.debug_map().entries(self.0.clone().map(shown)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Redacted, path};

    #[test]
    fn no_secret_of_a_request_is_shown() {
        let request = b"GET /chat?token=SECRET1 HTTP/1.1\r\nHost: example.com\r\n\
            Cookie: a=SECRET2\r\nauthorization:Basic SECRET3\r\nX-Api-Key: SECRET4\r\n\
            Sec-WebSocket-Protocol: chat, SECRET5\r\nReferer: https://a.b/c?SECRET6\r\n\
            X-CSRF-Token: SECRET7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nSECRET8\0";
        assert_eq!(
            Redacted(request).to_string(),
            r"GET /chat?... HTTP/1.1\r\nHost: example.com\r\nCookie: ...\r\nauthorization: ...\
              \r\nX-Api-Key: ...\r\nSec-WebSocket-Protocol: ...\r\nReferer: https://a.b/c?...\
              \r\nX-CSRF-Token: ...\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, and 8 bytes"
                .replace("\\\n              ", "")
        );
    }

    #[test]
    fn no_secret_of_a_whole_url_or_of_what_a_proxy_adds_is_shown() {
        let request = b"GET http://user:SECRET1@example.com/a?SECRET2 HTTP/1.1\r\n\
            X-Forwarded-Uri: /chat?token=SECRET3\r\nX-Original-URL: https://SECRET4@a.b/@?SECRET5\r\n\
            Cf-Access-Jwt-Assertion: SECRET6\r\nOrigin: https://a.b";
        assert_eq!(
            Redacted(request).to_string(),
            r"GET http://...@example.com/a?... HTTP/1.1\r\nX-Forwarded-Uri: /chat?...\
              \r\nX-Original-URL: https://...@a.b/@?...\r\nCf-Access-Jwt-Assertion: ...\
              \r\nOrigin: https://a.b"
                .replace("\\\n              ", "")
        );
        for (target, shown) in [
            ("/a?SECRET", "/a"),
            ("/a#SECRET", "/a"),
            ("/user:me@b", "/user:me@b"),
            ("ftp://user:SECRET@a.b:1/c@d?e", "ftp://...@a.b:1/c@d"),
            ("x://SECRET@SECRET@", "x://...@"),
            ("x://", "x://"),
        ] {
            assert_eq!(path(target), shown);
        }
    }

    #[test]
    fn no_secret_of_an_answer_is_shown() {
        let answer = b"HTTP/1.1 101 What?\r\nSec-WebSocket-Location: ws://a.b/c?SECRET1\r\n\
            Set-Cookie: s=SECRET2\r\nno header, SECRET3";
        assert_eq!(
            Redacted(answer).to_string(),
            r"HTTP/1.1 101 What?\r\nSec-WebSocket-Location: ws://a.b/c?...\r\nSet-Cookie: ...\r\n..."
        );
    }
}
