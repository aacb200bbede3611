//! The closing handshake, step by step.

use serde_json::Value;
use stentor::protocol::{CloseFrame, Closed, Config, Ending, Event, State};
use stentor::{CloseCode, Message, Version};

use super::{hex, list, section, string, version};
use crate::support::{Driven, Head, KEY3, PROOF, written};

#[test]
fn every_closing_handshake_is_done_step_by_step() {
    let mut ran = 0;
    for vector in section("closing") {
        let version = version(vector["version"].as_u64().unwrap());
        let steps = list(vector, "steps");
        let early = steps.iter().any(|step| step["do"] == "key3");
        let mut driven = if early {
            let mut driven = Driven::new(&Config::default());
            driven.receive(&Head::of(version).head());
            driven
        } else {
            Driven::ready(version)
        };
        for step in steps {
            driven.output.clear();
            take(&mut driven, step, version, string(vector, "id"));
        }
        assert_end(&driven, &vector["end"], string(vector, "id"));
        ran += 1;
    }
    assert_eq!(ran, 14);
}

fn take(driven: &mut Driven, step: &Value, version: Version, id: &str) {
    let before = driven.events.len();
    match step["do"].as_str() {
        Some("close") => {
            let frame = step["code"].as_u64().map(|code| CloseFrame {
                code: CloseCode::new(code as u16),
                reason: String::new(),
            });
            driven.connection.close(frame).unwrap();
            driven.drain();
        }
        Some("send") => {
            let sent = driven.connection.send(&Message::from(string(step, "text")));
            // A call that is too early waits, one that is too late gets an error.
            let early = driven.connection.state() == State::Handshaking;
            assert_eq!(sent.is_ok(), early, "{id}");
            driven.drain();
        }
        Some("eof") => {
            driven.end();
        }
        // The owner of the clock closes TCP; the engine leaves the length of the wait to it.
        Some("timeout") => {
            assert_eq!(
                driven.connection.close_expected(),
                Some(Ending::Await),
                "{id}"
            );
            driven.end();
        }
        Some("key3") => {
            driven.receive(KEY3);
            assert_eq!(
                driven.output,
                [&PROOF[..], &written(version, "hello")].concat(),
                "{id}"
            );
        }
        Some(other) => panic!("{other}"),
        None => {
            driven.receive(&hex(&step["in_hex"]));
        }
    }
    if step["out_hex"].is_string() {
        assert_eq!(driven.output, hex(&step["out_hex"]), "{id}");
    }
    if let Some(expected) = step["events"].as_array() {
        // The vectors have no event for the end of a closing handshake that this side started.
        let told: Vec<&Closed> = driven.events[before..].iter().map(closed).collect();
        for event in expected {
            assert_eq!(event["type"], "close", "{id}");
            let code = event["code"].as_u64().unwrap_or(1005);
            if version.has_close_codes() {
                assert_eq!(u64::from(told[0].code.get()), code, "{id}");
            }
        }
    }
}

fn assert_end(driven: &Driven, end: &Value, id: &str) {
    let Some(clean) = end["clean"].as_bool() else {
        assert!(!driven.is_closed(), "{id}");
        return;
    };
    assert_eq!(driven.closed().clean, clean, "{id}");
    assert_eq!(
        driven.connection.close_expected(),
        Some(Ending::Linger),
        "{id}"
    );
    if let Some(code) = end["code"].as_u64() {
        assert_eq!(u64::from(driven.closed().code.get()), code, "{id}");
    }
}

fn closed(event: &Event) -> &Closed {
    match event {
        Event::Closed(closed) => closed,
        other => panic!("{other:?}"),
    }
}
