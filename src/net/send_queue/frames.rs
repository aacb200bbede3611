//! Whole frames, of which large payloads are not copied.

#[cfg(feature = "server")]
use crate::protocol::Framing;
use crate::protocol::{Binary, Encoder, Message, SendError};

use super::NOT_COPIED_FROM;

/// Whole frames: one buffer of bytes, and between them the large payloads, which belong to messages.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Each with the number of bytes before it.
    payloads: Vec<(usize, Binary)>,
}

impl Frames {
    /// Creates empty frames with room for so many copied bytes.
    #[cfg(feature = "server")]
    pub(crate) fn with_capacity(bytes: usize) -> Frames {
        Vec::with_capacity(bytes).into()
    }

    /// Returns the copied bytes, to append whole frames or the start of one to.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a payload without a copy.
    pub(crate) fn payload(&mut self, payload: Binary) {
        self.payloads.push((self.bytes.len(), payload));
    }

    /// Appends the frame that carries `message`, in the encoder's form. A large payload is copied only if it
    /// must be masked and is shared.
    ///
    /// # Errors
    /// If the version cannot carry the message.
    pub(crate) fn encode(&mut self, encoder: Encoder, message: Message) -> Result<(), SendError> {
        if message.len() < NOT_COPIED_FROM {
            return encoder.encode(&message, &mut self.bytes);
        }
        let (payload, tail) = encoder.encode_owned(message, &mut self.bytes)?;
        self.payload(payload);
        self.bytes.extend_from_slice(tail);
        Ok(())
    }

    /// Appends the frame of a server that carries `message`. A large payload is not copied.
    ///
    /// # Errors
    /// The name of a kind of message that the framing cannot carry.
    #[cfg(feature = "server")]
    pub(crate) fn message(
        &mut self,
        framing: Framing,
        message: &Message,
    ) -> Result<(), &'static str> {
        if message.len() < NOT_COPIED_FROM {
            return framing.encode(message, None, &mut self.bytes);
        }
        let tail = framing.encode_around(message, &mut self.bytes)?;
        self.payload(message.clone().into_payload());
        self.bytes.extend_from_slice(tail);
        Ok(())
    }

    /// Returns how many bytes [`message`](Frames::message) copies for a payload of `len` bytes.
    #[cfg(feature = "server")]
    pub(crate) fn copied(framing: Framing, len: usize) -> usize {
        let payload = if len < NOT_COPIED_FROM { 0 } else { len };
        framing.frame_len(len) - payload
    }

    /// Returns the number of bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        let payloads = self.payloads().map(|payload| payload.len());
        self.bytes.len() + payloads.sum::<usize>()
    }

    /// Returns the memory that they take, with that of the payloads, shared or not.
    pub(crate) fn memory(&self) -> usize {
        let payloads = self.payloads().map(Binary::memory);
        self.own_memory() + payloads.sum::<usize>()
    }

    /// Returns the memory that they take beside the payloads.
    pub(crate) fn own_memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns the payloads that were not copied.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &Binary> {
        self.payloads.iter().map(|(_, payload)| payload)
    }

    /// Returns all bytes if they are in one place.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.payloads.is_empty().then_some(&self.bytes)
    }

    /// Returns the pieces, in order. None is empty.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let before = self.payloads.iter().flat_map(move |(end, payload)| {
            let bytes = &self.bytes[start..*end];
            start = *end;
            [bytes, payload.as_bytes()]
        });
        let last = self.payloads.last().map_or(0, |(end, _)| *end);
        let pieces = before.chain([&self.bytes[last..]]);
        pieces.filter(|piece| !piece.is_empty())
    }
}

impl From<Vec<u8>> for Frames {
    fn from(bytes: Vec<u8>) -> Frames {
        Frames {
            bytes,
            payloads: Vec::new(),
        }
    }
}

/// The body of a response, which is sent in the same way.
impl From<Binary> for Frames {
    fn from(body: Binary) -> Frames {
        Frames {
            bytes: Vec::new(),
            payloads: vec![(0, body)],
        }
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::Frames;
    use crate::protocol::{Framing, Message};

    #[test]
    fn large_payloads_are_not_copied_and_stay_in_order() {
        let large = Message::from("x".repeat(70_000));
        let messages = [large.clone(), "short".into(), large.clone(), "end".into()];
        for framing in [Framing::Hixie, Framing::Hybi] {
            let copied = messages.iter().map(|message| message.len());
            let copied = copied.map(|len| Frames::copied(framing, len)).sum();
            let mut frames = Frames::with_capacity(copied);
            let mut expected = Vec::new();
            for message in &messages {
                assert_eq!(frames.message(framing, message), Ok(()));
                assert_eq!(framing.encode(message, None, &mut expected), Ok(()));
            }
            assert_eq!(frames.bytes.capacity(), copied);
            assert_eq!(frames.len(), expected.len());
            let pieces: Vec<&[u8]> = frames.pieces().collect();
            assert_eq!(pieces.concat(), expected);
            let places = [pieces[1], pieces[3]].map(<[u8]>::as_ptr);
            assert_eq!(places, [large.as_bytes().as_ptr(); 2]);
            assert_eq!(frames.memory(), copied + 2 * 70_000);
            assert_eq!(frames.whole(), None);
        }
    }

    #[test]
    fn frames_without_a_large_payload_are_whole() {
        let mut frames = Frames::default();
        assert_eq!(frames.pieces().count(), 0);
        assert_eq!(frames.message(Framing::Hixie, &"hi".into()), Ok(()));
        assert_eq!(frames.whole(), Some(&b"\0hi\xff"[..]));
        assert!(frames.pieces().eq([b"\0hi\xff"]));
        let binary = Message::from(vec![0; 70_000]);
        assert!(frames.message(Framing::Hixie, &binary).is_err());
        assert_eq!(frames.len(), 4);
    }
}
