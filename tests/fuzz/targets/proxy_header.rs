//! The bytes that a connection from a trusted proxy begins with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::proxy_header::judge;

fuzz_target!(|bytes: &[u8]| judge(bytes));
