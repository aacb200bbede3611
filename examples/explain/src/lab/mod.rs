//! The laboratory: two of the library's engines, a client and a server, and the bytes between them, moved step by
//! step; mistakes made on purpose; and the same in all five versions.
//!
//! A session is a list of [actions](Action). It has no state of its own: it is performed anew for each answer, and its
//! keys and masks come from a seed, so the same list always leads to the same bytes.

mod action;
mod answer;
mod api;
mod bench;
mod breaks;
mod frames;
mod made;
mod parts;
mod seed;
mod show;

pub use action::{Action, Amount};
pub use answer::{Answer, Mark};
pub use api::{Question, answer, conversation, reply};
pub use bench::{Lab, Setup};
pub use breaks::{Break, Unsuitable};
pub use made::{Made, choices, table};

/// The largest request, in bytes of JSON.
pub const LARGEST_REQUEST: usize = 64 * 1024;

/// The largest answer, in bytes of JSON.
pub const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// The most actions of a session.
pub const MOST_ACTIONS: usize = 300;

/// The most bytes that one side sends in a session, and that are explained of a paste.
pub const MOST_BYTES: usize = 4 * 1024;
