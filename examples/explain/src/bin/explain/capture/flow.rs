//! One TCP connection of a capture.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use stentor_explain::Side;

use super::super::session::{Session, Settings};
use super::tcp::{Direction, Piece};
use stentor_explain::packet::Segment;

/// One connection between two addresses.
#[derive(Debug)]
pub(super) struct Flow {
    ends: [SocketAddr; 2],
    /// The end that is the client, once that is known.
    client: Option<usize>,
    directions: [Direction; 2],
    state: State,
    progress: Progress,
    is_from_beginning: bool,
    /// When its newest packet came, counted in packets.
    pub(super) newest: u64,
    /// The sequence number of its first packet.
    pub(super) begin: Option<u32>,
}

/// The part of a direction: its end, its time.
type Came = (usize, Duration, Piece);

#[derive(Debug)]
enum State {
    /// It is not known yet whether it is WebSocket: all that came until now.
    Waiting(Vec<Came>),
    Open(Box<Session>),
    Skipped(Reason),
    Closed,
}

/// How much of the request has come: each byte is looked at once, however the request is cut.
#[derive(Debug, Default)]
struct Progress {
    /// The end that has sent the first bytes.
    end: Option<usize>,
    bytes: usize,
    pieces: usize,
    /// The last three bytes: the end of the request may be cut.
    last: Vec<u8>,
}

/// The reason why a connection is not explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// No bytes were sent.
    Empty,
    /// It does not begin with a request for WebSocket.
    Other,
    /// Its beginning was not captured.
    Late,
}

/// The first bytes of a request.
const REQUEST_BEGINS: &[u8] = b"GET ";

/// The bytes that are kept until the request is complete.
const REQUEST: usize = 64 * 1024;

/// The segments that are kept until then.
const PIECES: usize = 512;

/// All that the flows share.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) port: Option<u16>,
    /// The number of the newest conversation.
    pub(super) number: &'a mut u32,
    pub(super) out: &'a mut dyn Write,
}

impl Flow {
    pub(super) fn new(segment: &Segment<'_>) -> Flow {
        Flow {
            ends: [segment.from, segment.to],
            client: None,
            directions: [Direction::default(), Direction::default()],
            state: State::Waiting(Vec::new()),
            progress: Progress::default(),
            is_from_beginning: false,
            newest: 0,
            begin: None,
        }
    }

    /// Takes a segment.
    pub(super) fn segment(
        &mut self,
        segment: &Segment<'_>,
        at: Duration,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        let end = usize::from(segment.from != self.ends[0]);
        if segment.syn {
            let is_client = segment.acknowledged.is_none();
            self.client = Some(if is_client { end } else { 1 - end });
            self.is_from_beginning = true;
            self.begin = self.begin.or(is_client.then_some(segment.sequence));
        }
        let pieces = self.directions[end].add(segment);
        self.take(end, at, pieces, context)?;
        let missing = self.directions[1 - end].acknowledge(segment.acknowledged);
        self.take(1 - end, at, missing, context)?;
        if segment.rst || self.directions.iter().all(Direction::has_ended) {
            self.finish(at, segment.rst, context)?;
        }
        Ok(())
    }

    /// Ends the connection, if `is_over`, or the capture. Returns how many rules were broken.
    pub(super) fn finish(
        &mut self,
        at: Duration,
        is_over: bool,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        for end in [0, 1] {
            let pieces = self.directions[end].finish();
            self.take(end, at, pieces, context)?;
        }
        if let State::Waiting(_) = self.state {
            self.decide(true, context)?;
        }
        let State::Open(session) = &mut self.state else {
            return Ok(());
        };
        session.clock(at);
        for end in [0, 1] {
            if !self.directions[end].has_ended() {
                let from = side(self.client, end);
                match is_over {
                    true => session.end(from, context.out)?,
                    false => session.remark(from, "the capture ends here", context.out)?,
                }
            }
        }
        Ok(())
    }

    /// Forgets the conversation, and returns how many rules it has broken.
    pub(super) fn close(&mut self) -> usize {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(session) => session.broken(),
            State::Skipped(reason) => {
                self.state = State::Skipped(reason);
                0
            }
            _ => 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.directions.iter().all(Direction::has_ended)
    }

    /// The reason why it was not explained.
    pub(super) fn skipped(&self) -> Option<Reason> {
        match self.state {
            State::Skipped(reason) => Some(reason),
            _ => None,
        }
    }

    fn take(
        &mut self,
        end: usize,
        at: Duration,
        pieces: Vec<Piece>,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        for piece in pieces {
            match &mut self.state {
                State::Waiting(came) => {
                    let is_news = self.progress.add(end, &piece);
                    came.push((end, at, piece));
                    if is_news {
                        self.decide(false, context)?;
                    }
                }
                State::Open(session) => {
                    let from = side(self.client, end);
                    give(session, (from, at, piece), context.out)?;
                }
                State::Skipped(_) | State::Closed => {}
            }
        }
        Ok(())
    }

    /// Decides whether this is WebSocket. Nothing more will come if `is_over`.
    fn decide(&mut self, is_over: bool, context: &mut Context<'_>) -> io::Result<()> {
        let State::Waiting(came) = &self.state else {
            return Ok(());
        };
        let settings = context.settings;
        let is_bytes = |piece: &Piece| matches!(piece, Piece::Bytes(_));
        let first = came.iter().find(|(.., piece)| is_bytes(piece));
        let is_gap = matches!(came.first(), Some((_, _, Piece::Gap(_))));
        let Some(&(end, ..)) = first else {
            if is_over {
                self.state = State::Skipped(Reason::Empty);
            }
            return Ok(());
        };
        let begun = request(came, end);
        // The first segment may have fewer bytes than the method.
        if REQUEST_BEGINS.starts_with(&begun) && !is_gap && !is_over && came.len() <= PIECES {
            return Ok(());
        }
        let is_request = begun.starts_with(REQUEST_BEGINS) && !is_gap;
        if is_request && self.client.is_none() {
            self.client = Some(end);
        }
        let is_much = begun.len() > REQUEST || came.len() > PIECES;
        if is_request && context.port.is_none() && !is_over && !is_much && !ends(&begun) {
            return Ok(());
        }
        let session = if is_request {
            let is_wanted = context.port.is_some() || mentions_websocket(&begun);
            is_wanted.then(|| Session::new(settings))
        } else if context.port.is_some() && self.is_from_beginning && !is_gap {
            Some(Session::new(settings))
        } else {
            // A capture that began late, or another protocol.
            settings
                .version
                .map(|version| Session::frames(settings, version))
        };
        let Some(mut session) = session else {
            let is_late = !is_request && !self.is_from_beginning;
            let reason = if is_late { Reason::Late } else { Reason::Other };
            self.state = State::Skipped(reason);
            return Ok(());
        };
        let client = self
            .client
            .unwrap_or_else(|| self.guess(end, &begun, context.port));
        self.client = Some(client);
        self.open(&mut session, context)?;
        let State::Waiting(came) = std::mem::replace(&mut self.state, State::Closed) else {
            return Ok(());
        };
        for (end, at, piece) in came {
            give(
                &mut session,
                (side(self.client, end), at, piece),
                context.out,
            )?;
        }
        self.state = State::Open(Box::new(session));
        Ok(())
    }

    /// The client of a connection of which the beginning is missing: its frames are masked, and the
    /// server has the smaller port.
    fn guess(&self, end: usize, first: &[u8], port: Option<u16>) -> usize {
        if let Some(port) = port {
            return usize::from(self.ends[0].port() == port);
        }
        match first {
            [0x81 | 0x82 | 0x88 | 0x89 | 0x8a, 0x80..=0xff, ..] => end,
            [0x81 | 0x82 | 0x88 | 0x89 | 0x8a, ..] => 1 - end,
            _ => usize::from(self.ends[0].port() < self.ends[1].port()),
        }
    }

    fn open(&self, session: &mut Session, context: &mut Context<'_>) -> io::Result<()> {
        *context.number += 1;
        session.name(format!("#{}", context.number));
        let client = self.client.unwrap_or(0);
        let (client, server) = (self.ends[client], self.ends[1 - client]);
        match context.settings.style.only_broken {
            true => Ok(()),
            false => writeln!(
                context.out,
                "-- #{}: client {client}, server {server}",
                context.number
            ),
        }
    }
}

impl Progress {
    /// Takes a piece. Returns whether there may be a decision now: at the first bytes, at the end of the
    /// request, and when the request has become too long.
    fn add(&mut self, end: usize, piece: &Piece) -> bool {
        const METHOD: usize = b"GET ".len();
        let is_first = self.bytes < METHOD;
        let mut is_complete = false;
        if let Piece::Bytes(bytes) = piece
            && end == *self.end.get_or_insert(end)
        {
            let border: Vec<u8> = self
                .last
                .iter()
                .chain(bytes.iter().take(3))
                .copied()
                .collect();
            is_complete = ends(&border) || ends(bytes);
            let tail = bytes[bytes.len().saturating_sub(3)..].iter().copied();
            self.last.extend(tail);
            self.last.drain(..self.last.len().saturating_sub(3));
            self.bytes += bytes.len();
        }
        self.pieces += 1;
        is_first || is_complete || self.bytes > REQUEST || self.pieces > PIECES
    }
}

fn give(
    session: &mut Session,
    (from, at, piece): (Side, Duration, Piece),
    out: &mut dyn Write,
) -> io::Result<()> {
    session.clock(at);
    match piece {
        Piece::Bytes(bytes) => session.feed(from, &bytes, out),
        Piece::Gap(bytes) => session.gap(from, bytes, out),
        Piece::End => session.end(from, out),
    }
}

fn side(client: Option<usize>, end: usize) -> Side {
    match client == Some(end) {
        true => Side::Client,
        false => Side::Server,
    }
}

/// All bytes that the client has sent until now.
fn request(came: &[Came], client: usize) -> Vec<u8> {
    let own = came.iter().filter(|(end, ..)| *end == client);
    let mut request = Vec::new();
    for (_, _, piece) in own {
        if let Piece::Bytes(bytes) = piece {
            request.extend_from_slice(bytes);
        }
    }
    request
}

fn ends(request: &[u8]) -> bool {
    request.windows(4).any(|four| four == b"\r\n\r\n")
}

fn mentions_websocket(request: &[u8]) -> bool {
    let name = b"websocket";
    request
        .windows(name.len())
        .any(|nine| nine.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_request_is_found_however_it_is_cut() {
        let request = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        for size in 1..=request.len() {
            let mut progress = Progress::default();
            let pieces = request.chunks(size);
            let news: Vec<bool> = pieces
                .map(|piece| progress.add(0, &Piece::Bytes(piece.to_vec())))
                .collect();
            let first = 4_usize.div_ceil(size);
            let expected = (0..news.len()).map(|place| place < first || place + 1 == news.len());
            assert_eq!(news, expected.collect::<Vec<_>>(), "{size}");
        }
    }

    #[test]
    fn a_request_that_is_too_long_is_decided() {
        let mut progress = Progress::default();
        assert!(progress.add(0, &Piece::Bytes(b"GET ".to_vec())));
        assert!(!progress.add(0, &Piece::Bytes(vec![b'a'; REQUEST - 4])));
        assert!(progress.add(0, &Piece::Bytes(vec![b'a'])));
        let mut progress = Progress::default();
        let many = (0..=PIECES).map(|_| progress.add(0, &Piece::Bytes(vec![b'a'])));
        assert_eq!(many.filter(|is_news| *is_news).count(), 5);
    }
}
