//! The ways to cut a stream. Neither the positions of the cuts nor the way of copying may matter.

use crate::driven::{Driven, Reading};

/// One way: the sizes of the pieces, and how each is read.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Whole,
    Bytewise,
    /// Pieces of sizes derived from this seed, copied.
    Copied(u32),
    /// Such pieces, read directly.
    Direct(u32),
}

impl Way {
    /// Cuts `bytes` into pieces.
    pub fn cut(self, bytes: &[u8], mut each: impl FnMut(&[u8], Reading)) {
        let (seed, direct) = match self {
            Way::Whole => return each(bytes, Reading::Copied),
            Way::Bytewise => {
                return bytes.chunks(1).for_each(|byte| each(byte, Reading::Copied));
            }
            Way::Copied(seed) => (seed, false),
            Way::Direct(seed) => (seed, true),
        };
        let mut random = Random(seed | 1);
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = [1, 4, 16, 64, 300, 5000][random.below(6)];
            let (piece, behind) = rest.split_at((1 + random.below(most)).min(rest.len()));
            let reading = match direct {
                true => Reading::Direct(1 + random.below(most)),
                false => Reading::Copied,
            };
            each(piece, reading);
            rest = behind;
        }
    }
}

/// Above this many bytes, byte by byte takes more time than it is worth.
const BYTEWISE: usize = 2000;

/// Runs all ways to cut a stream of this many bytes, holds each against the first, and returns that.
pub fn alike(len: usize, seed: u32, mut run: impl FnMut(Way) -> Driven) -> Driven {
    let whole = run(Way::Whole);
    let bytewise = (len <= BYTEWISE).then_some(Way::Bytewise);
    let others = [Way::Copied(seed), Way::Direct(seed)];
    for way in bytewise.into_iter().chain(others) {
        let other = run(way);
        assert_eq!(whole.journal, other.journal, "read otherwise {way:?}");
        assert_eq!(whole.output, other.output, "answered otherwise {way:?}");
        assert_eq!(whole.transitions, other.transitions, "{way:?}");
    }
    whole
}

/// Marsaglia's xorshift.
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as usize % end
    }
}
