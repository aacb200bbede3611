//! Mistakes with a stream: reads are not frames.

use crate::diagnosis::catalogue;

catalogue! {
ONE_READ = "D13-ONE-READ", rule "RFC 6455 §5.2";
says "You treat one read as one frame.";
hint "Keep a buffer for each connection: append each read to it, and take a frame out when it is complete.";
page "\
TCP is a stream of bytes. It has no borders: a read returns any part of it.

  81 85 37 fa 21 3d 7f 9f | 4d 51 58        one frame, two reads

On one machine a small frame usually comes in one read. On the internet, or
with large messages, it does not. Then the server sees a short payload, and
takes the rest of it for a header.

The remedy:
  loop:
      buffer = buffer + read()
      while buffer contains a complete frame:
          take the frame out of the buffer and handle it";

HEADER_CUT = "D13-HEADER-CUT", rule "RFC 6455 §5.2";
says "Your server cannot read a header that arrives in two pieces.";
hint "Before you read a byte of the header, check that it is in the buffer. If not, read again.";
page "\
A read may end anywhere, also inside the header:

  81 | 85 37 fa 21 3d ...          after the first byte
  81 fe 01 | 2c 37 fa 21 3d ...    inside the length
  81 85 37 fa | 21 3d 7f ...       inside the key

This is rare, but it happens on each busy server.

The remedy: a header needs 2 bytes, then 2 or 8 more if the length is 126 or
127, then 4 more if the bit MASK is set. Parse only if all of them are in the
buffer; otherwise keep the bytes and read again.";

GLUED_LOST = "D13-GLUED-LOST", rule "RFC 6455 §5.2";
says "Two frames came in one read, and you lost the second one.";
hint "After a frame, look at the rest of the buffer: it may contain the next frame.";
page "\
One read can return several frames, one behind the other:

  81 85 k1 k1 k1 k1 p p p p p   81 85 k2 k2 k2 k2 p p p p p

Common causes:
  - The buffer is emptied after the first frame.
  - The next frame is only looked for after the next read. It then comes one
    message late, or never.

The remedy: after each frame remove exactly its bytes from the buffer, and try
again until the rest is no complete frame.";

GLUED_JOINED = "D13-GLUED-JOINED", rule "RFC 6455 §5.2";
says "Two frames came in one read, and you unmasked all of it as one payload.";
hint "The payload ends where the length says, not at the end of the buffer.";
page "\
The header says how long the payload is. The rest of the read belongs to the
next frame:

  81 82 k k k k p p   81 83 k k k k p p p
                  ^ the first payload ends here

A popular answer on the web unmasks everything up to the end of the buffer and
never looks at the length.

The remedy: take as many bytes as the length says, and keep the others in the
buffer.";

MASK_RESTARTS = "D13-MASK-RESTARTS", rule "RFC 6455 §5.3";
says "After each read you begin again with the first byte of the masking key.";
hint "Count i from the first byte of the frame's payload, over all reads.";
page "\
The key's byte depends on the place in the payload, not on the place in the read:

  payload byte   0  1  2  3  4 | 5  6  7      a read ends after byte 4
  key byte       0  1  2  3  0 | 1  2  3      right
  key byte       0  1  2  3  0 | 0  1  2      wrong

The mistake is invisible if each piece has a multiple of four bytes.

The remedy: unmask when the payload is complete, or keep the index between two
reads.";

ENDS_EARLY = "D13-BUFFER-SIZE", rule "RFC 6455 §5.2";
says "Your server stops inside a large message.";
hint "Read in a loop until the whole payload is there, however large your buffer is.";
page "\
A read returns at most as many bytes as your buffer has, and often fewer.

  message 70000 bytes = read 4096 + read 4096 + ... + read 368

Common causes: a buffer of a fixed size such as 1024 or 65536 bytes for the whole
message; one read for the whole payload.

The remedy: read until the number of bytes that the header declares is there.
Limit the size of messages, and close with 1009 above the limit.";

UTF8_READS = "D13-UTF8-READS", rule "RFC 6455 §5.6";
says "You decode each read as UTF-8, so a character that is cut in two fails.";
hint "Collect the bytes of the message, and decode when it is complete.";
page "\
A read may end inside a character:

  81 87 k k k k 47 72 c3 | bc c3 9f 65      \"Grüße\", cut inside ü (c3 bc)

The first part alone is no valid UTF-8. A program that decodes it at once closes
the connection, or shows a wrong character.

The remedy: decode the payload of the whole message; or use a decoder that keeps
its state between two calls.";

REQUEST_CUT = "D13-REQUEST-CUT", rule "RFC 6455 §4.2.1";
says "Your server cannot read a request that arrives in two pieces.";
hint "Read until the buffer contains CR LF CR LF, and only then parse the request.";
page "\
A request is a stream of bytes too. One read may return only its beginning:

  GET / HTTP/1.1 CR LF Host: 127.0.0.1:90 | 00 CR LF Upgrade: websocket ...

Long cookies and slow networks make this common.

The remedy: append each read to a buffer until it contains CR LF CR LF. Limit the
size of the buffer, for example to 16 KiB.";
}
