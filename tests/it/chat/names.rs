//! Names of members, and the limits of texts, rates and rooms.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use stentor::Version;

use crate::support::{Chat, Head, Peer, dial_from};

use super::{ask_to_join, get, join, leave, next};

/// Control and format characters, those that turn the direction of writing, and others without a look.
const UNSEEN: &str = "\0\u{7}\n\u{1b}\u{7f}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\
    \u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\u{feff}\
    \u{ffa0}\u{fff9}\u{e000}\u{e0041}\u{e0100}";

#[test]
fn names_with_characters_that_nobody_sees_are_refused() {
    let chat = Chat::start(&[]);
    for (before, after) in [("An", "n"), ("", "Ann"), ("❤", ".")] {
        // One for each, or else the chat's rate would delay them.
        let mut peer = Peer::open(chat.address, Version::Rfc6455);
        for odd in UNSEEN
            .chars()
            .filter(|it| !before.is_empty() || !it.is_whitespace())
        {
            ask_to_join(&mut peer, &format!("{before}{odd}{after}"));
            let error = next(&mut peer, "error");
            let code = format!("U+{:04X}", u32::from(odd));
            assert!(error["text"].as_str().unwrap().contains(&code), "{error}");
        }
        for name in ["\u{301}Ann", "\u{fe0f}", "  ", ""] {
            ask_to_join(&mut peer, name);
            next(&mut peer, "error");
        }
        ask_to_join(&mut peer, "Ann");
        next(&mut peer, "welcome");
    }
}

#[test]
fn names_in_any_script_are_kept() {
    let chat = Chat::start(&[]);
    for name in [
        "שלום",
        "Ünï Cödé",
        "李小龙",
        "अंजलि",
        "❤",
        "👩🏽",
        "O\u{2019}Neill",
        "e\u{301}mile",
    ] {
        assert_eq!(join(&chat, name).1, name);
    }
    assert_eq!(join(&chat, "Ann ❤\u{fe0f}").1, "Ann ❤");
}

#[test]
fn names_that_look_taken_get_a_number() {
    let chat = Chat::start(&[]);
    let mut members = vec![join(&chat, "Ann").0];
    let mut names = BTreeSet::from(["Ann".to_owned()]);
    for (taken, alike) in [
        ("Ann", "ann"),
        ("Ann", "ANN"),
        ("Ann", "\u{ff21}nn"),
        ("Ann", "Ann 2"),
        ("Straße", "STRASSE"),
        ("ﬁn", "Fin"),
        ("\u{e9}mile", "e\u{301}MILE"),
        ("ΟΔΟΣ", "οδος"),
        ("A B", "a\u{a0} \u{3000}b"),
    ] {
        let (first, name) = join(&chat, taken);
        assert!(names.insert(name.clone()) || taken == "Ann", "{name}");
        let (second, given) = join(&chat, alike);
        members.extend([first, second]);
        let number = given.strip_prefix(alike).unwrap_or_default();
        assert!(number.starts_with(' '), "{taken}, {alike}: {given}");
        assert!(names.insert(given.clone()), "{given} is there twice");
    }
    let (other, name) = join(&chat, "Anna");
    assert_eq!(name, "Anna");
    // A name is free again when its member has left.
    leave(other);
    let mut again = Peer::open(chat.address, Version::Rfc6455);
    next(&mut members[0], "left");
    ask_to_join(&mut again, "ANNA");
    assert_eq!(next(&mut again, "welcome")["name"], "ANNA");
}

#[test]
fn text_over_the_limit_is_reported_and_not_cut() {
    let chat = Chat::start(&[]);
    let (mut peer, _) = join(&chat, "Ann");
    let say = |length: usize| json!({"type": "say", "text": "é".repeat(length)}).to_string();
    peer.say(&say(2001));
    let words = next(&mut peer, "error")["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(words.contains("2001") && words.contains("2000"), "{words}");
    peer.say(&say(2000));
    assert_eq!(next(&mut peer, "said")["text"], "é".repeat(2000));
}

#[test]
fn messages_beyond_the_rate_are_delayed() {
    let chat = Chat::start(&[]);
    let (mut peer, _) = join(&chat, "Ann");
    let began = Instant::now();
    // 50 at once are let through, and then 10 a second.
    for _ in 0..60 {
        peer.say(r#"{"type":"say","text":"hello"}"#);
    }
    for _ in 0..60 {
        next(&mut peer, "said");
    }
    assert!(began.elapsed() > Duration::from_millis(500));
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn one_address_cannot_fill_a_room() {
    const PLACES: usize = 50;
    let chat = Chat::start(&[]);
    let members: Vec<_> = (0..PLACES).map(|_| join(&chat, "Ann")).collect();
    assert_eq!(get(chat.address, "/").status(), 503);
    let other = dial_from(chat.address, IpAddr::from([127, 0, 0, 2]), None);
    let mut other = Peer::on(other, Version::Rfc6455, &Head::of(Version::Rfc6455).head());
    ask_to_join(&mut other, "Bob");
    let welcome = next(&mut other, "welcome");
    assert_eq!(welcome["members"].as_array().unwrap().len(), PLACES + 1);
    drop(members);
}
