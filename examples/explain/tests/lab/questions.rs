//! Questions of the page in JSON.

use serde_json::{Value, json};

use stentor_explain::lab::LARGEST_ANSWER;

use super::{error, ok};

/// Bytes with all that JSON must escape.
const HARD: &str = "\"\\\u{8}\u{1b}\u{2028}</script>\u{1f600}";

#[test]
fn a_session_is_answered_with_both_streams_and_all_notes() {
    for version in ["75", "76", "7", "8", "13"] {
        let session = ok(&json!({
            "ask": "lab", "version": version, "seed": 7, "do": [
                { "do": "run" }, { "do": "text", "from": "client", "text": "Hello" }, { "do": "run" }
            ]
        }));
        assert_eq!(session["done"], 3);
        assert_eq!(session["stopped"], Value::Null);
        assert_eq!(session["server"]["state"], "Ready");
        let notes = session["notes"].as_array().unwrap();
        for side in ["client", "server"] {
            let length = session[side]["hex"].as_str().unwrap().len() / 2;
            assert_eq!(session[side]["read"], length, "{version}");
            assert_eq!(covered(notes, side), length, "{version}, {side}");
        }
        let frame = if version.len() == 2 && version != "13" {
            "hixie-frame"
        } else {
            "frame"
        };
        assert!(notes.iter().any(|note| note["part"] == frame), "{version}");
    }
}

/// The bytes of all parts without parts of their own. Bits of one byte count once.
fn covered(notes: &[Value], side: &str) -> usize {
    let own: Vec<&Value> = notes.iter().filter(|note| note["from"] == side).collect();
    let is_leaf = |note: &&&Value| !own.iter().any(|other| other["up"] == note["id"]);
    let mut ranges: Vec<(u64, u64)> = own
        .iter()
        .filter(is_leaf)
        .map(|note| {
            (
                note["at"][0].as_u64().unwrap(),
                note["at"][1].as_u64().unwrap(),
            )
        })
        .collect();
    ranges.sort_unstable();
    ranges.dedup();
    ranges
        .iter()
        .map(|(begin, end)| (end - begin) as usize)
        .sum()
}

#[test]
fn the_same_question_has_the_same_answer() {
    for question in [
        json!({ "ask": "lab", "version": "76", "seed": 3, "do": [{ "do": "run" }] }),
        json!({ "ask": "five", "seed": 3, "from": "client", "do": [{ "do": "text", "from": "client", "text": "a" }] }),
        json!({ "ask": "break", "break": "rsv1", "version": "8", "from": "server", "seed": 3 }),
        json!({ "ask": "breaks" }),
    ] {
        assert_eq!(ok(&question), ok(&question));
    }
}

#[test]
fn a_text_that_json_must_escape_comes_back_unharmed() {
    let session = ok(&json!({
        "ask": "lab", "version": "13", "seed": 7, "do": [
            { "do": "run" }, { "do": "text", "from": "server", "text": HARD }, { "do": "run" }
        ]
    }));
    let hex = session["server"]["hex"].as_str().unwrap();
    let wanted: String = HARD.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(hex.ends_with(&wanted), "{hex}");
    let error = error(&json!({ "ask": HARD }));
    assert!(error.contains(HARD), "{error}");
}

#[test]
fn an_action_that_is_not_possible_ends_the_session_there() {
    let session = ok(&json!({
        "ask": "lab", "version": "76", "seed": 7, "do": [
            { "do": "run" }, { "do": "ping", "from": "client", "text": "" }, { "do": "end", "from": "client" }
        ]
    }));
    assert_eq!(session["done"], 1);
    assert_eq!(session["client"]["ended"], false);
    let stopped = session["stopped"].as_str().unwrap();
    assert!(
        stopped.starts_with("the client: ") && stopped.contains("draft-76"),
        "{stopped}"
    );
}

#[test]
fn the_same_message_is_shown_in_five_columns() {
    let answer = ok(&json!({
        "ask": "five", "seed": 7, "from": "client", "do": [{ "do": "binary", "from": "client", "hex": "00ff" }]
    }));
    let columns = answer["columns"].as_array().unwrap();
    let has_error: Vec<bool> = columns
        .iter()
        .map(|column| column["error"].is_string())
        .collect();
    assert_eq!(has_error, [true, true, false, false, false]);
    assert_eq!(columns[4]["lab"]["version"], "13");
    let answer = ok(&json!({ "ask": "five", "seed": 7, "from": "client", "break": "mask" }));
    assert_eq!(answer["columns"][0]["error"], "This version has no masks.");
    assert_eq!(answer["columns"][2]["error"], Value::Null);
}

#[test]
fn a_paste_is_explained_as_the_program_explains_it() {
    let paste = |text: &str, version: &str| {
        ok(&json!({ "ask": "paste", "text": text, "version": version, "from": "auto" }))
    };
    let answer = paste("81 85 37 fa 21 3d 7f 9f 4d 51 58", "13");
    let notes = answer["pieces"][0]["notes"].as_array().unwrap();
    assert!(notes.iter().all(|note| note["from"] == "client"));
    let payload = notes.iter().find(|note| note["part"] == "payload").unwrap();
    assert_eq!(payload["value"], "Hello");
    assert!(payload["steps"].as_str().unwrap().contains("7f⊕37=48 H"));
    let head = paste(
        "GET /chat HTTP/1.1\nHost: example.com\nCookie: secret=1\n\n",
        "13",
    );
    assert!(head["remarks"][0].as_str().unwrap().contains("CR LF"));
    // A cookie is shown neither in the notes nor in the bytes.
    let secret: String = b"secret=1"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(!head.to_string().contains(&secret) && !head.to_string().contains("secret"));
    let hixie = paste("00 48 69 ff", "75");
    assert_eq!(hixie["pieces"][0]["notes"][0]["part"], "hixie-frame");
    let many = paste(&"00".repeat(5000), "13");
    assert!(
        many["remarks"][0]
            .as_str()
            .unwrap()
            .contains("first 4096 of 5000")
    );
}

#[test]
fn a_paste_without_a_mask_is_taken_for_a_server_with_a_remark() {
    let remarks = |text: &str, version: &str, from: &str| {
        let question = json!({ "ask": "paste", "text": text, "version": version, "from": from });
        let answer = ok(&question);
        answer["remarks"].as_array().unwrap().clone()
    };
    let hello = "81 05 68 65 6c 6c 6f";
    for version in ["7", "8", "13"] {
        let found = remarks(hello, version, "auto");
        let words = found[0].as_str().unwrap();
        assert!(words.contains("because it has no mask"), "{words}");
        assert!(
            words.contains("client without a mask would be wrong"),
            "{words}"
        );
        // A side that was chosen needs no remark.
        assert!(remarks(hello, version, "server").is_empty());
        assert!(remarks(hello, version, "client").is_empty());
    }
    for (text, version) in [
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", "13"),
        ("00 48 69 ff", "75"),
        ("81 05 68 65 6c 6c 6f", "76"),
        ("81", "13"),
    ] {
        assert!(remarks(text, version, "auto").is_empty(), "{text}");
    }
    let head = remarks("HTTP/1.1 200 OK\n\n", "13", "auto");
    assert!(
        !head
            .iter()
            .any(|words| words.as_str().unwrap().contains("mask")),
        "{head:?}"
    );
}

#[test]
fn the_answer_about_many_small_frames_is_bounded() {
    let pings = json!({ "do": "raw", "from": "client", "hex": "8900".repeat(1900) });
    let others = json!({ "do": "raw", "from": "server", "hex": "8900".repeat(1900) });
    let session = json!({
        "ask": "lab", "version": "13", "seed": 7, "do": [{ "do": "run" }, pings, others]
    });
    assert_eq!(ok(&session)["done"], 3);
    let five = json!({ "ask": "five", "seed": 7, "from": "client", "do": [pings, others] });
    for question in [&session, &five] {
        let answer = stentor_explain::lab::answer(&question.to_string());
        assert!(answer.len() <= LARGEST_ANSWER, "{}", answer.len());
    }
}

#[test]
fn questions_that_cannot_be_answered_are_named() {
    let lab = |version: &str, seed: u64, actions: Value| json!({ "ask": "lab", "version": version, "seed": seed, "do": actions });
    for (question, words) in [
        (json!({ "ask": "files" }), "\"files\" is no question"),
        (json!([1]), "a question is a JSON object"),
        (lab("14", 7, json!([])), "\"14\" is no version"),
        (lab("13", 1_000_000, json!([])), "from 0 to 999999"),
        (lab("13", 7, json!({})), "no list of actions"),
        (
            lab("13", 7, json!(vec![json!({ "do": "run" }); 301])),
            "300 are the most",
        ),
        (
            lab("13", 7, json!([{ "do": "fly" }])),
            "\"fly\" is no action",
        ),
        (
            json!({ "ask": "break", "break": "x", "version": "13", "from": "client", "seed": 7 }),
            "no mistake \"x\"",
        ),
        (
            json!({ "ask": "break", "break": "mask", "version": "75", "from": "client", "seed": 7 }),
            "no masks",
        ),
        (
            json!({ "ask": "paste", "text": "xyz", "version": "13" }),
            "is not hex",
        ),
        (
            json!({ "ask": "paste", "text": "", "version": "13" }),
            "no bytes",
        ),
        (
            json!({ "ask": "lab", "more": "x".repeat(64 * 1024) }),
            "65536 are the most",
        ),
    ] {
        let error = error(&question);
        assert!(error.contains(words), "{error}");
    }
    let unread = stentor_explain::lab::answer("{\"ask\":");
    assert!(unread.contains("EOF while parsing"), "{unread}");
}
