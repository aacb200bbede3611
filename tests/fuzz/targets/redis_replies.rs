//! The replies of a Redis, and where they end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::redis::judge_replies;

fuzz_target!(|bytes: &[u8]| judge_replies(bytes));
