//! Compresses outgoing messages: for many clients at once, or for one client alone.
//!
//! A message to many clients refers to nothing but itself, so that all of them can read it.
//! Compressors are large and used briefly, so the threads that need one for that share a few.
//!
//! A message to one client alone may refer to earlier messages of its connection, if context takeover
//! was negotiated: [`Context`]. A broadcast in between is in the peer's window too, but not in the
//! context's compressor, which therefore starts anew.

use std::sync::{Mutex, PoisonError};

use crate::protocol::Message;
use crate::protocol::deflate::{Deflater, Negotiated};

/// The compressors that no thread is using.
static IDLE: Mutex<Vec<Deflater>> = Mutex::new(Vec::new());

/// The most compressors that are kept, of some 370 KiB each.
const KEPT: usize = 8;

/// Compresses a message so that it refers to nothing but itself; returns `None` if that is not
/// worth it.
pub(crate) fn deflate(negotiated: &Negotiated, message: &Message) -> Option<Vec<u8>> {
    if !negotiated.is_worth(message.len()) {
        return None;
    }
    let mut deflater = borrow(negotiated);
    let payload = deflater.compress_alone(message);
    give_back(deflater);
    payload
}

fn borrow(negotiated: &Negotiated) -> Deflater {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = idle.iter().position(|deflater| deflater.fits(negotiated));
    let found = fitting.map(|place| idle.swap_remove(place));
    drop(idle);
    found.unwrap_or_else(|| Deflater::new(negotiated))
}

fn give_back(deflater: Deflater) {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    // The one that was unused for longest may have a window size that no client has any more.
    if idle.len() >= KEPT {
        idle.remove(0);
    }
    idle.push(deflater);
}

/// The compressor of one connection, and the number of pushes before its last message.
#[derive(Debug, Default)]
pub(crate) struct Context {
    deflater: Option<Box<Deflater>>,
    pushes: u64,
    /// The client is gone: nothing is compressed for it any more.
    closed: bool,
}

impl Context {
    /// Returns the context of a client that is gone.
    pub(super) fn closed() -> Context {
        Context {
            closed: true,
            ..Context::default()
        }
    }

    /// Compresses a message, which may refer to those before it unless there were pushes since.
    pub(super) fn deflate(
        &mut self,
        negotiated: &Negotiated,
        message: &Message,
        pushes: u64,
    ) -> Option<Vec<u8>> {
        if self.closed {
            return None;
        }
        let deflater = match &mut self.deflater {
            Some(deflater) => {
                if self.pushes != pushes {
                    deflater.reset();
                }
                deflater
            }
            none => none.insert(Box::new(Deflater::new(negotiated))),
        };
        self.pushes = pushes;
        let payload = deflater.compress(message.as_bytes());
        if payload.is_none() {
            self.deflater = None;
        }
        payload
    }

    #[cfg(all(test, feature = "deflate", feature = "server"))]
    pub(super) fn has_compressor(&self) -> bool {
        self.deflater.is_some()
    }
}
