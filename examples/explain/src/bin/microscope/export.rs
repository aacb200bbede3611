//! The page with recorded answers: it works without this program.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stentor_explain::lab::{self, Break};

use super::{page, scenes};

/// The seed of the recorded conversations: that of the page.
const SEED: u64 = 7;

const VERSIONS: [&str; 5] = ["75", "76", "7", "8", "13"];

/// Writes the page. A file that is there is kept.
pub(crate) fn write(path: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if path.exists() {
        return Err(wrong(
            &"there is such a file: remove it, or choose another name",
        ));
    }
    let recorded = recorded()?;
    fs::write(path, page::with_recorded(&recorded.to_string())).map_err(|error| wrong(&error))
}

/// All scenes, all mistakes in all versions, and a message in all versions: each question with its answer.
fn recorded() -> Result<Value, String> {
    let scenes = scenes::list();
    let mut recorded = vec![json!({ "question": { "ask": "scenes" }, "ok": scenes })];
    let mut questions = vec![
        json!({ "ask": "breaks" }),
        json!({ "ask": "five", "seed": SEED, "from": "client",
            "do": [{ "do": "text", "from": "client", "text": "Hello" }] }),
    ];
    let begins = VERSIONS.map(|version| json!({ "version": version, "do": [] }));
    for scene in scenes.as_array().into_iter().flatten().chain(&begins) {
        questions.push(
            json!({ "ask": "lab", "version": scene["version"], "seed": SEED,
            "compress": false, "do": scene["do"] }),
        );
    }
    for question in questions {
        recorded.push(answered(question)?);
    }
    for one in Break::ALL {
        for (version, from) in VERSIONS
            .iter()
            .flat_map(|version| [(version, "client"), (version, "server")])
        {
            let question = json!({ "ask": "break", "break": one.id, "version": version, "from": from, "seed": SEED });
            // A side that cannot make the mistake has no answer.
            recorded.extend(answered(question));
        }
    }
    Ok(Value::Array(recorded))
}

fn answered(question: Value) -> Result<Value, String> {
    let answer: Value = serde_json::from_str(&lab::answer(&question.to_string()))
        .map_err(|error| error.to_string())?;
    match answer.get("ok") {
        Some(ok) => Ok(json!({ "question": question, "ok": ok })),
        None => Err(answer["error"].to_string()),
    }
}
