//! The results of judging a header block, each at the part that it belongs to.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::note::{Part, Value, Verdict};
use crate::rule::Rule;
use crate::step::Step;

use super::text::sentence;

/// A part of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The whole block: rules about a header that is missing.
    Block,
    FirstLine,
    Method,
    Target,
    HttpVersion,
    Status,
    Reason,
    /// A header line, by its number from 0.
    Header(usize),
    /// The value of a header.
    Value(usize),
    Blank,
}

/// All that is known about one part, beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Mark {
    pub(super) value: Option<Value>,
    pub(super) steps: Vec<Step>,
    pub(super) verdicts: Vec<Verdict>,
    /// Parts of a value, which cover it.
    pub(super) pieces: Vec<(Part, Range<usize>)>,
}

/// The marks of one block.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<Place, Mark>);

impl Marks {
    pub(super) fn at(&mut self, place: Place) -> &mut Mark {
        self.0.entry(place).or_default()
    }

    pub(super) fn take(&mut self, place: Place) -> Mark {
        self.0.remove(&place).unwrap_or_default()
    }

    pub(super) fn holds(&mut self, place: Place, rule: &'static Rule) {
        self.judge(place, rule, Verdict::Holds(rule));
    }

    /// Adds the verdict that a rule is broken; the words become a sentence.
    pub(super) fn broken(&mut self, place: Place, rule: &'static Rule, by: impl AsRef<str>) {
        self.judge(place, rule, Verdict::Broken(rule, sentence(by.as_ref())));
    }

    /// Adds a decision that the specification leaves open; the words become a sentence.
    pub(super) fn choice(&mut self, place: Place, rule: &'static Rule, how: impl AsRef<str>) {
        self.judge(place, rule, Verdict::Choice(rule, sentence(how.as_ref())));
    }

    /// Adds a verdict. A part has one about each rule, the first of the most severe ones: a list of
    /// thousands of items has no more.
    fn judge(&mut self, place: Place, rule: &'static Rule, verdict: Verdict) {
        let verdicts = &mut self.at(place).verdicts;
        match verdicts.iter_mut().find(|own| of(own) == rule) {
            None => verdicts.push(verdict),
            Some(own) if severity(own) < severity(&verdict) => *own = verdict,
            Some(_) => {}
        }
    }

    /// Returns whether any rule is broken.
    pub(super) fn any_broken(&self) -> bool {
        let verdicts = self.0.values().flat_map(|mark| &mark.verdicts);
        verdicts
            .into_iter()
            .any(|verdict| matches!(verdict, Verdict::Broken(..)))
    }
}

fn of(verdict: &Verdict) -> &'static Rule {
    match verdict {
        Verdict::Holds(rule) | Verdict::Choice(rule, _) | Verdict::Broken(rule, _) => rule,
    }
}

fn severity(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Holds(_) => 0,
        Verdict::Choice(..) => 1,
        Verdict::Broken(..) => 2,
    }
}
