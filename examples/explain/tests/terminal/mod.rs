//! The program `explain`, from outside.

mod captures;
pub(crate) mod golden;
mod pastes;
mod support;
mod tap;
mod traces;

pub(crate) use golden::golden;
pub(crate) use support::scratch;
