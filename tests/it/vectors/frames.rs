//! Frames of both framings, in both directions.

use serde_json::Value;
use stentor::protocol::framing::{Encoder, Framing};
use stentor::protocol::{CloseFrame, Config, Event, Initiator, ProtocolError, State};
use stentor::{CloseCode, Message, Version};

use super::{VECTORS, decided_otherwise, hex, list, section, string, versions};
use crate::support::{Driven, HYBI, Head, every_way, masked, text};

/// A message behind the frames of a vector, which must not be lost, nor found after the end.
const BEHIND: &str = "behind";

#[test]
fn every_hixie_frame_is_read() {
    let mut ran = 0;
    for vector in list(&VECTORS["frames"], "hixie") {
        versions(vector).for_each(|version| replay(vector, version));
        ran += 1;
    }
    assert_eq!(ran, 49);
}

#[test]
fn every_hybi_frame_is_read() {
    let mut ran = [0; 2];
    for vector in list(&VECTORS["frames"], "hybi") {
        let for_servers = vector["client_must_mask"] == true;
        if for_servers {
            versions(vector).for_each(|version| replay(vector, version));
        } else {
            versions(vector).for_each(|version| refuse_unmasked(vector, version));
        }
        ran[usize::from(for_servers)] += 1;
    }
    assert_eq!(ran, [5, 81]);
}

/// permessage-deflate is declined, so its first bit is a protocol error.
#[test]
fn every_compressed_message_is_refused() {
    let mut ran = 0;
    for vector in section("permessage_deflate") {
        for version in HYBI {
            let mut driven = Driven::ready(version);
            driven.receive(&masked(
                0xc1,
                &hex(&list(vector, "message_payloads_hex")[0]),
            ));
            assert_eq!(
                driven.closed().protocol_error,
                Some(ProtocolError::ReservedBits(0b100))
            );
            driven.assert_failed_with(1002, "RSV1");
        }
        ran += 1;
    }
    assert_eq!(ran, 8);
}

#[test]
fn every_frame_is_written() {
    let mut ran = 0;
    for vector in section("encode") {
        let versions: Vec<Version> = match (vector["versions"].as_array(), string(vector, "family"))
        {
            (Some(_), _) => versions(vector).collect(),
            (None, "hixie") => vec![Version::Draft75, Version::Draft76],
            (None, _) => HYBI.to_vec(),
        };
        for version in versions {
            write(vector, version);
        }
        ran += 1;
    }
    assert_eq!(ran, 23);
}

fn replay(vector: &Value, version: Version) {
    let chunks: Vec<Vec<u8>> = list(vector, "chunks_hex").iter().map(hex).collect();
    let config = config(vector);
    let id = string(vector, "id");
    every_way(&chunks, |how, pieces| {
        let mut driven = Driven::ready_with(version, &config);
        for piece in pieces {
            driven.receive(piece);
        }
        assert_replayed(driven, vector, version, &format!("{id}, {version}, {how}"));
    });

    // In the same packet as the handshake.
    let mut driven = Driven::new(&config);
    driven.receive(&[Head::of(version).bytes(), chunks.concat()].concat());
    let answer = driven
        .output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let proof = if version == Version::Draft76 { 16 } else { 0 };
    driven.output.drain(..answer + proof);
    driven.events.drain(..2);
    assert_replayed(driven, vector, version, &format!("{id}, {version}, glued"));

    // With a message behind it, unless that would be the rest of an unfinished frame.
    let state = string(&vector["expect"], "state");
    if state != "partial" {
        let mut driven = Driven::ready_with(version, &config);
        let behind = if config.limits.message < BEHIND.len() {
            "b"
        } else {
            BEHIND
        };
        driven.receive(&[chunks.concat(), text(version, behind)].concat());
        if state == "open" {
            assert_eq!(
                driven.events.pop(),
                Some(Event::Message(behind.into())),
                "{id}"
            );
        }
        assert_replayed(
            driven,
            vector,
            version,
            &format!("{id}, {version}, with more behind"),
        );
    }
}

pub(super) fn assert_replayed(mut driven: Driven, vector: &Value, version: Version, context: &str) {
    let expect = &vector["expect"];
    let state = string(expect, "state");
    let mut expected: Vec<Event> = list(expect, "events")
        .iter()
        .filter_map(message_event)
        .collect();
    match state {
        "open" | "partial" => {
            assert_eq!(driven.connection.state(), State::Ready, "{context}");
            assert_eq!(driven.connection.close_expected(), None, "{context}");
        }
        "closed" => {
            let closed = driven.closed();
            assert!(closed.clean, "{context}");
            assert_eq!(
                (closed.initiator, &closed.protocol_error),
                (Initiator::Peer, &None),
                "{context}"
            );
            let close = list(expect, "events").last().unwrap();
            if version.has_close_codes() {
                let code = close["code"].as_u64().unwrap_or(1005);
                assert_eq!(u64::from(closed.code.get()), code, "{context}");
                assert_eq!(closed.reason, string(close, "reason"), "{context}");
            }
            assert_eq!(driven.connection.state(), State::Closing, "{context}");
            expected.push(Event::Closed(closed.clone()));
        }
        "error" => {
            let closed = driven.closed();
            assert!(!closed.clean, "{context}");
            let protocol_error = closed.protocol_error.as_ref().unwrap();
            let kind = expect["error"].as_str();
            assert!(
                kind.is_none_or(|kind| fits(kind, protocol_error)),
                "{context}: {protocol_error:?}"
            );
            assert_eq!(
                protocol_error.close_code(version),
                fail_code(expect, version),
                "{context}"
            );
            assert_eq!(driven.connection.state(), State::Error, "{context}");
            expected.push(Event::Closed(closed.clone()));
        }
        other => panic!("{context}: {other}"),
    }
    assert_eq!(driven.events, expected, "{context}");
    let reply = match expect["reply_hex"].as_str() {
        Some(_) => hex(&expect["reply_hex"]),
        // A failure's close frame, whose code depends on the version.
        None => {
            let code = fail_code(expect, version).unwrap().get();
            [&[0x88, 0x02][..], &code.to_be_bytes()].concat()
        }
    };
    assert_eq!(driven.output, reply, "{context}");

    // An unfinished frame shows only in the version that closes by the end of the stream.
    if version == Version::Draft75 && driven.connection.state() == State::Ready {
        driven.end();
        assert_eq!(driven.closed().clean, state == "open", "{context}");
    }
}

fn refuse_unmasked(vector: &Value, version: Version) {
    let chunks: Vec<Vec<u8>> = list(vector, "chunks_hex").iter().map(hex).collect();
    every_way(&chunks, |how, pieces| {
        let mut driven = Driven::ready(version);
        for piece in pieces {
            driven.receive(piece);
        }
        assert_eq!(
            driven.closed().protocol_error,
            Some(ProtocolError::Unmasked),
            "{how}"
        );
        driven.assert_failed_with(1002, how);
    });
}

fn write(vector: &Value, version: Version) {
    let id = string(vector, "id");
    let encoder = Encoder::server(version);
    let mut out = Vec::new();
    if let Some(text) = vector["text"].as_str() {
        let times = vector["times"].as_u64().unwrap_or(1) as usize;
        let text = text.repeat(times);
        encoder
            .encode(&Message::from(text.as_str()), &mut out)
            .unwrap();
        if vector["head_only"] == true {
            assert_eq!(&out[out.len() - text.len()..], text.as_bytes(), "{id}");
            out.truncate(out.len() - text.len());
        }
    } else if vector["binary_hex"].is_string() {
        encoder
            .encode(&Message::from(hex(&vector["binary_hex"])), &mut out)
            .unwrap();
    } else if vector["ping_hex"].is_string() {
        encoder
            .encode_ping(&hex(&vector["ping_hex"]), &mut out)
            .unwrap();
    } else if vector["pong_hex"].is_string() {
        encoder
            .encode_pong(&hex(&vector["pong_hex"]), &mut out)
            .unwrap();
    } else if vector["close"] == true {
        let frame = vector["code"].as_u64().map(|code| CloseFrame {
            code: CloseCode::new(code as u16),
            reason: string(vector, "reason").to_owned(),
        });
        encoder.encode_close(frame.as_ref(), &mut out).unwrap();
    } else {
        assert!(decided_otherwise(id), "{id}");
        return;
    }
    assert_eq!(out, hex(&vector["out_hex"]), "{id}, {version}");
}

/// Returns an expected event other than a close; closes are checked by their state.
fn message_event(event: &Value) -> Option<Event> {
    let payload = || hex(event);
    Some(match string(event, "type") {
        "text" => Event::Message(string(event, "text").into()),
        "binary" => Event::Message(payload().into()),
        "ping" => Event::Ping(payload()),
        "pong" => Event::Pong(payload()),
        "close" => return None,
        other => panic!("{other}"),
    })
}

/// Whether a protocol error is the one that a hixie vector's error means.
fn fits(error: &str, protocol_error: &ProtocolError) -> bool {
    match protocol_error {
        ProtocolError::InvalidUtf8 => error == "invalid_utf8",
        ProtocolError::UnknownFrameType(_) => error == "unknown_type",
        ProtocolError::MessageTooLarge(_) | ProtocolError::SkipTooLarge(_) => error == "too_big",
        _ => false,
    }
}

/// Returns the code of a failure: one for all versions, or one for each; none if there is none.
fn fail_code(expect: &Value, version: Version) -> Option<CloseCode> {
    let code = &expect["fail_code"];
    let code = match version.wire_number() {
        Some(number) if code.is_object() => &code[number.to_string()],
        _ => code,
    };
    code.as_u64().map(|code| CloseCode::new(code as u16))
}

pub(super) fn config(vector: &Value) -> Config {
    let mut config = Config::default();
    // The vectors' close frames have none.
    config.close_reasons = false;
    for (name, value) in vector["options"].as_object().into_iter().flatten() {
        match (name.as_str(), value.as_str()) {
            ("max_message" | "max_skip", _) => {
                config.limits.message = value.as_u64().unwrap() as usize;
            }
            ("unknown", Some("fail")) => config.fail_on_unknown_frames = true,
            ("utf8", Some("fail")) => config.fail_on_invalid_hixie_text = true,
            other => panic!("{other:?}"),
        }
    }
    config
}

#[test]
fn the_framings_are_the_vectors_families() {
    for version in Version::ALL {
        let hixie = matches!(version, Version::Draft75 | Version::Draft76);
        assert_eq!(version.framing() == Framing::Hixie, hixie);
    }
}
