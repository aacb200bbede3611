//! Clients of the chat that come back after a lost connection.

use serde_json::{Value, json};
use stentor::Version;

use crate::support::Chat;

use super::{
    enter, leave, next, next_of_all, send, texts, types, until_own, until_said, without_grace,
};

#[test]
fn a_client_that_lost_its_connection_receives_what_it_has_missed_once() {
    let chat = without_grace();
    let (mut bob, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Bob"}));
    for version in Version::ALL {
        let (mut ann, welcome) = enter(&chat, version, "demo", &json!({"name": "Ann"}));
        let last = until_own(&mut ann, "before").pop().unwrap();
        // Without a close frame, as a network that fails.
        drop(ann);
        next(&mut bob, "left");
        for text in ["one", "two", "three"] {
            until_own(&mut bob, text);
        }
        let back = json!({"name": "Ann", "since": last["id"], "key": welcome["key"]});
        let (mut ann, again) = enter(&chat, version, "demo", &back);
        assert_eq!(again["gap"], Value::Null, "{version}");
        assert_eq!(again["member"], welcome["member"]);
        until_own(&mut bob, "live");
        let received = until_said(&mut ann, "live");
        assert_eq!(texts(&received), ["one", "two", "three", "live"]);
        let kinds = types(&received);
        assert_eq!(kinds, ["left", "said", "said", "said", "joined", "said"]);
        drop(ann);
        next(&mut bob, "left");
    }
}

#[test]
fn an_unknown_position_is_a_gap_of_unknown_size() {
    let chat = without_grace();
    let (mut bob, of_bob) = enter(&chat, Version::Rfc6455, "other", &json!({"name": "Bob"}));
    until_own(&mut bob, "elsewhere");
    let (mut ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    until_own(&mut ann, "kept");
    let epoch = welcome["at"].as_str().unwrap().split('-').next().unwrap();
    let future = format!("{epoch}-99");
    for version in Version::ALL {
        for since in [
            "0-0",
            "1-1",
            of_bob["at"].as_str().unwrap(),
            &future,
            "18446744073709551615-18446744073709551615",
        ] {
            let fields = json!({"name": "Eve", "since": since});
            let (mut eve, welcome) = enter(&chat, version, "demo", &fields);
            assert_eq!(welcome["gap"], json!({"missed": null}), "{version} {since}");
            // All that is kept follows.
            next(&mut eve, "joined");
            assert_eq!(next(&mut eve, "said")["text"], "kept");
        }
    }
    until_own(&mut ann, "still here");
    until_own(&mut bob, "still here");
}

#[test]
fn entries_that_are_no_longer_kept_are_counted() {
    let chat = without_grace();
    let (first, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    drop(first);
    // A join and a leave at a time, up to more entries than a room keeps.
    for _ in 0..510 {
        let (eve, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Eve"}));
        leave(eve);
    }
    let back = json!({"name": "Ann", "since": welcome["at"]});
    let (mut ann, again) = enter(&chat, Version::Rfc6455, "demo", &back);
    let missed = again["gap"]["missed"].as_u64().unwrap();
    let number = |at: &Value| -> u64 {
        let text = at.as_str().unwrap();
        text.split_once('-').unwrap().1.parse().unwrap()
    };
    let entry = next_of_all(&mut ann);
    assert_eq!(number(&entry["id"]), number(&welcome["at"]) + missed + 1);
    assert_eq!(number(&again["at"]) - number(&entry["id"]) + 1, 1000);
}

#[test]
fn a_restart_is_a_gap_of_unknown_size_and_changes_no_member() {
    let chat = Chat::start(&[]);
    let (mut ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    let last = until_own(&mut ann, "before").pop().unwrap();
    let address = chat.address;
    drop(chat);
    let chat = Chat::start_at(&address.to_string(), &[]);
    let back = json!({"name": "Ann", "since": last["id"], "key": welcome["key"]});
    let (mut ann, again) = enter(&chat, Version::Rfc6455, "demo", &back);
    assert_eq!(again["gap"], json!({"missed": null}));
    assert_eq!(again["member"], welcome["member"]);
    send(&mut ann, &json!({"type": "older", "before": last["id"]}));
    super::expect_error(&mut ann, "no position");
}
