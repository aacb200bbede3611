//! What the tests share: the bytes of every version, a connection that is driven, and the ways to
//! cut a stream.

mod wire;

mod driven;

mod answer;

mod chunking;

pub(crate) use answer::Answer;
pub(crate) use chunking::every_way;
pub(crate) use driven::Driven;
pub(crate) use wire::{
    HIXIE, HYBI, Head, KEY3, MASK, PROOF, bye, close_frame, masked, text, written,
};
