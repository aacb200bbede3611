//! Compressed messages, behind a handshake.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::inflate::{Compressed, judge};

fuzz_target!(|compressed: Compressed| judge(&compressed));
