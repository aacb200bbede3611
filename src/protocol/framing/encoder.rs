//! Encodes messages and control frames for a version and a role: only a client masks.

use super::{Framing, hixie, hybi};
use crate::protocol::close::CloseFrame;
use crate::protocol::deflate::Negotiated;
use crate::protocol::error::SendError;
use crate::protocol::message::Message;
use crate::protocol::payload::binary::Binary;
use crate::protocol::role::{Entropy, Role};
use crate::protocol::version::{Closing, Version};

/// Encodes messages and control frames for one side of a connection. It is cheap to copy and has no
/// state, so any thread that sends can have its own.
///
/// ```
/// use stentor::Version;
/// use stentor::protocol::framing::Encoder;
///
/// let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
/// Encoder::server(Version::Rfc6455).encode(&"Hello".into(), &mut from_server)?;
/// // A real client gets random bytes from the operating system.
/// Encoder::client(Version::Rfc6455, |mask| mask.copy_from_slice(b"\x37\xfa\x21\x3d"))
///     .encode(&"Hello".into(), &mut from_client)?;
/// assert_eq!(from_server, b"\x81\x05Hello");
/// assert_eq!(from_client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// # Ok::<(), stentor::protocol::SendError>(())
/// ```
#[must_use]
#[derive(Debug, Clone, Copy)]
pub struct Encoder {
    version: Version,
    /// A client's source of masks; a server has none.
    entropy: Option<Entropy>,
    /// The negotiated parameters, if compression was agreed on.
    negotiated: Option<Negotiated>,
}

impl Encoder {
    /// Creates the encoder of a server of this version.
    pub const fn server(version: Version) -> Encoder {
        Encoder {
            version,
            entropy: None,
            negotiated: None,
        }
    }

    /// Creates the encoder of a client of this version. In versions 7, 8 and RFC 6455 each frame gets
    /// a fresh mask from `entropy` (RFC 6455 §5.3); draft-75 and draft-76 have no masks.
    pub const fn client(version: Version, entropy: Entropy) -> Encoder {
        Encoder {
            version,
            entropy: Some(entropy),
            negotiated: None,
        }
    }

    /// Adds the negotiated parameters, if compression was agreed on.
    pub(crate) const fn deflating(mut self, negotiated: Option<Negotiated>) -> Encoder {
        self.negotiated = negotiated;
        self
    }

    /// Returns the negotiated parameters if messages may be compressed.
    pub(crate) const fn negotiated(self) -> Option<Negotiated> {
        self.negotiated
    }

    /// Returns the version that this encoder writes.
    pub const fn version(self) -> Version {
        self.version
    }

    /// Returns the side that writes.
    pub const fn role(self) -> Role {
        match self.entropy {
            Some(_) => Role::Client,
            None => Role::Server,
        }
    }

    /// Appends the bytes that carry `message`.
    ///
    /// # Errors
    /// [`SendError`] for a binary message in draft-75 and draft-76.
    pub fn encode(self, message: &Message, out: &mut Vec<u8>) -> Result<(), SendError> {
        let framing = self.version.framing();
        framing
            .encode(message, self.mask(), out)
            .map_err(|what| self.lacks(what))
    }

    /// Appends the bytes that carry `message`, which was compressed to `payload` with the
    /// [negotiated parameters](Encoder::negotiated).
    pub(crate) fn encode_deflated(self, message: &Message, payload: &[u8], out: &mut Vec<u8>) {
        hybi::encode_deflated(hybi::Opcode::of(message), payload, self.mask(), out);
    }

    /// Appends a fragment of a message that is sent in pieces, uncompressed: whether it `is_text`, and
    /// whether the fragment is the first and the last.
    ///
    /// # Errors
    /// [`SendError`] in draft-75 and draft-76, which have no fragments.
    #[cfg(any(feature = "server", feature = "client"))]
    #[inline]
    pub(crate) fn encode_fragment(
        self,
        is_text: bool,
        (is_first, is_last): (bool, bool),
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.check_fragments()?;
        let opcode = match (is_first, is_text) {
            (false, _) => hybi::Opcode::Continuation,
            (true, true) => hybi::Opcode::Text,
            (true, false) => hybi::Opcode::Binary,
        };
        hybi::encode_fragment((opcode, is_last), payload, self.mask(), out);
        Ok(())
    }

    /// Checks that a message can be sent in pieces.
    ///
    /// # Errors
    /// [`SendError`] in draft-75 and draft-76.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn check_fragments(self) -> Result<(), SendError> {
        match self.version.framing() {
            Framing::Hixie => Err(self.lacks("fragments")),
            Framing::Hybi => Ok(()),
        }
    }

    /// Encodes a message without a copy of the payload: appends the bytes before the payload, and
    /// returns the payload and the bytes after it. A payload that must be masked is masked in place if no
    /// clone of it is left, and copied otherwise.
    ///
    /// # Errors
    /// The same as [`encode`](Encoder::encode).
    pub fn encode_owned(
        self,
        message: Message,
        out: &mut Vec<u8>,
    ) -> Result<(Binary, &'static [u8]), SendError> {
        match (self.version.framing(), message) {
            (Framing::Hixie, Message::Text(text)) => Ok((text.into(), hixie::encode_around(out))),
            (Framing::Hixie, Message::Binary(_)) => Err(self.lacks("binary messages")),
            (Framing::Hybi, message) => Ok((hybi::encode_owned(message, self.mask(), out), b"")),
        }
    }

    /// Appends a ping with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// [`SendError`] if the version has no ping, or for a longer payload.
    pub fn encode_ping(self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.encode_control(hybi::Opcode::Ping, payload, out)
    }

    /// Appends a pong with a payload of up to 125 bytes.
    ///
    /// # Errors
    /// [`SendError`] if the version has no pong, or for a longer payload.
    pub fn encode_pong(self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.encode_control(hybi::Opcode::Pong, payload, out)
    }

    /// Appends the version's half of the closing handshake: a close frame, `FF 00`, or nothing at
    /// all for draft-75, which closes by closing the TCP connection. Code and reason are dropped if
    /// the version has no place for them; without a frame, the close has no code.
    ///
    /// # Errors
    /// [`SendError`] for a code that may not be sent or a reason above 123 bytes, in every
    /// version: so that a mistake does not depend on the peer's version.
    pub fn encode_close(
        self,
        frame: Option<&CloseFrame>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if let Some(frame) = frame {
            if !self.version.may_send(frame.code) {
                return Err(SendError::CloseCode(frame.code.get()));
            }
            if frame.reason.len() > CloseFrame::MAX_REASON {
                return Err(SendError::TooLong(frame.reason.len()));
            }
        }
        match self.version.closing() {
            Closing::CloseTcp => {}
            Closing::Marker => out.extend_from_slice(&hixie::CLOSE_FRAME),
            Closing::Frame => hybi::encode_close(frame, self.mask(), out),
        }
        Ok(())
    }

    fn encode_control(
        self,
        opcode: hybi::Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !self.version.has_ping() {
            return Err(self.lacks("ping and pong"));
        }
        if payload.len() > hybi::MAX_CONTROL {
            return Err(SendError::TooLong(payload.len()));
        }
        hybi::encode_frame(opcode, payload, self.mask(), out);
        Ok(())
    }

    /// Returns a fresh mask for one frame, if the frame needs one.
    fn mask(self) -> Option<[u8; 4]> {
        let entropy = self.entropy?;
        (self.version.framing() == Framing::Hybi).then(|| {
            let mut mask = [0; 4];
            entropy(&mut mask);
            mask
        })
    }

    fn lacks(self, feature: &'static str) -> SendError {
        SendError::UnsupportedByVersion {
            version: self.version,
            feature,
        }
    }
}

#[cfg(all(test, any(feature = "server", feature = "client")))]
mod tests {
    use super::Encoder;
    use crate::protocol::framing::{Decoded, Decoder};
    use crate::protocol::{
        CloseCode, CloseFrame, Config, Framing, Message, Role, SendError, Version,
    };

    /// Returns another mask on each call, none of them zero.
    fn entropy(mask: &mut [u8]) {
        use std::cell::Cell;
        thread_local!(static NEXT: Cell<u8> = const { Cell::new(1) });
        for byte in mask {
            *byte = NEXT.replace(NEXT.get() % u8::MAX + 1);
        }
    }

    fn sides(version: Version) -> [(Encoder, Role); 2] {
        [
            (Encoder::server(version), Role::Client),
            (Encoder::client(version, entropy), Role::Server),
        ]
    }

    #[test]
    fn each_role_reads_the_frames_of_the_other() -> Result<(), SendError> {
        let config = Config::default();
        for version in Version::ALL {
            for (encoder, reader) in sides(version) {
                for len in [0, 1, 5, 125, 126, 65_535, 65_536] {
                    let message = Message::from("x".repeat(len));
                    let mut bytes = Vec::new();
                    encoder.encode(&message, &mut bytes)?;
                    let decoded = Decoder::new(version, reader).decode(&bytes, &config);
                    let expected = Ok(Some(Decoded::Message(message)));
                    assert_eq!(decoded, (bytes.len(), expected), "{version}: {len}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn encode_owned_writes_the_same_frame() -> Result<(), SendError> {
        let config = Config::default();
        for version in Version::ALL {
            for (encoder, reader) in sides(version) {
                for len in [0, 5, 126, 65_536] {
                    let message = Message::from("x".repeat(len));
                    let mut bytes = Vec::new();
                    let (payload, tail) = encoder.encode_owned(message.clone(), &mut bytes)?;
                    bytes.extend_from_slice(&payload);
                    bytes.extend_from_slice(tail);
                    let (used, decoded) = Decoder::new(version, reader).decode(&bytes, &config);
                    assert_eq!(used, bytes.len());
                    assert_eq!(decoded, Ok(Some(Decoded::Message(message))), "{version}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn every_frame_of_a_client_has_its_own_mask() -> Result<(), SendError> {
        let encoder = Encoder::client(Version::Rfc6455, entropy);
        let mut masks = Vec::new();
        for _ in 0..3 {
            let frame = CloseFrame::of(CloseCode::NORMAL);
            let mut frames = [const { Vec::new() }; 5];
            encoder.encode(&"".into(), &mut frames[0])?;
            encoder.encode_owned("".into(), &mut frames[1])?;
            encoder.encode_ping(b"", &mut frames[2])?;
            encoder.encode_pong(b"", &mut frames[3])?;
            encoder.encode_close(Some(&frame), &mut frames[4])?;
            for frame in frames {
                assert_ne!(frame[1] & 0x80, 0, "{frame:x?} has no mask");
                masks.push(frame[2..6].to_vec());
            }
        }
        let count = masks.len();
        masks.sort();
        masks.dedup();
        assert_eq!(masks.len(), count);
        Ok(())
    }

    #[test]
    fn the_old_drafts_have_no_masks_in_either_role() -> Result<(), SendError> {
        for version in Version::ALL {
            if version.framing() == Framing::Hixie {
                for (encoder, _) in sides(version) {
                    let mut bytes = Vec::new();
                    encoder.encode(&"Hello".into(), &mut bytes)?;
                    assert_eq!(bytes, b"\0Hello\xff", "{version}");
                }
            }
        }
        Ok(())
    }
}
