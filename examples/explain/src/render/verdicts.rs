//! Rules: kept, broken, or left open.

use std::collections::BTreeSet;

use crate::note::Verdict;
use crate::rule::Rule;

use super::layout::{BYTES, Ink, Page};
use super::{Level, Style, escape};

/// "ok" and the sources of the rules that are kept, each document once; empty if there are none.
pub(super) fn kept(verdicts: &[&Verdict]) -> String {
    let mut documents: Vec<(&str, Vec<&str>)> = Vec::new();
    for verdict in verdicts {
        let Verdict::Holds(rule) = verdict else {
            continue;
        };
        let mut document = "";
        for place in rule.source.split([',', ';']).map(str::trim) {
            let at = place.find('§').unwrap_or(place.len());
            let (name, section) = place.split_at(at);
            if !name.is_empty() {
                document = name.trim_end();
            }
            let known = documents.iter().position(|(name, _)| *name == document);
            let index = known.unwrap_or_else(|| {
                documents.push((document, Vec::new()));
                documents.len() - 1
            });
            let sections = &mut documents[index].1;
            if !section.is_empty() && !sections.contains(&section) {
                sections.push(section);
            }
        }
    }
    let places: Vec<String> = documents
        .iter()
        .map(|(name, sections)| {
            format!("{name} {}", sections.join(", "))
                .trim_end()
                .to_owned()
        })
        .collect();
    match places.is_empty() {
        true => String::new(),
        false => format!("ok {}", places.join("; ")),
    }
}

/// Writes the rules that are broken, and the decisions about bytes that are not explained; in verbose all
/// decisions that the specifications leave open. With
/// reasons, also the rules that are kept, each where it first occurs.
pub(super) fn write<'a>(
    verdicts: impl Iterator<Item = &'a Verdict>,
    style: Style,
    explained: &mut BTreeSet<&'static str>,
    page: &mut Page,
) {
    for verdict in verdicts {
        match verdict {
            Verdict::Broken(rule, by) => {
                page.labelled(
                    3,
                    "BROKEN ",
                    &format!("{}, {}", rule.id, rule.source),
                    Ink::Red,
                );
                page.labelled(BYTES + 1, "", &escape(by.as_bytes()), Ink::Plain);
                if style.level > Level::Quiet && page.is_new(rule.id) {
                    page.labelled(5, "rule ", rule.says, Ink::Plain);
                    if style.why {
                        why(rule, page);
                        explained.insert(rule.id);
                    }
                }
            }
            Verdict::Choice(rule, by) if style.level == Level::Verbose => {
                page.labelled(
                    3,
                    "CHOICE ",
                    &format!("{}, {}", rule.id, rule.source),
                    Ink::Dim,
                );
                page.labelled(BYTES + 1, "", &escape(by.as_bytes()), Ink::Plain);
                first(rule, style, explained, page);
            }
            Verdict::Choice(rule, how) if is_told(rule, style) => {
                page.labelled(BYTES + 1, "", &escape(how.as_bytes()), Ink::Plain);
                first(rule, style, explained, page);
            }
            Verdict::Holds(rule) | Verdict::Choice(rule, _) if style.level > Level::Quiet => {
                first(rule, style, explained, page);
            }
            _ => {}
        }
    }
}

/// Whether a decision is always told: without it, the reader would not see why bytes are not explained.
fn is_told(rule: &Rule, style: Style) -> bool {
    let told = [
        "handshake.status",
        "rsv.unused",
        "message.size",
        "message.fragments",
        "hixie.skipped",
    ];
    style.level > Level::Quiet && !style.only_broken && told.contains(&rule.id)
}

/// The rule and its reason, if reasons are wanted and this is its first time.
fn first(
    rule: &'static Rule,
    style: Style,
    explained: &mut BTreeSet<&'static str>,
    page: &mut Page,
) {
    if style.why && !style.only_broken && explained.insert(rule.id) {
        page.labelled(
            5,
            "rule ",
            &format!("{} ({})", rule.says, rule.source),
            Ink::Plain,
        );
        why(rule, page);
    }
}

fn why(rule: &Rule, page: &mut Page) {
    page.labelled(5, " why ", rule.why, Ink::Dim);
}
