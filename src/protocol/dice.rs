//! Numbers and orders that nobody can predict, out of bytes that nobody can predict.

use super::role::Entropy;

/// Draws from an [`Entropy`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(pub(crate) Entropy);

impl Dice {
    /// Some bytes.
    pub(crate) fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A number from 0 to `most`. Each is as likely as any other, but for one part in 2³².
    pub(crate) fn up_to(self, most: u32) -> u32 {
        let drawn = u64::from_ne_bytes(self.bytes());
        let scaled = (u128::from(drawn) * (u128::from(most) + 1)) >> 64;
        u32::try_from(scaled).unwrap_or(most)
    }

    /// A place in what has `places` of them, 0 where it has none.
    pub(crate) fn place(self, places: usize) -> usize {
        let last = u32::try_from(places.saturating_sub(1)).unwrap_or(u32::MAX);
        self.up_to(last) as usize
    }

    /// Puts items into some order, each as likely as any other.
    pub(crate) fn shuffle<T>(self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.place(end + 1));
        }
    }
}
