//! Operators of the chat: they know a secret, and remove, mute and clear.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use stentor::Version;

use crate::support::{Chat, Folder, Heard, Peer, ROOT, build, eventually};

use super::{
    ask_to_join, enter, expect_error, next, next_of_all, open, say, send, texts, types, until_own,
    until_said,
};

const SECRET: &str = "correct horse battery";

/// A chat with operators, and the folder of their secret.
fn moderated() -> (Chat, Folder) {
    let folder = Folder::new();
    let file = folder.file("secret");
    fs::write(&file, format!("{SECRET}\nanother line\n")).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    let options = ["--operator-file", &file, "--grace-period", "0"].map(str::to_owned);
    (Chat::start(&options), folder)
}

/// Returns a member that is an operator.
fn operator(chat: &Chat) -> Peer {
    let (mut peer, _) = enter(chat, Version::Rfc6455, "demo", &json!({"name": "Operator"}));
    send(&mut peer, &json!({"type": "operator", "secret": SECRET}));
    assert_eq!(next(&mut peer, "operator"), json!({"type": "operator"}));
    peer
}

/// Expects the close of a removed client, in the way of its version; entries may come before.
fn expect_removal(peer: &mut Peer) {
    let reason = "removed by an operator".to_owned();
    loop {
        match peer.hear() {
            Heard::Text(_) | Heard::Ping(_) => {}
            Heard::End => return assert_eq!(peer.version, Version::Draft75),
            Heard::Marker => return assert_eq!(peer.version, Version::Draft76),
            other => return assert_eq!(other, Heard::Close(1008, reason), "{}", peer.version),
        }
    }
}

#[test]
fn a_removed_member_is_closed_on_all_connections_and_stays_out() {
    let (chat, _folder) = moderated();
    let mut operator = operator(&chat);
    for version in Version::ALL {
        let name = format!("Eve {}", version.name());
        let (mut eve, welcome) = enter(&chat, version, "demo", &json!({"name": name}));
        let key = welcome["key"].clone();
        let same = json!({"name": name, "key": key});
        let (mut second, _) = enter(&chat, version, "demo", &same);
        let (mut elsewhere, _) = enter(&chat, version, "other", &same);
        send(
            &mut operator,
            &json!({"type": "kick", "member": welcome["member"]}),
        );
        let kicked = next(&mut operator, "kicked");
        assert_eq!(kicked["member"], welcome["member"]);
        assert_eq!(kicked["name"], name);
        assert!(kicked["time"].is_u64() && kicked["id"].is_string());
        // It receives the entry, too, in every version; entries about earlier members come before.
        while next(&mut eve, "kicked") != kicked {}
        expect_removal(&mut eve);
        expect_removal(&mut second);
        let left = next(&mut operator, "left");
        assert_eq!(left["member"], welcome["member"]);
        // By key, by name, and by a name that looks alike.
        let mut again = open(&chat, version, "demo");
        for fields in [
            json!({"type": "join", "name": "Another", "key": key}),
            json!({"type": "join", "name": name}),
            json!({"type": "join", "name": name.to_uppercase()}),
        ] {
            send(&mut again, &fields);
            expect_error(&mut again, "removed by an operator: come back in 10 min");
        }
        ask_to_join(&mut again, "Somebody");
        assert_eq!(next_of_all(&mut again)["type"], "welcome");
        // The other room is not concerned.
        until_own(&mut elsewhere, version.name());
    }
}

#[test]
fn a_muted_member_reads_and_is_not_heard() {
    let (chat, _folder) = moderated();
    let mut operator = operator(&chat);
    for version in Version::ALL {
        let (mut eve, welcome) = enter(&chat, version, "demo", &json!({"name": "Eve"}));
        let member = welcome["member"].clone();
        send(
            &mut operator,
            &json!({"type": "mute", "member": member, "minutes": 10}),
        );
        // Entries about earlier members come before.
        let muted = loop {
            let muted = next(&mut eve, "muted");
            if muted["member"] == member {
                break muted;
            }
        };
        assert_eq!(
            (&muted["minutes"], &muted["name"]),
            (&json!(10), &json!("Eve"))
        );
        // The effect comes right behind the entry.
        eventually("the end of what it says", || {
            say(&mut eve, "before");
            let answer = loop {
                let message = next_of_all(&mut eve);
                if ["said", "error"].contains(&message["type"].as_str().unwrap()) {
                    break message;
                }
            };
            (answer["type"] == "error").then_some(())
        });
        // A new connection of the same member is muted, too.
        let again = json!({"name": "Eve", "key": welcome["key"]});
        let (mut second, _) = enter(&chat, version, "demo", &again);
        say(&mut second, "by the second");
        expect_error(&mut second, "muted by an operator");
        send(&mut second, &json!({"type": "typing"}));
        let seen = until_own(&mut operator, "quiet");
        assert!(!texts(&seen).contains(&"by the second"), "{seen:?}");
        assert!(!types(&seen).contains(&"typing"), "{seen:?}");
        until_said(&mut second, "quiet");
        send(
            &mut operator,
            &json!({"type": "mute", "member": member, "minutes": 0}),
        );
        assert_eq!(next(&mut operator, "muted")["minutes"], 0);
        eventually("its voice", || {
            say(&mut second, "again");
            let answer = loop {
                let message = next_of_all(&mut second);
                if ["said", "error"].contains(&message["type"].as_str().unwrap()) {
                    break message;
                }
            };
            (answer["type"] == "said").then_some(())
        });
        // One after the other, so that the name is free.
        drop((eve, second));
        next(&mut operator, "left");
    }
}

#[test]
fn a_cleared_room_has_no_older_messages() {
    let (chat, _folder) = moderated();
    let mut operator = operator(&chat);
    let (lost, of_lost) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Lost"}));
    drop(lost);
    next(&mut operator, "left");
    let mut members = Version::ALL.map(|version| {
        let name = json!({"name": version.name()});
        enter(&chat, version, "demo", &name).0
    });
    until_own(&mut operator, "to be removed");
    send(&mut operator, &json!({"type": "clear"}));
    let cleared = next(&mut operator, "cleared");
    assert!(cleared["id"].is_string() && cleared["time"].is_u64());
    for member in &mut members {
        assert_eq!(next(member, "cleared"), cleared);
    }
    until_own(&mut operator, "new");
    for (version, member) in Version::ALL.iter().zip(&mut members) {
        until_said(member, "new");
        let older = eventually("the end of the older messages", || {
            send(member, &json!({"type": "older", "before": cleared["id"]}));
            let older = next(member, "older");
            older["entries"]
                .as_array()
                .unwrap()
                .is_empty()
                .then_some(older)
        });
        assert_eq!(older["more"], false);
        // A new client, and one that comes back: it learns that the room was cleared.
        let (mut new, welcome) = enter(&chat, *version, "demo", &json!({"name": "New"}));
        assert_eq!(welcome["gap"], Value::Null);
        assert_eq!(next_of_all(&mut new), cleared, "{version}");
        drop(new);
        let back = json!({"name": "Lost", "since": of_lost["at"]});
        let (mut back, welcome) = enter(&chat, *version, "demo", &back);
        assert!(welcome["gap"]["missed"].is_u64(), "{welcome}");
        assert_eq!(next_of_all(&mut back), cleared);
    }
}

#[test]
fn only_operators_act_and_only_on_members() {
    let (chat, _folder) = moderated();
    let mut operator = operator(&chat);
    let (mut eve, welcome) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Eve"}));
    for act in [
        json!({"type": "kick", "member": welcome["member"]}),
        json!({"type": "mute", "member": welcome["member"], "minutes": 1}),
        json!({"type": "clear"}),
    ] {
        send(&mut eve, &act);
        expect_error(&mut eve, "only an operator");
    }
    let nobody = "0".repeat(24);
    for (act, words) in [
        (json!({"type": "kick", "member": nobody}), "no member"),
        (
            json!({"type": "mute", "member": nobody, "minutes": 1}),
            "no member",
        ),
        (json!({"type": "kick"}), "member"),
        (json!({"type": "kick", "member": 1}), "member"),
        (
            json!({"type": "mute", "member": welcome["member"]}),
            "minutes",
        ),
        (
            json!({"type": "mute", "member": welcome["member"], "minutes": "1"}),
            "minutes",
        ),
        (
            json!({"type": "mute", "member": welcome["member"], "minutes": 1.5}),
            "minutes",
        ),
        (
            json!({"type": "mute", "member": welcome["member"], "minutes": 1441}),
            "1440",
        ),
    ] {
        send(&mut operator, &act);
        expect_error(&mut operator, words);
    }
    let seen = until_own(&mut eve, "nothing happened");
    for kind in ["kicked", "muted", "cleared"] {
        assert!(!types(&seen).contains(&kind), "{seen:?}");
    }
}

/// Sends a secret, and returns the answer.
fn guess(peer: &mut Peer, secret: &str) -> Value {
    send(peer, &json!({"type": "operator", "secret": secret}));
    loop {
        let message = next_of_all(peer);
        if ["operator", "error"].contains(&message["type"].as_str().unwrap()) {
            return message;
        }
    }
}

#[test]
fn secrets_cannot_be_guessed_for_long() {
    let (chat, _folder) = moderated();
    let longer = format!("{SECRET}!");
    for round in 0..4 {
        let (mut eve, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Eve"}));
        for wrong in [
            "x",
            &SECRET[1..],
            &SECRET[..SECRET.len() - 1],
            &longer,
            "another line",
        ] {
            let answer = guess(&mut eve, wrong);
            assert!(
                answer["text"]
                    .as_str()
                    .unwrap()
                    .contains("not the operators"),
                "{answer}"
            );
        }
        let answer = guess(&mut eve, SECRET);
        let words = answer["text"].as_str().unwrap();
        assert!(
            words.contains("on this connection: connect again"),
            "{round}: {answer}"
        );
    }
    // Twenty of all connections were wrong.
    let (mut ann, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    let answer = guess(&mut ann, SECRET);
    assert!(
        answer["text"].as_str().unwrap().contains("in a minute"),
        "{answer}"
    );
    until_own(&mut ann, "a member all the same");
}

#[test]
fn a_chat_without_a_secret_has_no_operators() {
    let chat = Chat::start(&[]);
    let (mut ann, _) = enter(&chat, Version::Rfc6455, "demo", &json!({"name": "Ann"}));
    for secret in [SECRET, " ", "x"] {
        send(&mut ann, &json!({"type": "operator", "secret": secret}));
        next(&mut ann, "error");
    }
    expect_no_operator(&mut ann);
}

fn expect_no_operator(peer: &mut Peer) {
    send(peer, &json!({"type": "clear"}));
    expect_error(peer, "only an operator");
}

/// Runs the chat with these arguments, which it rejects; returns its status and its words.
fn rejected(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(build("chat"))
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn arguments_that_mean_nothing_are_errors_with_a_remedy() {
    let folder = Folder::new();
    let short = folder.file("short");
    fs::write(&short, "fifteen letters\nand a line that does not count\n").unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.file(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let long = file("long", "é".repeat(1001).as_bytes());
    let endless = file("endless", "€".repeat(9000).as_bytes());
    let bom = file("bom", format!("\u{feff}{SECRET}\n").as_bytes());
    let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = file("wide", &[&[0xff, 0xfe], &wide[..]].concat());
    let latin = file("latin", b"sixteen \xe9tranges letters");
    let (short, missing) = (
        short.display().to_string(),
        folder.file("none").display().to_string(),
    );
    for (arguments, status, words) in [
        (
            &["--operator-file", &short][..],
            1,
            "at least 16 characters",
        ),
        (
            &["--operator-file", &long],
            1,
            "too long: give at most 1000",
        ),
        (
            &["--operator-file", &endless],
            1,
            "too long: give at most 1000",
        ),
        (&["--operator-file", &bom], 1, "without a BOM"),
        (&["--operator-file", &wide], 1, "UTF-16"),
        (&["--operator-file", &latin], 1, "not in UTF-8"),
        (&["--operator-file", &missing], 1, missing.as_str()),
        (&["--operator-file"], 2, "needs a file: usage: chat"),
        (&["--grace-period", "x"], 2, "whole seconds"),
        (&["--grace-period", "3601"], 2, "3600"),
        (
            &["--unknown"],
            2,
            "--unknown is no option here: usage: chat",
        ),
        (&["--tls", "certificate"], 2, "needs two files"),
    ] {
        let (code, output) = rejected(arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {output}");
        assert!(output.contains(words), "{arguments:?}: {output}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_may_read_is_a_warning() {
    let folder = Folder::new();
    let file = folder.file("secret");
    fs::write(&file, SECRET).unwrap();
    for (mode, warns) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        // The address is invalid: so it ends.
        let (_, output) = rejected(&["--operator-file", &file.display().to_string(), "nowhere"]);
        assert_eq!(output.contains("chmod 600"), warns, "{mode:o}: {output}");
    }
}

#[test]
fn the_lines_of_the_readme_are_accepted() {
    let (chat, _folder) = moderated();
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let mut blocks = readme.split("\n```json\n").skip(1);
    let mut lines = || {
        let block = blocks.next().unwrap().split("\n```").next().unwrap();
        let lines = block
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let first = lines();
    let [join, say] = &first[..] else {
        panic!("other lines for a member");
    };
    let (mut ann, _) = enter(&chat, Version::Draft76, "demo", join);
    send(&mut ann, say);
    until_said(&mut ann, "hello");
    let (_again, welcome) = enter(&chat, Version::Rfc6455, "demo", &lines()[0]);
    assert_eq!(welcome["gap"], json!({"missed": null}));
    let (mut bob, _) = enter(&chat, Version::Draft75, "demo", &lines()[0]);
    let mut operator = operator(&chat);
    for act in lines() {
        send(&mut operator, &act);
    }
    next(&mut bob, "muted");
    expect_removal(&mut bob);
    let kinds = ["muted", "kicked", "cleared"];
    let seen = kinds.map(|kind| next(&mut ann, kind)["member"].clone());
    assert_eq!(seen[0], "6da3d06d6d498929ebe737fe");
    let answers = until_own(&mut operator, "the last line");
    assert!(!types(&answers).contains(&"error"), "{answers:?}");
}
