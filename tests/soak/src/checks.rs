//! The conditions at the end, and the table.

use std::time::Duration;

use crate::Clock;
use crate::client::Class;
use crate::manner::{Deflate, Manner};
use crate::members::Members;
use crate::process::{Report, Sample};
use crate::trend::{Measure, Trend};

#[derive(Default)]
pub(crate) struct Checks {
    passed: usize,
    failed: usize,
}

/// The number of KiB by which memory may grow, by the slope of its line, over the whole observed
/// time. The heap shows a leak. Resident memory grows for minutes, ever more slowly, while five
/// hundred threads come to use all of the allocator's arenas, and each of these comes to have room
/// for the most compressors that it ever had at a time.
const HEAP_GROWTH: f64 = 1024.0;
const RESIDENT_GROWTH: f64 = 48.0 * 1024.0;

/// The number of KiB by which the heap of an empty server may differ: tables that have grown stay
/// large, and up to eight compressors of 370 KiB are kept for the next clients.
const KEPT: f64 = 384.0 + 8.0 * 370.0;

impl Checks {
    fn check(&mut self, holds: bool, what: &str) {
        match holds {
            true => self.passed += 1,
            false => self.failed += 1,
        }
        println!("{}  {what}", if holds { "ok  " } else { "FAIL" });
    }

    fn equal(&mut self, what: &str, one: u64, other: u64) {
        self.check(one == other, &format!("{what}: {one} and {other}"));
    }

    /// Checks that every message sent was received.
    pub(crate) fn messages(&mut self, members: &Members, spoken_for: Duration) {
        let ledger = &members.ledger;
        for wrong in ledger.wrongs.iter().take(20) {
            println!("      {wrong}");
        }
        let (by_hand, own) = (ledger.tally(Class::Healthy), ledger.tally(Class::Own));
        let what = format!(
            "every message of the healthy came to all healthy members it was for, once and in order: \
             {} said, {} heard",
            by_hand.said + own.said,
            by_hand.received + own.received
        );
        self.check(ledger.wrongs.is_empty(), &what);
        let present = members.present();
        self.check(
            present == 0,
            &format!("everybody has left: {present} present"),
        );
        let rate = ledger.total().said as f64 / spoken_for.as_secs_f64();
        self.check(rate > 500.0, &format!("{rate:.0} messages a second"));
    }

    /// Checks that the server's counters match those of the clients.
    pub(crate) fn counters(&mut self, members: &Members, report: &Report) {
        let get = |name: &str| report.get(name).copied().unwrap_or_default();
        let sum = |prefix: &str| {
            let named = report.iter().filter(|(name, _)| name.starts_with(prefix));
            named.map(|(_, number)| number).sum::<u64>()
        };
        let ledger = &members.ledger;
        let answered = |status: &str| {
            let lines = members.answers.iter();
            let lines = lines.filter(|(line, _)| line.starts_with(&format!("HTTP/1.1 {status}")));
            lines.map(|(_, count)| count).sum::<u64>()
        };
        self.equal(
            "accepted, and connected",
            get("accepted"),
            members.connected,
        );
        self.equal("opened, by both sides", get("opened"), members.opened);
        self.equal(
            "opened, and closed + open",
            get("opened"),
            get("closed") + get("open"),
        );
        self.equal("closed, and accounts", get("closed"), sum("clients:"));
        self.equal("connections left", get("connections"), 0);
        self.equal("pages, by both sides", get("answered"), answered("200"));
        // A client that leaves at that very moment does not see its 408.
        let gone = members.ends.get(&(Class::HalfRequest, "hung up"));
        let (rejected, told) = (get("refused"), answered("4"));
        self.check(
            (told..=told + gone.copied().unwrap_or_default()).contains(&rejected),
            &format!("refused, and told so: {rejected} and {told}"),
        );
        self.equal(
            "messages in, and in accounts",
            get("messages_in"),
            sum("in:"),
        );
        self.equal(
            "messages in, and handled",
            get("messages_in"),
            get("handled"),
        );
        self.equal(
            "messages out, and in accounts",
            get("messages_out"),
            sum("out:"),
        );
        // An excused client has not read all that was written to it, nor written all of its
        // messages.
        let exact = members.excused == 0;
        for class in [Class::Healthy, Class::Own] {
            let tally = ledger.tally(class);
            let of = format!("messages of {class:?}: in the server's accounts, and");
            let taken = get(&format!("in:{class:?}"));
            self.check(
                taken == tally.said || !exact && taken < tally.said,
                &format!("{of} said: {taken} and {}", tally.said),
            );
        }
        let (sent, received) = (get("out:Healthy"), ledger.tally(Class::Healthy).received);
        self.check(
            sent == received || !exact && sent > received,
            &format!(
                "messages of Healthy: in the server's accounts, and heard: {sent} and {received}"
            ),
        );
        let (in_all, said) = (get("messages_in"), ledger.total().said);
        self.check(
            in_all <= said,
            &format!("no more came in than was said: {in_all} of {said}"),
        );
        self.equal("dropped", get("dropped"), 0);
        self.equal("failed handlers", get("failed_handlers"), 0);
        let skipped = get("skipped");
        self.check(
            skipped > 0,
            &format!("binary is skipped where it must be: {skipped}"),
        );
        let ended = get("lost:Evicted") + get("lost:WriteTimeout");
        let what = format!("who does not read is thrown out: {ended}");
        self.check(ended > 0, &what);
        let ended = get("lost:PongTimeout");
        self.check(
            ended > 0,
            &format!("who answers no ping is thrown out: {ended}"),
        );
    }

    /// Checks that messages of all clients arrived, whatever way they connect.
    pub(crate) fn manners(&mut self, members: &Members, report: &Report) {
        let received = |manner: &Manner| members.received.get(manner).copied().unwrap_or_default();
        let all: Vec<_> = Manner::all()
            .map(|manner| received(&manner).messages)
            .collect();
        let least = all.iter().min().copied().unwrap_or_default();
        let ways = all.len();
        let what = format!("heard in each of {ways} manners: {least} messages at least");
        self.check(least > 0, &what);
        for deflate in [Deflate::Alone, Deflate::Takeover] {
            let compresses = |manner: &Manner| !manner.own && manner.deflate == deflate;
            let (mut messages, mut deflated) = (0, 0);
            for hearing in Manner::all()
                .filter(compresses)
                .map(|manner| received(&manner))
            {
                messages += hearing.messages;
                deflated += hearing.deflated;
            }
            self.check(
                deflated * 2 > messages,
                &format!("{deflate:?}: most is compressed: {deflated} of {messages}"),
            );
        }
        let own = members.ledger.tally(Class::Own).received;
        let exact = members.excused == 0;
        let counted = members.received_by_own;
        self.check(
            own == counted || !exact && own > counted,
            &format!("messages that Stentor's own clients heard, and counted: {own} and {counted}"),
        );
        // Once it has sent its close frame, it ignores messages.
        let sent = report.get("out:Own").copied().unwrap_or_default();
        self.check(
            sent >= own && sent - own < sent / 20,
            &format!("few come to Stentor's own behind their goodbye: {sent} sent, {own} heard"),
        );
    }

    pub(crate) fn memory(&mut self, trend: &Trend) {
        let minutes = trend.minutes();
        let resident: Measure = |sample| sample.resident;
        let proportional: Measure = |sample| sample.proportional;
        let heap: Measure = |sample| sample.heap;
        let kinds = [
            ("RSS", resident, RESIDENT_GROWTH),
            ("PSS", proportional, RESIDENT_GROWTH),
            ("heap", heap, HEAP_GROWTH),
        ];
        for (name, what, growth) in kinds {
            let (slope, (least, most)) = (trend.slope(what), trend.range(what));
            let line = format!(
                "{name} is flat: {slope:+.1} KiB a minute over {minutes:.1} minutes, from {least:.0} to {most:.0} KiB"
            );
            self.check(slope * minutes < growth, &line);
        }
    }

    /// Checks the resources that the server keeps once all clients are gone.
    pub(crate) fn remains(&mut self, before: &Sample, after: &Sample) {
        self.equal(
            "threads, before and after",
            before.threads as u64,
            after.threads as u64,
        );
        let (first, last) = (before.descriptors as u64, after.descriptors as u64);
        self.equal("descriptors, before and after", first, last);
        let (first, last) = (before.heap, after.heap);
        self.check(
            last - first < KEPT,
            &format!(
                "nobody is remembered: a heap of {first:.1} KiB before, and {last:.1} KiB after"
            ),
        );
        println!("      empty at first: {before}; and at last: {after}");
    }

    pub(crate) fn summary(&self, members: &Members, report: &Report, trend: &Trend, clock: &Clock) {
        println!("\nclients by class:");
        for class in [Class::Healthy, Class::Own].into_iter().chain(Class::ILL) {
            let lives = members
                .lives
                .iter()
                .filter(|((other, _), _)| *other == class);
            let versions = lives.map(|((_, version), count)| match version {
                Some(version) => format!("{version} {count}"),
                None => format!("{count}"),
            });
            let ends = members
                .ends
                .iter()
                .filter(|((other, _), _)| *other == class);
            let ends = ends.map(|((_, how), count)| format!("{how} {count}"));
            let (versions, ends): (Vec<_>, Vec<_>) = (versions.collect(), ends.collect());
            println!(
                "  {:<12} {}; {}",
                format!("{class:?}"),
                versions.join(", "),
                ends.join(", ")
            );
        }
        for (manner, hearing) in &members.received {
            let (messages, deflated) = (hearing.messages, hearing.deflated);
            println!("heard {manner}: {messages}, {deflated} of them seen to be compressed");
        }
        println!("answers: {:?}", members.answers);
        println!("naps: {}, excused: {}", members.naps, members.excused);
        let counters = report
            .iter()
            .map(|(name, number)| format!("{name} {number}"));
        println!("counters: {}", counters.collect::<Vec<_>>().join(", "));
        println!("mean RSS: {:.0} KiB", trend.mean(|sample| sample.resident));
        println!(
            "lived for {:.0?}, longest pause {:.1?}\n",
            clock.lived, clock.longest_pause
        );
        println!("{} passed, {} failed", self.passed, self.failed);
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.failed == 0
    }
}
