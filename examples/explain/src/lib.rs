//! Explains the bytes of WebSocket conversations, in all five versions: bytes of both directions in,
//! [notes](Note) out.
//!
//! A note names a span of bytes, the part of the protocol that it is, its value, the arithmetic behind
//! the value as steps that can be evaluated again, and the rules that it keeps or breaks. The notes form
//! a tree; its leaves cover each byte of a stream once.
//!
//! This is a second, slow reader beside the library's: it shares no code with it, so that tests can hold
//! one against the other.
//!
//! The [`lab`] is what the page of `microscope` shows: two of the library's engines, moved step by step, and the notes
//! about the bytes between them.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that panics is a test that fails"
    )
)]

pub mod engine;
pub(crate) mod explainer;
pub mod lab;
mod note;
pub mod packet;
pub mod paste;
pub mod reference;
pub mod render;
pub mod rule;
mod rules;
mod step;
pub mod tap;

pub use explainer::{Compression, Explainer};
pub use note::{Note, Part, Side, Value, Verdict};
pub use rule::Rule;
pub use step::Step;
