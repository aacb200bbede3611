//! Compressing what is sent: for many at once, or for one client alone.
//!
//! What goes to many refers to nothing but itself, so that all of them can read it. Compressors are
//! large and used briefly, so those who need one for that share a few.
//!
//! What a client's own handler sends may refer to what it has sent before, where that was agreed on:
//! [`Context`]. Whatever others have sent to the client in between is in its window too, and not in
//! the handler's compressor, which therefore starts anew.

use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::deflate::{Deflater, Terms};
use crate::protocol::{Encoder, Message};

use super::conversation::Conversation;
use super::error::Error;

/// The compressors that nobody is using.
static IDLE: Mutex<Vec<Deflater>> = Mutex::new(Vec::new());

/// The most that are kept.
const KEPT: usize = 8;

/// The payload of a message that refers to nothing but itself; `None` where it is not worth it.
pub(crate) fn deflate(terms: &Terms, message: &Message) -> Option<Vec<u8>> {
    if !terms.is_worth(message.len()) {
        return None;
    }
    let mut deflater = borrow(terms);
    let payload = deflater.compress_alone(message);
    give_back(deflater);
    payload
}

fn borrow(terms: &Terms) -> Deflater {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = idle.iter().position(|deflater| deflater.fits(terms));
    let found = fitting.map(|place| idle.swap_remove(place));
    drop(idle);
    found.unwrap_or_else(|| Deflater::new(terms))
}

fn give_back(deflater: Deflater) {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    // The ones that were used last are those of the windows that are in use.
    let surplus = (idle.len() >= KEPT).then(|| idle.remove(0));
    idle.push(deflater);
    drop(idle);
    drop(surplus);
}

/// What a client's own thread has compressed for it, and what others have sent meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Context {
    deflater: Option<Box<Deflater>>,
    pushes: u64,
}

impl Context {
    /// The payload of a message that may refer to those before it. Others have sent something
    /// `pushes` times: if that is more than last time, it refers to nothing.
    pub(crate) fn deflate(
        &mut self,
        terms: &Terms,
        message: &Message,
        pushes: u64,
    ) -> Option<Vec<u8>> {
        let deflater = match &mut self.deflater {
            Some(deflater) => {
                if self.pushes != pushes {
                    deflater.reset();
                }
                deflater
            }
            none => none.insert(Box::new(Deflater::new(terms))),
        };
        self.pushes = pushes;
        let payload = deflater.compress(message.as_bytes());
        if payload.is_none() {
            self.deflater = None;
        }
        payload
    }
}

impl Conversation {
    /// Sends a message compressed; `None` where it is better sent as it is.
    pub(crate) fn send_deflated(
        &mut self,
        encoder: Encoder,
        terms: &Terms,
        message: &Message,
    ) -> Option<Result<(), Error>> {
        if !terms.takes_over() {
            let payload = deflate(terms, message)?;
            return Some(self.reply(|out| {
                encoder.encode_deflated(message, &payload, out);
                Ok(1)
            }));
        }
        let link = Arc::clone(&self.link);
        let pushes = link.outbox.pushes();
        let payload = self.context.deflate(terms, message, pushes)?;
        Some(self.reply(|out| {
            match link.outbox.pushes() == pushes {
                true => encoder.encode_deflated(message, &payload, out),
                // Somebody was faster: the peer's window is not what it was a moment ago.
                false => encoder.encode(message, out)?,
            }
            Ok(1)
        }))
    }
}
