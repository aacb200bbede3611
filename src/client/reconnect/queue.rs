//! The messages that wait for the next connection.

use std::collections::VecDeque;

use crate::error::Error;
use crate::protocol::Message;

/// What each message costs beyond its payload, so that empty messages are limited too.
const OVERHEAD: usize = 64;

/// Messages in the order in which they were accepted, limited in bytes.
#[derive(Debug)]
pub(super) struct Waiting {
    messages: VecDeque<Message>,
    /// Counts the messages that were taken, too, until all are sent: otherwise a fast sender could make
    /// sending them endless.
    bytes: usize,
    limit: usize,
}

impl Waiting {
    pub(super) fn new(limit: usize) -> Waiting {
        Waiting {
            messages: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`Error::QueueFull`] if it does not fit.
    pub(super) fn add(&mut self, message: Message) -> Result<(), Error> {
        let bytes = self.bytes.saturating_add(cost(&message));
        if bytes > self.limit {
            return Err(Error::QueueFull {
                waiting: self.bytes,
                limit: self.limit,
            });
        }
        self.bytes = bytes;
        self.messages.push_back(message);
        Ok(())
    }

    /// Takes all messages, to send them. If there are none, the whole limit is free again.
    pub(super) fn take(&mut self) -> Option<VecDeque<Message>> {
        if self.messages.is_empty() {
            self.bytes = 0;
            return None;
        }
        Some(std::mem::take(&mut self.messages))
    }

    /// Puts messages back that were taken and could not be sent, before those that were added since.
    pub(super) fn put_back(&mut self, mut messages: VecDeque<Message>) {
        messages.append(&mut self.messages);
        self.bytes = messages.iter().map(cost).sum();
        self.messages = messages;
    }

    /// Drops all messages, and returns their number.
    pub(super) fn clear(&mut self) -> usize {
        self.bytes = 0;
        std::mem::take(&mut self.messages).len()
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(message: &Message) -> usize {
    message.len().saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::{Message, OVERHEAD, Waiting};
    use crate::error::Error;

    #[test]
    fn messages_wait_in_order_up_to_the_limit() -> Result<(), Error> {
        let mut waiting = Waiting::new(2 * OVERHEAD + 3);
        waiting.add("a".into())?;
        waiting.add("bc".into())?;
        let full = waiting.add("".into()).map_err(|error| error.to_string());
        assert!(full.is_err_and(|words| words.contains("131 bytes wait")));
        let taken = waiting.take().unwrap_or_default();
        // They count until they are sent.
        assert!(waiting.add("".into()).is_err());
        assert_eq!(taken, [Message::from("a"), "bc".into()]);
        assert_eq!(waiting.take(), None);
        assert_eq!(waiting.bytes(), 0);
        Ok(())
    }

    #[test]
    fn unsent_messages_return_to_the_front() -> Result<(), Error> {
        let mut waiting = Waiting::new(1000);
        waiting.add("a".into())?;
        waiting.add("b".into())?;
        let mut taken = waiting.take().unwrap_or_default();
        taken.pop_front();
        waiting.add("c".into())?;
        waiting.put_back(taken);
        assert_eq!(waiting.bytes(), 2 * OVERHEAD + 2);
        let taken = waiting.take().unwrap_or_default();
        assert_eq!(taken, [Message::from("b"), "c".into()]);
        Ok(())
    }
}
