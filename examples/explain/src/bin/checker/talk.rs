//! One conversation with the program under test, over a raw TCP connection.
//!
//! A wrong peer can neither block the checker nor make it grow: each call waits for at most the timeout, all calls
//! of a case together have a limit too, and the bytes of a connection are limited.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use stentor::Version;

use crate::diagnoses::handshake::{NO_RESPONSE, SERVER_GONE};
use crate::handshake::{Head, Request};
use crate::lesson::{Check, Failure, Shown};
use crate::program::Program;
use crate::target::Target;
use crate::wire::{self, Frame, Parsed, Random, opcode};

/// The bytes that a peer may send on one connection.
const MAX_RECEIVED: usize = 16 << 20;
/// The bytes that a head may have.
const MAX_HEAD: usize = 64 << 10;
/// The largest payload that the checker waits for; no case needs more.
const MAX_PAYLOAD: u64 = 8 << 20;
/// The bytes that are recorded of one connection.
const MAX_RECORD: usize = 1 << 20;
/// The pongs that the checker sends in a case.
const MAX_PONGS: usize = 64;
/// The pause between two pieces, so that the peer receives them with two reads.
const PIECE_PAUSE: Duration = Duration::from_millis(25);
/// The time that a peer may take to read before the checker reads instead of writing.
const WRITE_PAUSE: Duration = Duration::from_millis(50);
/// A peer that has sent nothing for this long has sent all that it wants to send.
const QUIET: Duration = Duration::from_millis(150);

/// A case waits at most ten timeouts for the peer, and this much longer: short timeouts need it.
const MIN_PATIENCE: Duration = Duration::from_secs(10);

/// A conversation of one case: its connection, and all that was sent and received.
#[derive(Debug)]
pub(crate) struct Talk {
    target: Target,
    version: Version,
    timeout: Duration,
    pub(crate) random: Random,
    stream: Option<TcpStream>,
    /// The client under test, if the checker has started it.
    pub(crate) program: Option<Program>,
    /// Bytes that were received and not read yet.
    inbox: Vec<u8>,
    received: usize,
    end: Option<End>,
    /// The time that the rest of the case may wait for the peer.
    patience: Duration,
    /// How many pongs the checker has sent.
    pongs: usize,
    records: Vec<Record>,
    /// The reason why the case does not apply to this peer.
    pub(crate) skipped: Option<&'static str>,
    /// The request of this connection, and the head of the response.
    pub(crate) request: Option<Request>,
    pub(crate) head: Option<Head>,
}

/// The conversation of one connection, one chunk for each read or write.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) chunks: Vec<(From, Vec<u8>)>,
}

impl Record {
    /// Whether the peer has sent something on this connection.
    pub(crate) fn has_reply(&self) -> bool {
        self.chunks.iter().any(|(from, _)| *from == From::Peer)
    }
}

/// The sender of recorded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Checker,
    Peer,
}

/// How the peer's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer has closed the TCP connection, or its half of it.
    Closed,
    /// The TCP connection was reset.
    Reset,
    /// The peer has sent more than the checker reads.
    Flood,
}

/// The reason why a reading has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The peer has sent nothing more within the timeout, and the connection is open.
    Silence,
    /// The stream has ended.
    Ended(End),
}

/// The result of [`Talk::read_frame`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// A complete frame, and its bytes.
    Frame(Frame, Vec<u8>),
    /// No complete frame: the bytes that came (they stay unread), and the reason.
    Incomplete(Vec<u8>, Missing),
}

/// The result of [`Talk::read_head`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HeadReading {
    Head(Head),
    /// No blank line: the bytes that came, and the reason.
    Incomplete(Vec<u8>, Missing),
}

impl Talk {
    /// A conversation that has no connection yet. The seed decides all keys and masks.
    pub(crate) fn new(target: Target, version: Version, timeout: Duration, seed: u64) -> Talk {
        Talk {
            target,
            version,
            timeout,
            random: Random::new(seed),
            stream: None,
            program: None,
            inbox: Vec::new(),
            received: 0,
            end: None,
            patience: timeout * 10 + MIN_PATIENCE,
            pongs: 0,
            records: Vec::new(),
            skipped: None,
            request: None,
            head: None,
        }
    }

    /// The program under test.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The version that the program under test is to speak.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The time that the checker waits for a response.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The conversations of all connections, in order.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Opens a new TCP connection; an earlier one is dropped.
    pub(crate) fn connect(&mut self) -> Check {
        self.inbox.clear();
        self.received = 0;
        self.end = None;
        self.stream = None;
        self.head = None;
        self.program = None;
        self.records.push(Record::default());
        let stream = match &self.target {
            Target::Client(host) => match host.visit() {
                Ok(visitor) => {
                    self.program = visitor.program;
                    Ok(visitor.stream)
                }
                Err(absent) => return absent.failure(&host.url()).fail(),
            },
            Target::Server { host, port, .. } => connect(host, *port, self.timeout),
        };
        match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                self.stream = Some(stream);
                Ok(())
            }
            // The peer has accepted the connection, and reset it at once: the case finds no response.
            Err(error) if is_reset(&error) => {
                self.end = Some(End::Reset);
                Ok(())
            }
            Err(error) => Failure::diagnosed(&SERVER_GONE, error.to_string())
                .sent(Shown::line(format!(
                    "(a new TCP connection to {})",
                    self.target
                )))
                .expected("the server accepts one connection after the other")
                .fail(),
        }
    }

    /// A request of the version under test, with a fresh key.
    pub(crate) fn new_request(&mut self) -> Request {
        Request::new(self.version, &self.target, &mut self.random)
    }

    /// Connects, and sends a request.
    pub(crate) fn send_request(&mut self, request: Request) -> Check {
        self.connect()?;
        self.send(&request.encode());
        self.request = Some(request);
        Ok(())
    }

    /// Connects, and completes the handshake of the version.
    pub(crate) fn open(&mut self) -> Check {
        let request = self.new_request();
        self.open_with(request)
    }

    /// Connects, and completes the handshake with this request.
    pub(crate) fn open_with(&mut self, request: Request) -> Check {
        let proof = request.proof;
        self.send_request(request)?;
        let head = match self.read_head() {
            HeadReading::Head(head) if head.status() == Some(101) => head,
            HeadReading::Head(head) => return self.no_handshake(head.raw),
            HeadReading::Incomplete(bytes, Missing::Silence)
                if bytes.is_empty() && self.request.as_ref().is_some_and(Request::has_key) =>
            {
                return self.no_response();
            }
            HeadReading::Incomplete(bytes, _) => return self.no_handshake(bytes),
        };
        self.head = Some(head);
        if let Some(proof) = proof {
            let received = self.read_bytes(proof.len());
            if received != proof {
                return self.no_handshake(received);
            }
        }
        Ok(())
    }

    /// The handshake failed in a case that is about something else.
    fn no_handshake(&self, received: Vec<u8>) -> Check {
        let mut failure = Failure::unnamed(
            "RFC 6455 §4.2.2",
            "The handshake failed, so this case could not begin. The lesson about the handshake explains the cause.",
        )
        .expected("a response with status 101, and the connection stays open");
        for line in self.request.iter().flat_map(Request::lines) {
            failure = failure.sent(Shown::line(line));
        }
        failure
            .received(Shown::bytes(received, "the response"))
            .fail()
    }

    /// The server has sent nothing in a case that is about something else.
    fn no_response(&self) -> Check {
        let mut failure =
            Failure::diagnosed(&NO_RESPONSE, "").expected("HTTP/1.1 101 Switching Protocols");
        for line in self.request.iter().flat_map(Request::lines) {
            failure = failure.sent(Shown::line(line));
        }
        failure
            .received(Shown::bytes(Vec::new(), Missing::Silence.words()))
            .fail()
    }

    /// Sends bytes with one write. A peer that has closed the connection makes this no failure: the next
    /// reading shows it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.record(From::Checker, bytes);
        let until = Instant::now() + self.timeout.min(self.patience);
        let mut rest = bytes;
        while !rest.is_empty() && Instant::now() < until {
            let Some(stream) = &mut self.stream else {
                return;
            };
            // A peer that does not read while it writes must not block both sides: so the checker reads.
            let _ = stream.set_write_timeout(Some(WRITE_PAUSE));
            match stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if is_timeout(&error) => {
                    self.patience = self.patience.saturating_sub(WRITE_PAUSE);
                    self.fill(Instant::now() + Duration::from_millis(1));
                }
                Err(_) => return,
            }
        }
    }

    /// Sends bytes in pieces that the peer receives with several reads. `cuts` are places in `bytes`. Returns
    /// the pieces.
    pub(crate) fn send_in_pieces(&mut self, bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut from = 0;
        for &cut in cuts.iter().chain([&bytes.len()]) {
            let to = cut.clamp(from, bytes.len());
            if to > from {
                if from > 0 {
                    thread::sleep(PIECE_PAUSE);
                }
                self.send(&bytes[from..to]);
                pieces.push(bytes[from..to].to_vec());
            }
            from = to;
        }
        pieces
    }

    /// Masks a frame with a fresh key, sends it, and returns it as it was sent.
    pub(crate) fn send_frame(&mut self, frame: Frame) -> Frame {
        let frame = frame.masked(self.random.mask());
        self.send(&frame.encode());
        frame
    }

    /// Tells the peer that the checker sends nothing more; reading goes on.
    pub(crate) fn shut_down_writing(&mut self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Reads a head up to its blank line. Interim responses, such as 103, are skipped (RFC 9110, section 15.2).
    pub(crate) fn read_head(&mut self) -> HeadReading {
        let until = Instant::now() + self.timeout;
        let mut interim = None;
        loop {
            while let Some(len) = Head::length(&self.inbox) {
                let raw: Vec<u8> = self.inbox.drain(..len).collect();
                let head = Head::new(raw);
                match head.status() {
                    Some(100 | 102..=199) => interim = Some(head),
                    _ => return HeadReading::Head(head),
                }
            }
            if self.inbox.len() > MAX_HEAD {
                self.end = Some(End::Flood);
            }
            if let Some(missing) = self.fill(until) {
                // An interim response alone is shown as the response.
                let last = interim.filter(|_| self.inbox.is_empty());
                return last.map_or_else(
                    || HeadReading::Incomplete(self.inbox.clone(), missing),
                    HeadReading::Head,
                );
            }
        }
    }

    /// Reads the next frame of version 7, 8 or 13, whatever its opcode and its bits are.
    pub(crate) fn read_frame(&mut self) -> Reading {
        self.read_frame_until(self.deadline())
    }

    /// The time at which a response is late, if the checker begins to wait for it now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// The same, with a deadline that several frames share.
    pub(crate) fn read_frame_until(&mut self, until: Instant) -> Reading {
        let mut needed = 2;
        loop {
            // Parsing again only when enough has come: a large payload is not copied for each read.
            if self.inbox.len() >= needed {
                match wire::parse(&self.inbox) {
                    Parsed::Frame(frame, len) => {
                        let raw = self.inbox.drain(..len).collect();
                        return Reading::Frame(frame, raw);
                    }
                    Parsed::Payload {
                        header, declared, ..
                    } if declared <= MAX_PAYLOAD => {
                        needed = header + usize::try_from(declared).unwrap_or(usize::MAX - header);
                    }
                    // Such a payload is not waited for.
                    Parsed::Payload { .. } => needed = usize::MAX,
                    Parsed::Header => needed = self.inbox.len() + 1,
                }
            }
            if let Some(missing) = self.fill(until) {
                return Reading::Incomplete(self.inbox.clone(), missing);
            }
        }
    }

    /// Reads the frame that responds to these frames: pings of the peer get a pong, and pongs that nobody asked
    /// for are skipped. All of them share one deadline.
    pub(crate) fn read_response(&mut self, sent: &[Frame]) -> Reading {
        let whole: Vec<u8> = sent
            .iter()
            .flat_map(|frame| frame.payload.clone())
            .collect();
        let is_response = |frame: &Frame| {
            let mut payloads = sent.iter().map(|sent| &sent.payload).chain([&whole]);
            !frame.payload.is_empty() && payloads.any(|payload| *payload == frame.payload)
        };
        let until = self.deadline();
        loop {
            match self.read_frame_until(until) {
                Reading::Frame(frame, _) if frame.is_keepalive() && !is_response(&frame) => {
                    self.respond_to_ping(&frame);
                }
                reading => return reading,
            }
        }
    }

    /// Sends the pong for a ping. A flood of pings gets no more of them.
    pub(crate) fn respond_to_ping(&mut self, frame: &Frame) {
        if frame.opcode == opcode::PING && self.pongs < MAX_PONGS {
            self.pongs += 1;
            self.send_frame(Frame::new(opcode::PONG, &*frame.payload));
        }
    }

    /// Reads exactly `len` bytes, or fewer if no more come.
    pub(crate) fn read_bytes(&mut self, len: usize) -> Vec<u8> {
        let until = Instant::now() + self.timeout;
        while self.inbox.len() < len {
            if self.fill(until).is_some() {
                break;
            }
        }
        let len = len.min(self.inbox.len());
        self.inbox.drain(..len).collect()
    }

    /// All bytes that come until the peer is quiet, or until its stream ends.
    pub(crate) fn rest_until_silence(&mut self) -> (Vec<u8>, Missing) {
        let until = Instant::now() + self.timeout;
        let missing = loop {
            let quiet = until.min(Instant::now() + QUIET);
            if let Some(missing) = self.fill(quiet) {
                break missing;
            }
            if Instant::now() >= until {
                break Missing::Silence;
            }
        };
        (std::mem::take(&mut self.inbox), missing)
    }

    /// Whether the peer sends something, or ends the connection, within a short time.
    pub(crate) fn is_awake(&mut self) -> bool {
        self.inbox.clear();
        let until = Instant::now() + QUIET;
        // A ping of the peer is no sign that it has read anything.
        while wire::is_keepalive(&self.inbox) {
            if let Some(missing) = self.fill(until) {
                return missing != Missing::Silence;
            }
        }
        true
    }

    /// Waits until the peer closes the TCP connection. Returns the bytes that came before, and
    /// [`Missing::Silence`] if the connection is still open after the timeout.
    pub(crate) fn closed(&mut self) -> (Vec<u8>, Missing) {
        let until = Instant::now() + self.timeout;
        loop {
            if let Some(missing) = self.fill(until) {
                return (std::mem::take(&mut self.inbox), missing);
            }
        }
    }

    /// Waits for the end of the peer's stream, at most so long. Bytes that come meanwhile stay unread.
    pub(crate) fn wait_for_end(&mut self, time: Duration) -> Missing {
        let until = Instant::now() + time;
        loop {
            if let Some(missing) = self.fill(until) {
                return missing;
            }
        }
    }

    /// Keeps the bytes of one read or write.
    fn record(&mut self, from: From, bytes: &[u8]) {
        let Some(record) = self.records.last_mut() else {
            return;
        };
        let kept: usize = record.chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        if kept + bytes.len() <= MAX_RECORD {
            record.chunks.push((from, bytes.to_vec()));
        }
    }

    /// Reads once, and returns the reason if no bytes came until then. The time counts for the whole case.
    fn fill(&mut self, until: Instant) -> Option<Missing> {
        let start = Instant::now();
        let missing = self.read_once(until.min(start + self.patience));
        self.patience = self.patience.saturating_sub(start.elapsed());
        missing
    }

    fn read_once(&mut self, until: Instant) -> Option<Missing> {
        if let Some(end) = self.end {
            return Some(Missing::Ended(end));
        }
        let left = until.saturating_duration_since(Instant::now());
        let Some(stream) = self.stream.as_mut().filter(|_| !left.is_zero()) else {
            return Some(Missing::Silence);
        };
        let mut chunk = [0; 64 << 10];
        let _ = stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
        let end = match stream.read(&mut chunk) {
            Ok(0) => End::Closed,
            Ok(len) => {
                self.received += len;
                self.inbox.extend_from_slice(&chunk[..len]);
                self.record(From::Peer, &chunk[..len]);
                if self.received <= MAX_RECEIVED {
                    return None;
                }
                End::Flood
            }
            Err(error) if is_timeout(&error) => return Some(Missing::Silence),
            Err(error) if error.kind() == ErrorKind::Interrupted => return None,
            Err(_) => End::Reset,
        };
        self.end = Some(end);
        Some(Missing::Ended(end))
    }
}

impl Missing {
    /// The reason, in words that end a sentence about bytes.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Missing::Silence => "then nothing more came, and the connection stayed open",
            Missing::Ended(End::Closed) => "then the TCP connection was closed",
            Missing::Ended(End::Reset) => "then the TCP connection was reset",
            Missing::Ended(End::Flood) => "and many more bytes than the checker reads",
        }
    }
}

fn connect(host: &str, port: u16, timeout: Duration) -> std::io::Result<TcpStream> {
    let host = host.trim_matches(['[', ']']);
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn is_reset(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
