//! The decision about an entry of a room's log, by the newest position that was seen in the room.

use std::cmp::Ordering;

use super::Position;

/// The decision about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It follows what was seen.
    Take,
    /// It was seen already.
    Seen,
    /// Entries may be missing before it: read the log after what was seen. If the verdict about the first entry that
    /// was read is `Read` too, they are lost as that verdict says, and that entry is taken.
    Read(Loss),
    /// Entries are lost. The entry is taken.
    TakeAfter(Loss),
    /// The log is older than what was seen: after a [`Loss::Reset`], the room is attached anew.
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

/// The decision about the newest position of a room, when the room is attached again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TipVerdict {
    /// Nothing was missed. The tip is what is seen from now on.
    Same,
    /// Read the log after what was seen, and judge its entries. If it has none, they are lost, up to the tip.
    Read(Loss),
    /// Entries are lost. The tip is what is seen from now on.
    After(Loss),
}

/// Judges an entry at a position, or the tip of an epoch that has no entry; `before` is the newest position of the epoch before, which the first entry of an
/// epoch has.
pub(crate) fn judge(seen: Position, at: Position, before: Option<Position>) -> Verdict {
    match at.epoch().cmp(&seen.epoch()) {
        Ordering::Less => Verdict::Attach,
        Ordering::Equal if at.number() <= seen.number() => Verdict::Seen,
        Ordering::Equal => match at.number() - seen.number() - 1 {
            0 => Verdict::Take,
            missed => Verdict::Read(Loss::Trimmed(Some(missed))),
        },
        // With the number 0, it is the tip of an epoch without entries.
        Ordering::Greater if at.number() <= 1 => {
            match before.map(|before| (before.cmp(&seen), before)) {
                Some((Ordering::Equal, _)) => Verdict::Take,
                Some((Ordering::Less, before)) => Verdict::TakeAfter(Loss::Rewound(before)),
                // An epoch that was not seen is between.
                Some((Ordering::Greater, _)) => Verdict::Read(Loss::Trimmed(None)),
                None => Verdict::TakeAfter(Loss::Reset),
            }
        }
        Ordering::Greater => Verdict::Read(Loss::Trimmed(None)),
    }
}

/// Judges the newest position of a room; `before` is the newest position of the epoch before.
pub(crate) fn judge_tip(seen: Position, tip: Position, before: Option<Position>) -> TipVerdict {
    // An epoch without entries has no first entry that could be judged: the next one will follow the tip.
    match tip.epoch().cmp(&seen.epoch()) {
        Ordering::Less => TipVerdict::After(Loss::Reset),
        Ordering::Equal => match tip.number().cmp(&seen.number()) {
            Ordering::Less => TipVerdict::After(Loss::Rewound(tip)),
            Ordering::Equal => TipVerdict::Same,
            Ordering::Greater => {
                TipVerdict::Read(Loss::Trimmed(Some(tip.number() - seen.number())))
            }
        },
        Ordering::Greater => match judge(seen, tip, before) {
            Verdict::Take if tip.number() == 0 => TipVerdict::Same,
            Verdict::TakeAfter(loss) if tip.number() == 0 => TipVerdict::After(loss),
            Verdict::TakeAfter(loss) => TipVerdict::Read(loss),
            _ => TipVerdict::Read(Loss::Trimmed(None)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Loss, Position, TipVerdict, Verdict, judge, judge_tip};

    const SEEN: Position = Position {
        epoch: 5,
        number: 7,
    };

    fn at(epoch: u64, number: u64) -> Position {
        Position::new(epoch, number)
    }

    fn verdict(epoch: u64, number: u64, before: Option<Position>) -> Verdict {
        judge(SEEN, at(epoch, number), before)
    }

    #[test]
    fn the_next_entry_of_the_epoch_is_taken() {
        assert_eq!(verdict(5, 8, None), Verdict::Take);
        assert_eq!(judge(at(5, 0), at(5, 1), Some(at(4, 9))), Verdict::Take);
    }

    #[test]
    fn an_entry_that_is_not_newer_was_seen() {
        assert_eq!(verdict(5, 7, None), Verdict::Seen);
        assert_eq!(verdict(5, 1, Some(at(4, 2))), Verdict::Seen);
    }

    #[test]
    fn a_hole_in_the_epoch_is_read_and_counted() {
        assert_eq!(verdict(5, 9, None), Verdict::Read(Loss::Trimmed(Some(1))));
        let far = verdict(5, u64::MAX, None);
        assert_eq!(far, Verdict::Read(Loss::Trimmed(Some(u64::MAX - 8))));
    }

    #[test]
    fn a_new_epoch_behind_what_was_seen_is_taken() {
        assert_eq!(verdict(6, 1, Some(SEEN)), Verdict::Take);
        assert_eq!(verdict(6, 0, Some(SEEN)), Verdict::Take);
    }

    #[test]
    fn a_new_epoch_behind_less_than_was_seen_follows_a_lost_tail() {
        let lost = Verdict::TakeAfter(Loss::Rewound(at(5, 4)));
        assert_eq!(verdict(6, 1, Some(at(5, 4))), lost);
        let lost = Verdict::TakeAfter(Loss::Rewound(at(3, 400)));
        assert_eq!(verdict(6, 1, Some(at(3, 400))), lost);
    }

    #[test]
    fn a_new_epoch_behind_nothing_follows_a_reset() {
        assert_eq!(verdict(6, 1, None), Verdict::TakeAfter(Loss::Reset));
    }

    #[test]
    fn anything_else_of_a_new_epoch_is_read() {
        let read = Verdict::Read(Loss::Trimmed(None));
        assert_eq!(verdict(6, 2, None), read);
        assert_eq!(verdict(7, 1, Some(at(6, 3))), read);
        assert_eq!(verdict(6, 1, Some(at(5, 8))), read);
    }

    #[test]
    fn an_older_epoch_is_attached_anew() {
        assert_eq!(verdict(4, 100, None), Verdict::Attach);
        assert_eq!(verdict(4, 1, Some(SEEN)), Verdict::Attach);
    }

    #[test]
    fn a_tip_is_judged_as_its_next_entry_will_be() {
        let tip = |epoch, number, before| judge_tip(SEEN, at(epoch, number), before);
        assert_eq!(tip(5, 7, None), TipVerdict::Same);
        let trimmed = |missed| TipVerdict::Read(Loss::Trimmed(missed));
        assert_eq!(tip(5, 8, None), trimmed(Some(1)));
        let rewound = Loss::Rewound(at(5, 6));
        assert_eq!(tip(5, 6, None), TipVerdict::After(rewound));
        assert_eq!(tip(6, 0, Some(SEEN)), TipVerdict::Same);
        assert_eq!(tip(6, 0, Some(at(5, 6))), TipVerdict::After(rewound));
        assert_eq!(tip(6, 1, Some(at(5, 6))), TipVerdict::Read(rewound));
        assert_eq!(tip(6, 0, Some(at(5, 8))), trimmed(None));
        assert_eq!(tip(6, 0, None), TipVerdict::After(Loss::Reset));
        assert_eq!(tip(6, 1, None), TipVerdict::Read(Loss::Reset));
        assert_eq!(tip(6, 1, Some(SEEN)), trimmed(None));
        assert_eq!(tip(6, 2, Some(SEEN)), trimmed(None));
        assert_eq!(tip(4, 9, None), TipVerdict::After(Loss::Reset));
    }
}
