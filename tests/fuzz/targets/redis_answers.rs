//! The answers and the notifications of a Redis.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::redis::judge_answers;

fuzz_target!(|bytes: &[u8]| judge_answers(bytes));
