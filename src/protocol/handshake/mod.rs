//! The handshake: the request and the response, as a server and as a client read and write them.

pub(crate) mod request;

pub(crate) mod response;

mod server;

mod client;

mod client_request;

mod client_response;

mod error;

mod values;

pub use client_request::ClientRequest;
pub use client_response::HandshakeResponse;
pub use error::HandshakeError;

#[cfg(feature = "client")]
pub(crate) use client::ResponseReader;
pub(crate) use client::{ClientHandshake, ExpectedProof, Progress};
pub(crate) use client::{expect_exactly, expect_ignoring_case};
#[cfg(feature = "server")]
pub(crate) use client_request::add_subprotocols;
pub(crate) use request::Request;
pub(crate) use response::{Accept, Response};
pub(crate) use server::{Agreed, Proof, agree, judge};
#[cfg(feature = "server")]
pub(crate) use values::{Values, WeakValues};
