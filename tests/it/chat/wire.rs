//! The messages of the chat, alike in all versions, and invalid ones.

use std::io::Write;

use serde_json::{Value, json};
use stentor::Version;

use crate::support::{Chat, HYBI, Heard, Peer};

use super::{
    ask_to_join, enter, expect_error, leave, next, next_of_all, open, say, send, texts, types,
    until_own, until_said, without_grace,
};

/// Returns the epoch and the number of a position.
fn position(text: &Value) -> (u64, u64) {
    let (epoch, number) = text.as_str().unwrap().split_once('-').unwrap();
    (epoch.parse().unwrap(), number.parse().unwrap())
}

#[test]
fn all_versions_receive_the_same_welcome_history_and_live_entries() {
    let chat = without_grace();
    let (mut ann, first) = enter(&chat, Version::Rfc6455, "lobby", &json!({"name": "Ann"}));
    say(&mut ann, "one");
    until_said(&mut ann, "one");
    for version in Version::ALL {
        let (mut bob, welcome) = enter(&chat, version, "lobby", &json!({"name": "Bob"}));
        assert_eq!(welcome["room"], "lobby");
        assert_eq!(welcome["gap"], Value::Null);
        assert_eq!(welcome["name"], "Bob", "{version}");
        assert_eq!(welcome["version"], version.name());
        assert_eq!(welcome["key"].as_str().unwrap().len(), 32);
        assert_ne!(welcome["key"], first["key"]);
        let own = json!({"member": welcome["member"], "name": "Bob", "version": version.name()});
        let members = welcome["members"].as_array().unwrap();
        assert_eq!(members.len(), 2, "{welcome}");
        assert!(members.contains(&own), "{welcome}");
        // The history, up to its own entry, which is at the position of the welcome.
        let mut entries = Vec::new();
        loop {
            entries.push(next_of_all(&mut bob));
            if entries[entries.len() - 1]["id"] == welcome["at"] {
                break;
            }
        }
        assert_eq!(entries[0]["type"], "joined");
        assert_eq!(entries[0]["name"], "Ann");
        assert_eq!(entries[1]["text"], "one");
        let joined = &entries[entries.len() - 1];
        assert_eq!(joined["type"], "joined");
        assert_eq!(joined["member"], welcome["member"]);
        assert!(joined["time"].is_u64() && joined["version"] == version.name());
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!(position(&entry["id"]).1, number as u64 + 1, "{entries:?}");
        }
        say(&mut bob, "live");
        for peer in [&mut bob, &mut ann] {
            let said = next(peer, "said");
            let (epoch, number) = position(&welcome["at"]);
            assert_eq!(position(&said["id"]), (epoch, number + 1), "{version}");
            assert_eq!(said["member"], welcome["member"]);
            assert_eq!(
                (&said["name"], &said["text"]),
                (&json!("Bob"), &json!("live"))
            );
            assert!(said["time"].is_u64() && said["version"] == version.name());
        }
        send(&mut bob, &json!({"type": "rooms"}));
        assert!(next(&mut bob, "rooms")["rooms"].is_array());
        send(&mut bob, &json!({"type": "older", "before": welcome["at"]}));
        let older = next(&mut bob, "older");
        assert_eq!(older["more"], false);
        assert_eq!(older["entries"], json!(entries[..entries.len() - 1]));
        drop(bob);
        let left = next(&mut ann, "left");
        assert_eq!(
            (&left["member"], &left["name"]),
            (&welcome["member"], &json!("Bob"))
        );
        assert!(left["id"].is_string());
    }
}

#[test]
fn two_connections_with_one_key_are_one_member() {
    let chat = Chat::start(&[]);
    let (mut bob, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Bob"}));
    let (first, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    next(&mut bob, "joined");
    next(&mut bob, "joined");
    let again = json!({"name": "Ann", "key": welcome["key"]});
    let (mut second, other) = enter(&chat, Version::Rfc6455, "demo", &again);
    assert_eq!(other["member"], welcome["member"]);
    assert_eq!(
        (&other["key"], &other["name"]),
        (&welcome["key"], &json!("Ann"))
    );
    assert_eq!(other["members"].as_array().unwrap().len(), 2, "{other}");
    leave(first);
    // Both connections have the same rights, and nobody has joined or left.
    say(&mut second, "from the second");
    let seen = until_said(&mut bob, "from the second");
    assert_eq!(types(&seen), ["said"], "{seen:?}");
    leave(second);
    assert_eq!(next_of_all(&mut bob)["type"], "left");
}

#[test]
fn a_member_who_reloads_causes_neither_leave_nor_join() {
    let chat = Chat::start(&[]);
    for version in Version::ALL {
        let room = version.name().replace(' ', "-");
        let (mut bob, _) = enter(&chat, Version::Rfc6455, &room, &json!({"name": "Bob"}));
        let (mut ann, welcome) = enter(&chat, version, &room, &json!({"name": "Ann"}));
        until_own(&mut ann, "before");
        let before = until_said(&mut bob, "before");
        assert_eq!(types(&before), ["joined", "joined", "said"], "{version}");
        // As a browser does that reloads the page.
        ann.start_close(1001, "");
        drop(ann);
        let last = &before[2]["id"];
        let again = json!({"name": "Ann", "key": welcome["key"], "since": last});
        let (mut ann, again) = enter(&chat, version, &room, &again);
        assert_eq!(again["member"], welcome["member"]);
        assert_eq!(&again["at"], last, "{version}");
        say(&mut ann, "after");
        for peer in [&mut bob, &mut ann] {
            let seen = until_said(peer, "after");
            assert_eq!(types(&seen), ["said"], "{version}: {seen:?}");
        }
    }
}

#[test]
fn a_member_who_closes_on_purpose_leaves_at_once() {
    // Longer than any test takes.
    let chat = Chat::start(&["--grace-period".to_owned(), "3600".to_owned()]);
    let (mut bob, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Bob"}));
    for version in HYBI {
        let (ann, welcome) = enter(&chat, version, "demo", &json!({"name": "Ann"}));
        leave(ann);
        assert_eq!(next(&mut bob, "left")["member"], welcome["member"]);
    }
}

#[test]
fn a_member_who_comes_back_by_another_name_is_announced_again() {
    let chat = Chat::start(&[]);
    let (mut bob, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Bob"}));
    let (_ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    let again = json!({"name": "Anna", "key": welcome["key"]});
    let (_anna, again) = enter(&chat, Version::Rfc6455, "demo", &again);
    assert_eq!(again["members"].as_array().unwrap().len(), 2);
    let seen = until_own(&mut bob, "done");
    assert_eq!(types(&seen), ["joined", "joined", "joined", "said"]);
    assert_eq!(seen[2]["member"], welcome["member"]);
    assert_eq!(seen[2]["name"], "Anna");
}

#[test]
fn older_entries_come_in_pages_from_the_newest_to_the_first() {
    let chat = Chat::start(&[]);
    let (mut ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    let (mut bob, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Bob"}));
    let (mut eve, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Eve"}));
    // Three clients, or else the chat's rate limit would delay them.
    let mut said = Vec::new();
    for peer in [&mut ann, &mut bob, &mut eve] {
        for _ in 0..40 {
            let text = format!("text {}", said.len());
            until_own(peer, &text);
            said.push(text);
        }
    }
    let (mut late, welcome_of_late) =
        enter(&chat, Version::Draft76, "demo", &json!({"name": "Late"}));
    let first = next_of_all(&mut late);
    let last = position(&welcome_of_late["at"]).1;
    assert_eq!(position(&first["id"]).1, last - 49);
    let mut found = Vec::new();
    let mut before = first["id"].clone();
    let mut sizes = Vec::new();
    loop {
        send(&mut late, &json!({"type": "older", "before": before}));
        let older = next(&mut late, "older");
        let entries = older["entries"].as_array().unwrap().clone();
        sizes.push(entries.len());
        before = entries[0]["id"].clone();
        found.splice(0..0, entries);
        if older["more"] == false {
            break;
        }
    }
    assert_eq!(sizes, [50, 24]);
    assert_eq!(before, welcome["at"]);
    assert_eq!(texts(&found), said[..71]);
    let numbers: Vec<u64> = found.iter().map(|entry| position(&entry["id"]).1).collect();
    assert_eq!(numbers, (1..=74).collect::<Vec<_>>());
}

#[test]
fn typing_reaches_the_others_and_is_not_kept() {
    let chat = without_grace();
    let (mut ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    for version in Version::ALL {
        let (mut bob, of_bob) = enter(&chat, version, "demo", &json!({"name": "Bob"}));
        next(&mut ann, "joined");
        let before = position(&of_bob["at"]).1;
        // More often than anybody needs to know it.
        for _ in 0..5 {
            send(&mut bob, &json!({"type": "typing"}));
        }
        let own = until_own(&mut bob, "typed");
        assert!(!types(&own).contains(&"typing"), "{version}: {own:?}");
        let seen = until_said(&mut ann, "typed");
        let typing: Vec<&Value> = seen.iter().filter(|one| one["type"] == "typing").collect();
        let expected = json!({"type": "typing", "member": of_bob["member"], "name": "Bob"});
        assert_eq!(typing, [&expected], "{version}");
        assert_eq!(position(&seen[seen.len() - 1]["id"]).1, before + 1);
        drop(bob);
        next(&mut ann, "left");
    }
    // The others' typing has no entry.
    send(&mut ann, &json!({"type": "older", "before": welcome["at"]}));
    assert_eq!(next(&mut ann, "older")["entries"], json!([]));
}

#[test]
fn invalid_messages_get_an_error_and_change_nothing() {
    let chat = Chat::start(&[]);
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let (mut ann, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    let mut stranger = open(&chat, Version::Rfc6455, "demo");
    for text in [
        r#"{"type":"say","text":"hello"}"#,
        r#"{"type":"typing"}"#,
        r#"{"type":"clear"}"#,
    ] {
        stranger.say(text);
        expect_error(&mut stranger, "first");
    }
    for fields in [
        json!({}),
        json!({"name": 1}),
        json!({"name": ["Bob"]}),
        json!({"name": null}),
        json!({"name": "B".repeat(33)}),
        json!({"name": "Bob", "since": 17}),
        json!({"name": "Bob", "since": "17"}),
        json!({"name": "Bob", "since": "17-"}),
        json!({"name": "Bob", "since": "-1--1"}),
        json!({"name": "Bob", "since": {"epoch": 1}}),
        json!({"name": "Bob", "since": "1-".repeat(10_000)}),
        json!({"name": "Bob", "key": 1}),
        json!({"name": "Bob", "key": ""}),
        json!({"name": "Bob", "key": "z".repeat(32)}),
        json!({"name": "Bob", "key": "A".repeat(32)}),
    ] {
        let mut join = fields.clone();
        join["type"] = "join".into();
        send(&mut stranger, &join);
        assert_eq!(next_of_all(&mut stranger)["type"], "error", "{fields}");
    }
    ask_to_join(&mut stranger, "Bob");
    assert_eq!(next_of_all(&mut stranger)["type"], "welcome");
    for text in [
        "",
        "hello",
        "{",
        "null",
        "[]",
        "1",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"said","text":"forged"}"#,
        r#"{"type":"join","name":"Ann"}"#,
        r#"{"type":"say"}"#,
        r#"{"type":"say","text":" "}"#,
        r#"{"type":"say","text":["x"]}"#,
        r#"{"type":"older"}"#,
        r#"{"type":"older","before":1}"#,
        r#"{"type":"older","before":"99999999999999999999-1"}"#,
        r#"{"type":"older","before":"1-1"}"#,
        r#"{"type":"older","before":"18446744073709551615-18446744073709551615"}"#,
        r#"{"type":"operator"}"#,
        r#"{"type":"kick","member":"x"}"#,
        r#"{"type":"mute","member":"000000000000000000000000","minutes":-1}"#,
        nested.as_str(),
    ] {
        ann.say(text);
        let answer = next(&mut ann, "error");
        assert!(
            answer["text"].as_str().unwrap().len() < 600,
            "{text:.50}: {answer}"
        );
    }
    ann.send_binary(b"\0\xff");
    expect_error(&mut ann, "binary");
    // All of it has left no entry but that of Bob.
    let entries = until_own(&mut ann, "the end");
    let (epoch, number) = position(&welcome["at"]);
    let said = &entries[entries.len() - 1];
    assert_eq!(position(&said["id"]), (epoch, number + 2), "{entries:?}");
}

#[test]
fn a_text_of_ten_mebibytes_ends_its_own_connection_only() {
    let chat = Chat::start(&[]);
    let (mut ann, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    for version in Version::ALL {
        let (mut eve, _) = enter(&chat, version, "demo", &json!({"name": "Eve"}));
        next(&mut eve, "joined");
        let text = json!({"type": "say", "text": "x".repeat(10 * 1024 * 1024)});
        let bytes = crate::support::text(version, &text.to_string());
        // The chat stops reading long before the end.
        let _ = eve.stream.write_all(&bytes);
        loop {
            match eve.hear() {
                Heard::Text(text) => assert!(!text.contains("xxx"), "{version}"),
                Heard::Close(code, _) => {
                    let expected = if version == Version::Rfc6455 {
                        1009
                    } else {
                        1004
                    };
                    break assert_eq!(code, expected, "{version}");
                }
                Heard::Marker | Heard::End | Heard::Reset => break,
                other => panic!("{version}: {other:?}"),
            }
        }
        until_own(&mut ann, version.name());
    }
}

#[test]
fn texts_with_any_characters_arrive_as_they_were_sent() {
    let chat = Chat::start(&[]);
    let text =
        "{\"id\":\"1-1\"} \u{0} \u{1f}\n\t\u{7f} \\ שלום \u{202e} 👨\u{200d}👩 \u{2028}{}}}\"";
    let mut peers: Vec<Peer> = Vec::new();
    for version in Version::ALL {
        peers.push(enter(&chat, version, "demo", &json!({"name": text_name(version)})).0);
    }
    for at in 0..peers.len() {
        say(&mut peers[at], text);
        for peer in &mut peers {
            assert_eq!(next(peer, "said")["text"], text);
        }
    }
}

fn text_name(version: Version) -> String {
    format!("\"{{{}}}\"", version.name())
}
