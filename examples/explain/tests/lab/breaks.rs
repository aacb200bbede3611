//! Mistakes on purpose, and the answers of the engines.

use std::fmt::Write as _;

use serde_json::json;
use stentor::Version;
use stentor_explain::Side;
use stentor_explain::lab::{Answer, Break, Lab, Made, choices, table};

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

fn all() -> impl Iterator<Item = (&'static Break, Side)> {
    Break::ALL
        .iter()
        .flat_map(|one| SIDES.map(|from| (one, from)))
}
