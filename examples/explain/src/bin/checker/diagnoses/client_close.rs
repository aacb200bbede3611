//! The mistakes of a client in the close.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &SILENT, &ABRUPT, &RESET, &TEXT, &LITTLE, &RESERVED, &SHORT, &LONG, &REASON, &CODE, &UNMASKED,
    &TCP_FIRST, &OPEN, &TWICE, &LATE, &ECHOED,
];

pub(crate) static SILENT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-SILENT",
    says: "You did not respond to the close frame.",
    hint: "Send a close frame back, with the same code, masked. Then wait until the server closes TCP.",
    page: "\
Each side sends one close frame. The side that receives it first responds with
its own.

  received   88 02 03 e8                   close, 1000
  expected   88 82 37 fa 21 3d 34 12       close, 1000, masked

Without it the server waits for its timeout, and the close is not a clean one.
Remedy: in the loop that reads frames, respond to opcode 8, and stop sending.",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static ABRUPT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-ABRUPT",
    says: "You closed the TCP connection without a close frame.",
    hint: "Respond to the close frame with one of your own before you close the socket.",
    page: "  received   88 02 03 e8                   close, 1000
  you sent   nothing, and the end of the stream
  expected   88 82 37 fa 21 3d 34 12       close, 1000, masked

To the server, the connection is lost (its program sees 1006), not closed.
Remedy: send the close frame, then wait for the end of the server's stream.",
    rule: "RFC 6455 §5.5.1, §7.1.1",
};

pub(crate) static RESET: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-RESET",
    says: "You reset the TCP connection: what you had sent may be lost on its way.",
    hint: "Send the close frame, then read until the server closes; only then close the socket.",
    page: "\
A socket that is closed while it has unread bytes, or with SO_LINGER 0, sends
a reset (RST). It removes bytes that are still on their way, also your close
frame.

  you sent   88 82 ... close, then RST
  expected   88 82 ... close; the server closes TCP

RFC 6455 says SHOULD here: a reset is allowed, but the server may lose data.

Remedy: read until recv() returns 0 bytes, then close the socket.",
    rule: "RFC 6455 §7.1.1",
};

pub(crate) static TEXT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-TEXT",
    says: "You wrote the close code as text. It is a number of 2 bytes.",
    hint: "Write the two bytes of the number, the most significant first: 1000 is 03 e8.",
    page: "  code       1000
  you sent   31 30 30 30           the text \"1000\": code 12592, reason \"00\"
  expected   03 e8                 1000 = 3 * 256 + 232

Remedy: Python struct.pack('>H', code).",
    rule: "RFC 6455 §5.5.1, §7.4",
};

pub(crate) static LITTLE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-LITTLE-ENDIAN",
    says: "You wrote the close code with its least significant byte first.",
    hint: "Write it in network byte order: 1000 is 03 e8.",
    page: "  code       1000
  you sent   e8 03           read as 59395
  expected   03 e8           1000 = 3 * 256 + 232

Remedy: Python struct.pack('>H', code), C htons(code).",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static RESERVED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-RESERVED",
    says: "You sent a close code that must not be on the wire.",
    hint: "1005, 1006 and 1015 are only for reports inside a program. To send no code, send an empty close frame.",
    page: "  1005   reported if a close frame has no code
  1006   reported if the connection ended without a close frame
  1015   reported if TLS failed

  received   88 00          close without a code
  you sent   03 ed          1005
  expected   an empty close frame: 88 80 and the key

Remedy: map 1005 to an empty payload.",
    rule: "RFC 6455 §7.4.1",
};

pub(crate) static SHORT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-ONE-BYTE",
    says: "Your close frame has a payload of one byte. A code has two.",
    hint: "Send no payload, or the two bytes of a code and a reason behind them.",
    page: "  you sent   88 81 37 fa 21 3d 34         one byte
  expected   88 82 37 fa 21 3d 34 12      03 e8: 1000

A close frame has no payload, or two bytes of code. One byte is neither, so
the server fails the connection with 1002.

Remedy: write the code as an unsigned number of 16 bits.",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static LONG: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-LONG",
    says: "Your close frame has more than 125 bytes.",
    hint: "Cut the reason: the code has 2 bytes, so at most 123 bytes of UTF-8 are left for it.",
    page: "  code     2 bytes
  reason   at most 123 bytes, UTF-8, not cut inside a character

Control frames never have more than 125 bytes. Remedy: shorten the reason
before you send it.",
    rule: "RFC 6455 §5.5",
};

pub(crate) static REASON: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-REASON",
    says: "The reason of your close frame is not UTF-8.",
    hint: "Encode the reason in UTF-8, and cut it only between two characters.",
    page: "  code     03 e8
  reason   57 c3 b6 72 6c 64     \"Wörld\" in UTF-8

The reason is text for people, and text is always UTF-8 in this protocol.
Servers fail the connection with 1007 otherwise.

Remedy: reason.encode(\"utf-8\").",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static CODE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-CODE",
    says: "Your close frame does not have the code of the close frame that you received.",
    hint: "When you respond to a close frame, send its code back.",
    page: "  received   88 02 03 e8                   1000
  expected   88 82 37 fa 21 3d 34 12       1000, masked

An empty close frame gets an empty one. Remedy: copy the first two bytes of
the payload.",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static UNMASKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CONTROL-UNMASKED",
    says: "You did not mask your close frame or your pong. A client masks every frame.",
    hint: "Use the same function for all frames, with the mask, also for control frames.",
    page: "  you sent   88 02 03 e8
  expected   88 82 37 fa 21 3d 34 12

The rule holds for every frame of a client: also for close frames and pongs,
and also if the payload is empty.

Remedy: one function that writes frames, with opcode and payload.",
    rule: "RFC 6455 §5.1",
};

pub(crate) static TCP_FIRST: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSES-TCP-FIRST",
    says: "You closed the TCP connection first. After both close frames, the server SHOULD do that.",
    hint: "After your close frame, read until the stream ends, with a timeout of some seconds. Then close the socket.",
    page: "\
The side that closes TCP first keeps its port in a waiting state (TIME_WAIT)
for minutes. It should be the server's side, which has no port for each
client. A client may close first (RFC 6455 §5.5.1), for instance if the server
does not close for a long time.

  received   88 02 03 e8      close
  you sent   88 82 ...        close
  expected   wait: the server closes TCP, recv() returns 0 bytes

RFC 6455 says SHOULD here: a client may close first, but it pays for that with
the waiting port.

Remedy: read once more after the close frame, with a timeout.",
    rule: "RFC 6455 §7.1.1",
};

pub(crate) static OPEN: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-OPEN",
    says: "You left the TCP connection open after the server had closed it.",
    hint: "A read that returns 0 bytes is the end of the stream: close the socket then.",
    page: "  both close frames are sent; the server closes its side of TCP
  expected   the client closes its side at once

The connection is over. A socket that is left open costs memory on both sides,
and the program may never end.

Remedy: leave the loop when recv() returns 0 bytes.",
    rule: "RFC 6455 §7.1.1",
};

pub(crate) static TWICE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-TWICE",
    says: "You sent something behind your close frame. It must be your last frame.",
    hint: "Remember that you have sent a close frame, and send nothing after it.",
    page: "  received   88 02 03 e8
  you sent   88 82 ... 88 82 ...      or   88 82 ... 81 83 ...
  expected   88 82 ...                 once, as the last frame

Remedy: a flag \"close sent\" that each sending function checks.",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static LATE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-LATE",
    says: "You handled a message that came behind the server's close frame.",
    hint: "After a close frame, ignore everything that follows, also in the same read.",
    page: "  received   88 02 03 e8 81 02 68 69
  you sent   88 82 ... and 81 82 ... \"hi\"
  expected   88 82 ... only

Remedy: leave the loop over the frames of your buffer at the close frame.",
    rule: "RFC 6455 §5.5.1",
};

pub(crate) static ECHOED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CLOSE-ECHOED",
    says: "You sent a message back for a close frame.",
    hint: "Opcode 8 is a control frame: respond with opcode 8, not with text.",
    page: "  received   88 02 03 e8
  you sent   81 82 ...        a text frame
  expected   88 82 ...        a close frame

Remedy: look at the opcode before you deliver the payload.",
    rule: "RFC 6455 §5.5.1",
};
