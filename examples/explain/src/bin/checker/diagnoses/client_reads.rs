//! The mistakes of a client in reading frames.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &SILENT,
    &GONE,
    &REFUSED,
    &READS_KEY,
    &LENGTH_7,
    &LENGTH_LITTLE,
    &LENGTH_64,
    &LENGTH_SIGNED,
    &LENGTH,
    &ONE_READ,
    &HEADER_CUT,
    &GLUED,
    &JOINED,
    &FRAGMENTS,
    &OPCODE_LOST,
    &PING_JOINED,
    &PING_BREAKS,
    &PONG_NONE,
    &PONG_EMPTY,
    &PING_BACK,
    &PONG_ECHOED,
    &ENCODING,
    &UTF8_PIECES,
    &EMPTY,
];

pub(crate) static SILENT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-NO-ECHO",
    says: "You sent nothing back for a message.",
    hint: "The client under test echoes: it sends each message back. Read the frame's header, then so many bytes as it says.",
    page: "\
The checker's server sends a message and expects it back.

  received   81 05 48 65 6c 6c 6f
             |  |  the payload, 5 bytes, not masked: servers do not mask
             |  no MASK, length 5
             FIN, text

A client that waits reads too much: a key that is not there, a line end, or a
full buffer. Remedy: read 2 bytes, then the longer length if there is one,
then exactly the payload. Flush what you write.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static GONE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-GONE",
    says: "You closed the connection, or your program ended, at a correct message.",
    hint: "Look at your client's output: the last lines are shown above, if there are any.",
    page: "\
The message was correct. An echo client sends it back and waits for the next
one.

  received   81 05 48 65 6c 6c 6f
  expected   the same text, masked, and the connection stays open

Usual causes: an exception that ends the program, a client that sends one
message only, or a rule that is checked wrongly. Remedy: read in a loop until
the server sends a close frame.",
    rule: "RFC 6455 §5.1",
};

pub(crate) static REFUSED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-REFUSED",
    says: "You closed the connection at a correct response to your request.",
    hint: "Compare your calculation of Sec-WebSocket-Accept with the example; trim the blanks around the value.",
    page: "\
The response was correct:

  HTTP/1.1 101 Switching Protocols
  Upgrade: websocket
  Connection: Upgrade
  Sec-WebSocket-Accept: (Base64 of SHA-1 of your key and the fixed text)

  key     dGhlIHNhbXBsZSBub25jZQ==
  accept  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

Remedy: calculate with this key first. The digest is taken of the 24
characters of the key, and the fixed text is
258EAFA5-E914-47DA-95CA-C5AB0DC85B11.",
    rule: "RFC 6455 §4.1",
};

pub(crate) static READS_KEY: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-KEY",
    says: "You read four bytes as a masking key, although the bit MASK was 0.",
    hint: "Read a key only if the second byte has the bit 80. Frames of a server never have it.",
    page: "\
Without the bit MASK the payload follows the length at once.

  received   81 0c 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64
  you took   key 48 65 6c 6c, payload 6f 2c 20 ...
  expected   payload 48 65 6c 6c 6f 2c 20 ...

The message came back without its first four letters, and changed. Remedy: if
second & 0x80: read 4 bytes of key.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_7: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-LENGTH-7",
    says: "You took 126 or 127 for the length itself.",
    hint: "126 means: the length is in the next 2 bytes. 127 means: in the next 8 bytes.",
    page: "  received   81 7e 01 2c ...             300 bytes of payload
  you took   length 126, payload 01 2c ...
  expected   length 0x012c = 300

Remedy: if the 7 bits are 126, read 2 more bytes; if they are 127, read 8
more; in network byte order.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_LITTLE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-LITTLE-ENDIAN",
    says: "You read the longer length with its least significant byte first.",
    hint: "Read it in network byte order: in Python struct.unpack('>H', bytes), in C ntohs(n).",
    page: "  received   81 7e 01 00 ...     256 bytes of payload
  you took   0x0001 = 1
  expected   0x0100 = 256

With other lengths the client waits for bytes that never come. Remedy: length
= first * 256 + second; the same way with 8 bytes.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_64: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-LENGTH-64",
    says: "You did not read the length of 8 bytes behind 127.",
    hint: "Read 8 bytes behind 127, the most significant first; the first four are usually zero.",
    page: "  received   81 7f 00 00 00 00 00 01 00 00 ...     65536 bytes
  wrong      00 00 00 00        4 bytes read: length 0
  wrong      7f                 127 taken for the length
  expected   00 00 00 00 00 01 00 00 = 65536

Remedy: a case for 127, with a 64-bit number.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_SIGNED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-SIGNED",
    says: "You read the 16-bit length as a signed number: from 32768 on it is negative.",
    hint: "Mask the number with 0xffff, or use an unsigned type.",
    page: "  received   81 7e 80 00 ...     32768 bytes
  you took   0x8000 = -32768
  expected   0x8000 = 32768

Messages up to 32767 bytes work. Remedy: Java Short.toUnsignedInt(n), Python
'>H' and not '>h'.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH: Diagnosis = Diagnosis {
    id: "D13-CLIENT-READS-LENGTH",
    says: "A longer message did not come back as it was sent.",
    hint: "Messages of up to 125 bytes work; look at the lengths 126 and 127, and at the code that reads the payload.",
    page: "\
A frame has three forms of its length:

  0 to 125         81 05
  126 to 65535     81 7e 01 2c
  from 65536 on    81 7f 00 00 00 00 00 01 00 00

All in network byte order. A long payload arrives with several reads. Remedy:
read until you have as many bytes as the length says, however many reads it
takes.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static ONE_READ: Diagnosis = Diagnosis {
    id: "D13-CLIENT-ONE-READ",
    says: "You took one read for one frame: a frame that came in pieces was lost or cut.",
    hint: "Keep the bytes in a buffer, and take a frame out of it when all of it is there.",
    page: "\
TCP is a stream: a read returns the bytes that are there, not a frame.

  read 1     81 0b 48 65
  read 2     6c 6c 6f 20 77
  read 3     6f 72 6c 64
  message    Hello world

On one machine the mistake seldom shows. Remedy: write a function that reads
exactly n bytes, in a loop, and use it for header, length and payload.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static HEADER_CUT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-HEADER-CUT",
    says: "You lost a frame of which the header itself came in two pieces.",
    hint: "Read until the 2 bytes of the header, and the longer length, are complete.",
    page: "\
A cut can be anywhere, also inside the header.

  read 1     81
  read 2     7e 01
  read 3     2c 61 62 ...

Remedy: use the function that reads exactly n bytes for the header too: 2
bytes, then 2 or 8 more if the length asks for them.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static GLUED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-GLUED",
    says: "Several frames came in one read, and you lost all but one of them.",
    hint: "After a frame, keep the bytes behind it: they are the next frame.",
    page: "  read       81 01 61 81 01 62
  messages   \"a\" and \"b\"
  you sent   \"a\"

Remedy: handle frames in a loop as long as the buffer holds a whole one; only
then read again.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static JOINED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-JOINED",
    says: "You took all bytes of a read for the payload, and not only as many as the length says.",
    hint: "Cut the payload at the length of the header; the rest is the next frame.",
    page: "  read       81 01 61 81 01 62
  you took   payload 61 81 01 62
  expected   payload 61, and then the next frame

Remedy: payload = buffer[2 : 2 + length].",
    rule: "RFC 6455 §5.2",
};

pub(crate) static FRAGMENTS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-FRAGMENTS",
    says: "You did not join the fragments of a message.",
    hint: "A frame without FIN is a beginning: add the payloads of the following frames with opcode 0, up to the one with FIN.",
    page: "  received   01 03 48 65 6c      text, FIN clear: \"Hel\"
             80 02 6c 6f         continuation, FIN set: \"lo\"
  message    \"Hello\", one text message
  expected   81 85 ...           one echo

Remedy: keep the opcode and the payload of the first fragment; append each
continuation; deliver the message at FIN.",
    rule: "RFC 6455 §5.4",
};

pub(crate) static OPCODE_LOST: Diagnosis = Diagnosis {
    id: "D13-CLIENT-FRAGMENT-OPCODE",
    says: "You joined the fragments, but took the kind of the message from the last one.",
    hint: "The first fragment has the opcode of the message. The others have 0.",
    page: "  received   01 ... then 80 ...
  you sent   80 or 82 ...        opcode 0, or another kind
  expected   81 ...              text, as the first fragment said

Remedy: remember the opcode of the frame that begins the message.",
    rule: "RFC 6455 §5.4",
};

pub(crate) static PING_JOINED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PING-JOINED",
    says: "You added a ping between two fragments to the message.",
    hint: "Handle opcodes from 8 on at once, and do not let them touch the message that is being joined.",
    page: "\
Control frames may stand between the fragments of a message. They are not a
part of it.

  received   01 03 48 65 6c text \"Hel\"  89 02 68 69 ping \"hi\"  80 02 6c 6f \"lo\"
  you took   \"Helhilo\"
  expected   the pong 8a 82 ... \"hi\", and the message \"Hello\"

Remedy: look at the opcode first: 8, 9 and 10 have a path of their own.",
    rule: "RFC 6455 §5.4, §5.5",
};

pub(crate) static PING_BREAKS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PING-BREAKS",
    says: "You lost a part of a message when a ping came between its fragments.",
    hint: "Keep the message that is being joined while you respond to a ping.",
    page: "  received   01 03 48 65 6c text \"Hel\"  89 02 68 69 ping \"hi\"  80 02 6c 6f \"lo\"
  expected   the pong \"hi\", and the message \"Hello\"

A server sends a ping whenever it wants to know whether the client is still
there, also while a long message is on its way.

Remedy: one variable for the message in progress; control frames do not clear
it.",
    rule: "RFC 6455 §5.4, §5.5",
};

pub(crate) static PONG_NONE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PONG-NONE",
    says: "You did not respond to a ping.",
    hint: "Send a pong (opcode 10) with the payload of the ping, masked, as soon as you can.",
    page: "  received   89 02 68 69                   ping \"hi\"
  expected   8a 82 37 fa 21 3d 5f 93       pong \"hi\", masked

Servers close a connection that leaves their pings without a pong. Remedy: in
the loop that reads frames, send a pong for opcode 9.",
    rule: "RFC 6455 §5.5.2",
};

pub(crate) static PONG_EMPTY: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PONG-PAYLOAD",
    says: "Your pong does not have the payload of the ping.",
    hint: "Copy the payload of the ping into the pong, all of it, up to 125 bytes.",
    page: "  received   89 02 68 69                   ping \"hi\"
  you sent   8a 80 37 fa 21 3d             pong, empty
  expected   8a 82 37 fa 21 3d 5f 93       pong \"hi\", masked

The server finds out by the payload which of its pings the pong belongs to.
Remedy: send(0xA, payload).",
    rule: "RFC 6455 §5.5.3",
};

pub(crate) static PING_BACK: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PING-BACK",
    says: "You responded to a ping with another opcode than that of a pong.",
    hint: "A pong has the opcode 10: its first byte is 8a.",
    page: "  received   89 02 68 69                   ping \"hi\"
  you sent   89 82 ...                     another ping, or 81 82 ..., a text
  expected   8a 82 37 fa 21 3d 5f 93       pong \"hi\"

Two programs that send a ping for each ping do so for ever. Remedy: opcode
0xA.",
    rule: "RFC 6455 §5.5.2",
};

pub(crate) static PONG_ECHOED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-PONG-ECHOED",
    says: "You responded to a pong. A pong that nobody has asked for is ignored.",
    hint: "Do nothing for opcode 10.",
    page: "  received   8a 02 68 69       pong \"hi\"
  expected   nothing

A pong without a ping is allowed: some programs send it to show that they are
alive. Nobody expects a response to it.

Remedy: in the loop that reads frames, leave opcode 10 without a response.",
    rule: "RFC 6455 §5.5.3",
};

pub(crate) static ENCODING: Diagnosis = Diagnosis {
    id: "D13-CLIENT-ENCODING",
    says: "Letters outside ASCII came back changed. Text is UTF-8.",
    hint: "Decode and encode with UTF-8, or keep the bytes as they are.",
    page: "  text      W  ö     r  l  d
  UTF-8     57 c3 b6 72 6c 64
  Latin-1   57 f6 72 6c 64           not UTF-8: servers close with 1007
  twice     57 c3 83 c2 b6 72 6c 64

Remedy: name the encoding \"utf-8\" wherever bytes become text or text bytes.",
    rule: "RFC 6455 §5.6, §8.1",
};

pub(crate) static UTF8_PIECES: Diagnosis = Diagnosis {
    id: "D13-CLIENT-UTF8-PIECES",
    says: "You decoded each fragment or each read by itself: a character that was cut came back broken.",
    hint: "Join the bytes of the whole message first, then decode them as UTF-8.",
    page: "\
A fragment may end inside a character. Only the whole message is UTF-8.

  fragment 1   01 02 57 c3        \"W\" and the first byte of \"ö\"
  fragment 2   80 04 b6 72 6c 64  its second byte, \"rld\"
  message      57 c3 b6 72 6c 64  \"Wörld\"

Remedy: append bytes, not texts; decode at FIN.",
    rule: "RFC 6455 §5.6, §8.1",
};

pub(crate) static EMPTY: Diagnosis = Diagnosis {
    id: "D13-CLIENT-EMPTY",
    says: "You sent nothing back for an empty message.",
    hint: "Length 0 is a message without bytes: do not take it for \"no message\" or for the end of the stream.",
    page: "  received   81 00
  expected   81 80 37 fa 21 3d

Code such as `if data:` takes the empty text for nothing. Remedy: test whether
a frame is complete, not whether its payload is empty.",
    rule: "RFC 6455 §5.6",
};
