//! The mistakes of a server of version 7 or 8.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[&REFUSED, &ACCEPT, &DEFLATE_STREAM, &CLOSE_CODE];

pub(crate) static REFUSED: Diagnosis = Diagnosis {
    id: "D8-REFUSED",
    says: "You rejected a correct request of version 7 or 8.",
    hint: "Accept Sec-WebSocket-Version 7 and 8 beside 13: the handshake and the frames are the same.",
    page: "\
Firefox 6 sends version 7; Firefox 7 to 10 and Chrome 14 and 15 send version
8.

  Sec-WebSocket-Version: 8
  Sec-WebSocket-Origin: http://example.com

The accept value is calculated as in version 13. The origin has another header
name, and is optional. Remedy: if version is 7, 8 or 13: accept.",
    rule: "draft-07 §5.2",
};

pub(crate) static ACCEPT: Diagnosis = Diagnosis {
    id: "D8-NO-ACCEPT",
    says: "You sent no Sec-WebSocket-Accept, or responded as to draft-76.",
    hint: "The versions 7, 8 and 13 have the same response: Sec-WebSocket-Accept, and nothing behind the blank line.",
    page: "\
Only the drafts 75 and 76 respond with an origin and a location.

  HTTP/1.1 101 Switching Protocols
  Upgrade: websocket
  Connection: Upgrade
  Sec-WebSocket-Accept: (Base64 of SHA-1 of the key and the fixed text)

Remedy: use the response of version 13 if the request has
Sec-WebSocket-Version.",
    rule: "draft-07 §5.2.2",
};

pub(crate) static DEFLATE_STREAM: Diagnosis = Diagnosis {
    id: "D8-DEFLATE-STREAM",
    says: "You accepted the extension deflate-stream.",
    hint: "Leave Sec-WebSocket-Extensions out of the response: then no extension is in use.",
    page: "\
Firefox 6 and 7 offer this extension. It compresses the whole stream, frames
and all, so from the blank line on nothing can be read as a frame. It was
removed from the protocol, because it undid the masking.

  request    Sec-WebSocket-Extensions: deflate-stream
  you sent   Sec-WebSocket-Extensions: deflate-stream
  expected   no such line

Remedy: name an extension only if your program has it; never copy the offer.",
    rule: "drafts 07 to 10, Known Extensions",
};

pub(crate) static CLOSE_CODE: Diagnosis = Diagnosis {
    id: "D8-CLOSE",
    says: "You did not respond to the close frame with a close frame, and then close TCP.",
    hint: "Send a close frame back, with the same code; then close the TCP connection.",
    page: "\
The close is that of version 13.

  client     88 82 (key) 03 e8     close, 1000, masked
  expected   88 02 03 e8           close, 1000
             the end of the server's stream

Remedy: respond to opcode 8 once, then close the socket.",
    rule: "draft-07 §4.5.1",
};
