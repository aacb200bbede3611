//! Unpredictable numbers and orders, made from unpredictable bytes.

use super::role::Entropy;

/// Draws random values from an [`Entropy`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Random(pub(crate) Entropy);

impl Random {
    /// Draws `N` bytes.
    pub(crate) fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// Draws a number from 0 to `most`. All are equally likely, except for one part in 2³².
    pub(crate) fn up_to(self, most: u32) -> u32 {
        let drawn = u64::from_ne_bytes(self.bytes());
        let scaled = (u128::from(drawn) * (u128::from(most) + 1)) >> 64;
        u32::try_from(scaled).unwrap_or(most)
    }

    /// Draws one of `places` positions, 0 if there are none.
    pub(crate) fn place(self, places: usize) -> usize {
        let last = u32::try_from(places.saturating_sub(1)).unwrap_or(u32::MAX);
        self.up_to(last) as usize
    }

    /// Shuffles items; all orders are equally likely.
    pub(crate) fn shuffle<T>(self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.place(end + 1));
        }
    }
}
