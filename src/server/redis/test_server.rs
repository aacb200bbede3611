//! A Redis for one test.
