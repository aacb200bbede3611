//! The mistakes of a draft-76 server in the sixteen bytes that prove that it has read the request.
//!
//! All examples are calculated with the keys of the draft's own example (section 1.2).

use crate::diagnosis::Diagnosis;

/// All diagnoses of this file, for `--list` and `--explain`.
pub(crate) static ALL: &[&Diagnosis] = &[
    &UNHASHED,
    &LITTLE,
    &HEX,
    &SWAPPED,
    &NO_KEY3,
    &NOT_DIVIDED,
    &KEY3_FIRST,
    &DECIMAL,
    &WIDE,
    &BASE64,
    &SHA1,
    &SIGNED,
    &FIRST_DIGITS,
    &KEY3_TEXT,
    &FIXED,
    &ECHO,
    &MISSING,
    &TWO,
];

const RULE: &str = "draft-76 §5.2 steps 10 to 12";

pub(crate) static UNHASHED: Diagnosis = Diagnosis {
    id: "D76-PROOF-UNHASHED",
    says: "You sent the 16 bytes that should have been hashed.",
    hint: "Calculate the MD5 digest of these 16 bytes, and send the digest.",
    page: "\
The proof is a digest: the MD5 of 16 bytes. Those bytes are the two numbers of
the keys, 4 bytes each, and key3, 8 bytes.

  number 1   829309203   31 6e 41 13
  number 2   259970620   0f 7e d6 3c
  key3       ^n:ds[4U    5e 6e 3a 64 73 5b 34 55

  you sent   31 6e 41 13 0f 7e d6 3c 5e 6e 3a 64 73 5b 34 55   (the input)
  expected   38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d   (its MD5)

Input and digest have the same length, so they are easily confused. Remedy:
send md5(number1 + number2 + key3).",
    rule: RULE,
};

pub(crate) static LITTLE: Diagnosis = Diagnosis {
    id: "D76-PROOF-LITTLE-ENDIAN",
    says: "You wrote the two numbers with the least significant byte first.",
    hint: "Write each number in network byte order: in Python struct.pack('>I', n), in C htonl(n).",
    page: "\
Each of the two numbers goes into the digest as 4 bytes, in network byte
order: the most significant byte first. Most processors store the least
significant byte first.

  number       829309203 = 0x316e4113
  you hashed   13 41 6e 31     least significant byte first
  expected     31 6e 41 13     most significant byte first

Remedy: convert the number explicitly. Python struct.pack('>I', n); C
htonl(n); Java ByteBuffer (big-endian by default); JavaScript
DataView.setUint32(0, n).",
    rule: RULE,
};

pub(crate) static HEX: Diagnosis = Diagnosis {
    id: "D76-PROOF-HEX",
    says: "You sent the digest as hex text, 32 letters, and not as its 16 bytes.",
    hint: "Your MD5 function has a second form: digest() beside hexdigest(), or \"binary\" beside \"hex\".",
    page: "\
The proof is 16 raw bytes. Many MD5 functions return text by default: two
letters for each byte.

  digest     38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d
  you sent   33 38 36 61 34 62 35 33 ...  the text \"386a4b53...\", 32 bytes

A client reads 16 bytes as the proof, and takes the other 16 for frames.
Remedy: Python hashlib.md5(..).digest(); PHP md5($input, true); Ruby
Digest::MD5.digest(..); Node digest() without an argument.",
    rule: RULE,
};

pub(crate) static SWAPPED: Diagnosis = Diagnosis {
    id: "D76-PROOF-SWAPPED",
    says: "You put the number of Sec-WebSocket-Key2 before that of Sec-WebSocket-Key1.",
    hint: "Find the keys by their names. Their order in the request is random by design.",
    page: "\
The digest's input begins with the number of Key1, then comes that of Key2.
Clients send the headers in random order: Key2 often comes first.

  request      Sec-WebSocket-Key2: 12998 5 Y3 1  .P00       259970620
               Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5     829309203
  you hashed   0f 7e d6 3c 31 6e 41 13 + key3
  expected     31 6e 41 13 0f 7e d6 3c + key3

Remedy: look the headers up by name, not by position.",
    rule: RULE,
};

pub(crate) static NO_KEY3: Diagnosis = Diagnosis {
    id: "D76-PROOF-NO-KEY3",
    says: "You left key3 out: the 8 bytes that follow the request's blank line.",
    hint: "Read 8 more bytes after the blank line, and add them to the input of the digest.",
    page: "\
Draft-76 has three keys. The third has no header: it is the 8 bytes behind the
blank line of the request. They may come later than the header block, in a
read of their own.

  GET /demo HTTP/1.1 ... CR LF CR LF ^n:ds[4U
                                     5e 6e 3a 64 73 5b 34 55   key3
  you hashed   31 6e 41 13 0f 7e d6 3c
  expected     31 6e 41 13 0f 7e d6 3c 5e 6e 3a 64 73 5b 34 55

Remedy: write the header block of the response first. Then read until you have
8 bytes, and calculate the digest.",
    rule: RULE,
};

pub(crate) static NOT_DIVIDED: Diagnosis = Diagnosis {
    id: "D76-PROOF-NOT-DIVIDED",
    says: "You did not divide the number of a key by the number of its spaces.",
    hint: "Count the spaces (byte 20) in the header's value, and divide the number by them.",
    page: "\
A key hides a number: its digits, read together, divided by its spaces.

  Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5
  digits       4146546015        spaces   5
  you hashed   4146546015 = f7 27 45 5f
  expected     4146546015 / 5 = 829309203 = 31 6e 41 13

Remedy: count the spaces inside the value and divide. The division must leave
no rest; a key without spaces, or with a rest, must be rejected.",
    rule: "draft-76 §5.2 steps 4 to 8",
};

pub(crate) static KEY3_FIRST: Diagnosis = Diagnosis {
    id: "D76-PROOF-KEY3-FIRST",
    says: "You put key3 before the two numbers. It comes last.",
    hint: "The order is: number of Key1, number of Key2, key3.",
    page: "\
The input of the digest is 16 bytes, in this order:

  4 bytes    number of Sec-WebSocket-Key1    31 6e 41 13
  4 bytes    number of Sec-WebSocket-Key2    0f 7e d6 3c
  8 bytes    key3                            5e 6e 3a 64 73 5b 34 55

  you hashed   5e 6e 3a 64 73 5b 34 55 31 6e 41 13 0f 7e d6 3c

Remedy: add key3 at the end.",
    rule: RULE,
};

pub(crate) static DECIMAL: Diagnosis = Diagnosis {
    id: "D76-PROOF-DECIMAL",
    says: "You hashed the numbers as decimal text and not as 4 bytes each.",
    hint: "Convert each number to 4 bytes in network byte order before you join them.",
    page: "\
The numbers go into the digest as bytes, not as the digits that you print.

  number       829309203
  you hashed   38 32 39 33 30 39 32 30 33    the text \"829309203\"
  expected     31 6e 41 13                   the number, 4 bytes

Remedy: Python struct.pack('>I', n); PHP pack('N', $n); Ruby [n].pack('N'); C
htonl(n).",
    rule: RULE,
};

pub(crate) static WIDE: Diagnosis = Diagnosis {
    id: "D76-PROOF-WIDE",
    says: "You wrote each number as 8 bytes. It has 4.",
    hint: "Convert the number to 32 bits, without a sign, before you write its bytes.",
    page: "\
Each number takes 4 bytes of the digest's input. A 64-bit integer has 8.

  number       829309203
  you hashed   00 00 00 00 31 6e 41 13
  expected     31 6e 41 13

Remedy: use the 32-bit form: '>I' and not '>Q' in Python's struct, putInt and
not putLong in Java.",
    rule: RULE,
};

pub(crate) static BASE64: Diagnosis = Diagnosis {
    id: "D76-PROOF-BASE64",
    says: "You sent the digest in Base64. Draft-76 sends its 16 bytes as they are.",
    hint: "Leave the Base64 out. It belongs to Sec-WebSocket-Accept of the later versions.",
    page: "\
Later versions put a digest into a header, so it is text there: Base64. The
proof of draft-76 follows the blank line of the response and is 16 raw bytes.

  digest     38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d
  you sent   4f 47 70 4c 55 79 64 35 ...  the text \"OGpLUyd5OkcqQ28sV3hhLQ==\"

Remedy: write the digest's bytes behind the blank line.",
    rule: RULE,
};

pub(crate) static SHA1: Diagnosis = Diagnosis {
    id: "D76-PROOF-SHA1",
    says: "You used SHA-1. Draft-76 uses MD5.",
    hint: "Replace the digest: MD5 has 16 bytes, SHA-1 has 20.",
    page: "\
The versions use different digests: draft-76 MD5 (16 bytes), the versions 7, 8
and 13 SHA-1 (20 bytes).

  input      31 6e 41 13 0f 7e d6 3c 5e 6e 3a 64 73 5b 34 55
  you sent   4e fe a6 f2 af ec db 9e ae af 74 8a 8f a7 37 91 ...  SHA-1
  expected   38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d      MD5

Remedy: use MD5 of the 16 bytes.",
    rule: RULE,
};

pub(crate) static SIGNED: Diagnosis = Diagnosis {
    id: "D76-PROOF-SIGNED",
    says: "You read the digits of a key into a signed 32-bit number. They go up to 4294967295.",
    hint: "Use a 64-bit or an unsigned number for the digits; divide, and then take 32 bits.",
    page: "\
The digits of a key are a number up to 4294967295 (32 bits without a sign). A
signed 32-bit integer ends at 2147483647: half of all keys do not fit.

  digits       4146546015     spaces   5
  you hashed   the number that is left when the digits overflow
  expected     4146546015 / 5 = 829309203 = 31 6e 41 13

Such a server works with about every second key, which makes the mistake hard
to find. Remedy: read the digits into 64 bits (Java and C# long, C uint64_t).",
    rule: "draft-76 §5.2 steps 4 to 8",
};

pub(crate) static FIRST_DIGITS: Diagnosis = Diagnosis {
    id: "D76-PROOF-FIRST-DIGITS",
    says: "You read a key's number only up to its first character that is not a digit.",
    hint: "Collect all digits of the value first, then convert them to a number.",
    page: "\
All digits of the key belong to the number, wherever they stand among the
other characters. Functions such as atoi and parseInt stop at the first other
one.

  Sec-WebSocket-Key2: 12998 5 Y3 1  .P00
  you read     12998
  expected     12998 5 3 1 00  ->  1299853100

Remedy: copy the bytes 30 to 39 of the value into a text of their own, and
convert that.",
    rule: "draft-76 §5.2 steps 4 to 8",
};

pub(crate) static KEY3_TEXT: Diagnosis = Diagnosis {
    id: "D76-PROOF-KEY3-TEXT",
    says: "You treated key3 as text: some of its bytes were changed before they were hashed.",
    hint: "Keep key3 as bytes. It may contain any value: 00, CR, LF, and bytes from 80 to FF.",
    page: "\
key3 is 8 arbitrary bytes. A function that decodes, encodes, trims or splits
text changes some of them.

  key3         91 25 3e d3 a9 e7 6a 88
  as text      c2 91 25 3e c3 93 ...        encoded again as UTF-8
  or           ef bf bd 25 3e ef bf bd ...  invalid bytes replaced by U+FFFD
  or           0d 0a removed at an end, everything behind a 00 lost

Remedy: read the request as bytes. Find the blank line in the bytes, and take
the 8 bytes behind it without a conversion.",
    rule: RULE,
};

pub(crate) static FIXED: Diagnosis = Diagnosis {
    id: "D76-PROOF-FIXED",
    says: "You sent the proof of other keys than those of this request: a fixed one, or an earlier one.",
    hint: "Calculate the proof anew for each connection, from the keys of its own request.",
    page: "\
The proof depends on the three keys of the request. A copied proof is right
for the request that it was copied from, and for no other.

  8jKS'y:G*Co,Wxa-    38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d
                      is the proof of the draft's own example only

Clients draw new keys for each connection. Remedy: MD5 of this request's two
numbers and its key3.",
    rule: RULE,
};

pub(crate) static ECHO: Diagnosis = Diagnosis {
    id: "D76-PROOF-ECHO",
    says: "You sent key3 back. The proof is a digest of all three keys.",
    hint: "Send the 16 bytes of the MD5 digest, not the 8 bytes that you have read.",
    page: "\
The 8 bytes behind the request are a part of the question, not a message.

  key3       5e 6e 3a 64 73 5b 34 55
  expected   38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d

Remedy: md5(number1 + number2 + key3), 16 bytes. Echo only the frames that
follow.",
    rule: RULE,
};

pub(crate) static MISSING: Diagnosis = Diagnosis {
    id: "D76-PROOF-MISSING",
    says: "You sent no proof: 16 bytes must follow the blank line of the response.",
    hint: "After the header block, read key3 and write the 16 bytes of the MD5 digest.",
    page: "\
The response of draft-76 has two parts: the header block, and 16 bytes behind
its blank line. Without them the client waits, and no page may send a message.

  HTTP/1.1 101 WebSocket Protocol Handshake
  ...
  (blank line)
  38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d     the proof

Only draft-75 has no proof. Remedy: write the digest as soon as the 8 bytes of
key3 are there, without waiting for frames.",
    rule: RULE,
};

pub(crate) static TWO: Diagnosis = Diagnosis {
    id: "D76-PROOF-TWO",
    says: "Your proof has two mistakes at once.",
    hint: "Correct one of them, then run the lesson again.",
    page: "\
The checker knows the mistakes that are usual in a proof. None alone gives
your bytes, but two of them together do; the diagnosis names both.

The whole calculation, with the keys of the draft's example:

  key1   4 @1  46546xW%0l 1 5   4146546015 / 5 spaces = 829309203   31 6e 41 13
  key2   12998 5 Y3 1  .P00     1299853100 / 5 spaces = 259970620   0f 7e d6 3c
  key3   ^n:ds[4U                                   5e 6e 3a 64 73 5b 34 55
  MD5 of these 16 bytes   38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d

Remedy: compare each line with your program's own values.",
    rule: RULE,
};
