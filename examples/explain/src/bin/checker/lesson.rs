//! Lessons, their cases, and the failure of a case.

use stentor::Version;

use crate::diagnosis::Diagnosis;
use crate::lessons;
use crate::talk::Talk;

/// The chapters of the course in `docs/course`: one for each lesson, in the order of their numbers.
const CHAPTERS: [&str; 12] = [
    "01-draft-75.md",
    "02-handshake.md",
    "03-frame.md",
    "04-lengths.md",
    "05-reads.md",
    "06-fragments.md",
    "07-close.md",
    "08-refusals.md",
    "09-draft-76.md",
    "10-versions-7-and-8.md",
    "11-client.md",
    "12-compression.md",
];

/// The side that the program under test plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// A lesson: cases about one subject, in the order in which a program is built.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) number: u8,
    pub(crate) title: &'static str,
    pub(crate) role: Role,
    /// The versions for which the lesson is run.
    pub(crate) versions: &'static [Version],
    pub(crate) cases: &'static [Case],
}

/// One thing that the program under test must do. Each case has a connection of its own.
#[derive(Debug)]
pub(crate) struct Case {
    /// The lesson's number and the case's, such as `1.5`.
    pub(crate) id: &'static str,
    /// The claim that the case checks, such as `answers with 101`.
    pub(crate) title: &'static str,
    pub(crate) run: fn(&mut Talk) -> Check,
}

/// The result of a case, or of a part of it.
pub(crate) type Check<T = ()> = Result<T, Box<Failure>>;

/// All that a learner needs to understand why a case failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) sent: Vec<Shown>,
    pub(crate) received: Vec<Shown>,
    pub(crate) caret: Option<Caret>,
    pub(crate) expected: String,
    pub(crate) found: Found,
    /// The specification and its section.
    pub(crate) rule: &'static str,
}

/// A part of the conversation, as it is printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// A line of a header block, or a line about the connection.
    Line(String),
    /// Bytes, with their meaning.
    Bytes(Vec<u8>, String),
}

/// Points at the characters of a line, or at the bytes, where the mistake is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caret {
    /// The place in [`Failure::received`].
    pub(crate) line: usize,
    /// The first character of a line, or the first byte, counted from 0.
    pub(crate) column: usize,
    /// How many characters or bytes.
    pub(crate) len: usize,
    pub(crate) words: String,
}

/// The cause of a failure.
#[derive(Debug)]
pub(crate) enum Found {
    /// A mistake of the catalogue; the text has the values of this case and may be empty.
    Diagnosis(&'static Diagnosis, String),
    /// A failure without a known cause: the text says what is wrong.
    Unnamed(String),
}

impl Failure {
    /// A failure without a known cause.
    pub(crate) fn unnamed(rule: &'static str, says: impl Into<String>) -> Failure {
        Failure {
            sent: Vec::new(),
            received: Vec::new(),
            caret: None,
            expected: String::new(),
            found: Found::Unnamed(says.into()),
            rule,
        }
    }

    /// A failure with a known cause. `detail` has the values of this case, or is empty.
    pub(crate) fn diagnosed(diagnosis: &'static Diagnosis, detail: impl Into<String>) -> Failure {
        Failure {
            found: Found::Diagnosis(diagnosis, detail.into()),
            ..Failure::unnamed(diagnosis.rule, "")
        }
    }

    /// Adds a part that the checker has sent.
    pub(crate) fn sent(mut self, shown: Shown) -> Failure {
        self.sent.push(shown);
        self
    }

    /// Adds a part that the checker has received.
    pub(crate) fn received(mut self, shown: Shown) -> Failure {
        self.received.push(shown);
        self
    }

    /// Sets what a right program does.
    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Failure {
        self.expected = expected.into();
        self
    }

    /// Points at characters or bytes of the newest part that was received.
    pub(crate) fn caret(mut self, column: usize, len: usize, words: impl Into<String>) -> Failure {
        self.caret = Some(Caret {
            line: self.received.len().saturating_sub(1),
            column,
            len,
            words: words.into(),
        });
        self
    }

    /// The failure as the error of a case.
    pub(crate) fn fail<T>(self) -> Check<T> {
        Err(Box::new(self))
    }
}

impl Shown {
    /// A line of text.
    pub(crate) fn line(text: impl Into<String>) -> Shown {
        Shown::Line(text.into())
    }

    /// Bytes, with their meaning.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>, words: impl Into<String>) -> Shown {
        Shown::Bytes(bytes.into(), words.into())
    }
}

impl Lesson {
    /// The chapter of the course that explains this lesson: its path in the repository.
    pub(crate) fn chapter(&self) -> String {
        let place = usize::from(self.number).saturating_sub(1);
        format!(
            "docs/course/{}",
            CHAPTERS.get(place).unwrap_or(&"README.md")
        )
    }

    /// The lessons for a role and a version, in order.
    pub(crate) fn select(role: Role, version: Version) -> impl Iterator<Item = &'static Lesson> {
        lessons::ALL
            .iter()
            .copied()
            .filter(move |lesson| lesson.role == role && lesson.versions.contains(&version))
    }

    /// The case with this id (`1.5`, also written `L1.5`), among the lessons for a role and a version.
    pub(crate) fn find_case(id: &str, role: Role, version: Version) -> Option<&'static Case> {
        let id = id.trim_start_matches(['L', 'l']);
        Lesson::select(role, version)
            .flat_map(|lesson| lesson.cases)
            .find(|case| case.id == id)
    }
}
