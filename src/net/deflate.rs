//! Compresses outgoing messages: for many clients at once, or for one client alone.
//!
//! A message to many clients refers to nothing but itself, so that all of them can read it.
//! Compressors are large and used briefly, so the threads that need one for that share a few.
//!
//! A message to one client alone may refer to earlier messages of its connection, if context takeover
//! was negotiated: [`Context`]. A broadcast in between is in the peer's window too, but not in the
//! context's compressor, which therefore starts anew.

use std::sync::{Mutex, PoisonError};

use crate::protocol::deflate::{Deflater, Negotiated};
use crate::protocol::{Message, SendError};

use super::link::Link;
use super::log::traced::Written;
use super::send_queue::Push;

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
    over: bool,
}

impl Context {
    /// Compresses a message, which may refer to those before it unless there were pushes since.
    fn deflate(
        &mut self,
        negotiated: &Negotiated,
        message: &Message,
        pushes: u64,
    ) -> Option<Vec<u8>> {
        if self.over {
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
}

impl Link {
    /// Compresses a message from a thread that may have to wait, and sends it as
    /// [`reply`](super::send_queue::SendQueue::reply) does; `None` if it is better sent uncompressed.
    pub(crate) fn reply_deflated(
        &self,
        at_once: bool,
        message: &Message,
        written: &mut Written,
    ) -> Option<Push> {
        let encoder = self.encoder()?;
        let negotiated = encoder.negotiated()?;
        if !negotiated.is_worth(message.len()) {
            return None;
        }
        if !negotiated.keeps_context() {
            let payload = deflate(&negotiated, message)?;
            let sent = self.send_queue.reply(at_once, |out| {
                written.by(out, |out| encoder.encode_deflated(message, &payload, out));
                Ok::<u64, SendError>(1)
            });
            return sent.ok();
        }
        // Locked until the message has its place in the queue, since the next one may refer to it.
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        let pushes = self.send_queue.pushes();
        let payload = context.deflate(&negotiated, message, pushes)?;
        self.reply_in_context((at_once, pushes), message, &payload, written)
    }

    /// Drops the compressor: the client is gone, but its handles may stay.
    pub(crate) fn drop_context(&self) {
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        *context = Context {
            over: true,
            ..Context::default()
        };
    }

    /// Sends a message that was compressed after `pushes` pushes. If another push was faster, the
    /// peer's window has changed, and the message is sent uncompressed.
    fn reply_in_context(
        &self,
        (at_once, pushes): (bool, u64),
        message: &Message,
        payload: &[u8],
        written: &mut Written,
    ) -> Option<Push> {
        let encoder = self.encoder()?;
        let sent = self.send_queue.reply(at_once, |out| {
            let in_context = self.send_queue.pushes() == pushes;
            written.by(out, |out| match in_context {
                true => {
                    encoder.encode_deflated(message, payload, out);
                    Ok(1)
                }
                false => encoder.encode(message, out).map(|()| 1),
            })
        });
        sent.ok()
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::{Link, deflate};
    use crate::net::link::{ClientId, Identity};
    use crate::net::log::traced::Written;
    use crate::net::send_queue::total::{SharedFrames, TotalQueued};
    use crate::net::send_queue::{SendQueue, SlowClient};
    use crate::net::socket::Socket;
    use crate::protocol::deflate::read_response;
    use crate::protocol::{Config, Deflate, Encoder, Message, Role, Version};
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    const PLAIN: u8 = 0x81;
    const DEFLATED: u8 = 0xc1;

    /// Reads frames, none longer than 125 bytes, and returns the first byte of each.
    fn arrived(stream: &mut TcpStream, frames: usize) -> std::io::Result<Vec<u8>> {
        let mut firsts = Vec::new();
        for _ in 0..frames {
            let mut header = [0; 2];
            stream.read_exact(&mut header)?;
            stream.read_exact(&mut vec![0; usize::from(header[1])])?;
            firsts.push(header[0]);
        }
        Ok(firsts)
    }

    /// Returns a link that compresses with context takeover, and the peer's end.
    fn link() -> std::io::Result<(Link, TcpStream, Arc<TotalQueued>)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let socket = Arc::new(Socket::new(TcpStream::connect(address)?));
        let stream = listener.accept()?.0;
        let total_queued = TotalQueued::new(0);
        let send_queue =
            SendQueue::new(socket, 0, SlowClient::default(), Arc::clone(&total_queued));
        let (id, timeouts) = (ClientId(1), Arc::default());
        let link = Link::new(id, Role::Server, address.into(), send_queue, timeouts);
        let takeover = Deflate::new().threshold(0);
        let config = Config {
            deflate: Some(takeover.send_takeover(true).receive_takeover(true)),
            ..Config::default()
        };
        let negotiated = read_response(&config, Version::Rfc6455, b"permessage-deflate");
        let encoder = Encoder::server(Version::Rfc6455).deflating(negotiated.flatten());
        let target = "/".into();
        link.identity.get_or_init(|| Identity { encoder, target });
        Ok((link, stream, total_queued))
    }

    #[test]
    fn reply_overtaken_by_a_push_is_sent_uncompressed() -> std::io::Result<()> {
        let (link, mut stream, total_queued) = link()?;
        let encoder = link.encoder().ok_or(std::io::ErrorKind::Other)?;
        let message = Message::from("and so on, and so on, and so on, and so on, and so on");
        assert!(
            link.reply_deflated(true, &message, &mut Written::for_log())
                .is_some()
        );
        assert!(
            link.reply_deflated(true, &message, &mut Written::for_log())
                .is_some()
        );
        assert_eq!(arrived(&mut stream, 2)?, [DEFLATED, DEFLATED]);

        let late = link.send_queue.pushes();
        let pushed = encoder
            .negotiated()
            .and_then(|negotiated| deflate(&negotiated, &message));
        let mut frame = Vec::new();
        encoder.encode_deflated(&message, &pushed.unwrap_or_default(), &mut frame);
        link.send_queue
            .push(&SharedFrames::new(frame, &total_queued), 1);
        assert!(
            link.reply_in_context((true, late), &message, b"", &mut Written::for_log())
                .is_some()
        );
        assert!(
            link.reply_deflated(true, &message, &mut Written::for_log())
                .is_some()
        );
        assert_eq!(arrived(&mut stream, 3)?, [DEFLATED, PLAIN, DEFLATED]);
        Ok(())
    }

    /// A handle, or a sending thread, may keep the link for as long as it likes.
    #[test]
    fn a_client_that_is_gone_keeps_no_compressor() -> std::io::Result<()> {
        let (link, _stream, _) = link()?;
        let message = Message::from("and so on ".repeat(100));
        let has_compressor = || {
            let context = link.context.lock();
            context.is_ok_and(|context| context.deflater.is_some())
        };
        assert!(
            link.reply_deflated(true, &message, &mut Written::for_log())
                .is_some()
        );
        assert!(has_compressor());
        link.drop_context();
        assert!(!has_compressor());
        assert_eq!(
            link.reply_deflated(true, &message, &mut Written::for_log()),
            None
        );
        assert!(!has_compressor());
        Ok(())
    }
}
