//! The sending of a connection's own thread: it may wait for room in the send queue, and it compresses.

use super::super::deflate::{Context, deflate};
use super::super::log::traced::Written;
use super::super::send_queue::Push;
use super::super::send_queue::frames::Frames;
use super::super::sync::PoisonError;
use super::Link;
use crate::error::{DisconnectReason, Error};
use crate::protocol::{Encoder, Message, SendError};

impl Link {
    /// Sends a large message from a thread that may have to wait. It is copied only if it must be masked and
    /// is shared; it is masked before the send queue is locked.
    ///
    /// # Errors
    /// If the version cannot carry the message.
    pub(crate) fn reply_owned(
        &self,
        encoder: Encoder,
        message: Message,
        written: &mut Written,
    ) -> Result<Push, SendError> {
        // A connection that is closed reports this first, as it does for short messages.
        if self.send_queue.is_closed() {
            return Ok(Push::Closed);
        }
        let mut frames = Frames::default();
        frames.encode(encoder, message)?;
        written.note(frames.bytes());
        Ok(self.send_queue.reply_owned(frames))
    }

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

    /// Drops the compressor: the client is gone, but its handles may stay.
    #[inline]
    pub(crate) fn drop_context(&self) {
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        *context = Context::closed();
    }

    /// Does what a push requires of the sending thread: waits for room if the queue is full.
    ///
    /// # Errors
    /// The disconnect reason, or that the connection is closed.
    #[inline]
    pub(crate) fn settle(&self, push: Push) -> Result<(), Error> {
        match push {
            Push::Sent | Push::Queued => Ok(()),
            Push::Full => self.wait_for_room(self.send_queue.limit()),
            Push::Closed => Err(match self.send_queue.disconnect_reason() {
                Some(reason) => Error::Disconnected(reason),
                None => Error::Closed,
            }),
        }
    }

    /// As [`settle`](Link::settle), for a fragment: held messages do not leave before the last one.
    ///
    /// # Errors
    /// The same as [`settle`](Link::settle).
    #[inline]
    pub(crate) fn settle_fragment(&self, push: Push) -> Result<(), Error> {
        match push {
            Push::Full => {
                let waited = self.send_queue.wait_for_fragment(self.timeouts.write);
                self.unless_late(waited)
            }
            push => self.settle(push),
        }
    }

    /// Waits until no more than `limit` bytes wait for the socket.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as the write timeout.
    pub(crate) fn wait_for_room(&self, limit: usize) -> Result<(), Error> {
        let waited = self.send_queue.wait_for_room(limit, self.timeouts.write);
        self.unless_late(waited)
    }

    /// Waits until no bytes wait for the socket. Messages that are held until another one is complete may
    /// still wait.
    ///
    /// # Errors
    /// The disconnect reason, once the socket took nothing for as long as the write timeout.
    #[cfg(feature = "server")]
    pub(crate) fn wait_for_socket(&self) -> Result<(), Error> {
        let waited = self.send_queue.wait_for_socket(self.timeouts.write);
        self.unless_late(waited)
    }

    /// Disconnects the peer if a wait for room has failed.
    fn unless_late(&self, waited: Result<(), DisconnectReason>) -> Result<(), Error> {
        waited.map_err(|reason| {
            self.disconnect(reason);
            Error::Disconnected(reason)
        })
    }
}

#[cfg(all(test, feature = "deflate", feature = "server"))]
mod tests {
    use super::Link;
    use crate::net::client_id::ClientId;
    use crate::net::deflate::deflate;
    use crate::net::link::Identity;
    use crate::net::log::traced::Written;
    use crate::net::send_queue::SendQueue;
    use crate::net::send_queue::shared::SharedFrames;
    use crate::net::send_queue::total::TotalQueued;
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
        let (total_queued, id) = (TotalQueued::new(0), ClientId(1));
        let watcher = Arc::clone(&total_queued);
        let send_queue = SendQueue::new(id, socket, 0, watcher);
        let timeouts = Arc::default();
        let link = Link::new(id, Role::Server, address.into(), send_queue, timeouts);
        let takeover = Deflate::new().threshold(0);
        let config = Config {
            deflate: Some(takeover.send_takeover(true).receive_takeover(true)),
            ..Config::default()
        };
        let negotiated = read_response(&config, Version::Rfc6455, b"permessage-deflate");
        let encoder = Encoder::server(Version::Rfc6455).deflating(negotiated.flatten());
        let identity = Identity::new(encoder);
        link.identity.get_or_init(|| identity);
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
            .push(&SharedFrames::new(frame.into(), &total_queued), 1);
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
            context.is_ok_and(|context| context.has_compressor())
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
