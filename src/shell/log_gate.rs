//! How many lines of the log peers can cause: a few of each kind, and then a sum.
//!
//! Whoever logs something because of what a peer did asks here first. The first lines of a kind are
//! let through; the rest of the ten seconds is counted, and told in one line at their end. The
//! warden knows when that is: a line costs no look at the clock.

use std::fmt;
use std::time::Duration;

use ::log::Level;

use super::log::log;
use super::sync::atomic::AtomicU64;
use super::sync::atomic::Ordering::SeqCst;

/// For how long lines are counted before they are summed up.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// What peers can cause to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A conversation ended in good order.
    Closed = 0,
    /// One did not: lost, evicted, or the protocol was broken.
    Lost = 1,
    /// A request was refused, by a rule or by the application.
    Refused = 2,
    /// A connection was turned away at the door.
    TurnedAway = 3,
    /// A handler returned an error, or panicked.
    HandlerFailed = 4,
    /// A hook panicked.
    HookPanicked = 5,
    /// The listener cannot accept, or has no thread for a client.
    Exhausted = 6,
    /// A client said more than its rate allows.
    TooFast = 7,
}

const KINDS: [Kind; 8] = [
    Kind::Closed,
    Kind::Lost,
    Kind::Refused,
    Kind::TurnedAway,
    Kind::HandlerFailed,
    Kind::HookPanicked,
    Kind::Exhausted,
    Kind::TooFast,
];

/// Counts the lines of each kind that were asked for since the last sum.
#[derive(Debug, Default)]
pub(crate) struct LogGate {
    asked: [AtomicU64; KINDS.len()],
}

impl Kind {
    /// How many lines of this kind there may be between two sums. A busy server has many good
    /// ends, and each is told as long as that is bearable; of offences, a few show what is up.
    const fn allowance(self) -> u64 {
        match self {
            Kind::Closed => 100,
            _ => 20,
        }
    }

    const fn level(self) -> Level {
        match self {
            Kind::Closed | Kind::Lost | Kind::Refused | Kind::TurnedAway | Kind::TooFast => {
                Level::Info
            }
            Kind::HandlerFailed | Kind::Exhausted => Level::Warn,
            Kind::HookPanicked => Level::Error,
        }
    }
}

impl LogGate {
    /// Whether one more line of this kind may be logged. It is counted either way.
    pub(crate) fn admits(&self, kind: Kind) -> bool {
        self.asked[kind as usize].fetch_add(1, SeqCst) < kind.allowance()
    }

    /// Whether no line was asked for since the last sum.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asked.iter().all(|asked| asked.load(SeqCst) == 0)
    }

    /// Logs how many lines were held back in the time that `passed`, and starts anew.
    pub(crate) fn sum_up(&self, passed: Duration) {
        for kind in KINDS {
            let more = self.take_held_back(kind);
            if more > 0 {
                let seconds = passed.as_secs_f64();
                log!(
                    kind.level(),
                    "{kind}: … and {more} more like it in the last {seconds:.0} s"
                );
            }
        }
    }

    fn take_held_back(&self, kind: Kind) -> u64 {
        let asked = self.asked[kind as usize].swap(0, SeqCst);
        asked.saturating_sub(kind.allowance())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Closed => "closed",
            Kind::Lost => "lost or broken",
            Kind::Refused => "requests refused",
            Kind::TurnedAway => "turned away",
            Kind::HandlerFailed => "handlers failed",
            Kind::HookPanicked => "hooks panicked",
            Kind::Exhausted => "nothing left for a client",
            Kind::TooFast => "too fast",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Kind, LogGate};

    #[test]
    fn the_first_of_each_kind_are_let_through_and_the_rest_is_counted() {
        let gate = LogGate::default();
        assert!(gate.is_quiet());
        for kind in KINDS {
            let asked = kind.allowance() + 1234;
            let admitted = (0..asked).filter(|_| gate.admits(kind)).count();
            assert_eq!(admitted as u64, kind.allowance(), "{kind}");
        }
        assert!(!gate.is_quiet());
        for kind in KINDS {
            assert_eq!(gate.take_held_back(kind), 1234, "{kind}");
            assert_eq!(gate.take_held_back(kind), 0, "{kind}: told twice");
            assert!(gate.admits(kind), "{kind}: after a sum it starts anew");
        }
    }

    #[test]
    fn each_kind_has_a_place_of_its_own() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(place, kind as usize);
        }
    }

    #[test]
    fn nothing_is_held_back_of_few() {
        let gate = LogGate::default();
        assert!((0..Kind::Lost.allowance()).all(|_| gate.admits(Kind::Lost)));
        assert_eq!(gate.take_held_back(Kind::Lost), 0);
        assert!(gate.is_quiet());
    }
}
