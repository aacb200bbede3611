//! The header of an entry in the log of a room.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::redis::judge_header;

fuzz_target!(|bytes: &[u8]| judge_header(bytes));
