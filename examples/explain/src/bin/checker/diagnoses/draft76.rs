//! The mistakes of a draft-76 server beside its proof: the header block, key3, and the close.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &WAITS_KEY3,
    &REFUSED,
    &STATUS,
    &HEADER_VALUE,
    &OLD_NAMES,
    &ORIGIN,
    &LOCATION,
    &LOCATION_WRONG,
    &PROTOCOL,
    &ACCEPT,
    &KEY3_CUT,
    &NAME_CASE,
    &GLUED_KEY3,
    &NO_SPACES,
    &REST,
    &KEY_MISSING,
    &CLOSE_SILENT,
    &CLOSE_TEXT,
    &CLOSE_HYBI,
    &CLOSE_TWICE,
    &CLOSE_OPEN,
    &CLOSE_LATE,
];

pub(crate) static WAITS_KEY3: Diagnosis = Diagnosis {
    id: "D76-WAITS-FOR-KEY3",
    says: "You wait for key3 before you write the header block of the response. Behind a proxy, both sides wait for ever.",
    hint: "Write and flush the status line, the headers and the blank line first. Then read key3.",
    page: "\
To HTTP, the 8 bytes of key3 are no body: the request has no Content-Length.
So proxies such as HAProxy and nginx keep them back until they have seen the
101.

  client   GET /demo ... CR LF CR LF          key3 waits in the proxy
  server   HTTP/1.1 101 ... CR LF CR LF       write and flush this first
  client   5e 6e 3a 64 73 5b 34 55            now key3 comes through
  server   38 6a 4b 53 27 79 3a 47 ...        the 16 bytes of the proof

The two keys in the headers can be checked before the 101; only the proof
needs key3. Remedy: split the response into two writes, and read between them.",
    rule: "draft-76 §5.2",
};

pub(crate) static REFUSED: Diagnosis = Diagnosis {
    id: "D76-REFUSED",
    says: "You rejected a correct request of draft-76.",
    hint: "The request has Sec-WebSocket-Key1 and -Key2, and no Sec-WebSocket-Version. Accept headers in any order.",
    page: "\
This request is correct. Its headers are in random order by design.

  GET /demo HTTP/1.1
  Host: example.com
  Connection: Upgrade
  Sec-WebSocket-Key2: 12998 5 Y3 1  .P00
  Upgrade: WebSocket
  Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5
  Origin: http://example.com

A server recognizes draft-76 by the two keys. Usual reasons of a rejection: a
search for Sec-WebSocket-Key, a fixed order, spaces removed from the keys, and
digits that do not fit into 32 bits with a sign. Remedy: respond with 101.",
    rule: "draft-76 §5.2",
};

pub(crate) static STATUS: Diagnosis = Diagnosis {
    id: "D76-STATUS",
    says: "Your status line is not one of HTTP/1.1 with status 101.",
    hint: "Write: HTTP/1.1 101 WebSocket Protocol Handshake",
    page: "\
The first line of the response has the version of HTTP, the status, and a text
that is free. Clients look for a line of at least seven bytes with the status
101.

  expected   HTTP/1.1 101 WebSocket Protocol Handshake

Remedy: write this line. Only the status 101 opens the connection.",
    rule: "draft-76 §5.2",
};

pub(crate) static HEADER_VALUE: Diagnosis = Diagnosis {
    id: "D76-HEADER-VALUE",
    says: "Upgrade or Connection is missing or has another spelling: clients compare the values exactly.",
    hint: "Write \"Upgrade: WebSocket\" (capital W and S) and \"Connection: Upgrade\".",
    page: "\
Clients of draft-76 compare both values with the draft's own spelling. Only
later versions ignore the case.

  you sent   Upgrade: websocket         or   Connection: upgrade
  expected   Upgrade: WebSocket              Connection: Upgrade

The order of the headers is free. Remedy: write the two lines as they stand
here.",
    rule: "draft-76 §4.1 steps 41 and 42",
};

pub(crate) static OLD_NAMES: Diagnosis = Diagnosis {
    id: "D76-OLD-NAMES",
    says: "Your headers have the names of draft-75. In draft-76 they begin with \"Sec-WebSocket-\".",
    hint: "Write Sec-WebSocket-Origin and Sec-WebSocket-Location.",
    page: "\
Draft-76 renamed the headers: no script of a page can set a header that begins
with \"Sec-\".

  draft-75  WebSocket-Origin      WebSocket-Location      WebSocket-Protocol
  draft-76  Sec-WebSocket-Origin  Sec-WebSocket-Location  Sec-WebSocket-Protocol

Remedy: choose the names by the version of the request.",
    rule: "draft-76 §5.2",
};

pub(crate) static ORIGIN: Diagnosis = Diagnosis {
    id: "D76-ORIGIN",
    says: "Sec-WebSocket-Origin is missing, or is not the Origin of the request.",
    hint: "Copy the value of the request's Origin header byte for byte.",
    page: "\
The response repeats the origin of the request, so that the client knows that
the server admits pages of this origin.

  request    Origin: http://example.com
  response   Sec-WebSocket-Origin: http://example.com

Remedy: copy the value; no slash at its end, no other case, not \"*\".",
    rule: "draft-76 §5.2, §4.1",
};

pub(crate) static LOCATION: Diagnosis = Diagnosis {
    id: "D76-LOCATION",
    says: "You left Sec-WebSocket-Location out. The client compares it with its own URL.",
    hint: "Write \"Sec-WebSocket-Location: ws://\", the request's Host, and the request's target.",
    page: "\
The response names the URL to which the client has connected. The client fails
the connection if the header is missing.

  GET /demo?x=1 HTTP/1.1
  Host: example.com:9000
  response   Sec-WebSocket-Location: ws://example.com:9000/demo?x=1

Remedy: join the scheme, the value of Host, and the target of the request
line.",
    rule: "draft-76 §5.2, §4.1",
};

pub(crate) static LOCATION_WRONG: Diagnosis = Diagnosis {
    id: "D76-LOCATION-WRONG",
    says: "Sec-WebSocket-Location is not the URL that the client has requested.",
    hint: "Build it from the request: \"ws://\", then Host as it stands, then the target with its query.",
    page: "\
The client compares the header with the URL that it has connected to. The
usual differences:

  http://example.com/demo       the scheme is ws (wss behind TLS)
  ws://127.0.0.1:9000/demo      the address of the socket, not the Host header
  ws://example.com/demo         without the port that Host has
  ws://example.com:9000/        without the path
  ws://example.com:9000/demo    without the query ?x=1

Remedy: \"ws://\" + value of Host + target of the request line.",
    rule: "draft-76 §5.2, §4.1",
};

pub(crate) static PROTOCOL: Diagnosis = Diagnosis {
    id: "D76-PROTOCOL",
    says: "You named a subprotocol, and the client has not requested one.",
    hint: "Leave Sec-WebSocket-Protocol out if the request does not have it.",
    page: "\
A client that has requested no subprotocol fails the connection if the
response names one. An empty header is a value too.

  request    (no Sec-WebSocket-Protocol)
  you sent   Sec-WebSocket-Protocol: sample
  expected   no such line

Remedy: write the header only as a copy of the request's.",
    rule: "draft-76 §5.2, §4.1",
};

pub(crate) static ACCEPT: Diagnosis = Diagnosis {
    id: "D76-ACCEPT",
    says: "You responded as to version 13, with Sec-WebSocket-Accept. This request is one of draft-76.",
    hint: "Without Sec-WebSocket-Version, but with Sec-WebSocket-Key1 and -Key2, the request is draft-76.",
    page: "\
The versions prove in different ways that the server has read the request:

  13        Sec-WebSocket-Accept, a header: SHA-1 in Base64 of Sec-WebSocket-Key
  draft-76  16 bytes behind the blank line: MD5 of two numbers and key3

A draft-76 client knows no Sec-WebSocket-Accept; it waits for the 16 bytes.
Remedy: look for Sec-WebSocket-Key1 and -Key2 before you decide on the
version.",
    rule: "draft-76 §5.2",
};

pub(crate) static KEY3_CUT: Diagnosis = Diagnosis {
    id: "D76-KEY3-CUT",
    says: "You took the first read behind the header block for all of key3, but it was only a part of it.",
    hint: "Read until you have 8 bytes behind the blank line.",
    page: "\
TCP may deliver the 8 bytes in any pieces, also glued to the header block.

  read 1   ... CR LF CR LF 5e 6e 3a
  read 2   64 73
  read 3   5b 34 55
  key3     5e 6e 3a 64 73 5b 34 55

Remedy: keep what is behind the blank line in a buffer, and read on until the
buffer has 8 bytes. The bytes behind them are the first frame.",
    rule: "draft-76 §5.2",
};

pub(crate) static NAME_CASE: Diagnosis = Diagnosis {
    id: "D76-NAME-CASE",
    says: "You found a header only in one spelling of its name, or only at one place of the request.",
    hint: "Compare header names without regard to case, and look at all headers.",
    page: "\
Header names ignore case, and clients of draft-76 send the headers in a random
order, so that no server depends on one.

  sec-websocket-key1: 4 @1  46546xW%0l 1 5
  HOST: example.com
  upgrade: WebSocket

Remedy: convert each name to lower case, and keep the headers in a map.",
    rule: "draft-76 §4.1 step 24, §5.1",
};

pub(crate) static GLUED_KEY3: Diagnosis = Diagnosis {
    id: "D76-KEY3-GLUED",
    says: "You lost the frame that came in the same read as key3.",
    hint: "key3 is exactly 8 bytes. The bytes behind it are the first frame: keep them.",
    page: "\
A client has to wait for the proof. If one does not, a single read returns key3
and its first message. A server may reject the client, but not lose the message.

  read       5e 6e 3a 64 73 5b 34 55 00 48 69 ff
  key3       5e 6e 3a 64 73 5b 34 55
  frame                              00 48 69 ff

Remedy: take 8 bytes from the buffer, and give the rest to the code that reads
frames.",
    rule: "draft-76 §5.2",
};

pub(crate) static NO_SPACES: Diagnosis = Diagnosis {
    id: "D76-KEY-NO-SPACES",
    says: "You accepted a key without spaces.",
    hint: "Count the spaces first. If there are none, close the connection: you cannot divide by zero.",
    page: "\
A number is divided by the spaces of its key. A key without spaces cannot come
from a WebSocket client: the client must make at least one.

  Sec-WebSocket-Key1: 4@146546xW%0l15    no space
  expected            close the connection, or respond with 400

The rule keeps a page from making another program, such as a mail server,
accept the request. Remedy: check both keys before you write the 101.",
    rule: "draft-76 §5.2 steps 4 to 8",
};

pub(crate) static REST: Diagnosis = Diagnosis {
    id: "D76-KEY-REST",
    says: "You accepted a key of which the number cannot be divided by its spaces without a rest.",
    hint: "If number % spaces is not 0, close the connection.",
    page: "\
The client multiplies a number by the count of spaces, so the division is
always exact. A rest shows that something on the way changed the key, or that
the client is none.

  Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 6
  number 4146546016, 5 spaces, rest 1
  expected   close the connection, or respond with 400

Remedy: compare number % spaces with 0; do not round.",
    rule: "draft-76 §5.2 steps 4 to 8",
};

pub(crate) static KEY_MISSING: Diagnosis = Diagnosis {
    id: "D76-KEY-MISSING",
    says: "You accepted a request that has only one of the two keys.",
    hint: "One of Sec-WebSocket-Key1 and -Key2 alone is neither draft-76 nor draft-75: reject it.",
    page: "\
Both keys are required. A request with one key only must not be taken for
draft-75, which has none: then nothing would be proved.

  Key1 and Key2        draft-76
  neither              draft-75, if Host and Origin are there
  only one of them     close the connection, or respond with 400

Remedy: reject the request if either key is missing.",
    rule: "draft-76 §5.2",
};

pub(crate) static CLOSE_SILENT: Diagnosis = Diagnosis {
    id: "D76-CLOSE-SILENT",
    says: "You did not respond to the closing frame FF 00.",
    hint: "When FF 00 arrives, send FF 00 and then close the TCP connection.",
    page: "\
In draft-76 each side sends FF 00 once. The side that receives it first sends
it back; then TCP is closed.

  client     ff 00
  expected   ff 00, then the end of the TCP stream

Without it the client cannot know whether all of its messages arrived. Remedy:
FF with the length 00 is the close: send the same two bytes.",
    rule: "draft-76 §5.3",
};

pub(crate) static CLOSE_TEXT: Diagnosis = Diagnosis {
    id: "D76-CLOSE-TEXT",
    says: "You sent a message back for the closing frame FF 00.",
    hint: "FF 00 is no text: respond with FF 00 alone, and send no message behind it.",
    page: "\
The bytes FF 00 are the closing frame. They carry no text.

  client     ff 00
  you sent   00 ... ff
  expected   ff 00

Remedy: look at the type byte first. 00 begins a text; FF with the length 00
is the close.",
    rule: "draft-76 §5.3",
};

pub(crate) static CLOSE_HYBI: Diagnosis = Diagnosis {
    id: "D76-CLOSE-HYBI",
    says: "You closed with a close frame of the versions 7, 8 and 13. Draft-76 closes with FF 00.",
    hint: "Send the two bytes FF 00. There is no close code in this version.",
    page: "\
Each version closes in its own way:

  draft-75    close TCP
  draft-76    ff 00
  7, 8, 13    88 02 03 e8      with the code 1000

A draft-76 client reads 88 as a frame with a length, and skips it. Remedy:
choose the close by the version of the handshake.",
    rule: "draft-76 §5.3",
};

pub(crate) static CLOSE_TWICE: Diagnosis = Diagnosis {
    id: "D76-CLOSE-TWICE",
    says: "You sent something behind your closing frame. FF 00 is sent once and comes last.",
    hint: "Remember that you have sent FF 00, and send nothing after it.",
    page: "\
Each side sends FF 00 once, as its last frame.

  client     ff 00
  you sent   ff 00 ff 00    or   ff 00 00 62 79 65 ff
  expected   ff 00

Remedy: keep a flag \"close sent\"; after it only TCP is closed.",
    rule: "draft-76 §5.3",
};

pub(crate) static CLOSE_OPEN: Diagnosis = Diagnosis {
    id: "D76-CLOSE-OPEN",
    says: "You left the TCP connection open after both closing frames.",
    hint: "When you have sent and received FF 00, close the socket.",
    page: "\
Behind the two closing frames nothing more can follow, so TCP is closed.

  client     ff 00
  server     ff 00
  expected   the server closes TCP at once

A server that leaves it open keeps a socket, and often a thread, for a client
that has gone. Remedy: close the socket after the second FF 00.",
    rule: "draft-76 §5.3",
};

pub(crate) static CLOSE_LATE: Diagnosis = Diagnosis {
    id: "D76-CLOSE-LATE",
    says: "You handled a message that came behind the client's closing frame.",
    hint: "After FF 00, ignore everything that the client sends.",
    page: "\
FF 00 is the last frame of a side. Bytes behind it have no meaning, also if
they came in the same read.

  client     ff 00 00 48 69 ff
  you sent   00 48 69 ff
  expected   ff 00

Remedy: leave the loop over the buffer's frames at the close.",
    rule: "draft-76 §5.3",
};
