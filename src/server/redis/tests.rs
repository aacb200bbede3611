//! The scripts, executed by a real Redis.
