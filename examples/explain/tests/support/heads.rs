//! A valid request and a valid response of each version, to be changed by a test.

use stentor::Version;

use super::conversation::Conversation;

/// The eight bytes of draft-76's own example, and the proof for them (draft-76 §1.2).
pub(crate) const KEY3: &[u8; 8] = b"^n:ds[4U";
/// The proof for [`KEY3`] and the keys of [`Head::request`].
pub(crate) const PROOF: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

/// A header block, and the bytes after it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    line: String,
    headers: Vec<(String, Vec<u8>)>,
    after: Vec<u8>,
}

impl Head {
    /// Returns a valid request, with key3 in draft-76.
    pub(crate) fn request(version: Version) -> Head {
        let numbered = |number, origin| {
            vec![
                ("Host", "example.com"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                (origin, "http://example.com"),
                ("Sec-WebSocket-Version", number),
            ]
        };
        let headers = match version {
            Version::Draft75 => vec![
                ("Upgrade", "WebSocket"),
                ("Connection", "Upgrade"),
                ("Host", "example.com"),
                ("Origin", "http://example.com"),
            ],
            Version::Draft76 => vec![
                ("Host", "example.com"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
                ("Upgrade", "WebSocket"),
                ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
                ("Origin", "http://example.com"),
            ],
            Version::Hybi07 => numbered("7", "Sec-WebSocket-Origin"),
            Version::Hybi08 => numbered("8", "Sec-WebSocket-Origin"),
            Version::Rfc6455 => numbered("13", "Origin"),
        };
        let after = match version {
            Version::Draft76 => &KEY3[..],
            _ => b"",
        };
        Head::new("GET /demo HTTP/1.1", &headers).after(after)
    }

    /// Returns the valid response to [`Head::request`], with the proof in draft-76.
    pub(crate) fn response(version: Version) -> Head {
        let line = match version {
            Version::Draft75 => "HTTP/1.1 101 Web Socket Protocol Handshake",
            Version::Draft76 => "HTTP/1.1 101 WebSocket Protocol Handshake",
            _ => "HTTP/1.1 101 Switching Protocols",
        };
        let headers = match version {
            Version::Draft75 => vec![
                ("Upgrade", "WebSocket"),
                ("Connection", "Upgrade"),
                ("WebSocket-Origin", "http://example.com"),
                ("WebSocket-Location", "ws://example.com/demo"),
            ],
            Version::Draft76 => vec![
                ("Upgrade", "WebSocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Origin", "http://example.com"),
                ("Sec-WebSocket-Location", "ws://example.com/demo"),
            ],
            _ => vec![
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ],
        };
        let after = match version {
            Version::Draft76 => &PROOF[..],
            _ => b"",
        };
        Head::new(line, &headers).after(after)
    }

    /// Returns a header block of these lines.
    pub(crate) fn new(line: &str, headers: &[(&str, &str)]) -> Head {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.into());
        Head {
            line: line.to_owned(),
            headers: headers.iter().map(owned).collect(),
            after: Vec::new(),
        }
    }

    /// Sets the first line.
    #[must_use]
    pub(crate) fn line(mut self, line: &str) -> Head {
        line.clone_into(&mut self.line);
        self
    }

    /// Sets the value of a header, or adds the header at the end.
    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Head {
        match self.headers.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value.as_ref().to_vec(),
            None => return self.with(name, value),
        }
        self
    }

    /// Adds a header at the end.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Head {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Removes a header.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Head {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// Sets the bytes after the blank line.
    #[must_use]
    pub(crate) fn after(mut self, bytes: &[u8]) -> Head {
        self.after = bytes.to_vec();
        self
    }

    /// Returns all bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.headers {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.after);
        bytes
    }
}

/// Returns the handshake of a version, without the ends of the streams.
pub(crate) fn handshake(version: Version) -> Conversation {
    Conversation::default()
        .client(Head::request(version).bytes())
        .server(Head::response(version).bytes())
}
