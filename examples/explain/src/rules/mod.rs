//! The rules, by the part of the protocol that they belong to.

pub(crate) mod frames;
pub(crate) mod handshake;
