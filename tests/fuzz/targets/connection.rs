//! The whole engine, and an application that calls anything at any time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::connection::{Script, judge};

fuzz_target!(|script: Script| judge(&script));
