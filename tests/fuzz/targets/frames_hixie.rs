//! Frames of draft-75 and draft-76, behind a handshake.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor::protocol::framing::Framing;
use stentor_fuzz::frames::{SharedFrames, judge};

fuzz_target!(|frames: SharedFrames| judge(Framing::Hixie, &frames));
