//! Replaces compression without the feature `deflate`: it is never agreed on. These types have no
//! values: code that needs one never runs, and no other code depends on the feature.

use crate::protocol::config::Config;
use crate::protocol::error::ProtocolError;
use crate::protocol::framing::Assembler;
use crate::protocol::handshake::request::Request;
use crate::protocol::message::Message;
use crate::protocol::version::Version;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Never {}

/// See `negotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated(Never);

/// See `deflater`.
#[derive(Debug)]
pub(crate) struct Deflater(Never);

/// See `inflater`.
#[derive(Debug)]
pub(crate) struct Inflater(Never);

pub(crate) fn accept_offer(_: &Request, _: &Config) -> Option<(Negotiated, String)> {
    None
}

pub(crate) fn offer(_: &Config, _: Version) -> Option<String> {
    None
}

/// Accepts only an empty list: nothing was offered, so the server may accept nothing.
pub(crate) fn read_response(_: &Config, _: Version, value: &[u8]) -> Option<Option<Negotiated>> {
    let empty = value.iter().all(|byte| b", \t".contains(byte));
    empty.then_some(None)
}

impl Negotiated {
    pub(crate) fn is_worth(&self, _: usize) -> bool {
        match self.0 {}
    }

    pub(crate) fn keeps_context(&self) -> bool {
        match self.0 {}
    }

    #[cfg(feature = "server")]
    pub(crate) fn window(&self) -> u8 {
        match self.0 {}
    }
}

impl Deflater {
    pub(crate) fn new(negotiated: &Negotiated) -> Deflater {
        match negotiated.0 {}
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn fits(&self, _: &Negotiated) -> bool {
        match self.0 {}
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn reset(&mut self) {
        match self.0 {}
    }

    pub(crate) fn compress(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        match self.0 {}
    }

    pub(crate) fn compress_alone(&mut self, _: &Message) -> Option<Vec<u8>> {
        match self.0 {}
    }
}

impl Inflater {
    pub(crate) fn new(negotiated: &Negotiated) -> Inflater {
        match negotiated.0 {}
    }

    pub(crate) fn begin(&mut self) {
        match self.0 {}
    }

    pub(crate) fn is_reading(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn held(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn room(&self, _: usize) -> usize {
        match self.0 {}
    }

    pub(crate) fn inflate(
        &mut self,
        _: &mut &[u8],
        _: &mut Assembler,
        _: bool,
        _: (usize, usize),
    ) -> Result<bool, ProtocolError> {
        match self.0 {}
    }

    pub(crate) fn delivered(&mut self, _: &[u8]) {
        match self.0 {}
    }

    pub(crate) fn finish(&mut self, _: &mut Assembler, _: usize) -> Result<(), ProtocolError> {
        match self.0 {}
    }
}
