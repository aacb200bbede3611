//! The mistakes of a client in its request, and in the check of the response.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &CLIENT_GONE,
    &SILENT,
    &LINE_ENDS,
    &NO_BLANK_LINE,
    &REQUEST_LINE,
    &TARGET,
    &HOST,
    &UPGRADE,
    &CONNECTION,
    &VERSION,
    &KEY_MISSING,
    &KEY_LENGTH,
    &KEY_FIXED,
    &EARLY,
    &ACCEPT_UNCHECKED,
    &UPGRADE_UNCHECKED,
    &CONNECTION_UNCHECKED,
    &STATUS_UNCHECKED,
    &SUBPROTOCOL_UNCHECKED,
    &EXTENSION_UNCHECKED,
    &RESPONSE_CASE,
    &GLUED_RESPONSE,
    &CUT_RESPONSE,
];

pub(crate) static CLIENT_GONE: Diagnosis = Diagnosis {
    id: "D-CLIENT-GONE",
    says: "Your client did not connect.",
    hint: "Look at its output, and at the URL in its command: {url} is replaced by the URL of the checker.",
    page: "\
The checker starts your client anew for each case, and waits for its
connection. The command is run without a shell, with a closed standard input.

  checker client --port 0 -- python3 my_client.py {url}
  checker client --port 9001 -- ./my_client ws://127.0.0.1:9001/

Usual causes: the interpreter does not find a file, the program ends with an
error before it connects, or it connects to another port. Remedy: run the
command by hand, with the URL that the checker prints.",
    rule: "RFC 6455 §4.1",
};

pub(crate) static SILENT: Diagnosis = Diagnosis {
    id: "D13-CLIENT-SILENT",
    says: "You connected and sent no request. The client speaks first.",
    hint: "Send the request as soon as the connection is there, and flush your output.",
    page: "\
A WebSocket begins as a request of HTTP: the client sends its header block,
and the server responds.

  client   GET /chat HTTP/1.1 CR LF ... CR LF CR LF
  server   HTTP/1.1 101 Switching Protocols CR LF ... CR LF CR LF

A client that waits for the server waits for ever. Remedy: write the request,
flush the output, then read.",
    rule: "RFC 6455 §4.1",
};

pub(crate) static LINE_ENDS: Diagnosis = Diagnosis {
    id: "D13-CLIENT-LINE-ENDS",
    says: "Your lines end in LF alone. They must end in CR LF.",
    hint: "Write \"\\r\\n\" at the end of each line, and once more for the blank line.",
    page: "\
Each line of a header block ends in two bytes: CR (0d) and LF (0a).

  you sent   47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0a
  expected   47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a

Many servers forgive a lone LF, others wait for the CR. Remedy: end lines with
\"\\r\\n\"; triple-quoted texts and println use LF.",
    rule: "RFC 6455 §4.1, RFC 9112 §2.2",
};

pub(crate) static NO_BLANK_LINE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-NO-BLANK-LINE",
    says: "Your request does not end: there is no blank line behind the last header.",
    hint: "Write CR LF twice at the end: one ends the last header, one is the blank line.",
    page: "\
The blank line is the only mark of the request's end. The server waits for it.

  Sec-WebSocket-Version: 13 0d 0a 0d 0a
                            |     the blank line
                            the end of the last header

Remedy: write \"\\r\\n\\r\\n\" behind the last header, and flush the output.",
    rule: "RFC 9112 §2.1",
};

pub(crate) static REQUEST_LINE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-REQUEST-LINE",
    says: "Your request line is not that of a GET request of HTTP/1.1.",
    hint: "Write GET, one space, the path with its query, one space, HTTP/1.1.",
    page: "\
The request line has three parts. The method is GET; the target begins with a
slash; the version is HTTP/1.1.

  ws://example.com:9000/chat?room=7
  expected   GET /chat?room=7 HTTP/1.1

Remedy: compare your line with this one. HTTP/1.0 has no upgrade, and HTTP/2
begins a WebSocket in another way.",
    rule: "RFC 6455 §4.1 step 2",
};

pub(crate) static TARGET: Diagnosis = Diagnosis {
    id: "D13-CLIENT-TARGET",
    says: "The target of your request is not the path and the query of the URL.",
    hint: "Everything behind the host and port belongs to it, with the query, without the fragment (#...).",
    page: "\
The target is the path and the query of the URL, or a slash if it has no path.

  ws://example.com:9000/chat?room=7
  you sent   GET / HTTP/1.1           or   GET /chat HTTP/1.1
  expected   GET /chat?room=7 HTTP/1.1

Remedy: join path, \"?\" and query. URL classes keep the query apart from the
path.",
    rule: "RFC 6455 §3, §4.1 step 3",
};

pub(crate) static HOST: Diagnosis = Diagnosis {
    id: "D13-CLIENT-HOST",
    says: "The Host header is missing, or is not the host and port of the URL.",
    hint: "Write the host of the URL, and :port unless it is the default one (80 for ws, 443 for wss).",
    page: "\
One address can serve several hosts; Host names the one that the client wants.
Servers also use it as a protection, so they compare it.

  ws://127.0.0.1:9001/echo
  you sent   Host: 127.0.0.1           the port is missing
  expected   Host: 127.0.0.1:9001

Remedy: take host and port from the URL.",
    rule: "RFC 6455 §4.1 step 4",
};

pub(crate) static UPGRADE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-UPGRADE",
    says: "Your request does not ask for an upgrade: Upgrade is missing, or does not name \"websocket\".",
    hint: "Write \"Upgrade: websocket\".",
    page: "\
Without Upgrade the request is an ordinary one, and the server sends a page.

  expected   Upgrade: websocket
             Connection: Upgrade

Remedy: add both lines. The value ignores case; it is one word.",
    rule: "RFC 6455 §4.1 step 5",
};

pub(crate) static CONNECTION: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CONNECTION",
    says: "Connection is missing, or does not contain \"Upgrade\".",
    hint: "Write \"Connection: Upgrade\".",
    page: "\
Upgrade is a header for the next machine only. Connection names such headers,
so that a proxy does not pass them on unread.

  expected   Upgrade: websocket
             Connection: Upgrade

Remedy: add the line. An HTTP library may have written \"Connection:
keep-alive\" or \"close\" in its place.",
    rule: "RFC 6455 §4.1 step 6",
};

pub(crate) static VERSION: Diagnosis = Diagnosis {
    id: "D13-CLIENT-VERSION",
    says: "Sec-WebSocket-Version is missing, or is not the version under test.",
    hint: "Write \"Sec-WebSocket-Version: 13\", once.",
    page: "\
The header says which version of the protocol the client speaks. RFC 6455 is
version 13. A server responds to others with the list of those that it knows.

  expected   Sec-WebSocket-Version: 13

Remedy: write the number alone. To test a client of another version, give the
checker the option --as 75, 76, 7 or 8.",
    rule: "RFC 6455 §4.1 step 9",
};

pub(crate) static KEY_MISSING: Diagnosis = Diagnosis {
    id: "D13-CLIENT-KEY-MISSING",
    says: "You sent no Sec-WebSocket-Key, or several.",
    hint: "Draw 16 random bytes, encode them in Base64, and send the 24 characters once.",
    page: "\
The server calculates its Sec-WebSocket-Accept from this key: so the client
knows that the server has read this request, and that it speaks WebSocket.

  16 bytes   74 68 65 20 73 61 6d 70 6c 65 20 6e 6f 6e 63 65
  header     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

Remedy: base64(random(16)), new for each connection.",
    rule: "RFC 6455 §4.1 step 7",
};

pub(crate) static KEY_LENGTH: Diagnosis = Diagnosis {
    id: "D13-CLIENT-KEY-LENGTH",
    says: "Sec-WebSocket-Key is not the Base64 of 16 bytes.",
    hint: "Draw 16 bytes, not characters, and encode these bytes: the result has 24 characters and ends in ==.",
    page: "\
The key is 16 random bytes in Base64: always 24 characters, the last two ==.

  dGhlIHNhbXBsZSBub25jZQ==              16 bytes: right
  74686520...                           hex: 32 characters
  123e4567-e89b-12d3-a456-426614174000  a UUID as text
  bXkga2V5                              6 bytes: too short

Remedy: Python base64.b64encode(os.urandom(16)); Node
crypto.randomBytes(16).toString('base64').",
    rule: "RFC 6455 §4.1 step 7",
};

pub(crate) static KEY_FIXED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-KEY-FIXED",
    says: "You sent the same Sec-WebSocket-Key for two connections.",
    hint: "Draw 16 new random bytes for each connection.",
    page: "\
A key that never changes proves nothing: a stored response has the right
Sec-WebSocket-Accept for it too.

  connection 1   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
  connection 2   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==

This one is the example of the RFC, which is often copied. Remedy: draw the
key when the connection begins. A random generator with a fixed seed repeats
itself as well.",
    rule: "RFC 6455 §4.1 step 7",
};

pub(crate) static EARLY: Diagnosis = Diagnosis {
    id: "D13-CLIENT-EARLY",
    says: "You sent bytes behind the request before the server's response.",
    hint: "Wait for the whole response, and check it, before you send a frame.",
    page: "\
Until the response is there, the connection is one of HTTP. The client does
not know yet whether the server speaks WebSocket: it may be any program.

  client   GET ... CR LF CR LF
  server   HTTP/1.1 101 ... CR LF CR LF
  client   81 85 ...                     frames from here on

Remedy: read up to the blank line of the response first.",
    rule: "RFC 6455 §4.1",
};

pub(crate) static ACCEPT_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-ACCEPT-UNCHECKED",
    says: "You accepted a response with a wrong Sec-WebSocket-Accept, or with none.",
    hint: "Calculate the value from your own key, and compare it with the header.",
    page: "\
Only a server that has read this request can know the value:

  key        dGhlIHNhbXBsZSBub25jZQ==
  + text     258EAFA5-E914-47DA-95CA-C5AB0DC85B11
  SHA-1      b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea
  Base64     s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

If the header differs or is missing, close the TCP connection and report an
error to your program. Otherwise a cache, or a program that is no WebSocket
server, is taken for one.",
    rule: "RFC 6455 §4.1, check 4 of the response",
};

pub(crate) static UPGRADE_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-UPGRADE-UNCHECKED",
    says: "You accepted a response without \"Upgrade: websocket\".",
    hint: "Look for the header Upgrade, compare its value without regard to case, and fail if it differs.",
    page: "\
A response with 101 switches to the protocol that its Upgrade header names. It
could be another one.

  you got    HTTP/1.1 101 Switching Protocols
             Connection: Upgrade
  expected   Upgrade: websocket     or close the connection

Remedy: without the header, or with another value, close the TCP connection.",
    rule: "RFC 6455 §4.1, check 2 of the response",
};

pub(crate) static CONNECTION_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CONNECTION-UNCHECKED",
    says: "You accepted a response of which Connection does not contain \"Upgrade\".",
    hint: "Look for \"upgrade\" in the list of the header Connection, without regard to case.",
    page: "\
Connection must name Upgrade in the response too.

  you got    HTTP/1.1 101 Switching Protocols
             Upgrade: websocket
  expected   Connection: Upgrade    or close the connection

Remedy: without it, close the TCP connection.",
    rule: "RFC 6455 §4.1, check 3 of the response",
};

pub(crate) static STATUS_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-STATUS-UNCHECKED",
    says: "You accepted a response with a status other than 101.",
    hint: "Read the three digits of the status line. Only 101 opens the connection.",
    page: "\
101 means: from the blank line on, this is WebSocket. Every other status is a
response of HTTP, such as a page, a redirect or an error.

  you got    HTTP/1.1 200 OK
  expected   close the connection and report the status

Remedy: compare the status before you look at the headers. A search for \"101\"
anywhere in the response finds it in a date or a length as well.",
    rule: "RFC 6455 §4.1, check 1 of the response",
};

pub(crate) static SUBPROTOCOL_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-SUBPROTOCOL-UNCHECKED",
    says: "You accepted a subprotocol that you had not offered.",
    hint: "If Sec-WebSocket-Protocol of the response is not one of your offers, fail the connection.",
    page: "\
The client offers subprotocols, and the server chooses one of them, or none.

  you offered  nothing
  you got      Sec-WebSocket-Protocol: checker.unknown
  expected     close the connection

Otherwise both sides mean different things by the same messages. Remedy:
compare the header with the list that you have sent.",
    rule: "RFC 6455 §4.1, check 6 of the response",
};

pub(crate) static EXTENSION_UNCHECKED: Diagnosis = Diagnosis {
    id: "D13-CLIENT-EXTENSION-UNCHECKED",
    says: "You accepted an extension that you had not offered.",
    hint: "If Sec-WebSocket-Extensions of the response names one that is not in your request, fail the connection.",
    page: "\
An extension changes the frames. A client that accepts one unread cannot read
the frames that follow.

  you offered  nothing
  you got      Sec-WebSocket-Extensions: x-checker-unknown
  expected     close the connection

Remedy: compare each name of the header with your own offer.",
    rule: "RFC 6455 §4.1, check 5 of the response",
};

pub(crate) static RESPONSE_CASE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-RESPONSE-CASE",
    says: "You refused a correct response because of its spelling: case, order, a list in Connection, or the text of the status line.",
    hint: "Compare names and the values of Upgrade and Connection without regard to case, in any order.",
    page: "\
This response is correct:

  HTTP/1.1 101 Welcome
  connection: keep-alive, UPGRADE
  date: Mon, 30 Nov 2026 10:00:00 GMT
  SEC-WEBSOCKET-ACCEPT: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
  upgrade:WebSocket

Header names ignore case; so do these two values. Connection is a list; spaces
behind the colon are optional; the text behind the status is free. Only the
value of Sec-WebSocket-Accept is compared exactly.",
    rule: "RFC 6455 §4.1, RFC 9110 §5.1",
};

pub(crate) static GLUED_RESPONSE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-GLUED-RESPONSE",
    says: "You lost the frame that came in the same read as the response.",
    hint: "Keep the bytes behind the blank line of the response: they are the first frame.",
    page: "\
A server may send a message at once. Then one read returns the end of the
header block and the first frame.

  ...xOo= 0d 0a 0d 0a 81 05 48 65 6c 6c 6f
                      the first frame

Remedy: give the bytes behind the blank line to the code that reads frames. Do
not clear the buffer after the handshake.",
    rule: "RFC 6455 §4.1, §5.1",
};

pub(crate) static CUT_RESPONSE: Diagnosis = Diagnosis {
    id: "D13-CLIENT-CUT-RESPONSE",
    says: "You took the first read for the whole response, but it was only a part of it.",
    hint: "Read until the blank line (CR LF CR LF) is in your buffer.",
    page: "\
TCP may deliver the header block in any pieces.

  read 1   HTTP/1.1 101 Switching Prot
  read 2   ocols CR LF Upgrade: websocket CR LF ...
  read 3   ... CR LF CR LF

Remedy: add each read to a buffer until it contains CR LF CR LF; then check
the response.",
    rule: "RFC 6455 §4.1",
};
