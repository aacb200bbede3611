//! Responses to a client of every version, spoilt in a few places.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::answers::{Answered, judge};

fuzz_target!(|answered: Answered| judge(&answered));
