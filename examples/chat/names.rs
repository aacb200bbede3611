//! Names of members: checks whether a name is allowed, and whether two names look alike.

use std::collections::HashSet;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The most characters of a name.
pub(crate) const LONGEST: usize = 32;

/// Selects the emoji look of the character before it. Keyboards add it, so it is dropped and not rejected.
const EMOJI_LOOK: char = '\u{fe0f}';

/// Letters, marks and signs that show nothing, although their category does not say so
/// (`Default_Ignorable_Code_Point` in Unicode's `DerivedCoreProperties.txt`), and the blank of Braille.
const INVISIBLE: [std::ops::RangeInclusive<char>; 10] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0e}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{1d159}'..='\u{1d159}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Returns the name as the room shows it.
///
/// # Errors
/// The reason for which this name is not allowed.
pub(crate) fn checked(wanted: &str) -> Result<String, String> {
    let name: String = wanted.chars().filter(|it| *it != EMOJI_LOOK).collect();
    let name = name.trim();
    if let Some(odd) = name.chars().find(|it| !is_visible(*it)) {
        let code = u32::from(odd);
        return Err(format!(
            "this name holds a character that is invisible or changes the direction of writing, U+{code:04X}: \
             leave it out"
        ));
    }
    match name.chars().next().map(|it| it.general_category_group()) {
        None => Err("this name is empty: give one that can be seen".to_owned()),
        Some(GeneralCategoryGroup::Mark) => Err(
            "this name begins with a mark that belongs on a letter: begin with a letter".to_owned(),
        ),
        Some(_) => Ok(name.to_owned()),
    }
}

fn is_visible(character: char) -> bool {
    let is_space = character.general_category() == GeneralCategory::SpaceSeparator;
    let is_seen = match character.general_category_group() {
        // Control and format characters, surrogates, private and unassigned characters.
        GeneralCategoryGroup::Other => false,
        GeneralCategoryGroup::Separator => is_space,
        _ => true,
    };
    is_seen && !INVISIBLE.iter().any(|range| range.contains(&character))
}

/// Returns a key that is equal for two names that look the same, in any letter case and width, with any
/// spaces. (Unicode's compatibility caseless matching, definition D146.)
pub(crate) fn key(name: &str) -> String {
    let folded = name.nfd().default_case_fold().nfkd().default_case_fold();
    let folded: String = folded.nfkd().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the wanted name, or the first of `name 2`, `name 3` … that looks like no other member's.
pub(crate) fn free(wanted: &str, taken: &HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted} {number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names
        .find(|name| !taken.contains(&key(name)))
        .unwrap_or_default()
}
