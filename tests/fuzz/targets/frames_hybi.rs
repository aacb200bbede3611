//! Frames of versions 7, 8 and RFC 6455, behind a handshake.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor::protocol::framing::Framing;
use stentor_fuzz::frames::{SharedFrames, judge};

fuzz_target!(|frames: SharedFrames| judge(Framing::Hybi, &frames));
