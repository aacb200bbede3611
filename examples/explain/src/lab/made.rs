//! A mistake that was made, and the answer to it.

use stentor::Version;

use super::action::Action;
use super::answer::{Answer, Mark, rule};
use super::bench::{Lab, Setup};
use super::breaks::{Break, Unsuitable};
use crate::note::Side;
use crate::rule::Rule;

/// A session in which a mistake was made.
#[derive(Debug)]
pub struct Made {
    /// The session.
    pub lab: Lab,
    /// Its actions.
    pub actions: Vec<Action>,
    /// The answer of the other side.
    pub answer: Answer,
    /// The rule, and the words of the explainer about the bytes, if there are any.
    pub rule: Option<(&'static Rule, String)>,
    /// Whether the mistake is none: the rule allows it.
    pub is_allowed: bool,
}

impl Made {
    /// Lets this side make the mistake.
    ///
    /// # Errors
    ///
    /// One sentence, if the version or the side cannot make it.
    pub fn by(one: &Break, setup: Setup, from: Side) -> Result<Made, Unsuitable> {
        let actions = one.actions(setup, from)?;
        let mut lab = Lab::new(setup);
        let mut mark = Mark::default();
        let mut before = 0;
        for action in &actions {
            if matches!(
                action,
                Action::Raw(..) | Action::Replace(..) | Action::End(_)
            ) {
                mark = Mark {
                    sent: lab.sent(from.other()).len(),
                    events: lab.events().len(),
                };
                before = lab.sent(from).len() - lab.unread(from).len();
            }
            // Each action is possible: a test performs all of them.
            let _ = lab.perform(action);
        }
        let allowed = one.allowed();
        Ok(Made {
            answer: Answer::of(&lab, from.other(), mark),
            rule: match allowed {
                Some((rule, words)) => Some((rule, words.to_owned())),
                None => rule(&lab, from.other(), before),
            },
            is_allowed: allowed.is_some(),
            lab,
            actions,
        })
    }
}

/// The same mistake in all five versions.
pub fn table(one: &Break, from: Side) -> Vec<(Version, Result<Answer, Unsuitable>)> {
    let answer = |version| {
        let setup = Setup {
            version,
            seed: 0,
            compress: false,
        };
        Made::by(one, setup, from).map(|made| made.answer)
    };
    Version::ALL
        .into_iter()
        .map(|version| (version, answer(version)))
        .collect()
}

/// The answers that a learner can choose from: those of all versions, and plausible others.
pub fn choices(one: &Break, from: Side) -> Vec<Answer> {
    let mut choices: Vec<Answer> = table(one, from)
        .into_iter()
        .filter_map(|(_, answer)| answer.ok())
        .collect();
    if !choices.is_empty() {
        choices.extend(one.plausible());
    }
    choices.sort();
    choices.dedup();
    choices
}
