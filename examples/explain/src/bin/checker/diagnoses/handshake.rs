//! Mistakes in the response to the request of version 13.

use crate::diagnosis::catalogue;

catalogue! {
SERVER_GONE = "D-SERVER-GONE", rule "RFC 6455 §4.2";
says "Your server no longer accepts TCP connections.";
hint "Look at your server's terminal: it has probably ended with an error, or it serves only one connection.";
page "\
Each case of the checker opens a new TCP connection. Earlier cases could
connect; this case could not.

Common causes:
  - An exception in the code for one connection ends the whole program.
  - The program accepts one connection, serves it, and ends.

The remedy: accept connections in a loop, and catch the errors of one
connection inside that loop.

  loop:
      connection = accept()
      try: serve(connection)
      catch error: print(error)
      close(connection)";

NO_RESPONSE = "D13-NO-RESPONSE", rule "RFC 6455 §4.2.2";
says "Your server sent nothing in response to the request.";
hint "The request ends with an empty line (CR LF CR LF) and has no body: do not wait for more bytes after it.";
page "\
The request ends with an empty line. On the wire these are four bytes:

  0d 0a 0d 0a        CR LF CR LF

The client sends nothing more until it has received the response. A server
that reads until the connection ends, or until its buffer is full, therefore
waits for ever, and so does the client.

The remedy: read in a loop, append each read to a buffer, and stop as soon as
the buffer contains CR LF CR LF. Then send the response, and flush it if your
language buffers its output.";

NO_RESPONSE_AGAIN = "D13-NO-RESPONSE-AGAIN", rule "RFC 6455 §4.2.2";
says "Your server responded to an earlier request, but it sent nothing in response to this one.";
hint "Perhaps it still serves the connection of the case before: recv() returns b'' (no bytes) when the client has gone; leave the loop.";
page "\
Each case of the checker opens a new TCP connection, and closes it at its end. A
server without threads serves one connection after the other: it must notice
that a client has gone.

  n = recv(buffer)
  n > 0        bytes came
  n = 0        the client has closed: no bytes will ever come

A loop that reads again after n = 0, because a frame needs more bytes, never
ends: recv() then returns 0 at once, each time.

The remedy:
  data = connection.recv(4096)
  if not data: break            # then close, and accept the next connection";

CLOSED = "D13-NO-RESPONSE-CLOSED", rule "RFC 6455 §4.2.2";
says "Your server closed the TCP connection before it sent a complete response.";
hint "Look at your server's terminal: an error in the code that reads the request usually ends the connection like this.";
page "\
The checker sent a complete and correct request. Your server closed the TCP
connection instead of sending a response with status 101.

Common causes:
  - An exception while the headers are parsed. A header line is a name, a
    colon, and a value; the value may contain more colons:
        Host: 127.0.0.1:9000
    Split at the first colon only.
  - A header that is missing in your list, such as Origin. Ignore headers that
    you do not know.

The remedy: print the request and the error, and send the request line by line
by hand if necessary.";

STATUS = "D13-STATUS", rule "RFC 6455 §4.2.2";
says "Your response has another status than 101.";
hint "The status line of an accepted request is: HTTP/1.1 101 Switching Protocols";
page "\
A response that accepts the upgrade begins with this line:

  HTTP/1.1 101 Switching Protocols

200 means: here is a page. The client then closes the connection, because the
protocol stays HTTP. 101 means: after the blank line both sides speak the
other protocol.

The remedy: write the status line yourself. Many HTTP frameworks send 200 by
default. If the status is 400 or 426, your server has rejected the request:
compare the request above with the rules of your server.";

NOT_HTTP = "D13-NOT-HTTP", rule "RFC 6455 §4.2.2";
says "Your response does not begin with an HTTP status line.";
hint "The first bytes that a server sends are: HTTP/1.1 101 Switching Protocols, CR LF.";
page "\
Before the first frame there is one HTTP response. Its first line is:

  48 54 54 50 2f 31 2e 31 20 31 30 31 20 ...   HTTP/1.1 101 ...

Common causes:
  - Header lines without a status line before them.
  - A frame, or plain text, before the response: nothing may be sent on the
    connection before the response.
  - A line break before the status line.

The remedy: send the status line first, then the headers, then a blank line.";

HTTP_VERSION = "D13-HTTP-VERSION", rule "RFC 6455 §4.2.2";
says "Your status line has another HTTP version than 1.1.";
hint "Upgrade exists since HTTP/1.1: write HTTP/1.1 101 Switching Protocols.";
page "\
The status line of the response must be:

  HTTP/1.1 101 Switching Protocols

HTTP/1.0 has no upgrade of a connection. Some browsers accept this line all
the same; proxies and other clients do not, and then the connection fails for
some users only.

The remedy: write HTTP/1.1 in the status line. If a framework writes the line,
set its protocol version to HTTP/1.1.";

NO_BLANK_LINE = "D13-NO-BLANK-LINE", rule "RFC 6455 §4.2.2";
says "Your response has no blank line after the headers, so it never ends.";
hint "After the line end of the last header comes one more CR LF.";
page "\
The headers end with an empty line: the line end of the last header, and then
CR LF once more.

  ...Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=   0d 0a 0d 0a

Without it the client takes your first frame as one more header line and waits
for more. Browsers say nothing about this mistake: they wait.

The remedy: append CR LF to each line, and one CR LF at the end. If you join
the lines with CR LF, add CR LF CR LF after the last line.";

LINE_ENDS = "D13-LINE-ENDS", rule "RFC 9112 §2.2";
says "You end the lines of the response with LF alone, not with CR LF.";
hint "In most languages the line end of HTTP is written \\r\\n; \\n is only its second half.";
page "\
Each line of an HTTP head ends with two bytes:

  0d 0a        CR LF, in most languages \"\\r\\n\"

A line end of LF alone (0a) is the line end of text files on Linux. Chromium
accepts it; many other clients and proxies wait for CR LF for ever.

The remedy: write \\r\\n at the end of each line, and \\r\\n\\r\\n at the end of
the head. In a text of several source lines the editor writes LF: replace each
LF with CR LF before you send it.";

LINE_FEED = "D13-LINE-FEED", rule "RFC 9112 §2.2";
says "A line feed stands inside a header of the response.";
hint "Remove the line end from the value: in Python use b64encode(), because encodebytes() appends one.";
page "\
The lines end with CR LF, but one value has a line feed of its own:

  ...xOo= 0a 0d 0a        LF, then CR LF
  ...xOo= 0d 0a           right

Clients end a line at the line feed. The CR LF after it is then an empty line,
which ends the head, and they take the other headers for frames.

Functions that encode for e-mail append a line end: encodebytes() of Python, the
program base64, and encoders that break long lines.

The remedy: use the function without line ends, or remove white space from the
end of the value.";

UPGRADE = "D13-UPGRADE", rule "RFC 6455 §4.2.2";
says "The header Upgrade of your response is missing or has another value than websocket.";
hint "Send the line: Upgrade: websocket";
page "\
The response must name the protocol that follows:

  Upgrade: websocket

A client compares the value without regard to letter case, and it fails the
connection if the header is missing, is there twice, or has another value,
such as websockets or WebSocket/13.

The remedy: send this line as it is, and send it once.";

CONNECTION = "D13-CONNECTION", rule "RFC 6455 §4.2.2";
says "The header Connection of your response is missing or does not contain Upgrade.";
hint "Send the line: Connection: Upgrade";
page "\
The header Upgrade is valid for one TCP connection only. HTTP marks such
headers with a second one:

  Upgrade: websocket
  Connection: Upgrade

A client fails the connection if Upgrade is not in the value of Connection.
Some HTTP frameworks replace this header by keep-alive or close.

The remedy: send both lines. If a framework replaces the header, write the
response to the socket yourself.";

NO_ACCEPT = "D13-NO-ACCEPT", rule "RFC 6455 §4.2.2 step 5.4";
says "Your response has no header Sec-WebSocket-Accept.";
hint "Calculate it from the header Sec-WebSocket-Key of the request.";
page "\
The header proves to the client that the server has read this request as a
WebSocket request:

  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==          (request)
  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=   (response)

The value is Base64 of the 20 bytes of the SHA-1 digest of the key's text,
directly followed by 258EAFA5-E914-47DA-95CA-C5AB0DC85B11.

The remedy: calculate the value for each request and send the header. Compare
your function with the two lines above: they are from RFC 6455.";

ACCEPT_TWICE = "D13-ACCEPT-TWICE", rule "RFC 6455 §11.3.3";
says "Your response has the header Sec-WebSocket-Accept more than once.";
hint "Send the header once. Perhaps a framework adds it, and your code adds it too.";
page "\
The header must be in the response exactly once. A client that finds two
values cannot know which one to compare, and fails the connection.

  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=     wrong, even if equal

The remedy: find the two places that write the header, and remove one of them.";

CONNECTION_LIST = "D13-CONNECTION-LIST", rule "RFC 6455 §4.2.1";
says "You compare the header Connection of the request with the text Upgrade as a whole.";
hint "The value is a list: split it at the commas, trim the blanks, and look for upgrade in any letter case.";
page "\
Chrome and Firefox send different values:

  Connection: Upgrade                    Chrome
  Connection: keep-alive, Upgrade        Firefox

Both are right: the value is a list. A server that compares the whole value
accepts Chrome and rejects Firefox. This is one of the most common mistakes.

The remedy: split the value at commas, remove the blanks around each item, and
check whether one of them is equal to upgrade, without regard to letter case.";

HEADER_CASE = "D13-HEADER-CASE", rule "RFC 6455 §4.2.1";
says "Your server understands the headers of the request only in one letter case.";
hint "Convert header names to lower case before you compare them.";
page "\
Names of headers have no letter case. These two lines are equal:

  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
  sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==

The values websocket and upgrade have no letter case either; the value of
Sec-WebSocket-Key has one. Browsers write the names as in the RFC. Proxies and
other clients often write lower case.

The remedy: convert each name to lower case when you parse the request, and
look for lower-case names. Leave the value of the key as it is.";

EXTENSION_COPIED = "D13-EXTENSION-COPIED", rule "RFC 6455 §9.1";
says "You copied Sec-WebSocket-Extensions from the request into the response, without having that extension.";
hint "Leave the header out of the response. This declines all extensions.";
page "\
The request offers extensions. The response names those that the server uses
from now on:

  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

A server that sends this line back promises to understand compressed messages.
The browser believes it, and its next frame begins with c1 instead of 81. The
text after it is compressed.

The remedy: do not send this header. Copy no header from the request into the
response; each header of the response has a rule of its own.";

EXTENSION_PARAMETERS = "D13-EXTENSION-PARAMETERS", rule "RFC 7692 §7.1";
says "Your response accepts permessage-deflate with parameters that a response may not have.";
hint "Leave the header out, or answer with permessage-deflate and only those parameters that you need.";
page "\
A response may have these parameters:

  server_no_context_takeover
  client_no_context_takeover
  server_max_window_bits=8..15
  client_max_window_bits=8..15       only if the client offered it

Each parameter may be there once. In a response both window parameters need a
value, even if the offer had none.

The remedy: build the value of the response from your own settings; do not copy
the offer.";

SUBPROTOCOL_NOT_OFFERED = "D13-SUBPROTOCOL-NOT-OFFERED", rule "RFC 6455 §4.2.2";
says "Your response names a subprotocol that the client did not offer.";
hint "Send Sec-WebSocket-Protocol only if the request has it, and only with a value from its list.";
page "\
The client offers subprotocols; the server chooses one of them, or none:

  Sec-WebSocket-Protocol: chat, superchat      (request)
  Sec-WebSocket-Protocol: superchat            (response)

A client that offered nothing must receive no such header, not even an empty
one. Browsers fail the connection otherwise; the script sees close code 1006.

The remedy: leave the header out unless the request contains a subprotocol that
your server really speaks.";

SUBPROTOCOL_LIST = "D13-SUBPROTOCOL-LIST", rule "RFC 6455 §4.2.2";
says "You sent back the whole list of subprotocols that the client offered.";
hint "Choose one item of the list, or leave the header out.";
page "\
The header has a different meaning in each direction:

  Sec-WebSocket-Protocol: chat, superchat      request: one of these
  Sec-WebSocket-Protocol: superchat            response: this one

The response must have one value. A copy of the list is a name that nobody
offered, so the client fails the connection.

The remedy: split the request's value at the commas, trim the blanks, take the
first item that your server knows. If it knows none, leave the header out.";
}
