//! The mistakes of a client with permessage-deflate (RFC 7692).

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &OFFER,
    &UNREAD,
    &TAIL,
    &CONTEXT,
    &SEND_CONTEXT,
    &KEEPS_CONTEXT,
    &SENT,
    &RSV1_MISSING,
    &RSV1_REPEATED,
    &FRAGMENTS,
    &PLAIN,
    &RSV1_ACCEPTED,
];

pub(crate) static OFFER: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-OFFER",
    says: "Your offer of permessage-deflate has a parameter that is not allowed.",
    hint: "Offer \"permessage-deflate\" alone, or with \"; client_max_window_bits\".",
    page: "\
The parameters of an offer, each at most once:

  server_no_context_takeover            no value
  client_no_context_takeover            no value
  server_max_window_bits=10             8 to 15
  client_max_window_bits                without a value, or 8 to 15

A server declines an offer with anything else. Remedy: start without
parameters.",
    rule: "RFC 7692 §7.1",
};

pub(crate) static UNREAD: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-UNREAD",
    says: "You offered permessage-deflate, and did not decompress a compressed message.",
    hint: "If RSV1 is set on the first frame, add 00 00 ff ff to the payload and inflate it; or do not offer the extension.",
    page: "\
The server has accepted your offer, so it may compress.

  received   c1 07 f2 48 cd c9 c9 07 00       RSV1: compressed \"Hello\"
  inflate    f2 48 cd c9 c9 07 00 00 00 ff ff     raw deflate, no zlib header
  message    48 65 6c 6c 6f

Remedy: Python zlib.decompressobj(-15); or remove Sec-WebSocket-Extensions
from your request.",
    rule: "RFC 7692 §7.2.2",
};

pub(crate) static TAIL: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-TAIL",
    says: "You could not read a compressed message to its end: the four bytes 00 00 ff ff are missing.",
    hint: "Add 00 00 ff ff behind the joined payload of the message before you inflate it.",
    page: "\
The sender cuts these four bytes off, because every message ends with them.

  received   c1 07 f2 48 cd c9 c9 07 00
  inflate    f2 48 cd c9 c9 07 00 | 00 00 ff ff

Remedy: inflate(payload + b\"\\x00\\x00\\xff\\xff\"), once for each message, not for
each fragment.",
    rule: "RFC 7692 §7.2.2",
};

pub(crate) static CONTEXT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-CONTEXT",
    says: "You decompressed the first message, but not the second: it refers to bytes of the first.",
    hint: "Keep one decompressor for the whole connection, and give it every compressed message in order.",
    page: "\
Without \"no_context_takeover\", the window of 32 KiB goes on from message to
message. A repeated text is then a reference to the earlier one.

  message 1   f2 48 cd c9 c9 07 00      \"Hello\"
  message 2   02 13 00 00               \"Hello\" again: a copy from message 1

A new decompressor for each message fails here, or returns something else.
Remedy: make it when the connection opens; or offer
server_no_context_takeover.",
    rule: "RFC 7692 §7.1.1, §7.2.2",
};

pub(crate) static SEND_CONTEXT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-SEND-CONTEXT",
    says: "A compressed message of yours cannot be decompressed, after an earlier one could.",
    hint: "Keep one compressor for the connection, and send its output in order, each byte once.",
    page: "\
The server's decompressor has seen your earlier messages only. A message that
refers to something else cannot be read.

  right   message 1 compressed, sent; message 2 compressed, sent
  wrong   a message is compressed and then not sent, or in another order, or the
          compressor has seen bytes that the server has not

Remedy: compress in the function that sends, and nowhere else; or begin each
message with a new compressor.",
    rule: "RFC 7692 §7.1.1, §7.2.1",
};

pub(crate) static KEEPS_CONTEXT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-KEEPS-CONTEXT",
    says: "You referred to an earlier message, although client_no_context_takeover was agreed on.",
    hint: "If the response has client_no_context_takeover, begin each message with a new compressor.",
    page: "\
The server may demand that each message of the client stands for itself, so
that it needs no memory for the window.

  response    permessage-deflate; client_no_context_takeover
  message 1   f2 48 cd c9 c9 07 00
  message 2   f2 48 cd c9 c9 07 00      the same text, compressed anew
  wrong       02 13 00 00               a copy from message 1

Remedy: read the parameters of the response, and reset the compressor after
each message.",
    rule: "RFC 7692 §7.1.1.2",
};

pub(crate) static SENT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-SENT",
    says: "You set RSV1, but the payload is not a deflate stream without its tail.",
    hint: "Compress with raw deflate, flush with a sync flush, and cut the last four bytes 00 00 ff ff off.",
    page: "\
RSV1 says that the message is compressed.

  \"Hello\"    raw deflate    f2 48 cd c9 c9 07 00 00 00 ff ff
  you send   c1 87 (key)    f2 48 cd c9 c9 07 00        masked afterwards

Usual mistakes: plain text with RSV1; a zlib header (78 9c) before it; the
tail left in; masked before it was compressed. Remedy:
zlib.compressobj(wbits=-15), then flush(Z_SYNC_FLUSH), then [:-4].",
    rule: "RFC 7692 §7.2.1",
};

pub(crate) static RSV1_MISSING: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-RSV1-MISSING",
    says: "You compressed a message and did not set RSV1 on its first frame.",
    hint: "Add 40 (hex) to the first byte of the first frame: 81 becomes c1.",
    page: "\
Without RSV1 the message is plain, and the server takes the compressed bytes
for text.

  you sent   81 87 (key) f2 48 cd c9 c9 07 00
  expected   c1 87 (key) f2 48 cd c9 c9 07 00

Remedy: first byte = 0x80 | 0x40 | opcode.",
    rule: "RFC 7692 §7.2.1, §6",
};

pub(crate) static RSV1_REPEATED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-RSV1-REPEATED",
    says: "You set RSV1 on a continuation or on a control frame.",
    hint: "Set RSV1 only on the first frame of a compressed message.",
    page: "\
The bit belongs to the message, so only its first frame has it.

  right   41 ... (first, RSV1)   00 ... (next)   80 ... (last)
  wrong   41 ...                 40 ...          c0 ...
  wrong   ca ...                 a pong with RSV1: never compressed

Remedy: clear the bit for opcode 0 and for opcodes from 8 on.",
    rule: "RFC 7692 §6.1, §7.2.3",
};

pub(crate) static FRAGMENTS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-FRAGMENTS",
    says: "You could not read a compressed message that came in fragments.",
    hint: "RSV1 is on the first fragment only. Join all payloads, then inflate once.",
    page: "\
A message is compressed as a whole, and then cut.

  received   41 03 f2 48 cd       first: text, RSV1
             80 04 c9 c9 07 00    last: no RSV1
  inflate    f2 48 cd c9 c9 07 00 00 00 ff ff

Remedy: remember RSV1 of the first fragment; inflate at FIN.",
    rule: "RFC 7692 §6.1, §7.2.2",
};

pub(crate) static PLAIN: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-PLAIN",
    says: "You did not accept a message without RSV1 after compression was agreed on.",
    hint: "Inflate only messages with RSV1; all others are plain.",
    page: "\
A side may leave single messages uncompressed.

  received   81 05 48 65 6c 6c 6f      plain \"Hello\"
  received   c1 07 f2 48 ...           compressed \"Hello\"

Remedy: look at RSV1 of the first frame of each message.",
    rule: "RFC 7692 §6.2",
};

pub(crate) static RSV1_ACCEPTED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-DEFLATE-RSV1-ACCEPTED",
    says: "You accepted RSV1 on a continuation or on a control frame.",
    hint: "Fail the connection with 1002 if RSV1 is set on a frame with opcode 0, or from 8 on.",
    page: "\
Also with compression, RSV1 is allowed on the first frame of a message only.

  received   01 03 48 65 6c     first, plain
             c0 02 6c 6f        continuation with RSV1
  expected   88 82 ... 1002, and the end of the connection

Remedy: check the bit for each opcode.",
    rule: "RFC 7692 §6.1",
};
