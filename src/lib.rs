//! stub
pub mod protocol;
mod server;
pub use protocol::{
    Accept, BadField, BadOrigin, CloseCode, CloseFrame, Closed, Closing, Config, Event, Framing, Initiator, Limits,
    Message, Origin, Refusal, Request, Response, State, Transition, Trigger, Unsupported, Version,
    Versions, Violation,
};
pub use server::*;
