//! Properties that must hold for all messages, in all pieces: tried with many conversations, and
//! minimized on failure.
//!
//! Each run tries the same cases, so that it fails on every machine or on none: looking for new
//! ones is the fuzzer's work (`tests/fuzz`), or that of `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=1
//! cargo test properties`. Failing cases are printed and not recorded: each belongs into a test
//! with a name.

mod said;

mod stream;

mod cutting;

mod messages;

mod closing;

mod keys;

mod answers;

mod client_handshake;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

pub(crate) fn always_the_same() -> ProptestConfig {
    let defaults = ProptestConfig::default();
    ProptestConfig {
        failure_persistence: None,
        rng_seed: match defaults.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0x5eed),
            given => given,
        },
        ..defaults
    }
}
