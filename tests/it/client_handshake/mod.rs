//! The client handshake: the request that it writes, and the responses that it accepts or declines.

mod urls;

mod requests;

mod answers;

mod refusals;

mod engines;

mod frames;

use stentor::Version;
use stentor::protocol::version::draft76;
use stentor::protocol::{ClientRequest, Config, Event};

use crate::support::{Driven, Head, KEY3};

/// The client request that matches [`Head::of`].
pub(crate) fn request(version: Version) -> ClientRequest {
    let origin = "http://example.com".parse().unwrap();
    to("ws://example.com/demo").version(version).origin(origin)
}

fn to(url: &str) -> ClientRequest {
    ClientRequest::to(url).unwrap()
}

/// A client that has sent [`request`], and the response that it expects.
fn asked(version: Version) -> (Driven, Head) {
    asked_with(&request(version))
}

/// A client that has sent a similar request, and the response that it expects except for the
/// differences.
fn asked_with(request: &ClientRequest) -> (Driven, Head) {
    let mut client = Driven::client(request);
    let version = client.connection.version().unwrap();
    let proof = match version {
        Version::Draft76 => proof_of(&client.output).to_vec(),
        _ => Vec::new(),
    };
    client.output.clear();
    (client, Head::answering(version).behind(&proof))
}

/// A client whose handshake is done; events and output of the handshake are forgotten.
pub(crate) fn ready_with(version: Version, config: &Config) -> Driven {
    let mut client = Driven::client_with(&request(version), config);
    take_answer(&mut client, &Head::answering(version).head());
    assert_eq!(client.events, [Event::Open], "{version}");
    client.forget();
    client
}

/// The same, with the default configuration.
fn ready(version: Version) -> Driven {
    ready_with(version, &Config::default())
}

/// Receives the header block of a response, and then the proof that belongs to the request.
pub(crate) fn take_answer(client: &mut Driven, head: &[u8]) {
    let proof = match client.connection.version() {
        Some(Version::Draft76) => proof_of(&client.output).to_vec(),
        _ => Vec::new(),
    };
    client.receive(&[head, &proof].concat());
}

/// Returns the value of a header of a request.
pub(crate) fn field<'a>(request: &'a [u8], name: &str) -> Option<&'a str> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n");
    let head = std::str::from_utf8(&request[..end.unwrap()]).unwrap();
    let mut lines = head.split("\r\n");
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Returns the sixteen bytes that draft-76's server must send.
fn proof_of(request: &[u8]) -> [u8; 16] {
    let part = |name: &str| draft76::solve(field(request, name).unwrap().as_bytes()).unwrap();
    let key3 = request[request.len() - KEY3.len()..].try_into().unwrap();
    let parts = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"].map(part);
    draft76::proof(parts, key3)
}
