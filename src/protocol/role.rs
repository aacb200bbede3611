//! The two sides of a connection, and the random bytes that only a client needs.

/// A side of a connection.
///
/// Complete: a connection has two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that accepts the TCP connection and answers the request.
    Server,
    /// The side that opens the TCP connection and sends the request.
    Client,
}

/// Fills a buffer with bytes that nobody can predict: from the operating system, or from a
/// generator fit for keys (RFC 6455 §10.3). Only a client needs them, for its keys and for a fresh
/// mask on every frame. The protocol core has no source of its own, so the caller passes one in.
pub type Entropy = fn(&mut [u8]);
