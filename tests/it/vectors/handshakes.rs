//! Whole handshakes: the request in pieces, and every byte of the response.

use serde_json::Value;
use stentor::Version;
use stentor::protocol::{Config, Ending, Event, Rejection, State};

use super::{hex, latin1, list, section, string, version};
use crate::support::{Driven, HandshakeResponse, every_way, text};

/// A message in the same packet as the handshake, which must be delivered.
const GLUED: &str = "glued";

#[test]
fn every_handshake_is_answered_to_the_byte() {
    let mut ran = [0; 3];
    for vector in section("handshakes") {
        let chunks: Vec<Vec<u8>> = list(vector, "chunks_latin1").iter().map(latin1).collect();
        let config = config(vector);
        let expect = &vector["expect"];
        let outcome = string(expect, "outcome");
        every_way(&chunks, |how, pieces| {
            let context = format!("{}, {how}", string(vector, "id"));
            let mut driven = Driven::new(&config);
            for (at, piece) in pieces.iter().enumerate() {
                let before = driven.output.len();
                driven.receive(piece);
                if let ("as given", Some(outputs)) = (how, expected_outputs(expect)) {
                    assert_eq!(
                        printed(&driven.output[before..]),
                        printed(&outputs[at]),
                        "{context}"
                    );
                }
            }
            match outcome {
                "accept" => assert_accepted(&driven, expect, &context),
                "reject" => assert_refused(&driven, expect, &context),
                _ => assert_incomplete(&driven, expect, &context),
            }
        });
        ran[["accept", "reject", "incomplete"]
            .iter()
            .position(|one| *one == outcome)
            .unwrap()] += 1;
    }
    assert_eq!(ran, [58, 51, 2]);
}

/// With a message behind it, in one piece and cut at every place.
#[test]
fn a_message_in_the_same_packet_as_a_handshake_is_delivered() {
    let mut ran = [0; 2];
    for vector in section("handshakes") {
        let mut bytes: Vec<u8> = list(vector, "chunks_latin1")
            .iter()
            .flat_map(latin1)
            .collect();
        let (config, expect) = (config(vector), &vector["expect"]);
        let accepted = match string(expect, "outcome") {
            "accept" => true,
            "reject" => false,
            // The bytes that follow would complete it.
            _ => continue,
        };
        let glued_for = if accepted {
            version_of(expect)
        } else {
            Version::Rfc6455
        };
        bytes.extend(text(glued_for, GLUED));
        every_way(&[bytes], |how, pieces| {
            let context = format!("{}, {how}", string(vector, "id"));
            let mut driven = Driven::new(&config);
            for piece in pieces {
                driven.receive(piece);
            }
            if accepted {
                assert_eq!(driven.texts().last(), Some(&GLUED), "{context}");
                driven.events.pop();
                assert_accepted(&driven, expect, &context);
            } else {
                assert_refused(&driven, expect, &context);
            }
        });
        ran[usize::from(accepted)] += 1;
    }
    assert_eq!(ran, [51, 58]);
}

#[test]
fn every_version_is_distinguished_from_the_others() {
    let mut ran = 0;
    for vector in section("version_detection") {
        let (id, expect) = (string(vector, "id"), string(vector, "expect"));
        let mut driven = Driven::new(&Config::default());
        driven.receive(&latin1(&vector["request_latin1"]));
        match expect.strip_prefix("reject:") {
            Some(reason) => {
                assert!(
                    fits(reason, driven.rejected()),
                    "{id}: {:?}",
                    driven.rejected()
                );
            }
            None => {
                let expected = version(expect.parse().unwrap());
                assert_eq!(driven.connection.version(), Some(expected), "{id}");
            }
        }
        ran += 1;
    }
    assert_eq!(ran, 13);
}

fn assert_accepted(driven: &Driven, expect: &Value, context: &str) {
    let version = version_of(expect);
    let connection = &driven.connection;
    assert_eq!(connection.state(), State::Ready, "{context}");
    assert_eq!(connection.version(), Some(version), "{context}");
    assert_eq!(
        connection.subprotocol(),
        expect["protocol"].as_str(),
        "{context}"
    );
    let request = connection.request().unwrap();
    assert_eq!(
        Some(request.target()),
        expect["resource"].as_str(),
        "{context}"
    );
    assert_eq!(request.origin(), expect["origin"].as_str(), "{context}");

    assert_eq!(
        printed(&driven.output),
        printed(&expected_outputs(expect).unwrap().concat())
    );
    let answer = HandshakeResponse::read(&driven.output);
    assert_eq!(
        answer.status_line,
        string(expect, "status_line"),
        "{context}"
    );
    // One fixed order for all versions; clients of draft-75 compare it.
    let fields: Vec<(String, String)> =
        serde_json::from_value(expect["headers"].clone()).expect("pairs");
    assert_eq!(answer.fields, fields, "{context}");
    assert_eq!(answer.body, hex(&expect["body_hex"]), "{context}");
    let location = answer.header("WebSocket-Location");
    let location = location.or(answer.header("Sec-WebSocket-Location"));
    assert_eq!(location, expect["location"].as_str(), "{context}");

    let leftover = match string(expect, "leftover_hex") {
        "" => None,
        "004869ff" => Some("Hi"),
        "818537fa213d7f9f4d5158" => Some("Hello"),
        other => panic!("{context}: {other}"),
    };
    let mut events = vec![Event::Request, Event::Open];
    events.extend(leftover.map(|text| Event::Message(text.into())));
    assert_eq!(driven.events, events, "{context}");
}

fn assert_refused(driven: &Driven, expect: &Value, context: &str) {
    let rejection = driven.rejected();
    assert!(
        fits(string(expect, "reason"), rejection),
        "{context}: {rejection:?}"
    );
    assert_eq!(driven.connection.state(), State::Rejected, "{context}");
    assert_eq!(
        driven.connection.close_expected(),
        Some(Ending::Linger),
        "{context}"
    );

    let answer = HandshakeResponse::read(&driven.output);
    answer.assert_last();
    assert_eq!(
        u64::from(answer.status()),
        expect["status"].as_u64().unwrap(),
        "{context}"
    );
    assert_eq!(answer.status(), rejection.status(), "{context}");
    assert_eq!(
        answer.body,
        format!("{rejection}\n").as_bytes(),
        "{context}"
    );
    if expect["must_not_send_101"] == true {
        let output = String::from_utf8_lossy(&driven.output);
        assert!(!output.contains("HTTP/1.1 101"), "{context}");
    }
    if let [name, value] = expect["answer_header"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    {
        assert_eq!(
            answer.header(name.as_str().unwrap()),
            value.as_str(),
            "{context}"
        );
    }
    if answer.status() == 405 {
        assert_eq!(answer.header("Allow"), Some("GET"), "{context}");
    }
}

fn assert_incomplete(driven: &Driven, expect: &Value, context: &str) {
    let outputs = expected_outputs(expect).unwrap();
    assert_eq!(
        printed(&driven.output),
        printed(&outputs.concat()),
        "{context}"
    );
    let state = if driven.output.is_empty() {
        State::Opening
    } else {
        State::Handshaking
    };
    assert_eq!(driven.connection.state(), state, "{context}");
    assert_eq!(driven.connection.close_expected(), None, "{context}");
}

/// Whether a rejection is the one that a vector's reason means.
fn fits(reason: &str, rejection: &Rejection) -> bool {
    let names: &[&str] = match reason {
        "method" => &["method"],
        "no_upgrade" => &["no upgrade"],
        "bad_upgrade" => &["invalid upgrade"],
        "no_connection_upgrade" => &["no connection upgrade"],
        "no_host" | "no_origin" | "missing_key" => &["missing header"],
        "bad_host" => &["invalid host"],
        "bad_protocol" => &["invalid subprotocol"],
        "unsupported_protocol" => &["unsupported subprotocol"],
        "duplicate_upgrade" | "duplicate_sec-websocket-key" => &["duplicate header"],
        "not_divisible" | "no_digits" | "part_overflow" => &["invalid challenge"],
        "origin" => &["origin"],
        "no_colon" => &["malformed header block"],
        // HTTP/1.0 has a rejection of its own here.
        "request_line" => &["malformed header block", "http version"],
        "http_version" => &["http version"],
        "resource" => &["resource"],
        "bad_key" => &["invalid key"],
        "bad_version" => &["invalid version"],
        "unsupported_version" => &["unsupported version"],
        "unsupported_draft" => &["unsupported draft"],
        "key_without_version" => &["key without version"],
        other => panic!("{other}"),
    };
    names.contains(&rejection.name())
}

fn config(vector: &Value) -> Config {
    let strings = |name: &str| -> Option<Vec<&str>> {
        let items = vector["config"][name].as_array()?;
        Some(items.iter().map(|item| item.as_str().unwrap()).collect())
    };
    let mut config = Config::default();
    config.behind_tls = vector["secure"].as_bool().unwrap();
    let protocols = strings("protocols").unwrap_or_default();
    config.subprotocols = protocols.into_iter().map(str::to_owned).collect();
    config.allowed_origins = strings("origins").map(|allowed_origins| {
        allowed_origins
            .iter()
            .map(|origin| origin.parse().unwrap())
            .collect()
    });
    config
}

fn version_of(expect: &Value) -> Version {
    version(string(expect, "version").parse().unwrap())
}

fn expected_outputs(expect: &Value) -> Option<Vec<Vec<u8>>> {
    let outputs = expect["output_after_chunk_latin1"].as_array()?;
    Some(outputs.iter().map(latin1).collect())
}

/// Makes bytes readable, so that a difference shows.
fn printed(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
