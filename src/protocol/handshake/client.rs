//! The client's half of the handshake: writes the request, and checks the response against it.
//!
//! ```
//! use std::sync::Arc;
//! use stentor::Version;
//! use stentor::{Accept, Message};
//! use stentor::protocol::{ClientRequest, Config, Connection, Event};
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

use super::client_request::ClientRequest;
use super::client_response::{HandshakeResponse, RejectionBody};
use super::error::HandshakeError;

use crate::protocol::config::Config;
use crate::protocol::deflate;
use crate::protocol::deflate::Negotiated;
use crate::protocol::framing::Framing;
use crate::protocol::http::head;
use crate::protocol::http::text::escaped;
use crate::protocol::limits::Limits;
use crate::protocol::role::Entropy;
use crate::protocol::version::{Version, hybi07};

/// A request that was sent, and its response as far as it has arrived.
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    request: ClientRequest,
    expected: ExpectedProof,
    reader: ResponseReader,
    step: Step,
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

/// The part of the response that the next bytes belong to.
#[derive(Debug)]
enum Step {
    /// The header block.
    Head,
    /// After a status other than 101: the body.
    Body(RejectionBody),
    /// After a valid 101: draft-76's sixteen bytes, and nothing in the other versions.
    Proof,
}

/// The progress of a handshake that has not failed.
pub(crate) enum Progress {
    /// More bytes are needed.
    Incomplete,
    /// The header block is a valid 101; the proof follows.
    Accepted(Accepted),
    /// The proof is valid as well: frames follow.
    Complete,
}

/// A valid 101, with the result of the negotiation.
pub(crate) struct Accepted {
    pub(crate) response: Box<HandshakeResponse>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) deflate: Option<Negotiated>,
}

impl ClientHandshake {
    /// Begins a handshake, and returns the bytes of the request.
    #[inline]
    pub(crate) fn begin(
        request: &ClientRequest,
        config: &Config,
        entropy: Entropy,
    ) -> (ClientHandshake, Vec<u8>) {
        let version = request.version;
        let extensions = deflate::offer(config, version);
        let (bytes, expected) = version.request(request, extensions, entropy);
        let handshake = ClientHandshake {
            request: request.clone(),
            expected,
            reader: ResponseReader::default(),
            step: Step::Head,
        };
        (handshake, bytes)
    }

    #[inline]
    pub(crate) fn version(&self) -> Version {
        self.request.version
    }

    /// Reads the available part of the response. Returns how many bytes were used, and the progress.
    ///
    /// # Errors
    /// If the server rejects the handshake, or if the response breaks a rule.
    #[inline]
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        stream_ended: bool,
        config: &Config,
    ) -> (usize, Result<Progress, HandshakeError>) {
        let mut used = 0;
        if let Step::Head = &self.step {
            let response = match self.reader.read(input, &config.limits) {
                Ok((head, Some(response))) => {
                    used = head;
                    response
                }
                Ok((interim, None)) => return (interim, Ok(Progress::Incomplete)),
                Err(error) => return (0, Err(error)),
            };
            if response.status() == 101 {
                self.step = Step::Proof;
                return (used, self.confirm(response, config).map(Progress::Accepted));
            }
            self.step = Step::Body(RejectionBody::new(response));
        }
        let (more, progress) = self.read_behind_head(&input[used..], stream_ended);
        (used + more, progress)
    }

    #[inline]
    fn read_behind_head(
        &mut self,
        input: &[u8],
        stream_ended: bool,
    ) -> (usize, Result<Progress, HandshakeError>) {
        if let Step::Body(body) = &mut self.step {
            let (used, complete) = body.read(input);
            let progress = match complete || stream_ended {
                true => Err(HandshakeError::Status(body.response.clone())),
                false => Ok(Progress::Incomplete),
            };
            return (used, progress);
        }
        let ExpectedProof::Digest(expected) = self.expected else {
            return (0, Ok(Progress::Complete));
        };
        match input.first_chunk::<16>().copied() {
            None => (0, Ok(Progress::Incomplete)),
            Some(found) if found == expected => (found.len(), Ok(Progress::Complete)),
            Some(found) => (found.len(), Err(HandshakeError::Proof { found, expected })),
        }
    }

    /// Checks a response of status 101, which must follow the rules to the letter.
    #[inline]
    fn confirm(
        &self,
        response: HandshakeResponse,
        config: &Config,
    ) -> Result<Accepted, HandshakeError> {
        let ClientHandshake {
            request, expected, ..
        } = self;
        request
            .version
            .check_response(&response, request, expected)?;
        Ok(Accepted {
            subprotocol: subprotocol(&response, request)?,
            deflate: negotiated(&response, request.version, config)?,
            response: Box::new(response),
        })
    }
}

/// Reads the header blocks of the responses to one request, from a server or a proxy: interim
/// responses, which are skipped, and the final one.
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    /// How far the response was searched for the end of its header block.
    searched: usize,
    /// The bytes of the interim responses. All header blocks together have the limit of one.
    before: usize,
    /// How many interim responses there were.
    interim: usize,
}

impl ResponseReader {
    /// The most interim responses (RFC 9110 §15.2) before the final one. Servers send one, or two.
    const MAX_INTERIM: usize = 10;

    /// Reads the complete header blocks at the front of `input`: returns how many bytes they have, and
    /// the final response once it has arrived. The caller must pass unused bytes again, with further
    /// bytes after them.
    ///
    /// # Errors
    /// As soon as it is certain that this is not a response: it does not begin as one must (RFC 9112
    /// §4), or is above a limit.
    #[inline]
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Option<HandshakeResponse>), HandshakeError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let Some((head, response)) = self.read_one(rest, limits)? else {
                return Ok((used, None));
            };
            used += head;
            // 101 ends HTTP on the connection: it is not an interim response.
            if !matches!(response.status(), 100 | 102..200) {
                return Ok((used, Some(response)));
            }
            self.interim += 1;
            if self.interim > ResponseReader::MAX_INTERIM {
                return Err(HandshakeError::TooManyInterim(ResponseReader::MAX_INTERIM));
            }
        }
    }

    /// Returns the next response and the length of its header block; `None` while it is incomplete.
    #[inline]
    fn read_one(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, HandshakeResponse)>, HandshakeError> {
        let mut begins = input.iter().zip(b"HTTP/");
        if let Some(wrong) = begins.position(|(found, must)| found != must) {
            return Err(HandshakeError::NotHttp(input[..=wrong].to_vec()));
        }
        let most = limits.header_bytes.saturating_sub(self.before);
        match head::search(input, self.searched, most) {
            Ok(head::Search::Incomplete(searched)) => {
                self.searched = searched;
                Ok(None)
            }
            Ok(head::Search::Complete(used)) => {
                self.searched = 0;
                self.before += used;
                Ok(Some((
                    used,
                    HandshakeResponse::parse(&input[..used], limits)?,
                )))
            }
            Err(_) => Err(HandshakeError::HeadersTooLarge(limits.header_bytes)),
        }
    }
}

/// Checks that a header occurs once and has exactly this value.
#[inline]
pub(crate) fn expect_exactly(
    response: &HandshakeResponse,
    header: &'static str,
    expected: &str,
) -> Result<(), HandshakeError> {
    expect(response, header, expected, |found| {
        found == expected.as_bytes()
    })
}

/// Checks that a header occurs once and has this value, in any letter case.
#[inline]
pub(crate) fn expect_ignoring_case(
    response: &HandshakeResponse,
    header: &'static str,
    expected: &str,
) -> Result<(), HandshakeError> {
    expect(response, header, expected, |found| {
        found.eq_ignore_ascii_case(expected.as_bytes())
    })
}

fn expect(
    response: &HandshakeResponse,
    header: &'static str,
    expected: &str,
    is_expected: impl FnOnce(&[u8]) -> bool,
) -> Result<(), HandshakeError> {
    let found = response.head().once(header)?;
    let found = found.ok_or(HandshakeError::Missing(header))?;
    match is_expected(found) {
        true => Ok(()),
        false => Err(HandshakeError::Mismatch {
            header,
            found: escaped(found),
            expected: expected.to_owned(),
        }),
    }
}

/// Returns the parameters of compression, if any: within the offer, or an error.
#[inline]
fn negotiated(
    response: &HandshakeResponse,
    version: Version,
    config: &Config,
) -> Result<Option<Negotiated>, HandshakeError> {
    if version.framing() == Framing::Hixie {
        return Ok(None);
    }
    let header = hybi07::EXTENSIONS;
    let Some(found) = response.head().once(header)? else {
        return Ok(None);
    };
    deflate::read_response(config, version, found).ok_or_else(|| HandshakeError::NotOffered {
        header,
        found: escaped(found),
        offered: deflate::offer(config, version).unwrap_or_default(),
    })
}

/// Returns the server's subprotocol: one of the offered ones, or none. In the old drafts the client
/// names the one it needs, and must get it (draft-75 §4.1, draft-76 §4.1).
#[inline]
fn subprotocol(
    response: &HandshakeResponse,
    request: &ClientRequest,
) -> Result<Option<String>, HandshakeError> {
    let spec = request.version.spec();
    let header = spec.subprotocol_field;
    let offered = match spec.subprotocol_list {
        true => &request.subprotocols[..],
        false => &request.subprotocols[..request.subprotocols.len().min(1)],
    };
    match response.head().once(header)? {
        None if spec.subprotocol_list || offered.is_empty() => Ok(None),
        None => Err(HandshakeError::Missing(header)),
        Some(found) => match offered.iter().find(|name| name.as_bytes() == found) {
            Some(name) => Ok(Some(name.clone())),
            None => Err(HandshakeError::SubprotocolNotOffered {
                header,
                found: escaped(found),
                offered: offered.len(),
            }),
        },
    }
}
