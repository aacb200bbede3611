//! The bytes of each version on the wire, built by hand so that no test trusts the code it tests.

use stentor::Version;
use stentor::protocol::framing::Framing;

/// The versions with text between `00` and `FF`.
pub(crate) const HIXIE: [Version; 2] = [Version::Draft75, Version::Draft76];
/// The versions with frames that have opcodes, lengths and masks.
pub(crate) const HYBI: [Version; 3] = [Version::Hybi07, Version::Hybi08, Version::Rfc6455];

/// The eight bytes and the proof of draft-76's own example (draft-76 §1.2).
pub(crate) const KEY3: &[u8; 8] = b"^n:ds[4U";
/// The MD5 that belongs to [`KEY3`] and the two keys of [`Head::of`].
pub(crate) const PROOF: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";
/// The masking key of RFC 6455 §5.7.
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A request or a response, to be spoilt before it is sent.
#[derive(Clone)]
pub(crate) struct Head {
    line: String,
    fields: Vec<(String, Vec<u8>)>,
    behind: Vec<u8>,
}

impl Head {
    /// Returns a valid request of this version.
    pub(crate) fn of(version: Version) -> Head {
        let hybi = |number: &'static str, origin: &'static str| {
            vec![
                ("Host", "example.com"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                (origin, "http://example.com"),
                ("Sec-WebSocket-Version", number),
            ]
        };
        let fields = match version {
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
            Version::Hybi07 => hybi("7", "Sec-WebSocket-Origin"),
            Version::Hybi08 => hybi("8", "Sec-WebSocket-Origin"),
            Version::Rfc6455 => hybi("13", "Origin"),
        };
        let key3 = match version {
            Version::Draft76 => KEY3.as_slice(),
            _ => b"",
        };
        Head::with_fields("GET /demo HTTP/1.1", &fields).behind(key3)
    }

    /// Returns the response of this version to [`Head::of`], without draft-76's proof.
    pub(crate) fn answering(version: Version) -> Head {
        let (line, upgrade) = match version {
            Version::Draft75 => ("HTTP/1.1 101 Web Socket Protocol Handshake", "WebSocket"),
            Version::Draft76 => ("HTTP/1.1 101 WebSocket Protocol Handshake", "WebSocket"),
            _ => ("HTTP/1.1 101 Switching Protocols", "websocket"),
        };
        let more = match version {
            Version::Draft75 => vec![
                ("WebSocket-Origin", "http://example.com"),
                ("WebSocket-Location", "ws://example.com/demo"),
            ],
            Version::Draft76 => vec![
                ("Sec-WebSocket-Origin", "http://example.com"),
                ("Sec-WebSocket-Location", "ws://example.com/demo"),
            ],
            _ => vec![("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
        };
        let fields = [("Upgrade", upgrade), ("Connection", "Upgrade")];
        Head::with_fields(line, &[&fields, &more[..]].concat())
    }

    fn with_fields(line: &str, fields: &[(&str, &str)]) -> Head {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.into());
        Head {
            line: line.to_owned(),
            fields: fields.iter().map(owned).collect(),
            behind: Vec::new(),
        }
    }

    /// With other bytes behind the blank line.
    pub(crate) fn behind(mut self, bytes: &[u8]) -> Head {
        self.behind = bytes.to_vec();
        self
    }

    /// Another request line.
    pub(crate) fn line(mut self, line: &str) -> Head {
        line.clone_into(&mut self.line);
        self
    }

    /// One more header, behind the others.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Head {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Head {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    /// With another value for a header.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Head {
        let field = self.fields.iter_mut().find(|(own, _)| own == name).unwrap();
        field.1 = value.as_ref().to_vec();
        self
    }

    /// Filled up so that the header block has exactly this many bytes, the blank line included.
    pub(crate) fn filled_to(self, bytes: usize) -> Head {
        let without = self.clone().with("X-Filler", "").head().len();
        self.with("X-Filler", "x".repeat(bytes - without))
    }

    /// Returns the number of headers.
    pub(crate) fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// The bytes up to the blank line, which is included.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.fields {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// All bytes, those behind the blank line included: draft-76's key3 or its proof.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.behind.clone()].concat()
    }
}

/// A masked frame with its length in the shortest form; `first` is the byte with FIN and opcode.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_with(MASK, first, payload)
}

/// The same, with another masking key.
pub(crate) fn masked_with(key: [u8; 4], first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// A masked close frame.
pub(crate) fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(0x88, &[&code.to_be_bytes()[..], reason].concat())
}

/// A text message as the client writes it.
pub(crate) fn text(version: Version, text: &str) -> Vec<u8> {
    match version.framing() {
        Framing::Hixie => [b"\x00", text.as_bytes(), b"\xff"].concat(),
        Framing::Hybi => masked(0x81, text.as_bytes()),
    }
}

/// A text message as the server writes it.
pub(crate) fn written(version: Version, text: &str) -> Vec<u8> {
    let len = text.len();
    let header = match version.framing() {
        Framing::Hixie => return [b"\x00", text.as_bytes(), b"\xff"].concat(),
        Framing::Hybi if len < 126 => vec![0x81, len as u8],
        Framing::Hybi if len < 1 << 16 => [&[0x81, 126], &(len as u16).to_be_bytes()[..]].concat(),
        Framing::Hybi => [&[0x81, 127], &(len as u64).to_be_bytes()[..]].concat(),
    };
    [&header, text.as_bytes()].concat()
}

/// Returns the client's close frame, without a code; draft-75 has none, only the end of the stream.
pub(crate) fn bye(version: Version) -> Vec<u8> {
    match version {
        Version::Draft75 => Vec::new(),
        Version::Draft76 => vec![0xff, 0x00],
        Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => masked(0x88, b""),
    }
}
