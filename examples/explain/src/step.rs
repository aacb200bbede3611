//! Arithmetic as data: each step can be evaluated again.

/// One step of a calculation, with its result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Draft-76: the digits of a key, read as one number (draft-76 §5.2 step 4).
    Digits {
        /// The value of the header, with its spaces and its noise.
        text: Vec<u8>,
        /// The number. Larger numbers than this type can hold have no step.
        number: u64,
    },
    /// Draft-76: the spaces of a key (§5.2 step 5). Only the byte 20 is a space.
    Spaces {
        /// The value of the header.
        text: Vec<u8>,
        /// How many spaces it has.
        count: u32,
    },
    /// A division: `number = by * quotient + rest`.
    Divide {
        /// The dividend.
        number: u64,
        /// The divisor, never 0.
        by: u32,
        /// The quotient.
        quotient: u64,
        /// The remainder, less than `by`.
        rest: u64,
    },
    /// Bytes as a number, the most significant byte first (network byte order).
    BigEndian {
        /// The bytes, at most 8.
        bytes: Vec<u8>,
        /// The number.
        value: u64,
    },
    /// Digits of seven bits, the most significant digit first (draft-75 and draft-76).
    Base128 {
        /// The bytes: in each but the last, the first bit is set.
        digits: Vec<u8>,
        /// The number.
        value: u64,
    },
    /// Bytes that are joined to one sequence.
    Join {
        /// The parts, in order.
        parts: Vec<Vec<u8>>,
        /// All of them.
        joined: Vec<u8>,
    },
    /// The SHA-1 digest (FIPS 180-4).
    Sha1 {
        /// The input.
        input: Vec<u8>,
        /// Its digest.
        digest: [u8; 20],
    },
    /// The MD5 digest (RFC 1321).
    Md5 {
        /// The input.
        input: Vec<u8>,
        /// Its digest.
        digest: [u8; 16],
    },
    /// Base64 (RFC 4648 §4): three bytes become four characters.
    Base64 {
        /// The bytes.
        bytes: Vec<u8>,
        /// The characters. The unused bits of the last character may be set.
        text: String,
    },
    /// One byte of a payload: `masked ^ key = plain`.
    Xor {
        /// The place in the payload; the byte of the masking key is that at `at` modulo 4.
        at: u64,
        /// The byte on the wire.
        masked: u8,
        /// The byte of the masking key.
        key: u8,
        /// The byte of the payload.
        plain: u8,
    },
    /// The bytes of one character, as UTF-8 (RFC 3629).
    Utf8 {
        /// The bytes.
        bytes: Vec<u8>,
        /// The character; `None` if they are no character.
        character: Option<char>,
    },
    /// Many bytes that were checked as UTF-8 at once.
    Utf8Run {
        /// The bytes.
        bytes: Vec<u8>,
        /// The place of the first invalid byte, if any.
        invalid_at: Option<u64>,
    },
    /// The code of a close frame: `256 * high + low` (RFC 6455 §5.5.1).
    CloseCode {
        /// The first byte.
        high: u8,
        /// The second byte.
        low: u8,
        /// The code.
        code: u16,
    },
    /// A message that was decompressed (RFC 7692 §7.2.2).
    Inflate {
        /// The length of the compressed data, in bytes, without the tail that the receiver adds.
        packed: u64,
        /// The length of the message.
        plain: u64,
        /// How many bytes of it were copied out of earlier messages.
        from_before: u64,
    },
    /// A value beside the one that it must be.
    Compare {
        /// The value on the wire.
        found: Vec<u8>,
        /// The required value.
        expected: Vec<u8>,
        /// Whether they are the same bytes.
        equal: bool,
    },
}
