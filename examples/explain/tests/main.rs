//! The tests of the library and its three programs from outside, in one program: so it is linked once, and tests that
//! wait run beside tests that calculate.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that panics is a test that fails"
)]

mod checker_support;
mod support;

mod checker;
mod checker_client;
mod checker_drafts;
mod course;
mod frames;
mod handshake;
mod lab;
mod mutants;
mod mutants_client;
mod terminal;
