//! Collects the notes: numbers them, and keeps their order.

use std::ops::Range;

use crate::note::{Note, Part, Side, Value, Verdict};
use crate::rule::Rule;
use crate::step::Step;

/// The notes that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    next: u32,
    notes: Vec<Note>,
}

/// A note without its number.
#[derive(Debug, Clone)]
pub(crate) struct NoteDraft {
    parent: Option<u32>,
    from: Side,
    bytes: Range<u64>,
    bits: u8,
    part: Part,
    value: Value,
    steps: Vec<Step>,
    verdicts: Vec<Verdict>,
}

impl Sink {
    /// Adds a note, and returns its number: the parent of the notes within it. A parent must be added
    /// before its children.
    pub(crate) fn note(&mut self, draft: NoteDraft) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.push(id, draft);
        id
    }

    /// Adds the note that a read ended at `at`. It has no number of its own: the reads of a stream
    /// change nothing but these notes.
    pub(crate) fn cut(&mut self, from: Side, at: u64) {
        self.push(self.next, NoteDraft::new(Part::Cut, from, at..at));
    }

    /// Removes all notes, in order.
    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, Note> {
        self.notes.drain(..)
    }

    fn push(&mut self, id: u32, draft: NoteDraft) {
        self.notes.push(Note {
            id,
            parent: draft.parent,
            from: draft.from,
            bytes: draft.bytes,
            bits: draft.bits,
            part: draft.part,
            value: draft.value,
            steps: draft.steps,
            verdicts: draft.verdicts,
        });
    }
}

impl NoteDraft {
    /// Begins a note about whole bytes, without a parent and without a value.
    pub(crate) fn new(part: Part, from: Side, bytes: Range<u64>) -> NoteDraft {
        NoteDraft {
            parent: None,
            from,
            bytes,
            bits: 0xff,
            part,
            value: Value::None,
            steps: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Sets the note that this one is a part of.
    pub(crate) fn within(mut self, parent: u32) -> NoteDraft {
        self.parent = Some(parent);
        self
    }

    /// Sets the bits, for a part of one byte; `0x80` is the first on the wire.
    pub(crate) fn bits(mut self, bits: u8) -> NoteDraft {
        self.bits = bits;
        self
    }

    /// Sets the value.
    pub(crate) fn value(mut self, value: Value) -> NoteDraft {
        self.value = value;
        self
    }

    /// Adds a step of the calculation.
    pub(crate) fn step(mut self, step: Step) -> NoteDraft {
        self.steps.push(step);
        self
    }

    /// Adds steps of the calculation.
    pub(crate) fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> NoteDraft {
        self.steps.extend(steps);
        self
    }

    /// Adds a verdict.
    pub(crate) fn verdict(mut self, verdict: Verdict) -> NoteDraft {
        self.verdicts.push(verdict);
        self
    }

    /// Adds verdicts.
    pub(crate) fn verdicts(mut self, verdicts: impl IntoIterator<Item = Verdict>) -> NoteDraft {
        self.verdicts.extend(verdicts);
        self
    }

    /// Adds the verdict that the rule is kept.
    pub(crate) fn holds(self, rule: &'static Rule) -> NoteDraft {
        self.verdict(Verdict::Holds(rule))
    }

    /// Adds the verdict that the rule is broken, with one sentence that names the value.
    pub(crate) fn broken(self, rule: &'static Rule, by: impl Into<String>) -> NoteDraft {
        self.verdict(Verdict::Broken(rule, by.into()))
    }

    /// Adds a decision that the specification leaves open, with one sentence about it.
    pub(crate) fn choice(self, rule: &'static Rule, decision: impl Into<String>) -> NoteDraft {
        self.verdict(Verdict::Choice(rule, decision.into()))
    }

    /// Adds the verdict about a rule: kept, or broken by a value.
    pub(crate) fn judge(self, rule: &'static Rule, result: Result<(), String>) -> NoteDraft {
        match result {
            Ok(()) => self.holds(rule),
            Err(by) => self.broken(rule, by),
        }
    }
}
