//! Broken frames that a client must not accept.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &MASKED,
    &RSV,
    &OPCODE,
    &CONTINUATION,
    &INTERLEAVED,
    &CONTROL,
    &UTF8,
    &OPEN,
];

pub(crate) static MASKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASKED-ACCEPTED",
    says: "You accepted a masked frame. A server must not mask, and a client must fail the connection if it does.",
    hint: "If the second byte has the bit 80, send a close frame with 1002 and close the connection.",
    page: "\
Only clients mask. A masked frame from a server means that the two sides do
not agree on their roles, or that a client's own bytes came back.

  received   81 85 37 fa 21 3d 7f 9f 4d 51 58
                ^ the bit MASK
  expected   88 82 ... 1002, and the end of the connection

Remedy: check the bit before you read the length.",
    rule: "RFC 6455 §5.1",
};

pub(crate) static RSV: Diagnosis = Diagnosis {
    id: "D13-CLIENT-RSV-ACCEPTED",
    says: "You accepted a frame with a reserved bit, although no extension was agreed on.",
    hint: "If any of the bits 70 of the first byte is set, fail the connection with 1002.",
    page: "\
Some pages on the web say that these bits can be ignored. They cannot: a set
RSV1 usually means that the payload is compressed.

  received   c1 05 48 65 6c 6c 6f
             ^ 1100 0001: FIN, RSV1, opcode 1
  expected   88 82 ... 1002, and the end of the connection

Remedy: if first & 0x70: fail.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static OPCODE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-OPCODE-ACCEPTED",
    says: "You accepted a frame with an opcode that has no meaning.",
    hint: "The opcodes are 0, 1, 2, 8, 9 and 10. Fail the connection with 1002 at any other.",
    page: "  received   83 05 48 65 6c 6c 6f     opcode 3
  expected   88 82 ... 1002, and the end of the connection

The other opcodes are kept for extensions and later versions. Without an
agreement nobody knows their meaning.

An unknown opcode is not a text. Remedy: a last branch that fails the
connection.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static CONTINUATION: Diagnosis = Diagnosis {
    id: "D13-CLIENT-STRAY-CONTINUATION",
    says: "You accepted a continuation, although no message had begun.",
    hint: "Opcode 0 is allowed only between a frame without FIN and the frame with FIN.",
    page: "  received   80 05 48 65 6c 6c 6f     opcode 0, nothing to continue
  expected   88 82 ... 1002, and the end of the connection

A continuation belongs to the message before it. Without such a message, a
part of the conversation has been lost.

Remedy: keep a flag \"a message has begun\".",
    rule: "RFC 6455 §5.4",
};

pub(crate) static INTERLEAVED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-INTERLEAVED",
    says: "You accepted a new message inside another one that was not finished.",
    hint: "After a frame without FIN, only opcode 0 and control frames may follow.",
    page: "  received   01 03 48 65 6c     text \"Hel\", FIN clear
             81 02 6c 6f        a new text: opcode 1 instead of 0
  expected   88 82 ... 1002, and the end of the connection

Remedy: at opcode 1 or 2, fail if a message has begun.",
    rule: "RFC 6455 §5.4",
};

pub(crate) static CONTROL: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CONTROL-ACCEPTED",
    says: "You accepted a control frame that is too long, or that comes in pieces.",
    hint: "Control frames have at most 125 bytes, and always FIN.",
    page: "  received   89 7e 00 7e ...    a ping of 126 bytes
  or         09 02 68 69        a ping without FIN
  expected   88 82 ... 1002, and the end of the connection

Remedy: for opcodes from 8 on, check both in the header, before the payload.",
    rule: "RFC 6455 §5.5",
};

pub(crate) static UTF8: Diagnosis = Diagnosis {
    id: "D13-CLIENT-UTF8-ACCEPTED",
    says: "You accepted a text message that is not UTF-8.",
    hint: "Check the bytes of the whole message, and fail the connection with 1007.",
    page: "  received   81 03 61 ff 62     the byte ff never occurs in UTF-8
  expected   88 82 ... 1007, and the end of the connection

Functions that replace invalid bytes hide the error. Remedy: decode strictly
(Python bytes.decode(\"utf-8\"), Node TextDecoder with fatal: true).",
    rule: "RFC 6455 §8.1",
};

pub(crate) static OPEN: Diagnosis = Diagnosis {
    id: "D13-CLIENT-ERROR-OPEN",
    says: "You ignored a frame that breaks the protocol, and left the connection open.",
    hint: "Fail the connection: a close frame with the code 1002 (1007 for text that is not UTF-8), then close TCP.",
    page: "\
After a broken frame, the two sides no longer agree on where frames begin. So
the connection must end.

  received   a frame that breaks a rule
  expected   88 82 ... 03 ea (1002), and the end of the connection

Remedy: one function that sends the close frame and closes the socket, called
for each broken rule.",
    rule: "RFC 6455 §7.1.7",
};
