//! Input that a server must refuse, and that the server under test accepted.

use crate::diagnosis::catalogue;

catalogue! {
NO_KEY = "D13-ACCEPTS-NO-KEY", rule "RFC 6455 §4.2.1";
says "Your server accepts a request that has no Sec-WebSocket-Key.";
hint "If the header is missing, respond with status 400.";
page "\
Without the key the request is not one of version 13. A server that accepts it
calculates its accept value from nothing.

  HTTP/1.1 400 Bad Request
  Connection: close
  Content-Length: 0

The remedy: check method, Host, Upgrade, Connection, Sec-WebSocket-Key and
Sec-WebSocket-Version before you accept.";

VERSION = "D13-ACCEPTS-VERSION", rule "RFC 6455 §4.2.2";
says "Your server accepts a version of the protocol that does not exist.";
hint "If Sec-WebSocket-Version is not 13, respond with status 426 and the header Sec-WebSocket-Version: 13.";
page "\
The request asks for a version. A server that does not know it responds:

  HTTP/1.1 426 Upgrade Required
  Upgrade: websocket
  Connection: Upgrade
  Sec-WebSocket-Version: 13

Then a client can try again with a version that you know.

The remedy: compare the header with your versions before you accept.";

VERSION_LIST = "D13-VERSION-LIST", rule "RFC 6455 §4.4";
says "You rejected an unknown version, but did not tell which versions you know.";
hint "Add the header Sec-WebSocket-Version: 13 to the response.";
page "\
A client learns from the rejection which version to try next:

  HTTP/1.1 426 Upgrade Required
  Sec-WebSocket-Version: 13

The remedy: send this header with each response that rejects a version.";

UNMASKED = "D13-ACCEPTS-UNMASKED", rule "RFC 6455 §5.1";
says "Your server accepts a frame without a mask.";
hint "If the bit 80 of the second byte is 0, close the connection with code 1002.";
page "\
Each frame of a client has a mask:

  81 85 k k k k p p p p p        right: bit 80 is set in the second byte
  81 05 48 65 6c 6c 6f           wrong from a client

The mask keeps scripts in browsers from writing bytes of their choice to a proxy.
A server that accepts frames without it removes this protection.

Some servers read four bytes of key although the bit is 0. Then the text is
garbled.

The remedy: check the bit, and send 88 02 03 ea (1002) if it is 0.";

READS_KEY = "D13-READS-KEY", rule "RFC 6455 §5.1";
says "Your server reads four bytes of key from a frame that has no mask.";
hint "Look at the bit 80 of the second byte. If it is 0, there is no key: close the connection with code 1002.";
page "\
The key is there only if the bit MASK is set:

  81 85 k k k k p p p p p        bit 80 is set: key, then payload
  81 05 p p p p p                bit 80 is not set: payload at once

A program that always reads a key takes the first four bytes of the text for it.
Then it unmasks the rest with them, or waits for four bytes that never come.

The remedy for a server: close with 1002 if the bit is 0. A client of the same
library reads frames of servers, which have no mask: there the bit is always 0.";

RESERVED = "D13-ACCEPTS-RSV", rule "RFC 6455 §5.2";
says "Your server ignores the reserved bits of a frame.";
hint "If one of the bits 40, 20 or 10 of the first byte is set, and no extension was agreed on, close with 1002.";
page "\
  1··· ····  FIN
  ·111 ····  RSV1, RSV2, RSV3
  ···· 1111  opcode

A set bit means: the payload has a form of which you know nothing, for example
it is compressed. Some tutorials say that the bits can be ignored. Then a server
reads compressed bytes as text.

The remedy: if first byte AND 70 (hex) is not 0, close with 1002.";

OPCODE = "D13-ACCEPTS-OPCODE", rule "RFC 6455 §5.2";
says "Your server accepts an opcode that does not exist.";
hint "Accept 0, 1, 2, 8, 9 and 10, and close the connection with code 1002 for all others.";
page "\
Opcodes 3 to 7 and 11 to 15 are reserved for later versions. A frame with such
an opcode usually shows that the stream is out of step.

  83 85 ...        opcode 3: close with 1002

The remedy: end the branch over the opcodes with: otherwise close with 1002.";

LONG_PING = "D13-ACCEPTS-LONG-CONTROL", rule "RFC 6455 §5.5";
says "Your server accepts a control frame of more than 125 bytes.";
hint "If the opcode is 8, 9 or 10 and the length is above 125, close with 1002. Check it before you read the payload.";
page "\
Control frames are short, so that they can be handled at once:

  89 fd ...          ping of 125 bytes: allowed
  89 fe 00 7e ...    ping of 126 bytes: not allowed

The remedy: check the 7 bits of the length as soon as you have the header: 126
and 127 are not allowed if the opcode is 8 or above.";

PING_PIECES = "D13-ACCEPTS-CONTROL-FRAGMENT", rule "RFC 6455 §5.5";
says "Your server accepts a control frame without FIN.";
hint "If the opcode is 8, 9 or 10 and FIN is 0, close with 1002.";
page "\
Control frames are never in pieces:

  89 84 ...        ping, FIN 1: right
  09 84 ...        ping, FIN 0: close with 1002

The remedy: check FIN together with the opcode when you have the header.";

STRAY = "D13-ACCEPTS-CONTINUATION", rule "RFC 6455 §5.4";
says "Your server accepts a continuation although no message has begun.";
hint "If opcode 0 arrives and no message is incomplete, close with 1002.";
page "\
Opcode 0 means: more of the message that began before.

  80 85 ...        the first frame of a connection: more of what?

The remedy: remember whether a message is incomplete. Opcode 0 is allowed only
then; opcodes 1 and 2 are allowed only otherwise.";

INSIDE = "D13-ACCEPTS-NESTED", rule "RFC 6455 §5.4";
says "Your server accepts a new message inside an incomplete one.";
hint "If opcode 1 or 2 arrives while a message is incomplete, close with 1002.";
page "\
  01 83 ...        text, FIN 0: a message begins
  81 85 ...        text again, before the first message is complete: 1002

Fragments of different messages cannot be mixed.

The remedy: remember whether a message is incomplete. Opcode 0 is allowed only
then; opcodes 1 and 2 are allowed only otherwise.";

UTF8 = "D13-ACCEPTS-INVALID-UTF8", rule "RFC 6455 §8.1";
says "Your server accepts a text message that is no valid UTF-8.";
hint "Check the bytes of each text message, and close with 1007 if they are no UTF-8.";
page "\
Text is UTF-8. These bytes are none:

  ff                 occurs nowhere in UTF-8
  c3                 at the end: half a character
  c0 af              a longer form than necessary, of \"/\"
  ed a0 80           half of a UTF-16 pair

Programs that replace such bytes by U+FFFD change the message in silence.

The remedy: decode strictly; if that fails, send 88 02 03 ef (1007) and close.";

CLOSE_BYTE = "D13-ACCEPTS-CLOSE-BYTE", rule "RFC 6455 §5.5.1";
says "Your server accepts a close frame with a body of one byte.";
hint "The body of a close frame is empty or has at least two bytes. Otherwise close with 1002.";
page "\
  88 80 k k k k            no code
  88 82 k k k k c c        a code
  88 81 k k k k c          half a code: close with 1002

The remedy: check the length of the body before you read the code.";

CLOSE_CODE = "D13-ACCEPTS-CLOSE-CODE", rule "RFC 6455 §7.4";
says "Your server accepts a close code that must not be sent.";
hint "Accept 1000 to 1003, 1007 to 1014 and 3000 to 4999; close with 1002 for all others.";
page "\
  1005, 1006, 1015    exist only inside a program
  0 to 999            not used
  1004                reserved
  5000 and above      do not exist

A server that sends such a code back breaks the protocol itself.

The remedy: check the number, and respond with 1002 if it is not allowed.";

TOP_BIT = "D13-ACCEPTS-TOP-BIT", rule "RFC 6455 §5.2";
says "Your server accepts a length with its highest bit set, or waits for such a payload.";
hint "Check the length as soon as you have the header: close with 1002 if the highest bit is set, with 1009 if it is above your limit.";
page "\
The 64-bit length must have its highest bit clear:

  81 ff  80 00 00 00 00 00 00 05  ...

This is a length of more than 9 exabytes; as a signed number it is negative. A
server that allocates so much memory ends; a server that waits keeps the
connection for ever.

The remedy: compare the length with a limit before you read or allocate.";
}
