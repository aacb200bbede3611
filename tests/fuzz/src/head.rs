//! A request's header block that can be spoilt, or a response's.

use arbitrary::Arbitrary;
use stentor::Version;

use crate::wire::ACCEPT;

/// A request before it becomes bytes; or a response, whose first line has three parts as well: the
/// method here is its version of HTTP, the target its status, the protocol its reason phrase.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: String,
    pub target: Vec<u8>,
    pub protocol: String,
    pub fields: Vec<Field>,
    /// The line ending of all headers except the last.
    line_end: &'static str,
}

/// A header field.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub value: Vec<u8>,
    separator: &'static str,
}

/// One change to a header block: its kind, the header it changes, its argument.
#[derive(Debug, Arbitrary)]
pub struct Spoil {
    kind: u8,
    which: u8,
    with: u8,
}

/// Headers that are significant for some program.
const ADDED: [(&str, &str); 22] = [
    ("Content-Length", "0"),
    ("Content-Length", "8"),
    ("Content-Length", "5"),
    ("Transfer-Encoding", "chunked"),
    ("Sec-WebSocket-Draft", "0"),
    ("Sec-WebSocket-Draft", "2"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
    ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
    ("Sec-WebSocket-Version", "7"),
    ("Sec-WebSocket-Version", "8"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Version", "13, 8"),
    ("Sec-WebSocket-Version", "14"),
    ("Sec-WebSocket-Protocol", "superchat, chat"),
    ("Sec-WebSocket-Protocol", "chat"),
    ("WebSocket-Protocol", "chat"),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Sec-WebSocket-Origin", "http://example.com"),
    ("Origin", "http://example.com"),
    ("Cookie", "a=b; c=\"d\""),
    ("Host", "example.com"),
];

/// Values for any header.
const VALUES: [&str; 18] = [
    "",
    "websocket",
    "WebSocket",
    "keep-alive, Upgrade",
    "h2c, websocket",
    "example.com:80",
    "EXAMPLE.com:08081",
    "[::1]:443",
    "http://EXAMPLE.com:80",
    "null",
    "chat",
    "superchat,,chat ",
    "AQIDBAUGBwgJCgsMDQ4PEC==",
    "4294967295 ",
    "4294967296 0 ",
    "12\t 3",
    "a\u{a0} 2",
    "0",
];

/// Whole targets.
const TARGETS: [&str; 13] = [
    "/",
    "/chat?a=b",
    "//",
    "ws://example.com/chat",
    "HTTPS://example.com/?",
    "*",
    "/a#b",
    "wss://",
    "ws://example.com",
    "http://example.com:80?a=b",
    "http://example.com:x/",
    "ws://other.example/",
    "HTTP://[::1]/",
];

const METHODS: [&str; 4] = ["HEAD", "POST", "get", "GETT"];
const PROTOCOLS: [&str; 4] = ["HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/2.0"];

impl Head {
    /// Returns a valid request of this version.
    pub fn of(version: Version) -> Head {
        let fields: &[(&str, &str)] = match version {
            Version::Draft75 => &[("Origin", "http://example.com")],
            Version::Draft76 => &[
                ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
                ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
                ("Origin", "http://example.com"),
            ],
            Version::Hybi07 => &[
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "7"),
            ],
            Version::Hybi08 => &[
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "8"),
            ],
            Version::Rfc6455 => &[
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "13"),
            ],
        };
        let common = [
            ("Upgrade", "WebSocket"),
            ("Connection", "Upgrade"),
            ("Host", "example.com"),
        ];
        Head {
            method: "GET".to_owned(),
            target: b"/demo".to_vec(),
            protocol: "HTTP/1.1".to_owned(),
            fields: common
                .iter()
                .chain(fields)
                .map(|(name, value)| Field::new(name, value))
                .collect(),
            line_end: "\r\n",
        }
    }

    /// Returns the response of this version to a client whose random bytes are all zeros, and that
    /// requests this subprotocol.
    pub fn answering(version: Version, subprotocol: Option<&str>) -> Head {
        let (words, upgrade, prefix) = match version {
            Version::Draft75 => ("Web Socket Protocol Handshake", "WebSocket", ""),
            Version::Draft76 => ("WebSocket Protocol Handshake", "WebSocket", "Sec-"),
            _ => ("Switching Protocols", "websocket", "Sec-"),
        };
        let mut fields = vec![
            Field::new("Upgrade", upgrade),
            Field::new("Connection", "Upgrade"),
        ];
        let mut add = |name: &str, value| {
            fields.push(Field::new(&format!("{prefix}WebSocket-{name}"), value));
        };
        if matches!(version, Version::Draft75 | Version::Draft76) {
            add("Origin", "http://example.com");
            add("Location", "ws://example.com/demo");
        } else {
            add("Accept", ACCEPT);
        }
        if let Some(subprotocol) = subprotocol {
            add("Protocol", subprotocol);
        }
        Head {
            method: "HTTP/1.1".to_owned(),
            target: b"101".to_vec(),
            protocol: words.to_owned(),
            fields,
            line_end: "\r\n",
        }
    }

    /// Sets the part that each line names: a header's value, after its name and a colon, or the
    /// target.
    pub fn fill(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            let (name, value) = match line.iter().position(|byte| *byte == b':') {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (&b""[..], line),
            };
            let known = |field: &&mut Field| field.name.as_bytes() == name;
            match self.fields.iter_mut().find(known) {
                Some(field) => field.value = value.to_vec(),
                None if name.is_empty() && !value.is_empty() => self.target = value.to_vec(),
                None => match str::from_utf8(name) {
                    Ok(name) if is_token(name) => self.fields.push(Field {
                        name: name.to_owned(),
                        value: value.to_vec(),
                        separator: ": ",
                    }),
                    _ => {}
                },
            }
        }
    }

    pub fn spoil(&mut self, spoil: &Spoil) {
        let (with, count) = (usize::from(spoil.with), self.fields.len());
        let which = usize::from(spoil.which) % count.max(1);
        match spoil.kind % 19 {
            1 if count > 0 => drop(self.fields.remove(which)),
            2 if count > 0 => self.fields.push(self.fields[which].clone()),
            3 if count > 0 => {
                let mut again = self.fields[which].clone();
                again.value = VALUES[with % VALUES.len()].into();
                self.fields.push(again);
            }
            4 => self.each(which, |field| {
                field.name = match with % 2 {
                    0 => field.name.to_ascii_lowercase(),
                    _ => field.name.to_ascii_uppercase(),
                };
            }),
            5 if count > 0 => self.fields.swap(which, with % count),
            6 => self.each(which, |field| {
                field.value = VALUES[with % VALUES.len()].into()
            }),
            7 => self.each(which, |field| {
                field.value.extend(b", ");
                field.value.extend(VALUES[with % VALUES.len()].bytes());
            }),
            8 => self.each(which, |field| {
                let at = field.value.len() / 2;
                field.value.insert(at, spoil.with);
            }),
            9 => self.each(which, |field| {
                field.separator = [":", ": ", ":\t ", ":  "][with % 4]
            }),
            10 => {
                let (name, value) = ADDED[with % ADDED.len()];
                self.fields.push(Field::new(name, value));
            }
            11 => METHODS[with % METHODS.len()].clone_into(&mut self.method),
            12 => PROTOCOLS[with % PROTOCOLS.len()].clone_into(&mut self.protocol),
            13 => self.target = TARGETS[with % TARGETS.len()].into(),
            14 => self.line_end = ["\n", "\r", "\r\r\n", "\r\n "][with % 4],
            15 => self.each(which, |field| field.separator = " : "),
            16 => {
                let filler = Field::new("X-Filler", "x");
                self.fields.extend(std::iter::repeat_n(filler, with));
            }
            17 => self.each(which, |field| field.value.extend([b' '; 3])),
            18 => self.each(which, |field| {
                let at = with % field.value.len().max(1);
                field.value.drain(at..field.value.len().min(at + 1));
            }),
            _ => {}
        }
    }

    /// The bytes up to the blank line, which is included.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.method.clone().into_bytes();
        bytes.push(b' ');
        bytes.extend(&self.target);
        bytes.push(b' ');
        bytes.extend(self.protocol.bytes());
        bytes.extend(b"\r\n");
        for (at, field) in self.fields.iter().enumerate() {
            let last = at + 1 == self.fields.len();
            bytes.extend(field.name.bytes());
            bytes.extend(field.separator.bytes());
            bytes.extend(&field.value);
            bytes.extend(if last { "\r\n" } else { self.line_end }.bytes());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// Whether it is spoilt in a way that no HTTP parser may accept.
    pub fn is_broken(&self) -> bool {
        let blank = |field: &Field| field.separator.starts_with(' ');
        self.fields.iter().any(blank) || self.line_end != "\r\n" && self.fields.len() > 1
    }

    /// Returns the values of all headers of a name, without the blanks around them.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        self.fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(Field::trimmed)
            .collect()
    }

    fn each(&mut self, which: usize, change: impl FnOnce(&mut Field)) {
        if let Some(field) = self.fields.get_mut(which) {
            change(field);
        }
    }
}

impl Field {
    fn new(name: &str, value: &str) -> Field {
        Field {
            name: name.to_owned(),
            value: value.into(),
            separator: ": ",
        }
    }

    /// Returns the value without blanks and tabs around it (RFC 9110 §5.5).
    pub fn trimmed(&self) -> &[u8] {
        trim(&self.value)
    }
}

pub fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| blank(byte)).count();
    let end = value.iter().rev().take_while(|byte| blank(byte)).count();
    value.get(start..value.len() - end).unwrap_or_default()
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
