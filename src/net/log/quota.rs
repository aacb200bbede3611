//! How much of the log peers can cause: a few lines of each kind, and then a sum.
//!
//! Every line that is logged because of what a peer did passes here. The first lines of a kind are
//! let through, as long as they have no more bytes than the kind may have; the rest of the ten
//! seconds is counted, and reported in one line at their end. The warden knows when that is: a line
//! costs no look at the clock.
//!
//! So all peers together can cause no more than 48 KiB of text in ten seconds, and the sums: 405 MiB
//! a day.

use std::fmt;
use std::time::Duration;

use ::log::Level;

use super::log;
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::SeqCst;

/// For how long lines are counted before they are summed up.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// What peers can cause to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A conversation ended in good order.
    Closed = 0,
    /// One did not: lost, evicted, or the protocol was broken.
    Disconnected = 1,
    /// A request was refused, by a rule or by the application.
    Rejected = 2,
    /// A connection was turned away at the door.
    TurnedAway = 3,
    /// A handler returned an error, or panicked.
    HandlerFailed = 4,
    /// A hook panicked.
    HookPanicked = 5,
    /// The listener cannot accept, or has no thread for a client.
    Exhausted = 6,
    /// A client said more than its rate allows.
    RateLimitExceeded = 7,
    /// A client was to join more rooms than it may.
    NotJoined = 8,
}

const KINDS: [Kind; 9] = [
    Kind::Closed,
    Kind::Disconnected,
    Kind::Rejected,
    Kind::TurnedAway,
    Kind::HandlerFailed,
    Kind::HookPanicked,
    Kind::Exhausted,
    Kind::RateLimitExceeded,
    Kind::NotJoined,
];

/// Counts the lines of each kind since the last sum.
#[derive(Debug, Default)]
pub(crate) struct LogGate {
    counted: [Counted; KINDS.len()],
}

#[derive(Debug, Default)]
struct Counted {
    /// Lines that were asked for.
    asked: AtomicU64,
    /// Bytes of those that had a place among the first.
    bytes: AtomicU64,
    throttled: AtomicU64,
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

    /// How many bytes they may have together: room for that many lines of the usual length. One of
    /// the greatest length, every value of the peer's in it cut, has about 1 KiB.
    const fn bytes(self) -> u64 {
        match self {
            Kind::Closed => 16 * 1024,
            _ => 4 * 1024,
        }
    }

    pub(crate) const fn level(self) -> Level {
        match self {
            Kind::Closed
            | Kind::Disconnected
            | Kind::Rejected
            | Kind::TurnedAway
            | Kind::RateLimitExceeded
            | Kind::NotJoined => Level::Info,
            Kind::HandlerFailed | Kind::Exhausted => Level::Warn,
            Kind::HookPanicked => Level::Error,
        }
    }
}

impl LogGate {
    /// The line, if one more of this kind may be logged. It is counted either way.
    pub(crate) fn line_of(&self, kind: Kind, words: fmt::Arguments<'_>) -> Option<String> {
        let counted = &self.counted[kind as usize];
        if counted.asked.fetch_add(1, SeqCst) < kind.allowance() {
            let line = words.to_string();
            let len = line.len() as u64;
            if counted.bytes.fetch_add(len, SeqCst) + len <= kind.bytes() {
                return Some(line);
            }
        }
        counted.throttled.fetch_add(1, SeqCst);
        None
    }

    /// Whether no line was asked for since the last sum.
    pub(crate) fn is_quiet(&self) -> bool {
        self.counted
            .iter()
            .all(|counted| counted.asked.load(SeqCst) == 0)
    }

    /// Logs how many lines were held back in the time that `passed`, and starts anew.
    pub(crate) fn sum_up(&self, passed: Duration) {
        for kind in KINDS {
            let more = self.take_suppressed(kind);
            if more > 0 {
                let seconds = passed.as_secs_f64();
                log!(
                    kind.level(),
                    "{kind}: … and {more} more like it in the last {seconds:.0} s"
                );
            }
        }
    }

    fn take_suppressed(&self, kind: Kind) -> u64 {
        let counted = &self.counted[kind as usize];
        counted.asked.store(0, SeqCst);
        counted.bytes.store(0, SeqCst);
        counted.throttled.swap(0, SeqCst)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Closed => "closed",
            Kind::Disconnected => "lost or broken",
            Kind::Rejected => "requests refused",
            Kind::TurnedAway => "turned away",
            Kind::HandlerFailed => "handlers failed",
            Kind::HookPanicked => "hooks panicked",
            Kind::Exhausted => "nothing left for a client",
            Kind::RateLimitExceeded => "too fast",
            Kind::NotJoined => "rooms not joined",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Kind, LogGate};

    fn admits(gate: &LogGate, kind: Kind) -> bool {
        gate.line_of(kind, format_args!("a line")).is_some()
    }

    #[test]
    fn a_kind_has_no_more_bytes_than_it_may_whatever_its_lines_are() {
        for len in [1, 150, 1000, 4096, 20_000] {
            let gate = LogGate::default();
            let line = "x".repeat(len);
            let mut all = 0;
            for kind in KINDS {
                let lines = (0..500).filter_map(|_| gate.line_of(kind, format_args!("{line}")));
                let lines: Vec<String> = lines.collect();
                let bytes: usize = lines.iter().map(String::len).sum();
                assert!(bytes as u64 <= kind.bytes(), "{kind}: {bytes}");
                assert_eq!(gate.take_suppressed(kind), 500 - lines.len() as u64);
                all += bytes;
            }
            // The figure that this module's documentation has, and the one of SECURITY.md.
            assert!(all <= 48 * 1024, "{all}");
        }
        let most: u64 = KINDS.map(Kind::bytes).iter().sum();
        assert_eq!(most, 48 * 1024);
        assert_eq!(most * 8640 / (1024 * 1024), 405);
    }

    #[test]
    fn lines_of_the_usual_length_are_limited_by_their_number() {
        for kind in KINDS {
            let usual = usize::try_from(kind.bytes() / kind.allowance()).unwrap_or(0);
            assert!(usual > 150, "{kind}: {usual}");
        }
    }

    #[test]
    fn the_first_of_each_kind_are_let_through_and_the_rest_is_counted() {
        let gate = LogGate::default();
        assert!(gate.is_quiet());
        for kind in KINDS {
            let asked = kind.allowance() + 1234;
            let admitted = (0..asked).filter(|_| admits(&gate, kind)).count();
            assert_eq!(admitted as u64, kind.allowance(), "{kind}");
        }
        assert!(!gate.is_quiet());
        for kind in KINDS {
            assert_eq!(gate.take_suppressed(kind), 1234, "{kind}");
            assert_eq!(gate.take_suppressed(kind), 0, "{kind}: told twice");
            assert!(admits(&gate, kind), "{kind}: after a sum it starts anew");
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
        assert!((0..Kind::Disconnected.allowance()).all(|_| admits(&gate, Kind::Disconnected)));
        assert_eq!(gate.take_suppressed(Kind::Disconnected), 0);
        assert!(gate.is_quiet());
    }
}
