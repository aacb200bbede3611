//! The two sides of a connection, and what only one of them needs.

/// Which side of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that was connected to, and answers.
    Server,
    /// The side that has connected, and asks.
    Client,
}

/// Fills a buffer with bytes that nobody can predict: from the operating system, or from a
/// generator fit for keys (RFC 6455 §10.3). Only a client needs them, for its keys and for a fresh
/// mask on every frame. The protocol core has no source of its own, so the shell hands one in.
pub type Entropy = fn(&mut [u8]);
