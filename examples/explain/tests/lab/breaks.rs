//! Mistakes on purpose, and the answers of the engines.

use std::fmt::Write as _;

use serde_json::json;
use stentor::Version;
use stentor_explain::lab::{Action, Answer, Break, Lab, Made, Setup, choices, table};
use stentor_explain::{Part, Side};

use super::{ok, setup};
use crate::terminal::golden;

const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// The table is a file, so that each change of an answer is seen.
#[test]
fn each_mistake_has_the_recorded_answer_in_all_versions_and_both_ways() {
    let mut text = String::new();
    for from in SIDES {
        writeln!(text, "{from} makes the mistake: 75, 76, 7, 8, 13").unwrap();
        for one in Break::ALL {
            let row = table(one, from).into_iter();
            let row: Vec<String> = row
                .map(|(_, answer)| answer.map_or_else(|_| "-".to_owned(), Answer::id))
                .collect();
            if row.iter().any(|answer| answer != "-") {
                writeln!(text, "{:<14} {}", one.id, row.join(" ")).unwrap();
            }
        }
        text.push('\n');
    }
    golden("breaks", &text);
}

#[test]
fn answers_of_the_specifications_are_those_of_the_engines() {
    use Answer::{Answered, Close, Declined, Ended, Lost, Message, Nothing, Pong, Status};
    let (client, server) = (Side::Client, Side::Server);
    for (id, from, version, expected) in [
        ("mask", client, Version::Rfc6455, Close(1002)),
        ("mask", server, Version::Rfc6455, Close(1002)),
        ("bad-utf8", client, Version::Hybi07, Close(1003)),
        ("bad-utf8", server, Version::Hybi08, Close(1007)),
        ("bad-utf8", client, Version::Draft76, Message),
        ("too-large", client, Version::Hybi08, Close(1004)),
        ("too-large", client, Version::Rfc6455, Close(1009)),
        ("long-form", client, Version::Hybi08, Message),
        ("long-form", client, Version::Rfc6455, Close(1002)),
        ("cut-character", client, Version::Rfc6455, Message),
        ("ping-inside", server, Version::Hybi07, Pong),
        ("close-1004", client, Version::Hybi08, Answered),
        ("close-1004", client, Version::Rfc6455, Close(1002)),
        ("ff-00", client, Version::Draft75, Nothing),
        ("ff-00", client, Version::Draft76, Answered),
        ("no-frame", client, Version::Draft75, Nothing),
        ("tcp", client, Version::Draft75, Ended),
        ("tcp", server, Version::Rfc6455, Lost),
        ("version-9", client, Version::Rfc6455, Status(426)),
        ("no-upgrade", client, Version::Draft76, Status(400)),
        ("wrong-accept", server, Version::Rfc6455, Declined),
        ("wrong-accept", server, Version::Draft76, Declined),
        ("status-200", server, Version::Draft75, Declined),
    ] {
        let one = Break::of(id).unwrap();
        let made = Made::by(one, setup(version), from).unwrap();
        assert_eq!(made.answer, expected, "{id} of the {from}, {version}");
    }
}

#[test]
fn a_learner_can_choose_the_right_answer_and_a_wrong_one() {
    for (one, from) in all() {
        let choices = choices(one, from);
        let answers: Vec<_> = table(one, from)
            .into_iter()
            .filter_map(|(_, a)| a.ok())
            .collect();
        assert_eq!(choices.is_empty(), answers.is_empty(), "{}", one.id);
        for answer in answers {
            assert!(choices.contains(&answer), "{}: {answer:?}", one.id);
            assert!(choices.len() >= 3, "{}: {choices:?}", one.id);
        }
    }
}

#[test]
fn the_actions_of_a_mistake_lead_to_the_same_session_again() {
    for (one, from) in all() {
        for version in Version::ALL {
            let Ok(made) = Made::by(one, setup(version), from) else {
                continue;
            };
            let mut again = Lab::new(setup(version));
            for action in &made.actions {
                assert_eq!(again.perform(action), Ok(()), "{}, {version}", one.id);
            }
            assert_eq!(again.events(), made.lab.events(), "{}, {version}", one.id);
            for side in SIDES {
                assert_eq!(again.sent(side), made.lab.sent(side));
            }
        }
    }
}

/// An engine that answers with an error names a rule, and the explainer finds the same one broken in the bytes.
#[test]
fn each_error_has_a_rule_that_the_explainer_finds_broken_too() {
    for (one, from) in all() {
        for version in Version::ALL {
            let Ok(made) = Made::by(one, setup(version), from) else {
                continue;
            };
            let is_error = matches!(
                made.answer,
                Answer::Close(_) | Answer::Tcp | Answer::Status(_) | Answer::Declined
            );
            // The limit of a message is the engine's own: no bytes break it.
            if is_error && one.id != "too-large" {
                let (rule, words) = made.rule.unwrap_or_else(|| panic!("{}, {version}", one.id));
                assert!(!words.is_empty(), "{}, {version}: {}", one.id, rule.id);
            }
        }
    }
}

#[test]
fn a_break_is_answered_with_its_rule_its_table_and_its_session() {
    for from in ["client", "server"] {
        let answer = ok(&json!({
            "ask": "break", "break": "mask", "version": "13", "from": from, "seed": 7
        }));
        assert_eq!(answer["answer"]["id"], "close:1002");
        assert_eq!(answer["rule"]["id"], format!("mask.{from}"));
        assert_eq!(answer["rule"]["source"], "RFC 6455 §5.1");
        let table = answer["table"].as_array().unwrap();
        let column: Vec<&str> = table
            .iter()
            .filter_map(|row| row["answer"].as_str())
            .collect();
        assert_eq!(column, ["close:1002"; 3]);
        assert_eq!(table[0]["words"], "This version has no masks.");
        let session = ok(&json!({
            "ask": "lab", "version": "13", "seed": 7, "do": answer["do"]
        }));
        assert_eq!(session["log"], answer["lab"]["log"]);
        assert_eq!(session["client"]["hand"], from == "client");
    }
}

/// A rule about the masking key would hide the rule that the learner asks about.
#[test]
fn a_mistake_that_is_none_shows_the_rule_that_allows_it() {
    for (id, rule, words) in [
        (
            "cut-character",
            "text.utf8",
            "a frame may end inside a character",
        ),
        (
            "ping-inside",
            "message.nested",
            "a control frame may stand between",
        ),
    ] {
        for (from, version) in SIDES.into_iter().flat_map(|from| {
            [Version::Hybi07, Version::Hybi08, Version::Rfc6455].map(|version| (from, version))
        }) {
            let made = Made::by(Break::of(id).unwrap(), setup(version), from).unwrap();
            assert!(made.is_allowed, "{id}");
            let (shown, said) = made.rule.unwrap();
            assert_eq!(shown.id, rule);
            assert!(
                said.starts_with("No, this is allowed: ") && said.contains(words),
                "{said}"
            );
            let broken = made.lab.notes().into_iter().find(|note| note.is_broken());
            assert_eq!(broken, None, "{id}, {version}");
        }
    }
    let answer = ok(&json!({
        "ask": "break", "break": "ping-inside", "version": "13", "from": "client", "seed": 7
    }));
    assert_eq!(answer["allowed"], true);
    let made = Made::by(
        Break::of("mask").unwrap(),
        setup(Version::Rfc6455),
        Side::Client,
    )
    .unwrap();
    assert!(!made.is_allowed);
}

#[test]
fn each_crafted_frame_has_a_masking_key_of_its_own() {
    for id in ["cut-character", "ping-inside", "nested"] {
        for seed in [0, 7, 8] {
            let setup = Setup {
                seed,
                ..setup(Version::Rfc6455)
            };
            let made = Made::by(Break::of(id).unwrap(), setup, Side::Client).unwrap();
            let mut keys: Vec<_> = made
                .lab
                .notes()
                .into_iter()
                .filter(|note| note.from == Side::Client && note.part == Part::MaskingKey)
                .map(|note| note.value)
                .collect();
            let count = keys.len();
            assert!(count >= 2, "{id}: {count}");
            keys.sort_by_key(|key| format!("{key:?}"));
            keys.dedup();
            assert_eq!(keys.len(), count, "{id}, seed {seed}");
        }
    }
}

/// What happened, in words, after this mistake of the client.
fn log(id: &str, version: &str) -> Vec<String> {
    let answer = ok(&json!({
        "ask": "break", "break": id, "version": version, "from": "client", "seed": 7
    }));
    let entries = answer["lab"]["log"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let word = |name: &str| entry[name].as_str().unwrap().to_owned();
            format!("{} {}", word("by"), word("words"))
        })
        .collect()
}

#[test]
fn a_request_that_is_rejected_is_not_accepted_before() {
    for version in ["75", "76", "7", "8", "13"] {
        let log = log("no-upgrade", version);
        let count = |words: &str| log.iter().filter(|line| line.contains(words)).count();
        assert_eq!(count("accepts it"), 0, "{log:?}");
        assert_eq!(
            count("server has received a plain HTTP request"),
            1,
            "{log:?}"
        );
        assert_eq!(count("server rejects the request"), 1, "{log:?}");
        let valid = self::log("tcp", version);
        let accepted = "server has received a valid request, and accepts it";
        assert!(valid.iter().any(|line| line == accepted), "{valid:?}");
    }
}

#[test]
fn each_side_closes_its_tcp_connection_once() {
    for (one, from) in all() {
        for (version, short) in Version::ALL.into_iter().zip(["75", "76", "7", "8", "13"]) {
            let Ok(made) = Made::by(one, setup(version), from) else {
                continue;
            };
            let actions: Vec<_> = made.actions.iter().map(Action::json).collect();
            let session = ok(&json!({
                "ask": "lab", "version": short, "seed": 7, "do": actions
            }));
            for side in SIDES {
                let name = side.to_string();
                let log = session["log"].as_array().unwrap().iter();
                let ends = log
                    .filter(|entry| {
                        entry["by"] == name.as_str()
                            && entry["words"] == "closes the TCP connection"
                    })
                    .count();
                assert_eq!(
                    ends,
                    usize::from(made.lab.is_ended(side)),
                    "{}, {version}, {side}",
                    one.id
                );
            }
        }
    }
}

#[test]
fn the_end_is_reported_in_plain_words() {
    let log = log("rsv1", "13");
    let end = log
        .iter()
        .find(|line| line.starts_with("server reports the end"))
        .unwrap();
    assert!(
        end.starts_with(
            "server reports the end with code 1002: this side has begun to close, and the closing handshake is not \
             complete. The error: "
        ),
        "{end}"
    );
}

fn all() -> impl Iterator<Item = (&'static Break, Side)> {
    Break::ALL
        .iter()
        .flat_map(|one| SIDES.map(|from| (one, from)))
}
