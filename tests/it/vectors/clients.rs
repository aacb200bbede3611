//! The same collection, from the other end: a client accepts the bytes that servers send in it.

use serde_json::Value;
use stentor::Version;
use stentor::protocol::{ClientRequest, Config, Event, ProtocolError, State};

use super::frames::assert_replayed;
use super::{VECTORS, hex, latin1, list, section, string, version, versions};
use crate::client_handshake::{field, ready_with, take_answer};
use crate::support::{Driven, every_way};

#[test]
fn every_response_is_accepted_by_the_client_that_requested_it() {
    let mut ran = [0; 2];
    for vector in section("handshakes") {
        let expect = &vector["expect"];
        if expect["outcome"] != "accept" {
            continue;
        }
        let id = string(vector, "id");
        let version = version(string(expect, "version").parse().unwrap());
        let request = request_of(vector, version);
        let outputs = list(expect, "output_after_chunk_latin1");
        let mut answer: Vec<u8> = outputs.iter().flat_map(latin1).collect();
        let mut client = Driven::client(&request);
        if version == Version::Draft76 {
            // The proof is for the collection's own keys: this client has other keys.
            answer.truncate(answer.len() - 16);
            take_answer(&mut client, &answer);
        } else {
            client.receive(&answer);
        }
        assert_eq!(client.events, [Event::Open], "{id}");
        assert_eq!(client.connection.state(), State::Ready, "{id}");
        let agreed = expect["protocol"].as_str();
        assert_eq!(client.connection.subprotocol(), agreed, "{id}");
        let head = String::from_utf8(answer).unwrap();
        let fields = client.connection.response().unwrap().headers();
        let written = fields.map(|(name, value)| format!("{name}: {}", value.escape_ascii()));
        assert!(written.into_iter().all(|line| head.contains(&line)), "{id}");
        ran[usize::from(version.framing() == stentor::protocol::framing::Framing::Hybi)] += 1;
    }
    assert_eq!(ran, [43, 15]);
}

/// The request whose response a vector has. Each of the newer versions uses the key of the RFC's
/// example, and so does this client.
fn request_of(vector: &Value, version: Version) -> ClientRequest {
    let expect = &vector["expect"];
    let location = match expect["location"].as_str() {
        Some(location) => location.to_owned(),
        None => format!("ws://example.com{}", string(expect, "resource")),
    };
    let mut request = ClientRequest::to(&location).unwrap().version(version);
    if let Some(origin) = expect["origin"].as_str() {
        request = request.origin(origin.parse().unwrap());
    }
    let bytes: Vec<u8> = list(vector, "chunks_latin1")
        .iter()
        .flat_map(latin1)
        .collect();
    if version.framing() == stentor::protocol::framing::Framing::Hybi {
        let key = field(&bytes, "Sec-WebSocket-Key");
        assert_eq!(key, Some("dGhlIHNhbXBsZSBub25jZQ=="));
    }
    request.subprotocols(expect["protocol"].as_str()).unwrap()
}

#[test]
fn every_frame_of_a_hixie_server_is_read() {
    let mut ran = 0;
    for vector in list(&VECTORS["frames"], "hixie") {
        // On some errors a server may fail, but a client must continue.
        if vector["options"]["unknown"] == "fail" || vector["options"]["utf8"] == "fail" {
            continue;
        }
        versions(vector).for_each(|version| replay(vector, version));
        ran += 1;
    }
    assert_eq!(ran, 46);
}

#[test]
fn every_frame_of_a_hybi_server_is_read_and_none_of_a_client() {
    let mut ran = [0; 2];
    for vector in list(&VECTORS["frames"], "hybi") {
        let by_client = vector["client_must_mask"] == true;
        for version in versions(vector) {
            if !by_client {
                replay(vector, version);
            } else if vector["expect"]["state"] != "error" {
                refuse_masked(vector, version);
            }
        }
        ran[usize::from(by_client)] += 1;
    }
    assert_eq!(ran, [5, 81]);
}

fn replay(vector: &Value, version: Version) {
    let chunks: Vec<Vec<u8>> = list(vector, "chunks_hex").iter().map(hex).collect();
    let config = super::frames::config(vector);
    every_way(&chunks, |how, pieces| {
        let mut client = ready_with(version, &config);
        for piece in pieces {
            client.receive(piece);
        }
        let context = format!("{}, {version}, {how}", string(vector, "id"));
        if version.framing() == stentor::protocol::framing::Framing::Hybi {
            client.output = without_masks(&client.output);
        }
        assert_replayed(client, vector, version, &context);
    });
}

fn refuse_masked(vector: &Value, version: Version) {
    let bytes: Vec<u8> = list(vector, "chunks_hex").iter().flat_map(hex).collect();
    if bytes.len() < 2 {
        return;
    }
    let mut client = ready_with(version, &Config::default());
    client.receive(&bytes);
    let protocol_error = &client.closed().protocol_error;
    assert_eq!(
        *protocol_error,
        Some(ProtocolError::Masked),
        "{}",
        string(vector, "id")
    );
}

/// Turns a client's short frames into those of a server.
fn without_masks(mut frames: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let [first, second, a, b, c, d, rest @ ..] = frames {
        let (payload, behind) = rest.split_at(usize::from(second & 0x7f));
        plain.extend([*first, second & 0x7f]);
        let key = [a, b, c, d].into_iter().cycle();
        plain.extend(payload.iter().zip(key).map(|(byte, mask)| byte ^ mask));
        frames = behind;
    }
    assert_eq!(frames, b"", "the rest of a frame");
    plain
}
