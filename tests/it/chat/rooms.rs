//! Names of rooms in paths, and the list of rooms.

use serde_json::json;
use stentor::Version;

use crate::support::{Chat, Head, ask, eventually};

use super::{enter, get, next_of_all, open, send};

#[test]
fn names_of_rooms_are_in_any_script() {
    let chat = Chat::start(&[]);
    let long = "%F0%9F%98%80".repeat(64);
    for (path, room) in [
        ("", "lobby"),
        ("lobby", "lobby"),
        ("caf%C3%A9", "café"),
        ("cafe%CC%81", "café"),
        ("%D7%A9%D7%9C%D7%95%D7%9D", "שלום"),
        ("%E6%9D%8E%E5%B0%8F%E9%BE%99", "李小龙"),
        ("%7Bbraces%7D", "{braces}"),
        ("a%20b", "a b"),
        ("%20a%20", "a"),
        ("%E2%9D%A4%EF%B8%8F", "❤"),
        ("%22quoted%22%5C", "\"quoted\"\\"),
        ("100%25", "100%"),
        ("a%3Fb%23c", "a?b#c"),
        ("A-z_0~9", "A-z_0~9"),
        (&long, &"😀".repeat(64)),
    ] {
        assert_eq!(
            get(chat.address, &format!("/{path}")).status(),
            200,
            "{path}"
        );
        for version in [Version::Draft75, Version::Rfc6455] {
            let (_peer, welcome) = enter(&chat, version, path, &json!({"name": "Ann"}));
            assert_eq!(welcome["room"], room);
        }
    }
}

#[test]
fn paths_without_a_room_have_neither_page_nor_socket() {
    let chat = Chat::start(&[]);
    let long = "a".repeat(65);
    for path in [
        "favicon.ico",
        "robots.txt",
        "a.b",
        "%2E",
        "..%2Fchat",
        "a/b",
        "a%2Fb",
        "/",
        "%00",
        "a%00b",
        "a%0Ab",
        "a%0D%0Ab",
        "a%E2%80%8Bb",
        "%E2%80%AEa",
        "%20",
        "%CC%81a",
        "%C3",
        "%FF",
        "%",
        "%4",
        "%zz",
        "%+1",
        "~moderation",
        "%7Emoderation",
        &long,
    ] {
        assert_eq!(
            get(chat.address, &format!("/{path}")).status(),
            404,
            "{path}"
        );
    }
    for path in [
        "chat.js",
        "chat.css",
        "health",
        "ready",
        "~moderation",
        "a%2Fb",
        "%00",
        "a.b",
        "%C3",
        &long,
    ] {
        for version in Version::ALL {
            let head = Head::of(version).line(&format!("GET /{path} HTTP/1.1"));
            let response = ask(chat.address, &head.bytes());
            assert_eq!(response.status(), 404, "{version}: {path}");
        }
    }
    assert_eq!(get(chat.address, "/health").body, b"ok\n");
}

#[test]
fn a_refused_room_has_the_same_reason_for_a_script_that_cannot_read_the_handshake() {
    let chat = Chat::start(&[]);
    let long = "a".repeat(65);
    for (path, words) in [
        ("a%2Fb", "a slash or a dot"),
        ("%7Emoderation", "reserved"),
        ("%E2%80%AEx", "U+202E"),
        ("%C3", "UTF-8"),
        (&long, "65 characters, and the most is 64"),
    ] {
        let page = get(chat.address, &format!("/{path}"));
        let head = Head::of(Version::Rfc6455).line(&format!("GET /{path} HTTP/1.1"));
        let handshake = ask(chat.address, &head.bytes());
        for response in [page, handshake] {
            let reason = String::from_utf8(response.body.clone()).unwrap();
            assert!(reason.starts_with("no such room: "), "{reason}");
            assert!(reason.contains(words), "{reason}");
        }
    }
}

#[test]
fn the_list_has_the_rooms_with_the_most_clients_first() {
    let chat = Chat::start(&[]);
    let name = json!({"name": "Ann"});
    let mut clients: Vec<_> = ["b", "a", "b", "%C3%A9"]
        .iter()
        .map(|room| enter(&chat, Version::Rfc6455, room, &name).0)
        .collect();
    let expected = json!([
        {"name": "b", "members": 2},
        {"name": "a", "members": 1},
        {"name": "é", "members": 1},
    ]);
    // Also before a client has a name. The list may be a second old.
    let mut stranger = open(&chat, Version::Draft76, "c");
    let list = eventually("the list", || {
        send(&mut stranger, &json!({"type": "rooms"}));
        let list = next_of_all(&mut stranger);
        (list["rooms"].as_array().unwrap().len() == 3).then_some(list)
    });
    assert_eq!(list, json!({"type": "rooms", "rooms": expected}));
    clients.clear();
}
