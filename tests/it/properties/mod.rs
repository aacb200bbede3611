//! What must hold whatever is said, in whatever pieces: tried with many conversations, and made small
//! where it fails.
//!
//! Each run tries the same ones, so that it fails for everybody or for nobody: looking for new ones
//! is the fuzzer's work (`tests/fuzz`), or that of `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=1 cargo
//! test properties`. What fails is printed and nowhere written down: it belongs into a test with a
//! name.

mod said;

mod stream;

mod cutting;

mod messages;

mod closing;

mod keys;

mod answers;

mod asking;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

fn always_the_same() -> ProptestConfig {
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
