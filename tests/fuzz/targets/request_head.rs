//! Any bytes as a request: a rejection, a request, or too few of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stentor_fuzz::request_head::{PendingHandshake, judge};

fuzz_target!(|asked: PendingHandshake| judge(&asked));
