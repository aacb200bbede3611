//! A list that can be lent as it is at one moment, without being copied: it lies in pieces, and while
//! one of them is lent, a change makes a copy of that piece only.

use std::sync::Arc;

/// How many names a piece has. A change copies no more than these; lending the list costs one step for
/// each piece.
const PIECE: usize = 256;

/// The names of all rooms, each with a place.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All full but the last, which is not empty.
    pieces: Vec<Arc<Vec<Arc<str>>>>,
}

/// The list as it was when it was lent.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Vec<Arc<Vec<Arc<str>>>>);

impl Names {
    /// Adds a name at the end, and returns its place.
    pub(super) fn push(&mut self, name: Arc<str>) -> usize {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => Arc::make_mut(piece).push(name),
            _ => self.pieces.push(Arc::new(vec![name])),
        }
        self.len() - 1
    }

    /// Takes the name at `place` away, and returns the one that has that place now: the last one.
    pub(super) fn remove(&mut self, place: usize) -> Option<Arc<str>> {
        let last = self.pieces.last_mut()?;
        let name = Arc::make_mut(last).pop()?;
        if last.is_empty() {
            self.pieces.pop();
            if self.pieces.len() < self.pieces.capacity() / 4 {
                self.pieces.shrink_to(2 * self.pieces.len());
            }
        }
        let piece = self.pieces.get_mut(place / PIECE)?;
        let here = Arc::make_mut(piece).get_mut(place % PIECE)?;
        *here = Arc::clone(&name);
        Some(name)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.pieces.clone())
    }

    fn len(&self) -> usize {
        match self.pieces.split_last() {
            Some((last, full)) => full.len() * PIECE + last.len(),
            None => 0,
        }
    }
}

impl Snapshot {
    /// The names, in no order.
    pub(crate) fn into_names(self) -> Vec<String> {
        let names = self.0.iter().flat_map(|piece| piece.iter());
        names.map(|name| name.as_ref().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, PIECE};
    use std::sync::Arc;

    fn name(number: usize) -> Arc<str> {
        number.to_string().into()
    }

    fn full(count: usize) -> Names {
        let mut names = Names::default();
        for number in 0..count {
            assert_eq!(names.push(name(number)), number);
        }
        names
    }

    #[test]
    fn the_last_takes_the_place_of_the_one_that_goes() {
        let mut names = full(2 * PIECE + 1);
        assert_eq!(names.remove(3), Some(name(2 * PIECE)));
        assert_eq!(names.pieces.len(), 2);
        assert_eq!(names.remove(2 * PIECE - 1), None, "it was the last itself");
        assert_eq!(names.remove(3), Some(name(2 * PIECE - 2)));
        assert_eq!(names.len(), 2 * PIECE - 2);
        let all = names.snapshot().into_names();
        let expected = (0..2 * PIECE - 2).map(|number| match number {
            3 => name(2 * PIECE - 2).to_string(),
            number => number.to_string(),
        });
        assert_eq!(all, expected.collect::<Vec<_>>());
        for _ in 0..all.len() {
            names.remove(0);
        }
        assert_eq!((names.remove(0), names.len()), (None, 0));
    }

    #[test]
    fn a_list_that_is_lent_does_not_change_and_a_change_copies_one_piece() {
        let mut names = full(10 * PIECE);
        let before: Vec<String> = (0..10 * PIECE).map(|number| number.to_string()).collect();
        let lent = names.snapshot();
        names.remove(5 * PIECE);
        names.push(name(7));
        let copied = lent.0.iter().zip(&names.pieces);
        let copied: Vec<usize> = copied
            .enumerate()
            .filter(|(_, (lent, own))| !Arc::ptr_eq(lent, own))
            .map(|(place, _)| place)
            .collect();
        assert_eq!(copied, [5, 9], "the one with the gap, and the last");
        assert_eq!(lent.into_names(), before);
    }
}
