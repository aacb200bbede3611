//! Keys and masks from a seed.

use std::cell::Cell;

thread_local! {
    /// The engine's source of random bytes is a plain function: so its state is the thread's.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Begins the sequence of this seed, on this thread.
pub(super) fn begin(seed: u64) {
    STATE.set(seed);
}

/// Returns the state of the sequence, to go on with [`begin`].
pub(super) fn state() -> u64 {
    STATE.get()
}

/// Fills a buffer with the next bytes of the sequence (SplitMix64). Anybody can predict them: they are for lessons.
pub(super) fn fill(bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let length = chunk.len();
        chunk.copy_from_slice(&mixed.to_be_bytes()[..length]);
    }
}
