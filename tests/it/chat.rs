//! The chat example as a process: names, lengths, limits, its page, and the places where it listens.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor::Version;

use crate::signals::{Chat, build};
use crate::support::{HandshakeResponse, Head, Peer, ask, dial_from};

/// The next message of that type.
fn next(peer: &mut Peer, kind: &str) -> Value {
    loop {
        let message: Value = serde_json::from_str(&peer.hear_text()).unwrap();
        if message["type"] == kind {
            return message;
        }
    }
}

fn ask_to_join(peer: &mut Peer, name: &str) {
    peer.say(&json!({"type": "join", "name": name}).to_string());
}

/// A new member, and the name that the chat has given it.
fn join(chat: &Chat, name: &str) -> (Peer, String) {
    let mut peer = Peer::open(chat.address, Version::Rfc6455);
    ask_to_join(&mut peer, name);
    let welcome = next(&mut peer, "welcome");
    (peer, welcome["name"].as_str().unwrap().to_owned())
}

fn get(address: SocketAddr, path: &str) -> HandshakeResponse {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    ask(address, request.as_bytes())
}

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
    let (mut other, name) = join(&chat, "Anna");
    assert_eq!(name, "Anna");
    // A name is free again when its member has left.
    other.leave();
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

#[cfg(target_os = "linux")]
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

#[test]
fn the_page_runs_the_chats_own_script_only_and_in_no_frame() {
    let chat = Chat::start(&[]);
    let page = get(chat.address, "/lobby");
    assert_eq!(page.status(), 200);
    let policy = page.header("Content-Security-Policy").unwrap();
    let rules: Vec<&str> = policy.split("; ").collect();
    let address = chat.address;
    let connect = format!("connect-src 'self' ws://{address} wss://{address}");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        &connect,
    ] {
        assert!(rules.contains(&rule), "{rule}: {policy}");
    }
    // So nothing may stand inline, where it would not run.
    let text = String::from_utf8(page.body).unwrap();
    for inline in ["<script>", "<style", "style=\"", "onclick", "javascript:"] {
        assert!(!text.contains(inline), "{inline}");
    }
    for (file, kind) in [("/chat.js", "text/javascript"), ("/chat.css", "text/css")] {
        assert!(text.contains(&format!("\"{file}\"")), "{file}");
        let answer = get(chat.address, file);
        let found = answer.header("Content-Type").unwrap();
        assert_eq!(
            (answer.status(), found),
            (200, &*format!("{kind}; charset=utf-8"))
        );
    }
}

#[test]
fn the_policy_names_no_host_that_would_change_it() {
    let chat = Chat::start(&[]);
    for host in ["a;script-src", "a'b", "*", "a,b", "[::1]:80", "a b"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let page = ask(chat.address, request.as_bytes());
        // A host that is none may be refused, too.
        if let Some(policy) = page.header("Content-Security-Policy") {
            assert!(policy.contains("connect-src 'self'; "), "{policy}");
        }
    }
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = Command::new(build("chat"))
        .arg(address.to_string())
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(&address.to_string()), "{words}");
    assert!(words.contains("or try 127.0.0.1:"), "{words}");
}

#[test]
fn all_addresses_are_printed_as_urls_that_work() {
    let mut child = Command::new(build("chat"))
        .arg("0.0.0.0:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let (here, others) = (next(), next());
    let mut statuses = Vec::new();
    // A machine without a network has no address for others, and is told so.
    for line in [&here, &others] {
        assert!(!line.contains("0.0.0.0"), "{line}");
        let (_, url) = line.split_once("://").unwrap();
        if let Ok(address) = url.trim_end_matches('/').parse() {
            statuses.push(get(address, "/health").status());
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(here.starts_with("chatting at http://127.0.0.1:"), "{here}");
    assert!(
        others.starts_with("from other devices at http://"),
        "{others}"
    );
    assert!(
        !statuses.is_empty() && statuses.iter().all(|status| *status == 200),
        "{statuses:?}"
    );
}
