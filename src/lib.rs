//! stub
pub mod protocol;
pub use protocol::{BadOrigin, Origin};
