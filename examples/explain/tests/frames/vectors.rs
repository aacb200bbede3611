//! All vectors of the repository.

use stentor::Version;
use stentor_explain::reference::agreement::Setting;

use super::{SIDES, assert_explained, settings};
use crate::support::splits::every_way;
use crate::support::vectors::frames;

#[test]
fn leaves_cover_each_vector_and_the_engine_agrees() {
    let mut ran = 0;
    for vector in frames() {
        for version in Version::ALL {
            for from in SIDES {
                for setting in settings(version, from) {
                    assert_explained(&setting, &vector.pieces.concat(), &vector.id);
                    ran += 1;
                }
            }
        }
    }
    assert!(ran > 5000, "{ran}");
}

#[test]
fn reads_change_nothing_in_any_vector() {
    for vector in frames() {
        for version in &vector.versions {
            for from in SIDES {
                let setting = Setting {
                    takeover: (*version == Version::Rfc6455).then_some(true),
                    ..Setting::new(*version, from)
                };
                let mut notes = None;
                every_way(&vector.pieces, |how, pieces| {
                    let found = setting.explain(pieces.iter().copied());
                    let expected = notes.get_or_insert_with(|| found.clone());
                    assert_eq!(*expected, found, "{}, {how}, {setting:?}", vector.id);
                });
            }
        }
    }
}
