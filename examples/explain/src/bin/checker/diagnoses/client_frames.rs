//! The mistakes of a client in the frames that it sends.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &NONE,
    &HTTP,
    &HIXIE,
    &UNMASKED,
    &NO_MASK_BIT,
    &NO_KEY,
    &PLAIN,
    &ZERO,
    &FIXED,
    &MASK_ORDER,
    &MASK_RESTART,
    &LENGTH_7,
    &LENGTH_LITTLE,
    &LENGTH_64_SHORT,
    &LENGTH_WRAPPED,
    &LENGTH_LONG,
    &LENGTH_CHARACTERS,
    &OPCODE,
    &BITS,
];

pub(crate) static NONE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-FRAME-NONE",
    says: "You sent the text without a frame.",
    hint: "Put a header of 2 bytes and a masking key of 4 bytes before the payload.",
    page: "\
A server reads the first byte as the bits FIN, RSV1 to RSV3 and the opcode.
The letter H is 48 = 0100 1000: RSV1 set, opcode 8.

  you sent                       48 65 6c 6c 6f          Hello
  expected   81 85 37 fa 21 3d   7f 9f 4d 51 58
             |  |  the key       the text, each byte XOR a byte of the key
             |  MASK and length 5
             FIN and opcode 1, text

Remedy: write header, key, and masked payload, with one write.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static HTTP: Diagnosis = Diagnosis {
    id: "D13-CLIENT-FRAME-HTTP",
    says: "You sent HTTP on the connection after the upgrade.",
    hint: "After the blank line of the response, both sides send frames only.",
    page: "\
Behind the 101 the connection is no longer one of HTTP.

  you sent   47 45 54 20 ...   \"GET ...\"
  expected   81 85 ...         a frame

Remedy: use the socket itself after the handshake, not the HTTP library.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static HIXIE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-FRAME-HIXIE",
    says: "You sent a frame of drafts 75 and 76: 00, the text, FF. Version 13 has other frames.",
    hint: "Write the header byte, the length with the bit MASK, the key, and the masked text.",
    page: "\
Old examples on the web show the frames of the drafts.

  you sent   00 48 65 6c 6c 6f ff
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58

A server of version 13 reads 00 as a continuation of a message that has not
begun. Remedy: use the frames of the version that the request names.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static UNMASKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-UNMASKED",
    says: "You did not mask the frame. A client masks every frame that it sends.",
    hint: "Set the bit 80 in the second byte, add a random key of 4 bytes, and XOR the payload with it.",
    page: "\
Only clients mask. A server must close the connection when a frame has no
mask.

  you sent   81 05 48 65 6c 6c 6f
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58

  byte i of the payload is XORed with byte i modulo 4 of the key:
  48 ^ 37 = 7f   65 ^ fa = 9f   6c ^ 21 = 4d   6c ^ 3d = 51   6f ^ 37 = 58

Remedy: mask text, binary, ping, pong and close frames, also empty ones.",
    rule: "RFC 6455 §5.1, §5.3",
};

pub(crate) static NO_MASK_BIT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-NO-BIT",
    says: "You masked the payload, but the bit MASK in the second byte is 0.",
    hint: "Add 80 (hex) to the second byte: length 5 becomes 85.",
    page: "\
The bit MASK says that a key follows. Without it, the server takes the key for
the first four bytes of the payload.

  you sent   81 05 37 fa 21 3d 7f 9f 4d 51 58
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58
                ^ the bit 80

Remedy: second byte = 0x80 | length.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static NO_KEY: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-NO-KEY",
    says: "You set the bit MASK, but no masking key follows.",
    hint: "Write 4 random bytes between the length and the payload, and XOR the payload with them.",
    page: "\
With the bit MASK, the 4 bytes behind the length are the key. The server takes
the first bytes of your text for it.

  you sent   81 85             48 65 6c 6c 6f
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58

Remedy: header, then the key, then the masked payload.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static PLAIN: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-PLAIN",
    says: "You sent a masking key, but did not XOR the payload with it.",
    hint: "XOR byte i of the payload with byte i modulo 4 of the key before you send it.",
    page: "\
The server XORs what it receives with the key, so plain text becomes noise.

  you sent   81 85 37 fa 21 3d 48 65 6c 6c 6f
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58

Remedy: out[i] = payload[i] ^ key[i % 4].",
    rule: "RFC 6455 §5.3",
};

pub(crate) static ZERO: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-ZERO",
    says: "Your masking key is 00 00 00 00: the payload goes out as it is.",
    hint: "Draw 4 random bytes for each frame, from a random source of the operating system.",
    page: "\
XOR with zero changes nothing. The mask exists so that nobody can choose the
bytes on the wire: a page could write something that a proxy takes for HTTP.

  you sent   81 85 00 00 00 00 48 65 6c 6c 6f
  expected   81 85 37 fa 21 3d 7f 9f 4d 51 58

Remedy: Python os.urandom(4), Node crypto.randomBytes(4), Java SecureRandom.",
    rule: "RFC 6455 §5.3",
};

pub(crate) static FIXED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-FIXED",
    says: "You used the same masking key for every frame.",
    hint: "Draw a new key for each frame, not once for the program or for the connection.",
    page: "\
The key must be fresh for each frame and must not be predictable. With a known
key, a page can choose its text so that the masked bytes are any bytes it
wants.

  frame 1   81 85 37 fa 21 3d ...
  frame 2   81 85 37 fa 21 3d ...     the same key again

Remedy: draw 4 random bytes in the function that writes a frame.",
    rule: "RFC 6455 §5.3",
};

pub(crate) static MASK_ORDER: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-ORDER",
    says: "You XORed the payload with the wrong bytes of the masking key.",
    hint: "Byte i of the payload belongs to byte i modulo 4 of the key, in the order in which the key is sent.",
    page: "  key        37 fa 21 3d          the four bytes as they stand in the frame
  payload    48 65 6c 6c 6f
  XOR with   37 fa 21 3d 37       again from the start after four bytes
  result     7f 9f 4d 51 58

Usual mistakes: only the first byte of the key is used; the key is a number,
and its bytes come in the other order; the index starts at 1. Remedy: out[i] =
payload[i] ^ key[i % 4].",
    rule: "RFC 6455 §5.3",
};

pub(crate) static MASK_RESTART: Diagnosis = Diagnosis {
    id: "D13-CLIENT-MASK-RESTART",
    says: "You began with the first byte of the key again in the middle of the payload.",
    hint: "Keep counting: the index of the key depends on the place in the payload, not on the piece that you write.",
    page: "\
A payload that is written in pieces is still one payload.

  payload    piece 1: 5 bytes     piece 2: 4 bytes
  you used   k0 k1 k2 k3 k0       k0 k1 k2 k3
  expected   k0 k1 k2 k3 k0       k1 k2 k3 k0

Pieces of a length that 4 divides hide the mistake. Remedy: keep the number of
bytes that are masked already, and use key[(done + i) % 4].",
    rule: "RFC 6455 §5.3",
};

pub(crate) static LENGTH_7: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-7",
    says: "You wrote a length above 125 into 7 bits.",
    hint: "From 126 bytes on, write 126 there and the length in 2 more bytes; from 65536 on, 127 and 8 more bytes.",
    page: "\
The values 126 and 127 in the 7 bits are no lengths: they announce 2 or 8 more
bytes, in which the length stands.

  length 125     fd
  length 126     fe 00 7e
  length 300     fe 01 2c
  length 65536   ff 00 00 00 00 00 01 00 00

(80 is added to the second byte for the mask.) Remedy: three cases, as above.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_LITTLE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-LITTLE-ENDIAN",
    says: "You wrote the length with its least significant byte first.",
    hint: "Write it in network byte order: in Python struct.pack('>H', n), in C htons(n).",
    page: "\
Numbers on the wire have their most significant byte first.

  length 300   you sent   fe 2c 01    read as 11265
               expected   fe 01 2c

The server waits for bytes that never come. Remedy: Python '>H' and '>Q'; C
htons and htobe64; JavaScript setUint16(at, n) without \"true\".",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_64_SHORT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-64",
    says: "You wrote 127 and then a length that does not have 8 bytes.",
    hint: "The long form has 8 bytes: write 4 bytes of zeros before a 32-bit length.",
    page: "\
127 announces 8 bytes, also if the length fits into fewer.

  length 65536   you sent   ff 00 01 00 00              4 bytes
                 expected   ff 00 00 00 00 00 01 00 00

Remedy: use a 64-bit integer, or write 00 00 00 00 first.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_WRAPPED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-16",
    says: "You wrote a length above 65535 into 16 bits: only its lowest bits are left.",
    hint: "From 65536 bytes on, write 127 and the length in 8 bytes.",
    page: "  length 65536   you sent   fe 00 00                     read as 0
                 expected   ff 00 00 00 00 00 01 00 00

The server takes the payload for the next frames. Remedy: a third case for
lengths above 65535 (0xffff).",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_LONG: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-FORM",
    says: "You used a longer form of the length than is needed.",
    hint: "Up to 125 bytes: 7 bits. Up to 65535: 126 and 2 bytes. Above: 127 and 8 bytes.",
    page: "\
The shortest form is required, so that each frame has only one correct header.

  length 5   you sent   fe 00 05   or   ff 00 00 00 00 00 00 00 05
             expected   85

Remedy: compare the length with 126 and with 65536.",
    rule: "RFC 6455 §5.2",
};

pub(crate) static LENGTH_CHARACTERS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LENGTH-CHARACTERS",
    says: "You wrote the number of characters as the length. It counts bytes.",
    hint: "Encode the text in UTF-8 first, and take the length of the result.",
    page: "\
Letters outside ASCII take 2 to 4 bytes in UTF-8.

  text     W  ö     r  l  d       5 characters
  UTF-8    57 c3 b6 72 6c 64      6 bytes
  you sent 81 85 ...              length 5
  expected 81 86 ...

The last byte is then read as the next frame. Remedy: data =
text.encode(\"utf-8\"); length = len(data).",
    rule: "RFC 6455 §5.2",
};

pub(crate) static OPCODE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-OPCODE",
    says: "You sent the message back with another opcode.",
    hint: "Remember the opcode of the received message: 1 is text, 2 is binary.",
    page: "\
The four low bits of the first byte are the opcode.

  text     81 ...     FIN and opcode 1
  binary   82 ...     FIN and opcode 2

An echo has the kind of the message that it repeats. Remedy: pass the opcode
on with the payload.",
    rule: "RFC 6455 §5.2, §5.6",
};

pub(crate) static BITS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-BITS",
    says: "The first byte of your frame has wrong bits: FIN is missing, or a reserved bit is set.",
    hint: "For a whole text message the first byte is 81: FIN set, RSV1 to RSV3 zero, opcode 1.",
    page: "  bit    80   FIN: the last piece of the message
  bits   70   RSV1, RSV2, RSV3: 0, unless an extension gives them a meaning
  bits   0f   the opcode

  you sent   01 85 ...   a first piece: the server waits for the others
  or         c1 85 ...   RSV1: compressed, which nobody has agreed on
  expected   81 85 ...

Remedy: first byte = 0x80 | opcode.",
    rule: "RFC 6455 §5.2",
};
