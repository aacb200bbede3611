//! The mistakes of clients of drafts 75 and 76.

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &REQUEST,
    &ORDER,
    &PREAMBLE_UNCHECKED,
    &LOCATION_UNCHECKED,
    &NO_KEY3,
    &KEY,
    &KEY_FIXED,
    &PROOF_UNCHECKED,
    &REFUSED,
];

pub(crate) static REQUEST: Diagnosis = Diagnosis {
    id: "D75-CLIENT-REQUEST",
    says: "A header of your request is missing, or has another value than the draft's.",
    hint: "Write Upgrade: WebSocket, Connection: Upgrade, Host, and Origin.",
    page: "\
Both drafts require four headers. In draft-75 they have this order and
spelling; in draft-76 the order is random.

  GET /demo HTTP/1.1
  Upgrade: WebSocket
  Connection: Upgrade
  Host: example.com:9000
  Origin: http://example.com

Servers reject a request without Origin. Remedy: a program that is no browser
sends the origin of the page that it stands for.",
    rule: "draft-75 §4.1, draft-76 §4.1",
};

pub(crate) static ORDER: Diagnosis = Diagnosis {
    id: "D75-CLIENT-ORDER",
    says: "The first four headers of your request do not have the draft's order.",
    hint: "The order is: Upgrade, Connection, Host, Origin. Further headers follow.",
    page: "\
A strict server of draft-75 compares the beginning of the request byte for
byte.

  GET /demo HTTP/1.1
  Upgrade: WebSocket
  Connection: Upgrade
  Host: example.com:9000
  Origin: http://example.com

Remedy: write the lines yourself, in this order.",
    rule: "draft-75 §4.1",
};

pub(crate) static PREAMBLE_UNCHECKED: Diagnosis = Diagnosis {
    id: "D75-CLIENT-STATUS-UNCHECKED",
    says: "You accepted a response that does not begin with the three lines of draft-75.",
    hint: "Compare the first 85 bytes with your own copy, and close the connection if they differ.",
    page: "\
The three lines are all that shows that the server speaks WebSocket.

  HTTP/1.1 101 Web Socket Protocol Handshake
  Upgrade: WebSocket
  Connection: Upgrade

Remedy: compare the bytes before you read on.",
    rule: "draft-75 §4.1 steps 12 to 15",
};

pub(crate) static LOCATION_UNCHECKED: Diagnosis = Diagnosis {
    id: "D75-CLIENT-LOCATION-UNCHECKED",
    says: "You accepted a response with another origin or another location than yours.",
    hint: "Compare both headers with the origin and the URL of your request, and close the connection if they differ.",
    page: "\
The two headers show that the server means this page and this URL.

  your URL   ws://example.com/demo
  you got    WebSocket-Location: ws://other.example/demo
  expected   close the connection

Remedy: build both values from your own request, and compare. A missing header
is an error too.",
    rule: "draft-75 §4.1, draft-76 §4.1",
};

pub(crate) static NO_KEY3: Diagnosis = Diagnosis {
    id: "D76-CLIENT-NO-KEY3",
    says: "You did not send key3: 8 bytes behind the blank line of the request.",
    hint: "Send 8 random bytes directly behind the blank line, without waiting for the response.",
    page: "\
The third key has no header. It is no body of HTTP either, so there is no
Content-Length.

  GET /demo HTTP/1.1 ... CR LF CR LF 5e 6e 3a 64 73 5b 34 55
                                     key3

Remedy: write request and key3 with one write.",
    rule: "draft-76 §4.1 step 26",
};

pub(crate) static KEY: Diagnosis = Diagnosis {
    id: "D76-CLIENT-KEY",
    says: "A key is missing, or a server cannot calculate with it.",
    hint: "Draw a number, multiply it by the count of spaces, then add other characters and the spaces.",
    page: "\
A key has digits, 1 to 12 spaces inside, and 1 to 12 other characters. Its
number must be a multiple of the count of spaces, below 4294967296.

  number 829309203, 5 spaces: 829309203 * 5 = 4146546015
  with other characters       41@465W46xW%0l15
  with 5 spaces               4 @1  46546xW%0l 1 5

No digit may be among the other characters, and no space at an end. Remedy:
count the spaces of your key, and divide its digits by them.",
    rule: "draft-76 §4.1 steps 16 to 22",
};

pub(crate) static KEY_FIXED: Diagnosis = Diagnosis {
    id: "D76-CLIENT-KEY-FIXED",
    says: "You sent the same three keys for two connections.",
    hint: "Draw both numbers, the noise and key3 anew for each connection.",
    page: "\
Keys that never change prove nothing: a stored response has the right proof
for them too.

  connection 1   Key1: 4 @1  46546xW%0l 1 5   key3 5e 6e 3a 64 73 5b 34 55
  connection 2   the same

These are the keys of the draft's own example. Remedy: draw them when the
connection begins.",
    rule: "draft-76 §4.1 steps 16 to 26",
};

pub(crate) static PROOF_UNCHECKED: Diagnosis = Diagnosis {
    id: "D76-CLIENT-PROOF-UNCHECKED",
    says: "You accepted a response with a wrong proof.",
    hint: "Calculate the MD5 of your two numbers and key3, and compare it with the 16 bytes behind the blank line.",
    page: "\
Only a server that has read the keys of this request can know the 16 bytes:

  number 1   31 6e 41 13
  number 2   0f 7e d6 3c
  key3       5e 6e 3a 64 73 5b 34 55
  MD5        38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d

If they differ, close the TCP connection. Remedy: read 16 bytes behind the
blank line before the first frame, and compare them.",
    rule: "draft-76 §4.1 step 46",
};

pub(crate) static REFUSED: Diagnosis = Diagnosis {
    id: "D76-CLIENT-REFUSED",
    says: "You closed the connection at a correct response to your request.",
    hint: "Compare the response that you got with your own copy, byte for byte; read it to its end first.",
    page: "\
The response was correct:

  HTTP/1.1 101 WebSocket Protocol Handshake
  Upgrade: WebSocket
  Connection: Upgrade
  Sec-WebSocket-Origin: (your Origin)
  Sec-WebSocket-Location: (your URL)
  (blank line, and the 16 bytes of the proof)

It may come with several reads, and frames may follow in the same read.
Draft-75 has no \"Sec-\", no proof, and \"Web Socket\". Remedy: read on until all
of it is there.",
    rule: "draft-75 §4.1, draft-76 §4.1",
};
