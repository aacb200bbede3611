//! Requests of version 8, spoilt in a few places.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor::Version;
use stentor_fuzz::handshake::{Spoilt, judge};

fuzz_target!(|spoilt: Spoilt| judge(Version::Hybi08, &spoilt));
