//! Limits how many log lines peers can cause: a few lines of each kind, and then a sum.
//!
//! Every line that a peer's action causes passes here. The first lines of a kind are logged, up to the
//! kind's limits of lines and bytes; the other lines of the ten seconds are counted, and reported in
//! one line at their end. The watchdog keeps that time: a line does not read the clock.
//!
//! So all peers together can cause at most 48 KiB of text in ten seconds, plus the sums: 405 MiB
//! a day.

use std::fmt;
use std::time::Duration;

use ::log::Level;

use super::{CONNECTION, SERVER, log};
use crate::net::sync::atomic::AtomicU64;
use crate::net::sync::atomic::Ordering::SeqCst;

/// For how long lines are counted before they are summed up.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// The kinds of log lines that peers can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A connection was closed cleanly.
    Closed = 0,
    /// A connection ended otherwise: disconnected, evicted, or failed by a protocol error.
    Disconnected = 1,
    /// A request was rejected, by a rule or by the application.
    Rejected = 2,
    /// A connection was rejected before its handshake.
    RejectedOnArrival = 3,
    /// A handler returned an error, or panicked.
    HandlerFailed = 4,
    /// A hook panicked.
    HookPanicked = 5,
    /// The listener cannot accept, or has no thread for a client.
    Exhausted = 6,
    /// A client exceeded its rate limit.
    RateLimitExceeded = 7,
    /// A client reached its limit of rooms, or the room's name was too long.
    NotJoined = 8,
}

const KINDS: [Kind; 9] = [
    Kind::Closed,
    Kind::Disconnected,
    Kind::Rejected,
    Kind::RejectedOnArrival,
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
    /// Lines requested, logged or not.
    asked: AtomicU64,
    /// Bytes of those lines that were within the limit of lines.
    bytes: AtomicU64,
    throttled: AtomicU64,
}

impl Kind {
    /// Returns how many lines of this kind may be logged between two sums. A busy server has many clean
    /// closes, and logs each up to a higher limit; a few lines suffice to show an attack or an error.
    const fn allowance(self) -> u64 {
        match self {
            Kind::Closed => 100,
            _ => 20,
        }
    }

    /// Returns how many bytes these lines may have together: enough for that many lines of the usual
    /// length. The longest line, with every value from the peer cut, has about 1 KiB.
    const fn bytes(self) -> u64 {
        match self {
            Kind::Closed => 16 * 1024,
            _ => 4 * 1024,
        }
    }

    pub(crate) const fn target(self) -> &'static str {
        match self {
            Kind::RejectedOnArrival | Kind::Exhausted => SERVER,
            Kind::Closed
            | Kind::Disconnected
            | Kind::Rejected
            | Kind::HandlerFailed
            | Kind::HookPanicked
            | Kind::RateLimitExceeded
            | Kind::NotJoined => CONNECTION,
        }
    }

    pub(crate) const fn level(self) -> Level {
        match self {
            Kind::Closed
            | Kind::Disconnected
            | Kind::Rejected
            | Kind::RejectedOnArrival
            | Kind::RateLimitExceeded
            | Kind::NotJoined => Level::Info,
            Kind::HandlerFailed | Kind::Exhausted => Level::Warn,
            Kind::HookPanicked => Level::Error,
        }
    }
}

impl LogGate {
    /// Returns the line if one more of this kind may be logged. The line is counted either way.
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

    /// Whether no line was requested since the last sum.
    pub(crate) fn is_quiet(&self) -> bool {
        self.counted
            .iter()
            .all(|counted| counted.asked.load(SeqCst) == 0)
    }

    /// Logs how many lines were suppressed in the time `passed`, and resets the counts.
    pub(crate) fn sum_up(&self, passed: Duration) {
        for kind in KINDS {
            let more = self.take_suppressed(kind);
            if more > 0 {
                let seconds = passed.as_secs_f64();
                log!(
                    target: kind.target(),
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
            Kind::Disconnected => "disconnected",
            Kind::Rejected => "requests rejected",
            Kind::RejectedOnArrival => "connections rejected",
            Kind::HandlerFailed => "handlers failed",
            Kind::HookPanicked => "hooks panicked",
            Kind::Exhausted => "out of resources",
            Kind::RateLimitExceeded => "rate limit exceeded",
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
            // The number in this module's documentation and in SECURITY.md.
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
    fn first_lines_of_each_kind_are_logged_and_the_others_counted() {
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
            assert_eq!(gate.take_suppressed(kind), 0, "{kind}: counted twice");
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
    fn a_few_lines_are_never_suppressed() {
        let gate = LogGate::default();
        assert!((0..Kind::Disconnected.allowance()).all(|_| admits(&gate, Kind::Disconnected)));
        assert_eq!(gate.take_suppressed(Kind::Disconnected), 0);
        assert!(gate.is_quiet());
    }
}
