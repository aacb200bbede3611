//! Compressing what is sent: for many at once, or for one client alone.
//!
//! What goes to many refers to nothing but itself, so that all of them can read it. Compressors are
//! large and used briefly, so those who need one for that share a few.
//!
//! What is said on one connection alone may refer to what was said there before, where that was agreed
//! on: [`Context`]. What is pushed in between is in the peer's window too, and not in the context's
//! compressor, which therefore begins anew.

use std::sync::{Mutex, PoisonError};

use crate::protocol::deflate::{Deflater, Terms};
use crate::protocol::{Message, Unsupported};

use super::link::Link;
use super::outbox::Push;

/// The compressors that nobody is using.
static IDLE: Mutex<Vec<Deflater>> = Mutex::new(Vec::new());

/// The most that are kept, of some 370 KiB each.
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
    // The one that has not been used for longest may be of a window that nobody has any more.
    if idle.len() >= KEPT {
        idle.remove(0);
    }
    idle.push(deflater);
}

/// What was compressed for one connection, and after how many pushes.
#[derive(Debug, Default)]
pub(crate) struct Context {
    deflater: Option<Box<Deflater>>,
    pushes: u64,
}

impl Context {
    /// The payload of a message that may refer to those before it, unless there were pushes since.
    fn deflate(&mut self, terms: &Terms, message: &Message, pushes: u64) -> Option<Vec<u8>> {
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

impl Link {
    /// A message from somebody who may be made to wait, compressed, as
    /// [`reply`](super::outbox::Outbox::reply) sends it; `None` where it is better sent as it is.
    pub(crate) fn reply_deflated(&self, at_once: bool, message: &Message) -> Option<Push> {
        let encoder = self.encoder()?;
        let terms = encoder.terms()?;
        if !terms.is_worth(message.len()) {
            return None;
        }
        let outbox = &self.outbox;
        if !terms.takes_over() {
            let payload = deflate(&terms, message)?;
            let sent = outbox.reply(at_once, |out| {
                encoder.encode_deflated(message, &payload, out);
                Ok::<u64, Unsupported>(1)
            });
            return sent.ok();
        }
        // Held until the message has its place, for the next one may refer to it.
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        let pushes = outbox.pushes();
        let payload = context.deflate(&terms, message, pushes)?;
        let sent = outbox.reply(at_once, |out| {
            match outbox.pushes() == pushes {
                true => encoder.encode_deflated(message, &payload, out),
                // A push was faster: the peer's window is not what it was a moment ago.
                false => encoder.encode(message, out)?,
            }
            Ok::<u64, Unsupported>(1)
        });
        sent.ok()
    }
}
