//! The mistakes of a draft-75 server in its handshake.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &STATUS_SPACE,
    &STATUS_LINE,
    &REFUSED,
    &LINE_ENDS,
    &NO_BLANK_LINE,
    &HEADER_ORDER,
    &HEADER_VALUE,
    &SEC_NAMES,
    &ORIGIN,
    &LOCATION,
    &LOCATION_WRONG,
    &PROTOCOL,
    &PROOF,
    &CLOSE_BYTES,
    &STAYS_OPEN,
    &MARKER_TEXT,
    &MARKER_CLOSE,
];

pub(crate) static STATUS_SPACE: Diagnosis = Diagnosis {
    id: "D75-STATUS-SPACE",
    says: "You wrote \"WebSocket\" without its space in the status line. Draft-75 has \"Web Socket\".",
    hint: "Compare the line byte by byte: HTTP/1.1 101 Web Socket Protocol Handshake",
    page: "\
A draft-75 client compares the beginning of the response with its own copy,
byte for byte. One letter less, and it closes the connection.

  draft-75   HTTP/1.1 101 Web Socket Protocol Handshake
  draft-76   HTTP/1.1 101 WebSocket Protocol Handshake
                             ^

The space stands in draft-75 only; clients of draft-76 look at the 101 alone.
Remedy: write the line of the version that the request has.",
    rule: "draft-75 §4.1 steps 12 to 15",
};

pub(crate) static STATUS_LINE: Diagnosis = Diagnosis {
    id: "D75-STATUS-LINE",
    says: "Your status line differs from that of draft-75, and the client compares every byte of it.",
    hint: "Write exactly: HTTP/1.1 101 Web Socket Protocol Handshake",
    page: "\
In HTTP the text behind the status is free. In draft-75 it is not: the client
compares the first 85 bytes of the response, three lines, with its own copy.

  HTTP/1.1 101 Web Socket Protocol Handshake
  Upgrade: WebSocket
  Connection: Upgrade

\"101 Switching Protocols\" belongs to the versions 7, 8 and 13. Remedy: write
the three lines as they stand here, each with CR LF at its end.",
    rule: "draft-75 §4.1 steps 12 to 15",
};

pub(crate) static REFUSED: Diagnosis = Diagnosis {
    id: "D75-REFUSED",
    says: "You rejected a correct request of draft-75.",
    hint: "A draft-75 request has no key and no version: Upgrade, Connection, Host and Origin are all of it.",
    page: "\
This is a complete request of draft-75. It has no Sec-WebSocket-Key and no
Sec-WebSocket-Version; the later versions added them.

  GET /demo HTTP/1.1
  Upgrade: WebSocket
  Connection: Upgrade
  Host: example.com
  Origin: http://example.com

A server that also speaks later versions decides so: a version header -> 7, 8
or 13; Sec-WebSocket-Key1 and -Key2 -> draft-76; neither, but Host and Origin
-> draft-75. Remedy: accept the request with status 101.",
    rule: "draft-75 §4.2",
};

pub(crate) static LINE_ENDS: Diagnosis = Diagnosis {
    id: "D75-LINE-ENDS",
    says: "Your lines end in LF alone. They must end in CR LF.",
    hint: "Write \"\\r\\n\" at the end of each line, and once more for the blank line.",
    page: "\
Each line of a header block ends in two bytes: CR (0d) and LF (0a).

  you sent   48 54 54 50 2f 31 2e 31 20 31 30 31 ... 0a
  expected   48 54 54 50 2f 31 2e 31 20 31 30 31 ... 0d 0a

Clients of drafts 75 and 76 compare bytes and do not forgive it. Remedy: end
lines with \"\\r\\n\". Functions such as println write what the operating system
uses, which is LF on Unix.",
    rule: "draft-75 §4.2, draft-76 §5.2",
};

pub(crate) static NO_BLANK_LINE: Diagnosis = Diagnosis {
    id: "D75-NO-BLANK-LINE",
    says: "Your header block does not end: there is no blank line behind the last header.",
    hint: "Write CR LF twice at the end: one ends the last header, one is the blank line.",
    page: "\
The blank line is the only mark of the header block's end. A client waits for
it.

  ...Location: ws://example.com/demo 0d 0a 0d 0a
                                     |     the blank line
                                     the end of the last header

Remedy: write \"\\r\\n\\r\\n\" behind the last header, and flush the output.",
    rule: "draft-75 §4.2, draft-76 §5.2",
};

pub(crate) static HEADER_ORDER: Diagnosis = Diagnosis {
    id: "D75-HEADER-ORDER",
    says: "Upgrade and Connection are not your second and third line. Draft-75 fixes this order.",
    hint: "Write \"Upgrade: WebSocket\" and then \"Connection: Upgrade\" directly below the status line.",
    page: "\
A draft-75 client compares the first three lines with its own copy, so their
order is fixed. The headers behind them may have any order.

  HTTP/1.1 101 Web Socket Protocol Handshake
  Upgrade: WebSocket
  Connection: Upgrade
  WebSocket-Origin: http://example.com
  WebSocket-Location: ws://example.com/demo

A library that keeps headers in a map may sort them, or put a Date or Server
header first. Remedy: write these lines yourself.",
    rule: "draft-75 §4.1 steps 12 to 15",
};

pub(crate) static HEADER_VALUE: Diagnosis = Diagnosis {
    id: "D75-HEADER-VALUE",
    says: "Upgrade or Connection has another spelling than the draft's: clients compare it byte for byte.",
    hint: "Write \"Upgrade: WebSocket\" (capital W and S) and \"Connection: Upgrade\", one space behind each colon.",
    page: "\
Later versions ignore case in these values. Clients of drafts 75 and 76
compare them exactly.

  you sent   Upgrade: websocket         or   Connection: upgrade
  expected   Upgrade: WebSocket              Connection: Upgrade

Remedy: write the two lines exactly as the draft has them.",
    rule: "draft-75 §4.1 steps 12 to 15, draft-76 §4.1",
};

pub(crate) static SEC_NAMES: Diagnosis = Diagnosis {
    id: "D75-SEC-NAMES",
    says: "Your headers have the names of draft-76. In draft-75 they begin with \"WebSocket-\".",
    hint: "Write WebSocket-Origin and WebSocket-Location, without \"Sec-\".",
    page: "\
Draft-76 renamed the headers, so that no script of a page can set them. A
client of draft-75 does not know the new names.

  draft-75  WebSocket-Origin      WebSocket-Location      WebSocket-Protocol
  draft-76  Sec-WebSocket-Origin  Sec-WebSocket-Location  Sec-WebSocket-Protocol

Remedy: choose the names by the version of the request: with
Sec-WebSocket-Key1 and -Key2 it is draft-76, without them draft-75.",
    rule: "draft-75 §4.2",
};

pub(crate) static ORIGIN: Diagnosis = Diagnosis {
    id: "D75-ORIGIN",
    says: "WebSocket-Origin is missing, or is not the Origin of the request.",
    hint: "Copy the value of the request's Origin header byte for byte.",
    page: "\
The response repeats the origin of the request. So the client knows that the
server has read it, and that the server admits pages of this origin.

  request    Origin: http://example.com
  response   WebSocket-Origin: http://example.com

Remedy: copy the value; no slash at its end, no other case, not \"*\".",
    rule: "draft-75 §4.1, §4.2",
};

pub(crate) static LOCATION: Diagnosis = Diagnosis {
    id: "D75-LOCATION",
    says: "You left WebSocket-Location out. The client compares it with its own URL.",
    hint: "Write \"WebSocket-Location: ws://\", the request's Host, and the request's path.",
    page: "\
The response names the URL to which the client has connected. The client fails
the connection if the header is missing or if the URL is another one.

  GET /demo?x=1 HTTP/1.1
  Host: example.com:9000
  response   WebSocket-Location: ws://example.com:9000/demo?x=1

Remedy: join the scheme, the value of Host, and the target of the request
line.",
    rule: "draft-75 §4.1, §4.2",
};

pub(crate) static LOCATION_WRONG: Diagnosis = Diagnosis {
    id: "D75-LOCATION-WRONG",
    says: "WebSocket-Location is not the URL that the client has requested.",
    hint: "Build it from the request: \"ws://\", then Host as it stands, then the target with its query.",
    page: "\
The client compares the header with the URL that it has connected to, byte for
byte. The usual differences:

  http://example.com/demo       the scheme is ws (wss behind TLS)
  ws://127.0.0.1:9000/demo      the address of the socket, not the Host header
  ws://example.com/demo         without the port that Host has
  ws://example.com:9000/        without the path
  ws://example.com:9000/demo    without the query ?x=1

Remedy: \"ws://\" + value of Host + target of the request line.",
    rule: "draft-75 §4.1, §4.2",
};

pub(crate) static PROTOCOL: Diagnosis = Diagnosis {
    id: "D75-PROTOCOL",
    says: "You named a subprotocol, and the client has not requested one.",
    hint: "Leave WebSocket-Protocol out if the request does not have it.",
    page: "\
A subprotocol is in use only if the client requests it and the server agrees.
A client that has requested none fails the connection if it gets one. An empty
header is a value too.

  request    (no WebSocket-Protocol)
  you sent   WebSocket-Protocol: sample
  expected   no such line

Remedy: write the header only as a copy of the request's.",
    rule: "draft-75 §4.1",
};

pub(crate) static PROOF: Diagnosis = Diagnosis {
    id: "D75-PROOF",
    says: "You sent bytes behind the blank line before the client sent a message. Draft-75 has no proof.",
    hint: "Send the 16 bytes of the digest to clients with Sec-WebSocket-Key1 and -Key2 only.",
    page: "\
In draft-75 the first byte behind the blank line of the response is that of a
frame. Only draft-76 sends 16 bytes of a digest there.

  draft-75   ...CR LF CR LF  00 48 65 6c 6c 6f ff
  draft-76   ...CR LF CR LF  38 6a 4b 53 ... 61 2d  00 48 65 6c 6c 6f ff

Remedy: after the blank line, write nothing until there is a message.",
    rule: "draft-75 §4.2",
};

pub(crate) static CLOSE_BYTES: Diagnosis = Diagnosis {
    id: "D75-CLOSE-BYTES",
    says: "You sent bytes when the client closed the connection. Draft-75 has no close frame.",
    hint: "When the stream of a draft-75 client ends, close the TCP connection and write nothing.",
    page: "\
In draft-75 a side closes the connection by closing TCP, and that is all. The
close frames came later.

  draft-75   (TCP closes)
  draft-76   ff 00
  7, 8, 13   88 02 03 e8

Remedy: for this version, close the socket without a last frame.",
    rule: "draft-75 §4.3",
};

pub(crate) static STAYS_OPEN: Diagnosis = Diagnosis {
    id: "D75-STAYS-OPEN",
    says: "You keep the TCP connection open after the client has closed its side.",
    hint: "A read that returns 0 bytes is the end of the stream: close the socket then.",
    page: "\
In draft-75 the end of the TCP stream is the only way to close. recv() shows
it by returning 0 bytes (an empty value in Python, -1 in Java).

  client     closes its side of TCP (FIN)
  server     read() returns 0
  expected   the server closes its side too

A server that takes the 0 for \"nothing yet\" runs in a loop, or keeps the
connection for ever. Remedy: leave the loop and close the socket.",
    rule: "draft-75 §4.3",
};

pub(crate) static MARKER_TEXT: Diagnosis = Diagnosis {
    id: "D75-MARKER-TEXT",
    says: "You took the bytes FF 00 for a text message.",
    hint: "A type byte of 80 or more begins a frame with a length: here 00, no bytes. Skip it.",
    page: "\
The first byte of a frame is its type. Below 80 the frame ends at the byte FF;
from 80 on, a length follows, and so many bytes are to be skipped.

  00 48 69 ff   type 00: the text \"Hi\"
  ff 00         type ff: length 0, nothing to skip, no message
  80 03 41 42 43  type 80: length 3, skip 3 bytes

Remedy: look at the type byte before you search for FF.",
    rule: "draft-75 §4.3, draft-76 §5.3",
};

pub(crate) static MARKER_CLOSE: Diagnosis = Diagnosis {
    id: "D75-MARKER-CLOSE",
    says: "You took the bytes FF 00 for the close of draft-76. In draft-75 they mean nothing.",
    hint: "Skip the frame: its type has the top bit set and its length is 0.",
    page: "\
Draft-76 made FF 00 the closing frame. In draft-75 it is a frame with a
length, as all types from 80 on, and its length is 0: the server skips it.

  draft-75   ff 00 00 48 69 ff   -> the message \"Hi\"
  draft-76   ff 00 00 48 69 ff   -> the close; the rest is ignored

Remedy: let the version of the handshake decide.",
    rule: "draft-75 §4.3",
};
