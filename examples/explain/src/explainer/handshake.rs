//! The handshake, step by step: each step explains one part of one direction.

use stentor::Version;

use crate::note::{Part, Side};
use crate::rules::handshake::{COMPLETE, HEAD_SIZE, HTTP};

use super::agreed::Agreed;
use super::body::Body;
use super::frames;
use super::head::{
    Answered, Asked, Block, Found, KEY3_LEN, MOST, PROOF_LEN, Search, explain_key3, explain_proof,
    explain_request, explain_response, not_http,
};
use super::sink::{NoteDraft, Sink};
use super::stream::{Phase, Stream};

/// The most bytes that one direction keeps while it waits for the other one. Then it goes on without.
const MOST_HELD: usize = 1024 * 1024;

/// What is known of the handshake so far.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// Whether the values of secret headers are shown.
    pub(super) secrets: bool,
    request: Known<Asked>,
    key3: Known<[u8; KEY3_LEN]>,
    /// The agreement; `None` if the server did not upgrade.
    response: Known<Option<Agreed>>,
}

/// A part of the handshake.
#[derive(Debug, Default)]
enum Known<T> {
    /// It may still come.
    #[default]
    Pending,
    /// It will not come, or it cannot be read.
    Never,
    Value(T),
}

impl<T> Known<T> {
    fn is_pending(&self) -> bool {
        matches!(self, Known::Pending)
    }

    fn get(&self) -> Option<&T> {
        match self {
            Known::Value(value) => Some(value),
            Known::Pending | Known::Never => None,
        }
    }

    fn give_up(&mut self) {
        if self.is_pending() {
            *self = Known::Never;
        }
    }
}

impl Handshake {
    /// Explains the next part of a direction. Returns whether there was one; if not, more bytes are
    /// needed, of this direction or of the other one.
    pub(super) fn step(&mut self, stream: &mut Stream, sink: &mut Sink) -> bool {
        match &mut stream.phase {
            Phase::Head(_) => self.read_head(stream, sink),
            Phase::Key3 => self.read_key3(stream, sink),
            Phase::Proof => self.read_proof(stream, sink),
            Phase::Waiting => self.wait(stream),
            Phase::Body(_) => stream.read_body(sink),
            Phase::Frames(_) => {
                stream.read_frames(sink);
                false
            }
            Phase::Unread(_) => {
                stream.skip(stream.held.len());
                false
            }
            Phase::Ended => false,
        }
    }

    /// Explains the end of a direction, if it has ended and nothing more is needed of the other one.
    /// Returns whether it did.
    pub(super) fn finish(&mut self, stream: &mut Stream, sink: &mut Sink) -> bool {
        let waits = match stream.phase {
            Phase::Head(_) => stream.from == Side::Server && self.request.is_pending(),
            Phase::Proof => self.key3.is_pending(),
            Phase::Waiting => self.response.is_pending(),
            Phase::Ended => true,
            _ => false,
        };
        if !stream.is_over || waits {
            return false;
        }
        let missing = self.finish_part(stream, sink);
        self.give_up(stream.from);
        match missing {
            None => stream.finish(sink),
            Some(missing) => {
                let end = stream.end();
                let draft = NoteDraft::new(Part::End, stream.from, end..end);
                sink.note(self.judge_end(stream.from, draft, missing));
                stream.phase = Phase::Ended;
                stream.held = Vec::new();
            }
        }
        true
    }

    /// Explains the last bytes, if they are an incomplete part of the handshake. Returns the name
    /// of the part that is missing.
    fn finish_part(&mut self, stream: &Stream, sink: &mut Sink) -> Option<&'static str> {
        let held = &stream.held[..];
        match (&stream.phase, stream.from) {
            (Phase::Head(_), from) => {
                if !held.is_empty() {
                    let block = Block::split(stream.at, held);
                    match from {
                        Side::Client => drop(explain_request(&block, self.secrets, sink)),
                        Side::Server => {
                            let asked = self.request.get();
                            drop(explain_response(&block, asked, self.secrets, sink));
                        }
                    }
                }
                Some(match from {
                    Side::Client => "the end of the request",
                    Side::Server => "the end of the response",
                })
            }
            (Phase::Key3, _) => {
                if !held.is_empty() {
                    explain_key3(stream.at, held, sink);
                }
                Some("the eight bytes after the request")
            }
            (Phase::Proof, _) => {
                if !held.is_empty() {
                    self.explain_proof(stream.at, held, sink);
                }
                Some("the sixteen bytes after the response")
            }
            _ => None,
        }
    }

    fn judge_end(&self, from: Side, draft: NoteDraft, missing: &str) -> NoteDraft {
        let is_refused = match from {
            // The server has rejected the request: it needs no more bytes.
            Side::Client => matches!(self.response, Known::Value(None)),
            // A server may close the connection after an invalid request.
            Side::Server => self.request.get().is_some_and(Asked::is_broken),
        };
        let by = format!("The stream ended before {missing}");
        match is_refused {
            true => draft.choice(&COMPLETE, by + ". The handshake had failed before."),
            false => draft.broken(&COMPLETE, by + "."),
        }
    }

    fn read_head(&mut self, stream: &mut Stream, sink: &mut Sink) -> bool {
        let is_response = stream.from == Side::Server;
        if is_response && self.request.is_pending() && stream.held.len() <= MOST_HELD {
            return false;
        }
        let Phase::Head(search) = &mut stream.phase else {
            return false;
        };
        match search.find(stream.from, &stream.held) {
            Found::Incomplete => return false,
            Found::Complete(len) => {
                let block = Block::split(stream.at, &stream.held[..len]);
                stream.skip(len);
                match stream.from {
                    Side::Client => self.take_request(&block, stream, sink),
                    Side::Server => self.take_response(&block, stream, sink),
                }
            }
            Found::NotHttp(decided) => {
                let by = not_http(&stream.held[..decided]);
                sink.note(stream.unread(decided).broken(&HTTP, by));
                self.leave(decided, stream);
            }
            Found::TooLong => {
                let how = format!(
                    "There is no empty line in the first {MOST} bytes. The rest is not read."
                );
                sink.note(stream.unread(MOST).choice(&HEAD_SIZE, how));
                self.leave(MOST, stream);
            }
        }
        true
    }

    /// Nothing after these bytes can be read.
    fn leave(&mut self, used: usize, stream: &mut Stream) {
        stream.skip(used);
        stream.phase = Phase::Unread(stream.at);
        self.give_up(stream.from);
    }

    /// Nothing more of the handshake comes from this side.
    fn give_up(&mut self, from: Side) {
        match from {
            Side::Client => {
                self.request.give_up();
                self.key3.give_up();
            }
            Side::Server => self.response.give_up(),
        }
    }

    fn take_request(&mut self, block: &Block, stream: &mut Stream, sink: &mut Sink) {
        let asked = explain_request(block, self.secrets, sink);
        stream.phase = match asked.version {
            Some(Version::Draft76) => Phase::Key3,
            _ => Phase::Waiting,
        };
        self.request = Known::Value(asked);
    }

    fn take_response(&mut self, block: &Block, stream: &mut Stream, sink: &mut Sink) {
        let answered = explain_response(block, self.request.get(), self.secrets, sink);
        stream.phase = match answered {
            Answered::Interim => Phase::Head(Search::default()),
            Answered::Other(length) => {
                self.response = Known::Value(None);
                Phase::Body(Body::new(stream.at, length))
            }
            Answered::Switched(agreed) => {
                let phase = match agreed.version {
                    Version::Draft76 => Phase::Proof,
                    version => Phase::Frames(frames::reader(version, stream.from, &agreed)),
                };
                self.response = Known::Value(Some(agreed));
                phase
            }
        };
    }

    fn read_key3(&mut self, stream: &mut Stream, sink: &mut Sink) -> bool {
        let Some(key3) = stream.held.first_chunk::<KEY3_LEN>().copied() else {
            return false;
        };
        explain_key3(stream.at, &key3, sink);
        stream.skip(KEY3_LEN);
        self.key3 = Known::Value(key3);
        stream.phase = Phase::Waiting;
        true
    }

    fn read_proof(&mut self, stream: &mut Stream, sink: &mut Sink) -> bool {
        let waits = self.key3.is_pending() && stream.held.len() <= MOST_HELD;
        let (false, Some(proof)) = (waits, stream.held.first_chunk::<PROOF_LEN>().copied()) else {
            return false;
        };
        self.explain_proof(stream.at, &proof, sink);
        stream.skip(PROOF_LEN);
        stream.phase = self.frames(stream);
        true
    }

    fn explain_proof(&self, at: u64, found: &[u8], sink: &mut Sink) {
        let numbers = self.request.get().and_then(|asked| asked.numbers);
        explain_proof(at, found, numbers, self.key3.get().copied(), sink);
    }

    /// The frames of the client depend on the response: compression, or no upgrade at all.
    fn wait(&mut self, stream: &mut Stream) -> bool {
        if self.response.is_pending() && stream.held.len() <= MOST_HELD {
            return false;
        }
        stream.phase = self.frames(stream);
        true
    }

    /// Returns the phase after the handshake. Without a response, the version of the request counts.
    fn frames(&self, stream: &Stream) -> Phase {
        let unread = Phase::Unread(stream.at);
        let asked = self.request.get().and_then(|asked| asked.version);
        match (&self.response, asked) {
            (Known::Value(Some(agreed)), _) => {
                Phase::Frames(frames::reader(agreed.version, stream.from, agreed))
            }
            (Known::Pending | Known::Never, Some(version)) => {
                let agreed = Agreed::new(version, None);
                Phase::Frames(frames::reader(version, stream.from, &agreed))
            }
            (Known::Value(None), _) | (_, None) => unread,
        }
    }
}
