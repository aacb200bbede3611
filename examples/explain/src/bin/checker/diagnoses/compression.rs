//! Mistakes with permessage-deflate (RFC 7692).

use crate::diagnosis::catalogue;

catalogue! {
TAKEOVER_IGNORED = "D13-DEFLATE-OFFER", rule "RFC 7692 §7.1.1.1";
says "You accepted an offer with server_no_context_takeover, but your response does not contain this parameter.";
hint "Repeat server_no_context_takeover in the response, or decline the offer.";
page "\
The offer demands that your server forgets the context after each message:

  Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover
  Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover

The second line is the response. A server that accepts the offer must repeat the
parameter and keep to it. A server that does not want this declines: it leaves
the header out.

The remedy: read the parameters of the offer before you accept it.";

NO_REPLY = "D13-DEFLATE-NO-REPLY", rule "RFC 7692 §7.2.2";
says "Your server accepted permessage-deflate, but it does not send a compressed message back.";
hint "A message with RSV1 in its first frame is compressed: append 00 00 ff ff to its payload and decompress it.";
page "\
\"Hello\" as a compressed message (before masking):

  c1 07  f2 48 cd c9 c9 07 00        c1 = FIN, RSV1, text

To decompress, append the four bytes that the sender has removed:

  f2 48 cd c9 c9 07 00  00 00 ff ff

and use raw deflate: without the header and the checksum of zlib or gzip (in many
libraries a negative window size, -15).

Functions that demand a complete stream report an error, because the last block
is not marked as the last one. Use the form that decompresses piece by piece.";

TAIL_MISSING = "D13-DEFLATE-TAIL", rule "RFC 7692 §7.2.2";
says "You did not append 00 00 ff ff to the compressed payload before you decompressed it.";
hint "Append these four bytes once to the joined payload of each message. Without them the first message works, and the second then fails.";
page "\
The sender ends each message with an empty block and removes its last four
bytes; the receiver puts them back:

  on the wire      f2 48 cd c9 c9 07 00
  to decompress    f2 48 cd c9 c9 07 00  00 00 ff ff

Without them the decompressor stops inside the empty block. The end of the
message may be missing. Or the first message works without the tail, and the
second then fails: its first bytes are taken for the rest of that block.

The remedy: append 00 00 ff ff once to each message.";

CONTEXT_LOST = "D13-DEFLATE-CONTEXT", rule "RFC 7692 §7.2.2";
says "You began a new decompression context for each message, although the client may refer to earlier messages.";
hint "Keep one decompressor for each connection; or put client_no_context_takeover into the response.";
page "\
The compressor of the client remembers the last 32 KiB. The second message can
therefore be a reference to the first one:

  first    f2 48 cd c9 c9 07 00     \"Hello\"
  second   f2 00 11 00 00           \"Hello\": copy 5 bytes from 5 bytes before

A new decompressor does not know these bytes: it fails.

The remedy: one decompressor for each connection, used for its messages in their
order. Or respond with client_no_context_takeover: then the client forgets its
context after each message.";

CONTEXT_KEPT = "D13-DEFLATE-CONTEXT-KEPT", rule "RFC 7692 §7.1.1.1";
says "You agreed to server_no_context_takeover, but your messages refer to earlier ones.";
hint "Begin with a new compressor, or reset it, before each message.";
page "\
With server_no_context_takeover the client begins each message with an empty
context. Your compressor still refers to bytes of earlier messages:

  first    f2 48 cd c9 c9 07 00     \"Hello\"
  second   f2 00 11 00 00           a reference to the first: wrong here

The remedy: reset the compressor after each message if this parameter is in your
response.";

NO_RSV1 = "D13-DEFLATE-NO-RSV1", rule "RFC 7692 §7.2.1";
says "Your message is compressed, but RSV1 is not set in its first frame.";
hint "The first byte of a compressed text message is c1, not 81.";
page "\
RSV1 tells the receiver that the message is compressed:

  c1 = 1100 0001        FIN, RSV1, text: compressed
  81 = 1000 0001        FIN, text: not compressed

Without the bit the client shows compressed bytes as text, or closes because they
are no UTF-8.

The remedy: set the bit 40 in the first byte of the first frame of each
compressed message.";

RSV1_PLAIN = "D13-DEFLATE-PLAIN", rule "RFC 7692 §7.2.1";
says "You set RSV1, but the payload is not compressed.";
hint "Do not copy the first byte of the received frame: set RSV1 only if you compress the payload.";
page "\
  c1 05 48 65 6c 6c 6f                 wrong: RSV1, and plain text
  81 05 48 65 6c 6c 6f                 right: not compressed
  c1 07 f2 48 cd c9 c9 07 00           right: compressed

A server may send messages without compression at any time.

The remedy: calculate the first byte from your own decision to compress.";

RSV1_CONTINUATION = "D13-DEFLATE-RSV1-CONTINUATION", rule "RFC 7692 §6.1";
says "You set RSV1 in a frame that continues a message, or in a control frame.";
hint "RSV1 belongs to the first frame of a compressed message only.";
page "\
The bit describes the whole message, so only its first frame has it:

  41 ...        text, RSV1, FIN 0
  00 ...        continuation, no RSV1
  80 ...        continuation, FIN 1, no RSV1

Control frames are never compressed.

The remedy: set the bit only together with opcode 1 or 2.";

FRAGMENTS = "D13-DEFLATE-FRAGMENTS", rule "RFC 7692 §6.2";
says "Your server cannot read a compressed message that comes in fragments.";
hint "Join the payloads of all fragments first, append 00 00 ff ff once, and decompress then.";
page "\
A message is compressed first, and cut into frames then:

  41 ... f2 48        text, RSV1, FIN 0
  00 ... cd c9        continuation: no RSV1, but still compressed
  80 ... c9 07 00     continuation, FIN 1

Common causes:
  - Each fragment is decompressed alone, or gets 00 00 ff ff of its own.
  - RSV1 is looked for in the last frame, or in each frame.

The remedy: remember RSV1 of the first frame until the message is complete.";

TAIL_SENT = "D13-DEFLATE-TAIL-SENT", rule "RFC 7692 §7.2.1";
says "You did not remove 00 00 ff ff from the end of your compressed message.";
hint "After the sync flush, remove the last four bytes (00 00 ff ff) of the compressed data of the message.";
page "\
A flush (Z_SYNC_FLUSH) always ends with the same four bytes. They are not sent:

  f2 48 cd c9 c9 07 00 00 00 ff ff       from the compressor
  f2 48 cd c9 c9 07 00                   to be sent

The remedy: flush the compressor with Z_SYNC_FLUSH, check that the output ends
with 00 00 ff ff, and remove these bytes.";

WRAPPED = "D13-DEFLATE-WRAPPED", rule "RFC 7692 §7.2.1";
says "Your compressed message has the header of zlib or gzip; it must be raw deflate.";
hint "Use raw deflate: in many libraries a negative window size (-15), or a function with raw in its name.";
page "\
The same data in three forms:

  f2 48 cd c9 c9 07 00 ...             raw deflate: right
  78 9c f2 48 cd c9 c9 07 00 ...       zlib: a header of two bytes
  1f 8b 08 ...                         gzip: a header of ten bytes

The remedy: create compressor and decompressor for raw deflate, for example
deflateInit2 with windowBits -15, deflateRaw, or wbits=-15.";

BROKEN = "D13-DEFLATE-BROKEN", rule "RFC 7692 §7.2.2";
says "Your compressed message cannot be decompressed to the right text.";
hint "Flush with Z_SYNC_FLUSH after each message, remove the last four bytes, and use one compressor for each connection.";
page "\
The checker appends 00 00 ff ff to your payload and decompresses it, with the
context of your earlier messages on this connection.

Common causes:
  - The compressor was finished and not flushed: then the last four bytes are
    data, and must not be cut.
  - Several connections share one compressor.
  - Messages were compressed in another order than they were sent.

The remedy: compress a message at the moment when you send it, and flush with
Z_SYNC_FLUSH.";

PLAIN_REFUSED = "D13-DEFLATE-PLAIN-REFUSED", rule "RFC 7692 §6";
says "Your server cannot read a message without compression after it has accepted permessage-deflate.";
hint "Look at RSV1 of each message: 0 means that it is not compressed.";
page "\
Compression is decided for each message:

  c1 ...        compressed
  81 ...        not compressed, although the extension is in use

Clients send short messages without compression.

The remedy: decompress only if RSV1 is set in the first frame of the message.";

BLOCKS = "D13-DEFLATE-BLOCKS", rule "RFC 7692 §7.2.3";
says "Your server cannot read a message that was compressed in an unusual but valid way.";
hint "Append 00 00 ff ff and decompress until all input is used; do not look at the blocks yourself.";
page "\
The sender may choose among several forms. All of them are \"Hello\":

  f2 48 cd c9 c9 07 00                              a block with fixed codes
  00 05 00 fa ff 48 65 6c 6c 6f 00                  a block without compression
  f3 48 cd c9 c9 07 00 00                           marked as the last block
  f2 48 05 00 00 00 ff ff ca c9 c9 07 00            two blocks

An empty message is one byte: 00.

The remedy: after a block that is marked as the last one, begin a new stream and
go on with the rest of the input.";

ACCEPTS_RSV1 = "D13-ACCEPTS-RSV1", rule "RFC 7692 §6.1";
says "Your server accepts RSV1 in a frame that may not have it.";
hint "Close with 1002 if RSV1 is set in a continuation or in a control frame.";
page "\
RSV1 belongs to the first frame of a message:

  41 ...   c0 ...        text with RSV1, continuation with RSV1: close with 1002
  c9 ...                 ping with RSV1: close with 1002

The remedy: allow the bit only with opcodes 1 and 2.";
}
