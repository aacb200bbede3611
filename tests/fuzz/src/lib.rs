//! The code that the fuzz targets share. In the order in which to read it: a connection that is
//! driven and checked against its invariants; the ways to cut a stream; the handshakes, written a
//! second time, plainly and from the specifications, to judge the library's; and the bytes that
//! clients and servers write. The second decoders of both framings, and of compression, are those of
//! `examples/explain`.
//!
//! Overflow and debug assertions are checked in every target, and each has the fuzzer's own limits
//! on time and memory for one input.

pub mod driven;

pub mod ways;

pub mod wire;

pub mod frames;

pub mod inflate;

pub mod round_trip;

pub mod connection;

pub mod request_head;

pub mod head;

pub mod law;

pub mod handshake;

pub mod answers;

pub mod proxy_header;

pub mod redis;

pub mod explain;
