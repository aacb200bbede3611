//! The laboratory of the microscope.

mod breaks;
mod program;
mod questions;
mod sessions;

use serde_json::Value;
use stentor::Version;
use stentor_explain::lab::{Lab, Setup};

/// A session with seed 7.
pub(crate) fn setup(version: Version) -> Setup {
    Setup {
        version,
        seed: 7,
        compress: false,
    }
}

pub(crate) fn lab(version: Version) -> Lab {
    Lab::new(setup(version))
}

/// The content of the answer to a question.
#[track_caller]
pub(crate) fn ok(question: &Value) -> Value {
    let mut answer = ask(question);
    assert!(answer.get("error").is_none(), "{question}: {answer}");
    answer["ok"].take()
}

/// The sentence of the answer to a question that cannot be answered.
#[track_caller]
pub(crate) fn error(question: &Value) -> String {
    let answer = ask(question);
    let error = answer["error"].as_str();
    error
        .unwrap_or_else(|| panic!("{question}: {answer}"))
        .to_owned()
}

fn ask(question: &Value) -> Value {
    serde_json::from_str(&stentor_explain::lab::answer(&question.to_string())).unwrap()
}
