//! Requests of the five versions, and the head of a response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use stentor::Version;

use crate::target::Target;
use crate::wire::Random;

/// The text that every accept value is made with (RFC 6455, section 1.3).
pub(crate) const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for an upgrade, which a case may change before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Request line and header lines, without their line ends.
    lines: Vec<String>,
    /// Draft-76: the eight bytes after the blank line. Empty in the other versions.
    pub(crate) key3: Vec<u8>,
    /// `Sec-WebSocket-Key` of versions 7, 8 and 13; empty in the drafts.
    pub(crate) key: String,
    /// Draft-76: the sixteen bytes that prove that the server has read the keys.
    pub(crate) proof: Option<[u8; 16]>,
}

impl Request {
    /// A right request of a version, with fresh keys.
    pub(crate) fn new(version: Version, target: &Target, random: &mut Random) -> Request {
        let host = target.host_header();
        let mut request = Request {
            lines: vec![format!("GET {} HTTP/1.1", target.path())],
            key3: Vec::new(),
            key: String::new(),
            proof: None,
        };
        match version {
            Version::Draft75 => {
                request.push("Upgrade: WebSocket");
                request.push("Connection: Upgrade");
                request.push(format!("Host: {host}"));
                request.push(format!("Origin: http://{host}"));
            }
            Version::Draft76 => request.draft76(&host, random),
            Version::Hybi07 => request.hybi(&host, "7", "Sec-WebSocket-Origin", random),
            Version::Hybi08 => request.hybi(&host, "8", "Sec-WebSocket-Origin", random),
            _ => request.hybi(&host, "13", "Origin", random),
        }
        request
    }

    /// The request line and the header lines, without their line ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The line of a header, such as `Host: localhost`.
    pub(crate) fn line(&self, name: &str) -> &str {
        let found = self.lines.iter().find(|line| is_header(line, name));
        found.map_or("", |line| line)
    }

    /// Sets a header: its line is replaced, or added at the end.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let line = format!("{name}: {value}");
        match self.lines.iter_mut().find(|line| is_header(line, name)) {
            Some(old) => *old = line,
            None => self.lines.push(line),
        }
    }

    /// Replaces the request line.
    pub(crate) fn set_request_line(&mut self, line: &str) {
        self.lines[0] = line.to_owned();
    }

    /// Adds a line at the end.
    pub(crate) fn push(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Removes a header.
    pub(crate) fn remove(&mut self, name: &str) {
        self.lines.retain(|line| !is_header(line, name));
    }

    /// The same request with all header names in lower case, as some proxies write them.
    pub(crate) fn with_lower_case_names(mut self) -> Request {
        for line in self.lines.iter_mut().skip(1) {
            if let Some((name, value)) = line.split_once(':') {
                *line = format!("{}:{value}", name.to_lowercase());
            }
        }
        self
    }

    /// Whether this is a request of version 7, 8 or 13.
    pub(crate) fn has_key(&self) -> bool {
        !self.key.is_empty()
    }

    /// The bytes of the request, with key3.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_head();
        bytes.extend_from_slice(&self.key3);
        bytes
    }

    /// The bytes up to the blank line.
    pub(crate) fn encode_head(&self) -> Vec<u8> {
        let mut text = self.lines.join("\r\n");
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    fn hybi(&mut self, host: &str, version: &str, origin: &str, random: &mut Random) {
        self.key = BASE64.encode(random.bytes::<16>());
        self.push(format!("Host: {host}"));
        self.push("Upgrade: websocket");
        self.push("Connection: Upgrade");
        self.push(format!("Sec-WebSocket-Key: {}", self.key));
        self.push(format!("{origin}: http://{host}"));
        self.push(format!("Sec-WebSocket-Version: {version}"));
    }

    fn draft76(&mut self, host: &str, random: &mut Random) {
        let (key1, part1) = hixie_key(random);
        let (key2, part2) = hixie_key(random);
        self.key3 = random.bytes::<8>().to_vec();
        let parts = [&part1.to_be_bytes()[..], &part2.to_be_bytes(), &self.key3];
        self.proof = Some(md5::compute(parts.concat()).0);
        self.push("Upgrade: WebSocket");
        self.push("Connection: Upgrade");
        self.push(format!("Host: {host}"));
        self.push(format!("Origin: http://{host}"));
        self.push(format!("Sec-WebSocket-Key1: {key1}"));
        self.push(format!("Sec-WebSocket-Key2: {key2}"));
    }
}

/// The accept value for a key of versions 7, 8 and 13 (RFC 6455, section 4.2.2).
pub(crate) fn accept(key: &str) -> String {
    BASE64.encode(
        sha1_smol::Sha1::from(format!("{key}{GUID}"))
            .digest()
            .bytes(),
    )
}

/// A key of draft-76 with its number (draft-76, section 4.1, steps 16 to 23 of the client).
fn hixie_key(random: &mut Random) -> (String, u32) {
    let spaces = 1 + random.below(12);
    let part = random.below(u64::from(u32::MAX) / spaces + 1);
    let mut key: Vec<char> = (part * spaces).to_string().chars().collect();
    let others: Vec<char> = ('!'..='/').chain(':'..='~').collect();
    for _ in 0..1 + random.below(12) {
        let other = others[index(random, others.len())];
        key.insert(index(random, key.len() + 1), other);
    }
    for _ in 0..spaces {
        // Never first and never last: servers that trim the value must find the same number.
        let at = 1 + index(random, key.len() - 1);
        key.insert(at, ' ');
    }
    (key.into_iter().collect(), u32::try_from(part).unwrap_or(0))
}

fn index(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).unwrap_or(0)
}

fn is_header(line: &str, name: &str) -> bool {
    let found = line.split_once(':').map(|(found, _)| found);
    found.is_some_and(|found| found.eq_ignore_ascii_case(name))
}

/// The head of a response: everything up to the blank line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    /// All bytes, with the blank line.
    pub(crate) raw: Vec<u8>,
    /// The lines without their line ends; bytes that are no UTF-8 are replaced.
    pub(crate) lines: Vec<String>,
}

impl Head {
    /// The length of the head at the start of `bytes`, if its blank line is there. Lines that end with LF
    /// alone are read too.
    pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
        let mut empty = true;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if empty => return Some(at + 1),
                b'\n' => empty = true,
                b'\r' if empty => {}
                _ => empty = false,
            }
        }
        None
    }

    /// Takes a head apart.
    pub(crate) fn new(raw: Vec<u8>) -> Head {
        let text = String::from_utf8_lossy(&raw);
        let lines = text
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        Head { raw, lines }
    }

    /// The status line.
    pub(crate) fn status_line(&self) -> &str {
        self.lines.first().map_or("", |line| line)
    }

    /// The status, if the first line is a status line.
    pub(crate) fn status(&self) -> Option<u16> {
        let line = self.status_line();
        let rest = line.strip_prefix("HTTP/")?;
        rest.split(' ').nth(1)?.parse().ok()
    }

    /// The lines of a header, in order.
    pub(crate) fn header_lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.lines.iter().skip(1).map(String::as_str);
        lines.filter(move |line| is_header(line, name))
    }

    /// The values of a header, trimmed, in order.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.header_lines(name)
            .filter_map(|line| line.split_once(':'))
            .map(|(_, value)| value.trim())
    }

    /// Whether every line ends with CR LF.
    pub(crate) fn has_line_ends(&self) -> bool {
        let mut before = 0;
        self.raw.iter().all(|byte| {
            let right = *byte != b'\n' || before == b'\r';
            before = *byte;
            right
        })
    }
}
