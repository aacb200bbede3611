//! The client role: the request of the client under test, and the checker's responses, right or wrong on purpose.

use std::time::Duration;

use stentor::Version;

use crate::diagnoses::client as d;
use crate::diagnosis::Diagnosis;
use crate::guess::proof::{self, Keys};
use crate::handshake::{self, Head};
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{HeadReading, Missing, Talk};
use crate::target::Target;

/// The time in which the client reads the response, so that the first frame comes with a read of its own.
pub(crate) const SETTLING: Duration = Duration::from_millis(50);

/// Starts the client, and reads its request.
pub(crate) fn request(talk: &mut Talk) -> Check<Head> {
    talk.connect()?;
    match talk.read_head() {
        HeadReading::Head(head) => {
            talk.head = Some(head.clone());
            Ok(head)
        }
        HeadReading::Incomplete(bytes, missing) => {
            let diagnosis = match bytes[..] {
                [] => &d::SILENT,
                _ => &d::NO_BLANK_LINE,
            };
            with_output(talk, Failure::diagnosed(diagnosis, ""))
                .received(Shown::bytes(bytes, missing.words()))
                .expected("GET ... HTTP/1.1, the headers, and a blank line")
                .fail()
        }
    }
}

/// Starts the client, and completes the handshake.
pub(crate) fn open(talk: &mut Talk) -> Check {
    let response = Response::to(talk)?;
    talk.send(&response.encode());
    talk.wait_for_end(SETTLING);
    Ok(())
}

/// Adds the last lines that the client has printed: an error message of its own explains the most.
pub(crate) fn with_output(talk: &Talk, mut failure: Failure) -> Failure {
    for line in talk
        .program
        .iter()
        .flat_map(|program| program.last_lines(3))
    {
        failure = failure.sent(Shown::line(format!("(your client printed) {line}")));
    }
    failure
}

/// A response, right until a case changes it.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) lines: Vec<String>,
    /// Draft-76: the 16 bytes behind the blank line.
    pub(crate) proof: Vec<u8>,
}

impl Response {
    /// Starts the client, reads its request, and returns the right response.
    pub(crate) fn to(talk: &mut Talk) -> Check<Response> {
        let head = request(talk)?;
        let mut proof = Vec::new();
        let lines = match talk.version() {
            Version::Draft75 => {
                hixie_lines(talk, &head, "Web Socket Protocol Handshake", "WebSocket-")
            }
            Version::Draft76 => {
                proof = read_key3(talk, &head)?;
                hixie_lines(
                    talk,
                    &head,
                    "WebSocket Protocol Handshake",
                    "Sec-WebSocket-",
                )
            }
            _ => vec![
                "HTTP/1.1 101 Switching Protocols".to_owned(),
                "Upgrade: websocket".to_owned(),
                "Connection: Upgrade".to_owned(),
                format!(
                    "Sec-WebSocket-Accept: {}",
                    handshake::accept(value(&head, "Sec-WebSocket-Key"))
                ),
            ],
        };
        Ok(Response { lines, proof })
    }

    /// Replaces the line that begins so, or removes it.
    pub(crate) fn replace(&mut self, beginning: &str, line: Option<&str>) {
        self.lines = std::mem::take(&mut self.lines)
            .into_iter()
            .filter_map(|old| match old.starts_with(beginning) {
                true => line.map(str::to_owned),
                false => Some(old),
            })
            .collect();
    }

    /// The bytes of the response.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let head = format!("{}\r\n\r\n", self.lines.join("\r\n"));
        [head.as_bytes(), &self.proof].concat()
    }
}

/// The failure of a client that has not refused a wrong response, and has sent these bytes behind it. Only a frame
/// shows that it has accepted the response: it may as well have refused it, and left the connection open.
pub(crate) fn not_refused(diagnosis: &'static Diagnosis, received: &[u8]) -> Failure {
    match received {
        [] => Failure::unnamed(
            diagnosis.rule,
            "The connection stayed open after this response. You have to refuse it, and to close TCP.",
        ),
        _ => Failure::diagnosed(diagnosis, ""),
    }
}

/// The first value of a header in the client's request, or nothing.
pub(crate) fn value<'a>(head: &'a Head, name: &'a str) -> &'a str {
    head.values(name).next().unwrap_or_default()
}

/// The URL that the client was given.
pub(crate) fn url(talk: &Talk) -> String {
    match talk.target() {
        Target::Client(host) => host.url(),
        Target::Server { .. } => talk.target().to_string(),
    }
}

/// Reads the 8 bytes behind the request, and returns the proof.
fn read_key3(talk: &mut Talk, head: &Head) -> Check<Vec<u8>> {
    let bytes = talk.read_bytes(8);
    let Ok(key3) = <[u8; 8]>::try_from(&bytes[..]) else {
        return Failure::diagnosed(&crate::diagnoses::draft_clients::NO_KEY3, "")
            .received(Shown::bytes(bytes, Missing::Silence.words()))
            .expected("8 bytes behind the blank line")
            .fail();
    };
    Ok(proof::proof(&Keys {
        key1: value(head, "Sec-WebSocket-Key1"),
        key2: value(head, "Sec-WebSocket-Key2"),
        key3,
    }))
}

fn hixie_lines(talk: &Talk, head: &Head, reason: &str, prefix: &str) -> Vec<String> {
    let mut lines = vec![
        format!("HTTP/1.1 101 {reason}"),
        "Upgrade: WebSocket".to_owned(),
        "Connection: Upgrade".to_owned(),
        format!("{prefix}Origin: {}", value(head, "Origin")),
        format!("{prefix}Location: {}", url(talk)),
    ];
    let subprotocol = format!("{prefix}Protocol");
    if let Some(line) = head.header_lines(&subprotocol).next() {
        lines.push(line.to_owned());
    }
    lines
}
