//! The mistakes in frames of drafts 75 and 76, which have the same frames.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &UNFRAMED,
    &NO_END,
    &NO_BEGIN,
    &HYBI,
    &MASKED,
    &LENGTH_FRAME,
    &NESTED,
    &DROPPED_EMPTY,
    &ENCODING,
    &ONE_READ,
    &GLUED,
    &JOINED,
    &LENGTH_READ,
    &SILENT,
];

const SENDING: &str = "draft-75 §4.3, draft-76 §5.3";

pub(crate) static UNFRAMED: Diagnosis = Diagnosis {
    id: "D75-FRAME-NONE",
    says: "You sent the text without a frame: neither 00 before it nor FF behind it.",
    hint: "Write the byte 00, the text in UTF-8, and the byte FF.",
    page: "\
TCP is a stream of bytes without borders. A frame marks where a message begins
and ends.

  you sent      48 65 6c 6c 6f           Hello
  expected   00 48 65 6c 6c 6f ff

The client reads the letter H (48) as the type of a frame that it does not
know, and skips everything up to the next FF. Remedy: send b\"\\x00\" +
text.encode(\"utf-8\") + b\"\\xff\".",
    rule: SENDING,
};

pub(crate) static NO_END: Diagnosis = Diagnosis {
    id: "D75-FRAME-NO-FF",
    says: "You left out the byte FF at the end of the frame.",
    hint: "Write FF behind the text. It is one byte, not the letters \"FF\".",
    page: "\
A text frame has no length: the byte FF ends it. UTF-8 never contains this
byte, so it cannot be a part of the text.

  you sent   00 48 65 6c 6c 6f
  expected   00 48 65 6c 6c 6f ff

Without it the client waits for the rest of the message, and then joins the
next one to it. Remedy: write the byte 0xff behind each text.",
    rule: SENDING,
};

pub(crate) static NO_BEGIN: Diagnosis = Diagnosis {
    id: "D75-FRAME-NO-00",
    says: "You left out the byte 00 at the beginning of the frame.",
    hint: "Write the byte 00 before the text: it is the type \"text\".",
    page: "\
The first byte of a frame is its type. Text has the type 00.

  you sent   48 65 6c 6c 6f ff
  expected   00 48 65 6c 6c 6f ff

The client takes the first letter (48) for a type that it does not know, and
skips the frame. Remedy: write the byte 0x00 before each text.",
    rule: SENDING,
};

pub(crate) static HYBI: Diagnosis = Diagnosis {
    id: "D75-FRAME-HYBI",
    says: "You sent a frame of the versions 7, 8 and 13. Drafts 75 and 76 have other frames.",
    hint: "For this client write 00, the text, FF. Choose the frame by the version of the handshake.",
    page: "\
The versions have two kinds of frames:

  75, 76     00 48 65 6c 6c 6f ff      type 00, text, end FF
  7, 8, 13   81 05 48 65 6c 6c 6f      final text frame, length 5, text

A client of the drafts reads 81 as a frame with a length that it has to skip:
the message is lost without an error. Remedy: remember the version of each
connection, and let it choose the frame.",
    rule: SENDING,
};

pub(crate) static MASKED: Diagnosis = Diagnosis {
    id: "D75-FRAME-MASKED",
    says: "You masked the frame. Drafts 75 and 76 have no masks.",
    hint: "Write 00, the text as it is, FF: no key and no XOR.",
    page: "\
Masking came with version 7, and there only clients mask.

  you sent   81 85 37 fa 21 3d 7f 9f 4d 51 58     masked, version 13
  expected   00 48 65 6c 6c 6f ff

Remedy: send the text as it is, between 00 and FF.",
    rule: SENDING,
};

pub(crate) static LENGTH_FRAME: Diagnosis = Diagnosis {
    id: "D75-FRAME-LENGTH",
    says: "You sent a frame with a length. Only text frames, 00 to FF, carry messages in drafts 75 and 76.",
    hint: "Write 00, the text, FF. There are no binary messages in these versions.",
    page: "\
Types from 80 on have a length. Clients skip such frames, so nothing arrives:
they were kept for later use, and binary messages never came.

  you sent   80 05 48 65 6c 6c 6f
  expected   00 48 65 6c 6c 6f ff

Remedy: send text frames only. Send binary data as text, such as Base64, or
not at all.",
    rule: SENDING,
};

pub(crate) static NESTED: Diagnosis = Diagnosis {
    id: "D75-FRAME-NESTED",
    says: "You did not remove the bytes 00 and FF of the received frame before you sent its text back.",
    hint: "The message is only the bytes between 00 and FF.",
    page: "\
00 and FF are the frame, not the message. A server removes them from a frame
that it reads, and writes new ones around the text that it sends.

  received   00 48 65 6c 6c 6f ff
  message       48 65 6c 6c 6f
  you sent   00 00 48 65 6c 6c 6f ff ff
  expected   00 48 65 6c 6c 6f ff

Remedy: take the bytes behind the 00, up to the next FF.",
    rule: SENDING,
};

pub(crate) static DROPPED_EMPTY: Diagnosis = Diagnosis {
    id: "D75-FRAME-EMPTY",
    says: "You dropped the empty message: 00 FF is a message without text.",
    hint: "Do not take an empty text for \"no message\".",
    page: "\
A message may be empty. Its frame is the two bytes 00 FF.

  received   00 ff 00 78 ff     \"\" and \"x\"
  expected   00 ff 00 78 ff

Code such as `if text:` or `text || continue` takes the empty text for
nothing. Remedy: test whether a frame is complete, not whether its text is
empty.",
    rule: SENDING,
};

pub(crate) static ENCODING: Diagnosis = Diagnosis {
    id: "D75-FRAME-ENCODING",
    says: "Letters outside ASCII came back changed. The text of a frame is UTF-8.",
    hint: "Decode the bytes between 00 and FF as UTF-8 only when the frame is complete, and encode them as UTF-8.",
    page: "\
The text is UTF-8: letters outside ASCII take two to four bytes.

  text       W  ö     r  l  d
  UTF-8      57 c3 b6 72 6c 64       6 bytes, 5 characters
  Latin-1    57 f6 72 6c 64          not UTF-8
  twice      57 c3 83 c2 b6 72 6c 64 UTF-8 of what was UTF-8 already
  cut        57 c3 b6 72 6c          bytes counted as characters

Remedy: keep the bytes as they are, or decode and encode with UTF-8. Do not
decode a read before the frame is complete.",
    rule: SENDING,
};

pub(crate) static ONE_READ: Diagnosis = Diagnosis {
    id: "D75-ONE-READ",
    says: "You took each read for a whole frame: a frame in several pieces was lost, or came back in pieces.",
    hint: "Keep the bytes in a buffer, and take a frame out of it when its FF is there.",
    page: "\
TCP may deliver a frame in any pieces. A read returns the bytes that are
there, not a frame.

  read 1     00 48 65
  read 2     6c 6c 6f ff
  message    Hello

Remedy: add each read to a buffer. While the buffer holds a whole frame (00 up
to FF), remove it and handle it. Keep the rest for the next read.",
    rule: SENDING,
};

pub(crate) static GLUED: Diagnosis = Diagnosis {
    id: "D75-GLUED",
    says: "Two frames came in one read, and you handled only the first.",
    hint: "After a frame, look for another one in the same buffer, until no whole frame is left.",
    page: "\
One read may return several frames: TCP joins what is sent in short order.

  read       00 61 ff 00 62 ff
  messages   \"a\" and \"b\"
  you sent   00 61 ff

Remedy: handle frames in a loop as long as the buffer holds a whole one. Only
then read again.",
    rule: SENDING,
};

pub(crate) static JOINED: Diagnosis = Diagnosis {
    id: "D75-JOINED",
    says: "Two frames came in one read, and you took them for one message.",
    hint: "A message ends at the first FF behind its 00, not at the last byte of the read.",
    page: "\
One read may return several frames. The end of a message is its FF.

  read       00 61 ff 00 62 ff
  messages   \"a\" and \"b\"
  you took   61 ff 00 62            everything between the first and last byte

Remedy: search for the first FF behind the 00; the bytes behind it belong to
the next frame.",
    rule: SENDING,
};

pub(crate) static LENGTH_READ: Diagnosis = Diagnosis {
    id: "D75-LENGTH-SKIP",
    says: "You did not skip a frame with a length: its bytes came back as a message, or ended the conversation.",
    hint: "If the type is 80 or more, read the length (7 bits a byte) and skip so many bytes.",
    page: "\
From 80 on, a type is followed by a length: 7 bits in each byte, the top bit
set in all but the last. So many bytes are skipped, whatever they are.

  80 05 00 41 ff 42 43   type 80, length 5: skip 00 41 ff 42 43
  80 81 00 ...           length 1*128 + 0 = 128

The bytes 00 and FF inside mean nothing. Remedy: read the type first; below 80
search for FF, from 80 on count.",
    rule: SENDING,
};

pub(crate) static SILENT: Diagnosis = Diagnosis {
    id: "D75-FRAME-SILENT",
    says: "You sent nothing back for a text message.",
    hint: "The checker's peer echoes: send each message back. Read the frame 00 ... FF, and flush your output.",
    page: "\
The program under test is an echo server: it sends each message back.

  received   00 48 65 6c 6c 6f ff
  expected   00 48 65 6c 6c 6f ff

If your program waits, it may wait for a frame of another version (a length, a
mask), for a line end, or for more bytes than the frame has. Output that is
buffered must be flushed. Remedy: print each read in hex, and follow it.",
    rule: SENDING,
};
