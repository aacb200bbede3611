//! The explainer's notes, against the library's engine.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::explain::{Explained, judge};

fuzz_target!(|explained: Explained| judge(&explained));
