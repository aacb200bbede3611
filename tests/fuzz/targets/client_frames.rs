//! Frames of servers of every version, as a client reads them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::frames::{SharedFrames, judge_client};

fuzz_target!(|frames: SharedFrames| judge_client(&frames));
