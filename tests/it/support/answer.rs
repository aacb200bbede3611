//! An HTTP response, parsed.

/// Status line, headers and body, as a client would read them.
#[derive(Debug)]
pub(crate) struct HandshakeResponse {
    pub(crate) status_line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HandshakeResponse {
    /// Parses a response; panics if a client could not read it.
    pub(crate) fn read(bytes: &[u8]) -> HandshakeResponse {
        let blank = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a blank line");
        let head: String = bytes[..blank].iter().copied().map(char::from).collect();
        let mut lines = head.split("\r\n").map(str::to_owned);
        let status_line = lines.next().unwrap();
        let fields = lines
            .map(|line| {
                assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
                let (name, value) = line.split_once(": ").expect("a colon and a space");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        HandshakeResponse {
            status_line,
            fields,
            body: bytes[blank + 4..].to_vec(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        let rest = self.status_line.strip_prefix("HTTP/1.1 ").unwrap();
        rest[..3].parse().unwrap()
    }

    /// Returns the value of a header that may occur once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .fields
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} stands twice");
        value
    }

    /// Asserts the rules for every response that is not a 101: it says where its body ends, and
    /// that it is the last.
    pub(crate) fn assert_last(&self) {
        assert_ne!(self.status(), 101);
        let options = self.header("Connection").expect("Connection");
        assert!(
            options.split(", ").any(|option| option == "close"),
            "{options}"
        );
        let len = self.header("Content-Length").expect("Content-Length");
        assert_eq!(len.parse(), Ok(self.body.len()));
    }
}
