//! A conversation: the reads of both directions, and the notes about them.

use stentor_explain::{Explainer, Note, Part, Side};

/// One call of the explainer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// One read.
    Bytes(Side, Vec<u8>),
    /// The end of a stream.
    End(Side),
}

/// A list of inputs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation(pub(crate) Vec<Input>);

impl Conversation {
    /// Adds a read of bytes that the client has sent.
    #[must_use]
    pub(crate) fn client(mut self, bytes: impl AsRef<[u8]>) -> Conversation {
        self.0
            .push(Input::Bytes(Side::Client, bytes.as_ref().to_vec()));
        self
    }

    /// Adds a read of bytes that the server has sent.
    #[must_use]
    pub(crate) fn server(mut self, bytes: impl AsRef<[u8]>) -> Conversation {
        self.0
            .push(Input::Bytes(Side::Server, bytes.as_ref().to_vec()));
        self
    }

    /// Adds the end of one stream.
    #[must_use]
    pub(crate) fn end(mut self, from: Side) -> Conversation {
        self.0.push(Input::End(from));
        self
    }

    /// Adds the ends of both streams.
    #[must_use]
    pub(crate) fn ended(self) -> Conversation {
        self.end(Side::Client).end(Side::Server)
    }

    /// Explains the conversation from its first byte.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.notes_of(Explainer::new())
    }

    /// Explains the conversation by a prepared explainer.
    pub(crate) fn notes_of(&self, mut explainer: Explainer) -> Vec<Note> {
        let mut notes = Vec::new();
        for input in &self.0 {
            match input {
                Input::Bytes(from, bytes) => explainer.feed(*from, bytes),
                Input::End(from) => explainer.end(*from),
            }
            notes.extend(explainer.notes());
        }
        notes
    }

    /// Returns the number of bytes of one direction.
    pub(crate) fn len(&self, side: Side) -> u64 {
        let lens = self.0.iter().map(|input| match input {
            Input::Bytes(from, bytes) if *from == side => bytes.len() as u64,
            _ => 0,
        });
        lens.sum()
    }

    /// Returns the same conversation in other reads: each read cut once at each place, and each byte
    /// in a read of its own. The order of the two directions stays the same.
    pub(crate) fn cut_in_each_way(&self) -> impl Iterator<Item = Conversation> {
        let places = self.0.iter().enumerate().flat_map(|(number, input)| {
            let len = match input {
                Input::Bytes(_, bytes) => bytes.len(),
                Input::End(_) => 0,
            };
            (1..len).map(move |place| (number, place))
        });
        let once = places.map(|(number, place)| self.cut(|other, _| other == number, place));
        once.chain(std::iter::once(self.bytewise()))
    }

    /// Each byte in a read of its own.
    pub(crate) fn bytewise(&self) -> Conversation {
        let inputs = self.0.iter().flat_map(|input| match input {
            Input::Bytes(from, bytes) => bytes
                .iter()
                .map(|&byte| Input::Bytes(*from, vec![byte]))
                .collect(),
            end => vec![end.clone()],
        });
        Conversation(inputs.collect())
    }

    fn cut(&self, is_cut: impl Fn(usize, &Input) -> bool, place: usize) -> Conversation {
        let inputs = self
            .0
            .iter()
            .enumerate()
            .flat_map(|(number, input)| match input {
                Input::Bytes(from, bytes) if is_cut(number, input) => {
                    let (first, second) = bytes.split_at(place);
                    vec![
                        Input::Bytes(*from, first.to_vec()),
                        Input::Bytes(*from, second.to_vec()),
                    ]
                }
                other => vec![other.clone()],
            });
        Conversation(inputs.collect())
    }
}

/// Removes the notes about the ends of reads.
pub(crate) fn without_cuts(mut notes: Vec<Note>) -> Vec<Note> {
    notes.retain(|note| note.part != Part::Cut);
    notes
}

/// Asserts that the notes are the same however the bytes are cut, except the notes about the cuts.
pub(crate) fn assert_cutting_changes_nothing(conversation: &Conversation, name: &str) {
    let whole = without_cuts(conversation.notes());
    for cut in conversation.cut_in_each_way() {
        let notes = without_cuts(cut.notes());
        if notes != whole {
            let first = notes.iter().zip(&whole).find(|(one, other)| one != other);
            panic!("{name}: {first:#?} in {cut:?}");
        }
    }
}
