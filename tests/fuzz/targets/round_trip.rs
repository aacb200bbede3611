//! Messages there and back in every version: fragmented anywhere, with control frames in between.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::round_trip::{Talk, judge};

fuzz_target!(|talk: Talk| judge(&talk));
