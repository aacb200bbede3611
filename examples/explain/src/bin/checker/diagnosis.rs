//! Diagnoses: the mistakes that the checker recognizes, each with its page.

use crate::diagnoses;

/// A mistake that is recognized by its bytes.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// A stable name, such as `D13-ACCEPT-HEX`.
    pub(crate) id: &'static str,
    /// The mistake, in one sentence that speaks to the author of the program.
    pub(crate) says: &'static str,
    /// The first thing to look at.
    pub(crate) hint: &'static str,
    /// The page behind it, for `--explain`: a byte example and the remedy.
    pub(crate) page: &'static str,
    /// The specification and its section, such as `RFC 6455 §4.2.2`.
    pub(crate) rule: &'static str,
}

impl PartialEq for Diagnosis {
    fn eq(&self, other: &Diagnosis) -> bool {
        self.id == other.id
    }
}

/// All diagnoses, ordered as in the catalogue.
pub(crate) fn all() -> impl Iterator<Item = &'static Diagnosis> {
    diagnoses::ALL
        .iter()
        .flat_map(|group| group.iter().copied())
}

/// The diagnosis with this id, in any letter case.
pub(crate) fn find(id: &str) -> Option<&'static Diagnosis> {
    all().find(|diagnosis| diagnosis.id.eq_ignore_ascii_case(id))
}

/// Declares the diagnoses of a file, and `ALL` with each of them in order.
macro_rules! catalogue {
    ($($name:ident = $id:literal, rule $rule:literal;
       says $says:literal; hint $hint:literal; page $page:literal;)*) => {
        /// The diagnoses of this file.
        pub(crate) static ALL: &[&crate::diagnosis::Diagnosis] = &[$(&$name),*];
        $(pub(crate) static $name: crate::diagnosis::Diagnosis = crate::diagnosis::Diagnosis {
            id: $id,
            says: $says,
            hint: $hint,
            page: $page,
            rule: $rule,
        };)*
    };
}
pub(crate) use catalogue;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_each_is_found() {
        let mut ids = HashSet::new();
        for diagnosis in all() {
            assert!(ids.insert(diagnosis.id), "{} is there twice", diagnosis.id);
            let found = find(&diagnosis.id.to_lowercase());
            assert_eq!(found, Some(diagnosis));
        }
    }

    #[test]
    fn each_diagnosis_has_a_page_of_five_to_twenty_five_lines_of_at_most_80_columns() {
        for diagnosis in all() {
            let lines = crate::report::page_lines(diagnosis);
            assert!(
                (5..=25).contains(&lines.len()),
                "{}: {} lines",
                diagnosis.id,
                lines.len()
            );
            let long: Vec<_> = lines
                .iter()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert!(long.is_empty(), "{}: {long:?}", diagnosis.id);
        }
    }

    #[test]
    fn each_diagnosis_is_a_sentence_with_a_hint_and_a_rule() {
        for diagnosis in all() {
            assert!(diagnosis.says.ends_with('.'), "{}", diagnosis.id);
            assert!(
                diagnosis.says.starts_with(char::is_uppercase),
                "{}",
                diagnosis.id
            );
            assert!(
                !diagnosis.hint.is_empty() && !diagnosis.rule.is_empty(),
                "{}",
                diagnosis.id
            );
        }
    }
}
