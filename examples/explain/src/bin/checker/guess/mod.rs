//! The plausible mistakes, calculated before the verdict.

pub(crate) mod accept;
pub(crate) mod deflate;
pub(crate) mod echo;
pub(crate) mod frames;
pub(crate) mod proof;
mod reader;
mod writer;
