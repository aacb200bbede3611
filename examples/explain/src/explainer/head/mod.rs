//! Requests and responses: the bytes from the first one to the blank line, and draft-76's bytes after it.
//!
//! ```text
//! bytes --search--> end of the block --block--> lines and headers --syntax, request, response--> marks
//! block + marks --write--> notes
//! ```

mod accept;
mod block;
mod challenge;
mod extensions;
mod guess;
mod host;
mod marks;
mod request;
mod response;
mod search;
mod subprotocol;
mod syntax;
mod text;
mod write;

pub(crate) use block::Block;
pub(crate) use challenge::{KEY3_LEN, PROOF_LEN, explain_key3, explain_proof};
pub(crate) use request::{Asked, explain_request};
pub(crate) use response::{Answered, Length, explain_response};
pub(crate) use search::{Found, MOST, Search};
pub(crate) use text::not_http;
