//! A client of any version on a blocking socket, built by hand so that no test trusts the code it
//! tests. Every read has a timeout.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};
use stentor::Version;
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;

use super::answer::HandshakeResponse;
use super::waiting::PATIENCE;
use super::wire::{Head, PROOF, close_frame, masked, text};

/// The items that a client receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    /// Compressed, of this opcode.
    Deflated(u8, Vec<u8>),
    /// A fragment, with its first byte.
    Fragment(u8, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame; 1005 stands for one without a code.
    Close(u16, String),
    /// Draft-76's `FF 00`.
    Marker,
    /// The server has closed TCP.
    End,
    /// The server has reset the connection.
    Reset,
}

pub(crate) struct Peer {
    pub(crate) version: Version,
    pub(crate) stream: TcpStream,
    /// The server's response to the handshake, draft-76's proof not included.
    pub(crate) answer: HandshakeResponse,
    /// All bytes that were written and read, the handshake's too.
    pub(crate) written: u64,
    pub(crate) read: u64,
    input: Vec<u8>,
    start: usize,
}

/// Connects to the server, and sends nothing yet.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    ready(TcpStream::connect(address).unwrap())
}

/// The same, from an own address, and with a receive buffer of an own size.
pub(crate) fn dial_from(address: SocketAddr, own: IpAddr, buffer: Option<usize>) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    if let Some(buffer) = buffer {
        sockopt::set_socket_recv_buffer_size(&socket, buffer).unwrap();
    }
    rustix::net::bind(&socket, &SocketAddr::new(own, 0)).unwrap();
    rustix::net::connect(&socket, &address).unwrap();
    ready(TcpStream::from(socket))
}

fn ready(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Requests a page, or sends any other request that gets one response, and reads to the end. Fails
/// if TCP resets the connection: another client, at another time, might then not have received its
/// response.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> HandshakeResponse {
    let mut stream = dial(address);
    stream.write_all(request).unwrap();
    read_answer(&mut stream)
}

/// Reads the single response and the end of the stream behind it.
pub(crate) fn read_answer(stream: &mut TcpStream) -> HandshakeResponse {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    assert!(read.is_ok(), "{read:?} after {}", bytes.escape_ascii());
    let answer = HandshakeResponse::read(&bytes);
    answer.assert_last();
    answer
}

/// Returns how the connection ends if nothing more is received.
pub(crate) fn read_end(stream: &mut TcpStream) -> Heard {
    match stream.read(&mut [0; 1]) {
        Ok(0) => Heard::End,
        Ok(_) => panic!("more bytes"),
        Err(error) if is_reset(&error) => Heard::Reset,
        Err(error) => panic!("{error}"),
    }
}

fn is_reset(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

impl Peer {
    /// Opens a client whose handshake has succeeded.
    pub(crate) fn open(address: SocketAddr, version: Version) -> Peer {
        Peer::open_with(address, version, &Head::of(version))
    }

    /// The same, with an own request.
    pub(crate) fn open_with(address: SocketAddr, version: Version, head: &Head) -> Peer {
        Peer::on(dial(address), version, &head.bytes())
    }

    /// The same on an existing connection; `bytes` are the handshake and any bytes that are sent
    /// with it.
    pub(crate) fn on(mut stream: TcpStream, version: Version, bytes: &[u8]) -> Peer {
        stream.write_all(bytes).unwrap();
        Peer::after(stream, version, bytes.len())
    }

    /// A client that has written that many bytes of its handshake and now reads the response.
    pub(crate) fn after(stream: TcpStream, version: Version, written: usize) -> Peer {
        let mut peer = Peer {
            version,
            stream,
            answer: HandshakeResponse {
                status_line: String::new(),
                fields: Vec::new(),
                body: Vec::new(),
            },
            written: written as u64,
            read: 0,
            input: Vec::new(),
            start: 0,
        };
        peer.read_head();
        if version == Version::Draft76 {
            peer.read_proof();
        }
        peer
    }

    /// Draft-76's first half of a handshake: everything except key3. The response's header block
    /// has come.
    pub(crate) fn without_key3(address: SocketAddr) -> Peer {
        let head = Head::of(Version::Draft76).head();
        let mut stream = dial(address);
        stream.write_all(&head).unwrap();
        // Read as if it were draft-75, which expects nothing behind the header block.
        let mut peer = Peer::after(stream, Version::Draft75, head.len());
        peer.version = Version::Draft76;
        peer
    }

    fn read_head(&mut self) {
        let blank = loop {
            let unread = self.unread();
            if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_eq!(self.fill(), None, "{}", self.unread().escape_ascii());
        };
        self.answer = HandshakeResponse::read(&self.unread()[..blank]);
        self.start += blank;
        assert_eq!(self.answer.status(), 101, "{:?}", self.answer);
        if self.version.has_close_codes() {
            let accept = self.answer.header("Sec-WebSocket-Accept");
            assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        }
    }

    pub(crate) fn read_proof(&mut self) {
        let proof = self.take(PROOF.len()).expect("the proof");
        assert_eq!(proof, PROOF);
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.written += bytes.len() as u64;
    }

    pub(crate) fn say(&mut self, words: &str) {
        self.write(&text(self.version, words));
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.write(&masked(0x82, bytes));
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.write(&masked(0x89, payload));
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.write(&masked(0x8a, payload));
    }

    /// Returns the next item received.
    pub(crate) fn hear(&mut self) -> Heard {
        match self.version.framing() {
            Framing::Hixie => self.hear_hixie(),
            Framing::Hybi => self.hear_hybi(),
        }
        .unwrap_or_else(|end| end)
    }

    /// Returns the next item, with another timeout than usual; `None` when nothing comes.
    pub(crate) fn hear_within(&mut self, time: Duration) -> Option<Heard> {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let something = self.unread().is_empty().then(|| self.stream.peek(&mut [0]));
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match something {
            Some(Err(error)) if !is_reset(&error) => None,
            _ => Some(self.hear()),
        }
    }

    /// Returns the next item, which must be text.
    pub(crate) fn hear_text(&mut self) -> String {
        match self.hear() {
            Heard::Text(text) => text,
            other => panic!("{}: {other:?} instead of text", self.version),
        }
    }

    /// Returns that many texts.
    pub(crate) fn hear_texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.hear_text()).collect()
    }

    pub(crate) fn expect_text(&mut self, expected: &str) {
        assert_eq!(
            self.hear(),
            Heard::Text(expected.to_owned()),
            "{}",
            self.version
        );
    }

    /// The same, but pings may come before.
    pub(crate) fn expect_text_after_pings(&mut self, expected: &str) {
        loop {
            match self.hear() {
                Heard::Ping(_) => {}
                other => {
                    let expected = Heard::Text(expected.to_owned());
                    return assert_eq!(other, expected, "{}", self.version);
                }
            }
        }
    }

    /// Sends a message and expects its echo.
    pub(crate) fn expect_echo(&mut self, words: &str) {
        self.say(words);
        self.expect_text(words);
    }

    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.hear(), Heard::End, "{}", self.version);
    }

    /// Expects the server's close frame in this version's own form.
    pub(crate) fn expect_goodbye(&mut self, code: u16, reason: &str) {
        let expected = match self.version.closing() {
            Closing::CloseTcp => Heard::End,
            Closing::Marker => Heard::Marker,
            Closing::Frame => Heard::Close(code, reason.to_owned()),
        };
        assert_eq!(self.hear(), expected, "{}", self.version);
    }

    /// Sends a close frame in this version's own form; does not wait for an answer.
    pub(crate) fn start_close(&mut self, code: u16, reason: &str) {
        match self.version.closing() {
            Closing::CloseTcp => self.stream.shutdown(Shutdown::Write).unwrap(),
            Closing::Marker => self.write(&[0xff, 0x00]),
            Closing::Frame => self.write(&close_frame(code, reason.as_bytes())),
        }
    }

    /// Expects the server's close frame, answers it, and closes TCP.
    pub(crate) fn answer_goodbye(&mut self, code: u16, reason: &str) {
        self.expect_goodbye(code, reason);
        self.start_close(code, "");
        self.close_tcp();
    }

    /// Sends a close frame, expects the server's, and closes TCP.
    pub(crate) fn leave(&mut self) {
        self.start_close(1000, "");
        self.expect_goodbye(1000, "");
        self.close_tcp();
    }

    fn close_tcp(&mut self) {
        if self.version.closing() != Closing::CloseTcp {
            self.expect_end();
        }
        // If it has closed TCP already, there is nothing more to do.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn hear_hixie(&mut self) -> Result<Heard, Heard> {
        match self.take(1)?[0] {
            0x00 => {
                let mut searched = 0;
                let len = loop {
                    let unread = &self.unread()[searched..];
                    match unread.iter().position(|byte| *byte == 0xff) {
                        Some(at) => break searched + at,
                        None => searched += unread.len(),
                    }
                    if let Some(end) = self.fill() {
                        panic!("{end:?} in the middle of a frame");
                    }
                };
                let text = self.take(len)?;
                self.take(1)?;
                Ok(Heard::Text(String::from_utf8(text).unwrap()))
            }
            0xff => {
                assert_eq!(self.take(1)?, [0x00]);
                Ok(Heard::Marker)
            }
            other => panic!("{}: no frame begins with {other:#04x}", self.version),
        }
    }

    fn hear_hybi(&mut self) -> Result<Heard, Heard> {
        let first = self.take(1)?[0];
        let inside = "in the middle of a frame";
        let len = self.take(1).expect(inside)[0];
        let len = match len {
            126 => self.take_number(2),
            127 => self.take_number(8),
            len => {
                assert_eq!(len & 0x80, 0, "a server's frame is not masked");
                u64::from(len)
            }
        };
        let payload = self.take(len as usize).expect(inside);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(match first {
            0x81 => Heard::Text(text(&payload)),
            0x82 => Heard::Binary(payload),
            0xc1 | 0xc2 => Heard::Deflated(first & 0xf, payload),
            0x88 if payload.is_empty() => Heard::Close(1005, String::new()),
            0x88 => {
                let (code, reason) = payload.split_first_chunk().expect("a code");
                Heard::Close(u16::from_be_bytes(*code), text(reason))
            }
            0x00..=0x02 | 0x80 => Heard::Fragment(first, payload),
            0x89 => Heard::Ping(payload),
            0x8a => Heard::Pong(payload),
            other => panic!("{}: no frame begins with {other:#04x}", self.version),
        })
    }

    fn take_number(&mut self, bytes: usize) -> u64 {
        let number = self.take(bytes).expect("a length");
        number
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>, Heard> {
        while self.unread().len() < count {
            if let Some(end) = self.fill() {
                assert!(
                    self.unread().is_empty(),
                    "{end:?} in the middle of something"
                );
                return Err(end);
            }
        }
        let taken = self.unread()[..count].to_vec();
        self.start += count;
        Ok(taken)
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.start..]
    }

    /// Reads more; returns how the connection ends, if it does.
    fn fill(&mut self) -> Option<Heard> {
        self.input.drain(..self.start);
        self.start = 0;
        let mut chunk = [0; 16 * 1024];
        let read = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => Some(Heard::End),
            Ok(read) => {
                self.read += read as u64;
                self.input.extend_from_slice(&chunk[..read]);
                None
            }
            Err(error) if is_reset(&error) => Some(Heard::Reset),
            Err(error) => panic!("{}: {error}", self.version),
        }
    }
}
