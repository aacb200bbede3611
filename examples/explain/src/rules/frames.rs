//! The rules of frames, messages and the end of a connection.

use crate::rule::Rule;

/// All rules of this file.
pub(crate) static ALL: &[&Rule] = &[
    &MASK_CLIENT,
    &MASK_SERVER,
    &MASK_KEY,
    &RESERVED_BITS,
    &OPCODE,
    &CONTROL_WHOLE,
    &CONTROL_LENGTH,
    &LENGTH_MINIMAL,
    &LENGTH_TOP_BIT,
    &CONTINUATION,
    &NESTED,
    &MESSAGE_SIZE,
    &MESSAGE_FRAGMENTS,
    &TEXT_UTF8,
    &CLOSE_BODY,
    &CLOSE_CODE,
    &CLOSE_LAST,
    &DEFLATE_RSV1,
    &DEFLATE_DATA,
    &DEFLATE_WINDOW,
    &STREAM_COMPLETE,
    &STREAM_CLOSE,
    &HIXIE_TYPE,
    &HIXIE_SKIPPED,
    &HIXIE_CLOSE,
    &HIXIE_CLOSE_LAST,
];

pub(crate) static MASK_CLIENT: Rule = Rule {
    id: "mask.client",
    source: "RFC 6455 §5.1",
    says: "Each frame of a client has a masking key.",
    why: "A proxy that does not know WebSocket could read the payload as an HTTP request, and keep a false \
          response for others. A script cannot choose the bytes on the wire if a key changes them.",
};

pub(crate) static MASK_SERVER: Rule = Rule {
    id: "mask.server",
    source: "RFC 6455 §5.1",
    says: "A frame of a server has no masking key.",
    why: "Masks protect proxies from the scripts in a browser. No script chooses the bytes of a server, so \
          a mask would only cost time.",
};

pub(crate) static MASK_KEY: Rule = Rule {
    id: "mask.key",
    source: "RFC 6455 §5.3",
    says: "Each frame has a new masking key, which nobody can predict.",
    why: "A script that knows the key can choose the payload so that the masked bytes are a request that a \
          proxy understands.",
};

pub(crate) static RESERVED_BITS: Rule = Rule {
    id: "rsv.unused",
    source: "RFC 6455 §5.2",
    says: "RSV1, RSV2 and RSV3 are 0, unless an extension was negotiated that uses them.",
    why: "An extension changes the meaning of a payload. A receiver that ignores the bit would deliver \
          bytes that are not the message.",
};

pub(crate) static OPCODE: Rule = Rule {
    id: "opcode.known",
    source: "RFC 6455 §5.2",
    says: "The opcode is 0, 1, 2, 8, 9 or 10.",
    why: "The other numbers are reserved for later versions: their meaning is not known.",
};

pub(crate) static CONTROL_WHOLE: Rule = Rule {
    id: "control.whole",
    source: "RFC 6455 §5.5",
    says: "A control frame is one frame: its FIN bit is 1.",
    why: "Control frames may stand between the fragments of a message. If they had fragments too, a \
          receiver could not assign the next continuation.",
};

pub(crate) static CONTROL_LENGTH: Rule = Rule {
    id: "control.length",
    source: "RFC 6455 §5.5",
    says: "The payload of a control frame has at most 125 bytes.",
    why: "A receiver must be able to read and to answer a control frame at once, in little memory.",
};

pub(crate) static LENGTH_MINIMAL: Rule = Rule {
    id: "length.minimal",
    source: "RFC 6455 §5.2",
    says: "A length is written in the shortest form: 7 bits up to 125, 16 bits up to 65535, 64 bits above.",
    why: "One frame then has one encoding. Two programs that read different lengths cannot be played off \
          against each other.",
};

pub(crate) static LENGTH_TOP_BIT: Rule = Rule {
    id: "length.top-bit",
    source: "RFC 6455 §5.2",
    says: "The first bit of a 64-bit length is 0.",
    why: "Many languages have signed integers only: the length would be negative.",
};

pub(crate) static CONTINUATION: Rule = Rule {
    id: "message.continuation",
    source: "RFC 6455 §5.4",
    says: "A continuation frame follows a frame of the same message that has FIN 0.",
    why: "The first frame tells whether the message is text or binary. A continuation alone belongs to no \
          message.",
};

pub(crate) static NESTED: Rule = Rule {
    id: "message.nested",
    source: "RFC 6455 §5.4",
    says: "A new message begins after the end of the previous one. Only control frames stand between \
           fragments.",
    why: "Continuation frames have no number: a receiver could not assign them to one of two messages.",
};

pub(crate) static MESSAGE_SIZE: Rule = Rule {
    id: "message.size",
    source: "RFC 6455 §10.4",
    says: "A message is not larger than the limit of its receiver.",
    why: "A frame can declare up to 2^63 bytes. A receiver without a limit would run out of memory.",
};

pub(crate) static MESSAGE_FRAGMENTS: Rule = Rule {
    id: "message.fragments",
    source: "RFC 6455 §10.4",
    says: "A message does not have more fragments than the limit of its receiver.",
    why: "Fragments may be empty: a message could go on without an end, although it stays small.",
};

pub(crate) static TEXT_UTF8: Rule = Rule {
    id: "text.utf8",
    source: "RFC 6455 §8.1; draft-76 §5.3",
    says: "A text message, and the reason of a close frame, is UTF-8 as a whole.",
    why: "Both sides must read the same characters. A frame may end within a character: the check goes on \
          in the next one.",
};

pub(crate) static CLOSE_BODY: Rule = Rule {
    id: "close.body",
    source: "RFC 6455 §5.5.1",
    says: "The payload of a close frame is empty, or begins with a code of two bytes.",
    why: "A code is a number of 16 bits. One byte is only half of it.",
};

pub(crate) static CLOSE_CODE: Rule = Rule {
    id: "close.code",
    source: "RFC 6455 §7.4",
    says: "A close frame has a code that may be sent: 1000 to 1003, 1007 to 1014, or 3000 to 4999; in \
           versions 7 and 8 also 1004.",
    why: "1005, 1006 and 1015 are for reports only: they mean that no code has arrived. A peer could not \
          tell the difference. All other numbers are reserved.",
};

pub(crate) static CLOSE_LAST: Rule = Rule {
    id: "close.last",
    source: "RFC 6455 §5.5.1",
    says: "After its close frame, a side sends no more data frames.",
    why: "The receiver ignores them: the messages would be lost.",
};

pub(crate) static DEFLATE_RSV1: Rule = Rule {
    id: "deflate.rsv1",
    source: "RFC 7692 §6.1, §6.2",
    says: "With permessage-deflate, RSV1 is 1 only on the first frame of a message: the message is \
           compressed.",
    why: "A message is compressed as a whole, before it is cut into fragments. Control frames are never \
          compressed.",
};

pub(crate) static DEFLATE_DATA: Rule = Rule {
    id: "deflate.data",
    source: "RFC 7692 §7.2.2; RFC 1951",
    says: "The payload of a compressed message, with 00 00 ff ff at its end, is a stream of DEFLATE blocks.",
    why: "Both sides must keep the same window of earlier bytes. After one error, all later messages would \
          be wrong as well.",
};

pub(crate) static DEFLATE_WINDOW: Rule = Rule {
    id: "deflate.window",
    source: "RFC 7692 §7.1.2",
    says: "A compressed message refers back at most as far as the agreed window: 2 to the power of \
           server_max_window_bits or client_max_window_bits, in bytes.",
    why: "A receiver may keep only so many bytes: it cannot copy bytes from before them.",
};

pub(crate) static STREAM_COMPLETE: Rule = Rule {
    id: "stream.complete",
    source: "RFC 6455 §5.2, §5.4; draft-76 §5.3",
    says: "A stream ends between two frames, and between two messages.",
    why: "The rest of the frame is missing. Often the length is wrong: it counts characters instead of \
          bytes, or its bytes have another order.",
};

pub(crate) static STREAM_CLOSE: Rule = Rule {
    id: "stream.close",
    source: "RFC 6455 §7.1.5; draft-76 §5.4",
    says: "Before its stream ends, a side sends its half of the closing handshake.",
    why: "The receiver can then tell a finished conversation from one that was cut short, which it reports \
          as 1006.",
};

pub(crate) static HIXIE_TYPE: Rule = Rule {
    id: "hixie.type",
    source: "draft-76 §5.3; draft-75 §5.3",
    says: "A frame begins with 00: it is text. Draft-76 has FF 00 as well, which starts the closing \
           handshake.",
    why: "All other types are for later versions. A receiver may skip such a frame, so the sender sees no \
          error: text without 00 in front of it is lost.",
};

pub(crate) static HIXIE_SKIPPED: Rule = Rule {
    id: "hixie.skipped",
    source: "draft-76 §5.3",
    says: "A frame that is skipped is not larger than the limit of its receiver, and its length has at most \
           ten digits.",
    why: "A length has any number of digits, and zeros may stand in front of it: a receiver must stop \
          somewhere.",
};

pub(crate) static HIXIE_CLOSE: Rule = Rule {
    id: "hixie.close",
    source: "draft-76 §5.3; draft-75 §5.3",
    says: "FF 00 starts the closing handshake in draft-76. In draft-75 it is an empty frame.",
    why: "Draft-75 has no closing handshake: the end of the TCP connection is the close.",
};

pub(crate) static HIXIE_CLOSE_LAST: Rule = Rule {
    id: "hixie.close-last",
    source: "draft-76 §5.3, §5.4",
    says: "After FF 00, a side sends nothing more.",
    why: "The receiver ignores all further bytes.",
};
