//! The client's half of the handshake: sends the request, and checks the response against it.
//!
//! ```
//! use std::sync::Arc;
//! use stentor::Version;
//! use stentor::protocol::{Accept, ClientRequest, Config, Connection, Event, Message};
//!
//! // Two engines and no network: each one reads the other's output.
//! let config = Arc::new(Config::default());
//! let request = ClientRequest::to("ws://example.com/chat")?.version(Version::Draft76);
//! // A real client gets random bytes from the operating system.
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
//! An invalid response is an [`Event::Declined`], with a [`HandshakeError`] that names the header, its
//! value and the required value. A response with a status other than 101 is one too, and contains its
//! body. No second request is sent: redirects are not followed, and no other version is tried.

use std::sync::Arc;

use super::client_request::ClientRequest;
use super::client_response::HandshakeResponse;
use super::error::HandshakeError;

use crate::protocol::closing::Ending;
use crate::protocol::config::Config;
use crate::protocol::connection::{Connection, Phase};
use crate::protocol::deflate::Negotiated;
use crate::protocol::framing::{Encoder, Framing};
use crate::protocol::http::text::escaped;
use crate::protocol::message::Event;
use crate::protocol::role::Entropy;
use crate::protocol::state::Trigger;
use crate::protocol::version::{Version, draft75, draft76, hybi07};

pub(crate) use super::client_response::Heads;
use super::client_response::Rejected;

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct PendingHandshake {
    request: ClientRequest,
    proof: ExpectedProof,
    heads: Heads,
}

/// The expected proof that the server has understood the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExpectedProof {
    /// Draft-75 proves nothing.
    Nothing,
    /// Draft-76: sixteen bytes after the response's header block.
    Digest([u8; 16]),
    /// The value of `Sec-WebSocket-Accept`.
    Accept(String),
}

impl Connection {
    /// Creates a client's connection that has no response yet: the first
    /// [`data_to_send`](Connection::data_to_send) is the request. A client uses the limits and the
    /// compression of `config`; all else is for servers. `entropy` is used for keys and for a mask on
    /// every frame.
    pub fn client(config: Arc<Config>, request: &ClientRequest, entropy: Entropy) -> Connection {
        let offer = config.offer(request.version);
        let (output, proof) = request.version.ask(request, offer, entropy);
        let mut connection = Connection::new(config);
        connection.encoder = Some(Encoder::client(request.version, entropy));
        connection.output = output;
        connection.phase = Phase::HandshakeResponse(Box::new(PendingHandshake {
            request: request.clone(),
            proof,
            heads: Heads::default(),
        }));
        connection
    }

    /// Returns the server's response, once it has accepted the request, with `Set-Cookie` and all other
    /// headers. A server has none.
    pub fn answer(&self) -> Option<&HandshakeResponse> {
        self.answer.as_deref()
    }

    pub(crate) fn read_answer(&mut self) -> Option<()> {
        let Phase::HandshakeResponse(asked) = &mut self.phase else {
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
            Some(answer) => self.phase = Phase::Rejection(Box::new(Rejected::new(answer))),
            None if self.stream_ended => self.end_of_stream()?,
            None => return None,
        }
        Some(())
    }

    /// Reads draft-76's sixteen bytes.
    pub(crate) fn read_proof(&mut self, expected: [u8; 16]) -> Option<()> {
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

    /// Reads the body of a rejection, as far as it arrives.
    pub(crate) fn read_rejection(&mut self) -> Option<()> {
        let Phase::Rejection(rejected) = &mut self.phase else {
            return None;
        };
        let (used, complete) = rejected.read(self.input.unread());
        self.input.consume(used);
        if !complete && !self.stream_ended {
            return None;
        }
        let over = Phase::Over(Ending::Linger);
        if let Phase::Rejection(rejected) = std::mem::replace(&mut self.phase, over) {
            self.decline(HandshakeError::Status(rejected.answer));
        }
        Some(())
    }

    pub(crate) fn decline(&mut self, error: HandshakeError) {
        self.change(match error {
            HandshakeError::Status(_) => Trigger::Refused,
            HandshakeError::StreamEnded => Trigger::StreamEnded,
            _ => Trigger::Failed,
        });
        self.phase = Phase::Over(Ending::Linger);
        self.pending.push_back(Event::Declined(Box::new(error)));
    }

    /// Checks a response of status 101, which must follow the rules to the letter.
    fn judge(&mut self, answer: HandshakeResponse) {
        let Phase::HandshakeResponse(asked) = &self.phase else {
            return;
        };
        let PendingHandshake { request, proof, .. } = &**asked;
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
                    ExpectedProof::Digest(digest) => self.phase = Phase::Proof(digest),
                    ExpectedProof::Nothing | ExpectedProof::Accept(_) => self.open(version),
                }
            }
            Err(error) => self.decline(error),
        }
    }
}

impl Version {
    /// Returns the bytes of a client's request, and the proof that the server's response must contain.
    fn ask(
        self,
        request: &ClientRequest,
        extensions: Option<String>,
        entropy: Entropy,
    ) -> (Vec<u8>, ExpectedProof) {
        match self {
            Version::Draft75 => draft75::ask(request),
            Version::Draft76 => draft76::ask(request, entropy),
            Version::Hybi07 | Version::Hybi08 | Version::Rfc6455 => {
                hybi07::ask(request, extensions, entropy)
            }
        }
    }

    /// Checks a 101 against the request.
    fn confirm(
        self,
        answer: &HandshakeResponse,
        request: &ClientRequest,
        due: &ExpectedProof,
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

/// The result of the negotiation.
struct Confirmed {
    subprotocol: Option<String>,
    deflate: Option<Negotiated>,
}

/// The single checks of a response.
impl HandshakeResponse {
    /// Returns the value of a header that must occur exactly once.
    pub(crate) fn only(&self, field: &'static str) -> Result<&[u8], HandshakeError> {
        let value = self.head().once(field)?;
        value.ok_or(HandshakeError::Missing(field))
    }

    /// Checks that a header occurs once and has exactly this value.
    pub(crate) fn says(&self, field: &'static str, expected: &str) -> Result<(), HandshakeError> {
        self.must(field, expected, |found| found == expected.as_bytes())
    }

    /// Checks that a header occurs once and has this value, in any letter case.
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

    /// Returns the parameters of compression, if any: within the offer, or an error.
    fn deflate(
        &self,
        version: Version,
        config: &Config,
    ) -> Result<Option<Negotiated>, HandshakeError> {
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

    /// Returns the server's subprotocol: one of the offered ones, or none. In the old drafts the client
    /// names the one it needs, and must get it (draft-75 §4.1, draft-76 §4.1).
    fn subprotocol(&self, request: &ClientRequest) -> Result<Option<String>, HandshakeError> {
        let spec = request.version.spec();
        let field = spec.subprotocol_field;
        let offered = match spec.subprotocol_list {
            true => &request.subprotocols[..],
            false => &request.subprotocols[..request.subprotocols.len().min(1)],
        };
        match self.head().once(field)? {
            None if spec.subprotocol_list || offered.is_empty() => Ok(None),
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
