//! Mistakes in the frames of version 13: header bits, masks, text.

use crate::diagnosis::catalogue;

catalogue! {
NO_FRAME = "D13-NO-FRAME", rule "RFC 6455 §5.2";
says "You sent text without a frame.";
hint "Put a header before the text: 81, then the length in bytes (below 126), then the text.";
page "\
After the handshake each message travels in a frame. \"Hello\" from a server is:

  81 05 48 65 6c 6c 6f        81: last piece, text;  05: five bytes, no mask

Without the header the client reads your first letter as header bits:

  'h' = 68 = 0110 1000        FIN 0, RSV1 1, RSV2 1, opcode 8
  '{' = 7b = 0111 1011        FIN 0, all three reserved bits, opcode 11

This is the cause of errors such as \"reserved bits must be 0\" and \"Invalid
frame header\" in browsers.

The remedy: send the two header bytes before the text. From 126 bytes on the
length has another form (see lesson 4).";

HTTP_ON_SOCKET = "D13-HTTP-ON-SOCKET", rule "RFC 6455 §4.2.2";
says "You sent HTTP or a page after the handshake was complete.";
hint "After the blank line of the response with status 101 only frames may be sent.";
page "\
The connection is upgraded: from the blank line of the 101 response on it is no
longer HTTP. A second response begins with these bytes:

  48 54 54 50        \"HTTP\"
  'H' = 0100 1000    read as a frame: RSV1 set, opcode 8

Common causes:
  - The framework sends an error page or its own response after yours.
  - The code that serves pages still owns the connection.

The remedy: take the connection away from the HTTP code before you send the
response, and look for an error in your handler that the framework reports.";

MASKED = "D13-MASKED", rule "RFC 6455 §5.1";
says "Your server masks its frames. Only clients mask.";
hint "Send the length without the bit 80, and send no key.";
page "\
Client frames have a mask, server frames have none:

  81 85 37 fa 21 3d 7f 9f 4d 51 58     from a client: bit 80 in the second byte,
                                       four bytes of key, masked text
  81 05 48 65 6c 6c 6f                 from a server: no bit, no key, plain text

The mask protects proxies against scripts in browsers. A server is no script in
a browser, so a client must close the connection when it finds the bit.

The remedy: write the length alone into the second byte, and the payload
unchanged after it.";

MASK_BIT = "D13-MASK-BIT", rule "RFC 6455 §5.1";
says "You set the bit MASK in the second byte, but sent no masking key.";
hint "Write the length alone into the second byte; do not copy the second byte of the received frame.";
page "\
The second byte has two parts:

  85 = 1000 0101        bit MASK, and the length 5
  05 = 0000 0101        the length 5 alone

A server that copies this byte from the client's frame announces a key. The
client then takes the first four bytes of your text for the key.

The remedy: calculate the second byte from the length of the message that you
send. In frames of a server the bit 80 is always clear.";

COPIED = "D13-COPIED", rule "RFC 6455 §5.1";
says "You sent the received bytes back without a change.";
hint "Take the frame apart, unmask the payload, and build a new frame without a mask.";
page "\
An echo server sends the message back, not the bytes:

  81 85 37 fa 21 3d 7f 9f 4d 51 58     received: masked
  81 05 48 65 6c 6c 6f                 to be sent: not masked

A client must close the connection if a server's frame has a mask.

The remedy: read the header, the key and the payload; unmask the payload; write
a new header with the length, and the plain payload after it.";

HIXIE_FRAME = "D13-HIXIE-FRAME", rule "RFC 6455 §5.2";
says "You sent a frame of the old drafts 75 and 76: 00, text, ff.";
hint "Version 13 has a header with opcode and length: 81, the length, the text.";
page "\
There are two families of frames:

  00 48 65 6c 6c 6f ff        drafts 75 and 76 (2010): text between 00 and ff
  81 05 48 65 6c 6c 6f        version 13 (2011): header with a length

Old examples on the web show the first form. A client of version 13 reads 00 as
\"more of a message that did not begin\".

The remedy: send 81, the length in bytes, and the text, without ff.";

FIN_MISSING = "D13-FIN-MISSING", rule "RFC 6455 §5.4";
says "The bit FIN of your frame is clear, so the client waits for the rest of the message.";
hint "The first byte of a whole text message is 81, not 01.";
page "\
The first bit of a frame is FIN, the mark of the last piece of a message:

  81 = 1000 0001        last piece, text
  01 = 0000 0001        text, and more pieces follow

With 01 the client keeps the text and waits. It shows nothing.

The remedy: set the bit 80 in the first byte, unless you really send a message
in several frames.";

OPCODE_BINARY = "D13-OPCODE-BINARY", rule "RFC 6455 §5.6";
says "You sent a text message back as a binary message.";
hint "Text has opcode 1 (first byte 81); binary has opcode 2 (82).";
page "\
The opcode is in the lower half of the first byte:

  81 = text        a script receives a string
  82 = binary      a script receives a Blob or an ArrayBuffer

The receiver treats them differently, so an echo must keep the kind.

The remedy: keep the opcode of the received message and use it for the reply.";

OPCODE_TEXT = "D13-OPCODE-TEXT", rule "RFC 6455 §5.6";
says "You sent a binary message back as text.";
hint "Keep the opcode of the message that you received: binary is opcode 2 (first byte 82).";
page "\
A text message must be valid UTF-8; a binary message may contain any bytes.

  82 03 00 ff 80        binary
  81 03 00 ff 80        text that is no UTF-8: the client closes with 1007

The remedy: keep the opcode of the received message and use it for the reply.";

OPCODE_ZERO = "D13-OPCODE-ZERO", rule "RFC 6455 §5.4";
says "Your message begins with opcode 0, which continues a message that did not begin.";
hint "The first frame of a message has opcode 1 (text) or 2 (binary): 81 or 82.";
page "\
Opcode 0 means: this frame continues the message that the frames before it
began. The first frame of a message names its kind.

  81 05 48 65 6c 6c 6f        text
  80 05 48 65 6c 6c 6f        more of a message, but of none

The remedy: write 1 or 2 into the lower half of the first byte. If you echo a
message that came in fragments, use the opcode of its first frame.";

RESERVED_SENT = "D13-RESERVED-SENT", rule "RFC 6455 §5.2";
says "Your frame has reserved bits set, but no extension was agreed on.";
hint "The first byte is 81 for text, 82 for binary, 88, 89 or 8a for control frames.";
page "\
The first byte of a frame has four parts:

  1··· ····  FIN
  ·111 ····  RSV1, RSV2, RSV3: must be 0 without an extension
  ···· 1111  opcode

RSV1 marks compressed messages, and only if permessage-deflate was agreed on in
the handshake. Another common cause: the stream is out of step, and a byte of a
payload is read as a header. Then the length of an earlier frame was wrong.

The remedy: print the first two bytes of each frame that you send.";

OPCODE_SENT = "D13-OPCODE-SENT", rule "RFC 6455 §5.2";
says "Your frame has an opcode that does not exist.";
hint "The opcodes are 0, 1, 2 and 8, 9, 10. Perhaps the length of an earlier frame was wrong.";
page "\
These opcodes exist:

  0 continuation   1 text   2 binary   8 close   9 ping   10 (a) pong

Another value usually means that the stream is out of step: a byte of a payload
stands where a header should begin, because the length of the frame before it
was too small.

The remedy: print the header of each frame that you send and compare its length
with the number of bytes after it.";

NOT_UNMASKED = "D13-NOT-UNMASKED", rule "RFC 6455 §5.3";
says "You sent the payload back without unmasking it.";
hint "XOR each byte i of the payload with byte i modulo 4 of the key.";
page "\
A client's payload is masked with the four bytes before it:

  key      37 fa 21 3d
  payload  7f 9f 4d 51 58
  plain    7f^37=48 'H'  9f^fa=65 'e'  4d^21=6c 'l'  51^3d=6c 'l'  58^37=6f 'o'

For the fifth byte the key begins again.

The remedy, after the payload is complete:

  for i from 0 to length - 1:
      payload[i] = payload[i] XOR key[i modulo 4]";

KEY_IN_PAYLOAD = "D13-KEY-IN-PAYLOAD", rule "RFC 6455 §5.2";
says "You took the four bytes of the masking key for a part of the payload.";
hint "If the bit 80 of the second byte is set, four bytes of key come before the payload.";
page "\
The key stands between the length and the payload, and the length does not count
it:

  81 85   37 fa 21 3d   7f 9f 4d 51 58
          key           payload, 5 bytes

The remedy: if the second byte has the bit 80, read four bytes of key first.
Then read as many bytes as the length says, and unmask them with the key.";

MASK_INDEX = "D13-MASK-INDEX", rule "RFC 6455 §5.3";
says "You unmask with the wrong bytes of the key.";
hint "Byte i of the payload belongs to byte i modulo 4 of the key, counted from 0.";
page "\
The key has four bytes, in the order in which they stand in the frame:

  payload byte   0  1  2  3  4  5  6  7  8 ...
  key byte       0  1  2  3  0  1  2  3  0 ...

Common causes:
  - The key is read as one number with the lowest byte first.
  - The index counts from 1, or from the first byte of the frame.
  - Only the first four bytes are unmasked.

The remedy: keep the key as four bytes, and count i from the first byte of the
payload.";

KEY_CACHED = "D13-KEY-CACHED", rule "RFC 6455 §5.3";
says "You unmask each frame with the key of the first one.";
hint "Read the four bytes of the key from each frame.";
page "\
Each frame of a client has a key of its own, and a client must choose a new one
for each frame:

  81 85 37 fa 21 3d ...      first frame
  81 85 c1 08 9e 55 ...      second frame, another key

With an old key the first message is right and all others are garbled.

The remedy: read the key anew from each frame header.";

BYTES_AS_TEXT = "D13-BYTES-AS-TEXT", rule "RFC 6455 §5.6";
says "You converted bytes to text in the way that your language prints them, with b'...' around them.";
hint "Decode the bytes as UTF-8, or keep them as bytes: do not call str() or format() on them.";
page "\
In Python, str() of bytes shows the source code of the value:

  48 65 6c 6c 6f              the payload: Hello
  62 27 48 65 6c 6c 6f 27     your reply: b'Hello'

The same happens to an accept value, and to a key before it is hashed:

  Sec-WebSocket-Accept: b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='       wrong

The remedy: payload.decode() makes text of bytes, and text.encode() makes bytes
of text. An echo needs neither: send the received bytes.";

NOT_ECHO = "D13-NOT-ECHO", rule "the checker's contract";
says "Your frames are right, but you do not send the message back as it was.";
hint "For the checker your server must send each message back unchanged: no greeting, no prefix, no line end, no quotes.";
page "\
The checker needs an echo server: the payload of the reply must be equal, byte
for byte, to the payload of the message.

  81 85 ... masked \"Hello\"     received
  81 05 48 65 6c 6c 6f         to be sent back

The remedy: for the check, replace the handler of your server by one that sends
back the message. Send nothing before the first message. Add no prefix, no line
end, no zero byte, and do not convert the text to JSON or to upper case.";

ECHO_TWICE = "D13-ECHO-TWICE", rule "the checker's contract";
says "You sent each message back twice.";
hint "Look for two places in your program that send the reply.";
page "\
One message came in; two frames went out:

  81 05 48 65 6c 6c 6f   81 05 48 65 6c 6c 6f

Common causes:
  - A broadcast sends to all clients, and the handler sends to the sender too.
  - A buffer is not emptied after it was written.

The remedy: for the check, send each message back to its sender once.";

ENCODING = "D13-TEXT-ENCODING", rule "RFC 6455 §8.1";
says "You changed the encoding of the text.";
hint "Text messages are UTF-8. Decode and encode with UTF-8, or send the received bytes back.";
page "\
A text message is UTF-8, in which a character has one to four bytes:

  \"ü\"   c3 bc               UTF-8
        fc                  ISO 8859-1: a client closes with 1007
        3f                  '?', if the encoder knows only ASCII
        c3 83 c2 bc         UTF-8 that was read as ISO 8859-1 and encoded again

The remedy: name UTF-8 in each call that converts between bytes and text, and do
not rely on the default of the system. Convert whole messages, not single bytes.";

EMPTY = "D13-EMPTY", rule "RFC 6455 §5.2";
says "Your server does not send an empty message back.";
hint "A frame with the length 0 is a complete message; it must not be taken for the end of the connection.";
page "\
An empty message has a header and a key, and no payload:

  81 80 37 fa 21 3d        from a client
  81 00                    from a server

Common causes:
  - A read of 0 bytes means the end of the connection, and the program asks the
    system for 0 bytes.
  - The reply is sent only if the text is not empty.

The remedy: do not read from the connection if the length is 0, and treat the
empty text as a message.";

BINARY_LOST = "D13-BINARY-LOST", rule "RFC 6455 §5.6";
says "Your server does not send a binary message back.";
hint "Opcode 2 is binary: do not decode its payload as UTF-8, and send it back with opcode 2 (first byte 82).";
page "\
The payload of a binary message is any sequence of bytes:

  82 83 37 fa 21 3d 37 05 a1        00 ff 80, masked

Common causes:
  - The payload is decoded as UTF-8, which fails for these bytes.
  - Only opcode 1 is handled, and all others are ignored or closed.

The remedy: handle opcode 2 beside opcode 1, without a conversion to text.";

SILENT = "D13-SILENT", rule "RFC 6455 §5.2";
says "Your server sends nothing: it waits for more bytes, or it does not send its reply.";
hint "Print the length that your server reads from the header and the number of bytes that it still waits for.";
page "\
A frame tells the receiver how many bytes belong to it. A server that calculates
a larger number waits for bytes that never come, and the client waits too.
Browsers show nothing in this case.

  81 85 37 fa 21 3d 7f 9f 4d 51 58
     85 = bit MASK and the length 5, not the length 133

Common causes:
  - The bit 80 of the second byte was taken for a part of the length.
  - The server waits for a line end, or for the end of the connection.
  - The reply is in a buffer and is not flushed.

The remedy: length = second byte AND 127. Send the reply at once.";

ENDED = "D13-ENDED", rule "RFC 6455 §5.2";
says "Your server closed the TCP connection instead of sending its reply.";
hint "Look at your server's terminal: an error in the code that reads frames usually ends the connection like this.";
page "\
The checker sent valid frames on an open connection. Your server ended the TCP
connection without a frame.

Common causes:
  - An exception while the frame is read: text was decoded that is still masked,
    or a read returned fewer bytes than the code expects.
  - The handler returned after the handshake, and the connection was closed.
  - A timeout that is too short.

The remedy: print the exception and the bytes of the frame.";

FLOOD = "D13-FLOOD", rule "RFC 6455 §5.2";
says "Your server sends bytes without an end.";
hint "Look for a loop that does not end when its input is empty.";
page "\
The checker stopped reading after many megabytes.

Common causes:
  - A loop that sends the reply again and again.
  - A read returns 0 bytes at the end of the connection, and the loop goes on
    with the old buffer.

The remedy: end the loop when a read returns nothing, and empty the buffer after
each message.";
}
