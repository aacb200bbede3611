//! The client's half of the handshake: to ask, and to hold the answer against what was asked.
//!
//! ```
//! use std::sync::Arc;
//! use stentor::Version;
//! use stentor::protocol::{Accept, ClientRequest, Config, Connection, Event, Message};
//!
//! // Two engines and no network: what the one writes, the other reads.
//! let config = Arc::new(Config::default());
//! let request = ClientRequest::to("ws://example.com/chat")?.version(Version::Draft76);
//! // A real client takes the bytes from the operating system.
//! let mut client = Connection::client(Arc::clone(&config), &request, |bytes| bytes.fill(7));
//! let mut server = Connection::new(config);
//!
//! server.receive_data(&client.data_to_send());
//! assert_eq!(server.next_event(), Some(Event::Request));
//! server.accept(Accept::new())?;
//! assert_eq!(server.next_event(), Some(Event::Open));
//! server.send(&"welcome".into())?;
//!
//! client.receive_data(&server.data_to_send());
//! assert_eq!(client.next_event(), Some(Event::Open));
//! assert_eq!(client.next_event(), Some(Event::Message(Message::from("welcome"))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a server may not do is an [`Event::Declined`], with a [`HandshakeError`] that names the
//! field, what it says and what it had to say. An answer of another status than 101 is one too, and
//! comes with its body. Nothing is asked a second time: redirects are not followed, and no other
//! version is tried.

mod answer;
mod error;
mod request;
mod url;

use std::sync::Arc;

pub use answer::Answer;
pub use error::HandshakeError;
pub use request::ClientRequest;
pub use url::BadUrl;

use super::config::Config;
use super::connection::{Connection, Phase};
use super::deflate::Terms;
use super::ending::Ending;
use super::escape::escaped;
use super::framing::{Encoder, Framing};
use super::message::Event;
use super::role::Entropy;
use super::state::Trigger;
use super::version::{Version, draft75, draft76, hybi07};

pub(crate) use answer::Heads;
pub(super) use answer::Refused;

/// What was asked, until it is answered.
#[derive(Debug)]
pub(super) struct Asked {
    request: ClientRequest,
    proof: Due,
    heads: Heads,
}

/// How the server is to prove that it has understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// Draft-75 proves nothing.
    Nothing,
    /// Draft-76: sixteen bytes behind the answer's head.
    Digest([u8; 16]),
    /// The value of `Sec-WebSocket-Accept`.
    Accept(String),
}

impl Connection {
    /// A client's connection, as yet without an answer: the first
    /// [`data_to_send`](Connection::data_to_send) is the request. Of `config` the limits matter,
    /// and whether messages may be compressed; all else is for servers. `entropy` is used for keys and
    /// for a mask on every frame.
    pub fn client(config: Arc<Config>, request: &ClientRequest, entropy: Entropy) -> Connection {
        let offer = config.offer(request.version);
        let (output, proof) = request.version.ask(request, offer, entropy);
        let mut connection = Connection::new(config);
        connection.encoder = Some(Encoder::client(request.version, entropy));
        connection.output = output;
        connection.phase = Phase::Answer(Box::new(Asked {
            request: request.clone(),
            proof,
            heads: Heads::default(),
        }));
        connection
    }

    /// The server's answer, once it has accepted: its `Set-Cookie`, and whatever else it says. A
    /// server has none.
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_deref()
    }

    pub(super) fn read_answer(&mut self) -> Option<()> {
        let Phase::Answer(asked) = &mut self.phase else {
            return None;
        };
        let found = asked.heads.read(self.input.unread(), &self.config.limits);
        let answer = match found {
            Ok((used, answer)) => {
                self.input.consume(used);
                answer
            }
            Err(error) => {
                self.decline(error);
                return Some(());
            }
        };
        match answer {
            Some(answer) if answer.status() == 101 => self.judge(answer),
            Some(answer) => self.phase = Phase::Refusal(Box::new(Refused::new(answer))),
            None if self.stream_ended => self.end_of_stream()?,
            None => return None,
        }
        Some(())
    }

    /// Draft-76's sixteen bytes.
    pub(super) fn read_proof(&mut self, expected: [u8; 16]) -> Option<()> {
        match self.input.unread().first_chunk::<16>().copied() {
            Some(found) => {
                self.input.consume(found.len());
                match found == expected {
                    true => self.open(Version::Draft76),
                    false => self.decline(HandshakeError::Proof { found, expected }),
                }
            }
            None if self.stream_ended => self.end_of_stream()?,
            None => return None,
        }
        Some(())
    }

    /// The body of a refusal: what of it comes.
    pub(super) fn read_refusal(&mut self) -> Option<()> {
        let Phase::Refusal(refused) = &mut self.phase else {
            return None;
        };
        let (used, complete) = refused.read(self.input.unread());
        self.input.consume(used);
        if !complete && !self.stream_ended {
            return None;
        }
        let over = Phase::Over(Ending::Linger);
        if let Phase::Refusal(refused) = std::mem::replace(&mut self.phase, over) {
            self.decline(HandshakeError::Status(refused.answer));
        }
        Some(())
    }

    pub(super) fn decline(&mut self, error: HandshakeError) {
        self.change(match error {
            HandshakeError::Status(_) => Trigger::Refused,
            HandshakeError::StreamEnded => Trigger::StreamEnded,
            _ => Trigger::Failed,
        });
        self.phase = Phase::Over(Ending::Linger);
        self.pending.push_back(Event::Declined(Box::new(error)));
    }

    /// An answer of status 101: a promise that must be kept to the letter.
    fn judge(&mut self, answer: Answer) {
        let Phase::Answer(asked) = &self.phase else {
            return;
        };
        let Asked { request, proof, .. } = &**asked;
        match request
            .version
            .confirm(&answer, request, proof, &self.config)
        {
            Ok(confirmed) => {
                let (version, proof) = (request.version, proof.clone());
                self.subprotocol = confirmed.subprotocol;
                self.deflate_by(confirmed.deflate);
                self.answer = Some(Box::new(answer));
                self.change(Trigger::HeadAccepted);
                match proof {
                    Due::Digest(digest) => self.phase = Phase::Proof(digest),
                    Due::Nothing | Due::Accept(_) => self.open(version),
                }
            }
            Err(error) => self.decline(error),
        }
    }
}

impl Version {
    /// The bytes of a client's request, and what the server is to prove with its answer.
    fn ask(
        self,
        request: &ClientRequest,
        extensions: Option<String>,
        entropy: Entropy,
    ) -> (Vec<u8>, Due) {
        match self {
            Version::Draft75 => draft75::ask(request),
            Version::Draft76 => draft76::ask(request, entropy),
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
                hybi07::ask(request, extensions, entropy)
            }
        }
    }

    /// Holds a 101 against what was asked for.
    fn confirm(
        self,
        answer: &Answer,
        request: &ClientRequest,
        due: &Due,
        config: &Config,
    ) -> Result<Confirmed, HandshakeError> {
        match self {
            Version::Draft75 => draft75::confirm(answer, request)?,
            Version::Draft76 => draft76::confirm(answer, request)?,
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => hybi07::confirm(answer, due)?,
        }
        Ok(Confirmed {
            subprotocol: answer.subprotocol(request)?,
            deflate: answer.deflate(self, config)?,
        })
    }
}

/// What both sides have settled on.
struct Confirmed {
    subprotocol: Option<String>,
    deflate: Option<Terms>,
}

/// The checks that answers are made of.
impl Answer {
    /// The value of a field that must stand once.
    pub(crate) fn only(&self, field: &'static str) -> Result<&[u8], HandshakeError> {
        let value = self.head().once(field)?;
        value.ok_or(HandshakeError::Missing(field))
    }

    /// That a field stands once and says this, to the byte.
    pub(crate) fn says(&self, field: &'static str, expected: &str) -> Result<(), HandshakeError> {
        self.must(field, expected, |found| found == expected.as_bytes())
    }

    /// That a field stands once and says this, in whatever letter case.
    pub(crate) fn means(&self, field: &'static str, expected: &str) -> Result<(), HandshakeError> {
        self.must(field, expected, |found| {
            found.eq_ignore_ascii_case(expected.as_bytes())
        })
    }

    fn must(
        &self,
        field: &'static str,
        expected: &str,
        is_right: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), HandshakeError> {
        let found = self.only(field)?;
        match is_right(found) {
            true => Ok(()),
            false => Err(HandshakeError::Mismatch {
                field,
                found: escaped(found),
                expected: expected.to_owned(),
            }),
        }
    }

    /// How messages are compressed, if they are: within what was offered, or not at all.
    fn deflate(&self, version: Version, config: &Config) -> Result<Option<Terms>, HandshakeError> {
        if version.framing() == Framing::Hixie {
            return Ok(None);
        }
        let field = hybi07::EXTENSIONS;
        let Some(found) = self.head().once(field)? else {
            return Ok(None);
        };
        let offered = config.offer(version);
        config
            .agree(version, found)
            .ok_or_else(|| HandshakeError::NotOffered {
                field,
                found: escaped(found),
                offered: offered.unwrap_or_default(),
            })
    }

    /// One of those that were offered, or none. In the old drafts the client names the one it needs,
    /// and gets it (draft-75 §4.1, draft-76 §4.1).
    fn subprotocol(&self, request: &ClientRequest) -> Result<Option<String>, HandshakeError> {
        let row = request.version.row();
        let field = row.subprotocol_field;
        let offered = match row.subprotocol_list {
            true => &request.subprotocols[..],
            false => &request.subprotocols[..request.subprotocols.len().min(1)],
        };
        match self.head().once(field)? {
            None if row.subprotocol_list || offered.is_empty() => Ok(None),
            None => Err(HandshakeError::Missing(field)),
            Some(found) => match offered.iter().find(|name| name.as_bytes() == found) {
                Some(name) => Ok(Some(name.clone())),
                None => Err(HandshakeError::NotOffered {
                    field,
                    found: escaped(found),
                    offered: offered.join(", "),
                }),
            },
        }
    }
}
