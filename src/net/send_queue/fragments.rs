//! A message that is sent in pieces: while it is under way, control frames pass between its fragments,
//! and other messages are held, within the limit of the queue.

use super::{Inside, Push, SendQueue};
use crate::net::sync::atomic::Ordering::Relaxed;

impl SendQueue {
    /// Sends a fragment of the client's own thread at once. The first one, unless it is the last too,
    /// begins to hold all other messages; the last one ends that.
    #[inline]
    pub(crate) fn fragment(&self, bytes: Vec<u8>, is_last: bool) -> Push {
        self.send(|inside| {
            let is_closed = inside.is_closed();
            self.is_in_pieces.store(!is_last && !is_closed, Relaxed);
            self.writes.store(self.writes() + 1, Relaxed);
            if is_closed {
                return Push::Closed;
            }
            inside.queue.send_fragment(bytes, is_last);
            inside.sent_within(self.limit)
        })
    }

    /// Notes that the writer of the present message has got more bytes, which may not fill a fragment.
    #[inline]
    pub(crate) fn note_write(&self) {
        if self.is_in_pieces() {
            self.writes.store(self.writes() + 1, Relaxed);
        }
    }

    /// Returns whether a message is sent in pieces: its first fragment was sent, and its last one was not.
    pub(crate) fn is_in_pieces(&self) -> bool {
        self.is_in_pieces.load(Relaxed)
    }

    /// Returns a number that grows with each write to a message that is sent in pieces. It does not start
    /// again with the next message: a thread that compares two numbers detects that there was another.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    /// Returns whether bytes wait for the socket: the write timeout of a stalled queue runs.
    pub(crate) fn is_stalled(&self) -> bool {
        self.locked(|inside| inside.queue.waiting() > 0)
    }
}

impl Inside {
    /// Sends a reply while a message is sent in pieces: a control frame passes between two of them, a
    /// message is held.
    #[cold]
    pub(super) fn reply_between<E>(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, E>,
    ) -> Result<Push, E> {
        let mut bytes = Vec::new();
        match write(&mut bytes)? {
            0 => {
                self.queue.replies().extend_from_slice(&bytes);
                self.queue.send();
            }
            _ => self.queue.hold_owned(bytes.into()),
        }
        Ok(self.sent_within(limit))
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use crate::net::client_id::ClientId;
    use crate::net::send_queue::shared::SharedFrames;
    use crate::net::send_queue::total::TotalQueued;
    use crate::net::send_queue::{Push, SendQueue, SlowClient};
    use crate::net::socket::Socket;
    use crate::net::system::{LocalStream, local_pair};
    use std::io::{self, Read};
    use std::sync::Arc;

    fn queue(limit: usize) -> io::Result<(SendQueue, LocalStream, Arc<TotalQueued>)> {
        let (own, peer) = local_pair()?;
        peer.set_nonblocking(true)?;
        let (id, total) = (ClientId(1), TotalQueued::new(usize::MAX));
        let (socket, watcher) = (Arc::new(Socket::new(own)), Arc::clone(&total));
        let queue = SendQueue::new(id, socket, limit, watcher);
        let queue = queue.with_policy(SlowClient::DropNewest);
        Ok((queue, peer, total))
    }

    fn arrived(mut peer: &LocalStream) -> String {
        let mut bytes = Vec::new();
        let _ = peer.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn reply(queue: &SendQueue, bytes: &[u8], messages: u64) -> Push {
        let sent = queue.reply(true, |out| {
            out.extend_from_slice(bytes);
            Ok::<u64, ()>(messages)
        });
        sent.unwrap_or(Push::Closed)
    }

    #[test]
    fn control_frames_pass_and_messages_wait() -> io::Result<()> {
        let (queue, peer, total) = queue(10_000)?;
        let push = |bytes: &[u8]| queue.push(&SharedFrames::new(bytes.to_vec().into(), &total), 1);
        assert_eq!(queue.fragment(b"[".into(), false), Push::Sent);
        assert_eq!(push(b"a"), Push::Queued);
        assert_eq!(reply(&queue, b"b", 1), Push::Queued);
        assert_eq!(queue.reply_owned(b"cd".to_vec().into()), Push::Queued);
        assert!(queue.ping(b"ping").is_some());
        assert_eq!(reply(&queue, b"pong", 0), Push::Queued);
        assert_eq!(queue.fragment(b"-".into(), false), Push::Queued);
        assert_eq!(arrived(&peer), "[pingpong-");
        assert!(!queue.is_stalled() && queue.weight() > 0 && total.waiting() > 0);
        assert_eq!(queue.tally().messages, 3);
        assert_eq!(queue.fragment(b"]".into(), true), Push::Sent);
        assert_eq!(arrived(&peer), "]abcd");
        assert_eq!((queue.tally().messages, queue.is_in_pieces()), (4, false));
        assert_eq!((queue.weight(), total.waiting()), (0, 0));
        assert_eq!(push(b"e"), Push::Sent);
        assert_eq!(arrived(&peer), "e");
        Ok(())
    }

    #[test]
    fn a_close_frame_drops_the_messages_that_wait() -> io::Result<()> {
        let (queue, peer, total) = queue(10_000)?;
        queue.fragment(b"[".into(), false);
        queue.push(&SharedFrames::new(b"a".to_vec().into(), &total), 2);
        reply(&queue, b"b", 1);
        assert_eq!(queue.tally().messages, 3);
        assert_eq!(queue.send_close_frame(b"close"), Push::Sent);
        assert_eq!(queue.fragment(b"]".into(), true), Push::Closed);
        assert_eq!(arrived(&peer), "[close");
        assert_eq!((queue.tally().messages, total.waiting()), (0, 0));
        Ok(())
    }

    #[test]
    fn messages_that_wait_count_towards_the_limit() -> io::Result<()> {
        let (queue, _peer, total) = queue(1000)?;
        let push = || queue.push(&SharedFrames::new(vec![b'x'; 300].into(), &total), 1);
        queue.fragment(b"[".into(), false);
        assert_eq!(
            [push(), push(), push()],
            [Push::Queued, Push::Queued, Push::Full]
        );
        assert_eq!((queue.tally().messages, queue.tally().dropped), (2, 1));
        // A reply enters in any case, and its thread waits.
        assert_eq!(reply(&queue, &[b'y'; 300], 1), Push::Full);
        Ok(())
    }
}
