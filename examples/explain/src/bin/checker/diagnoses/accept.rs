//! Wrong values of `Sec-WebSocket-Accept`. The values in the pages are those for the key of RFC 6455.

use crate::diagnosis::catalogue;

catalogue! {
HEX = "D13-ACCEPT-HEX", rule "RFC 6455 §4.2.2 step 5.4";
says "You encoded the hex text of the digest (40 letters) and not its 20 bytes.";
hint "Your SHA-1 function has a second form: digest() beside hexdigest(), or \"binary\" beside \"hex\".";
page "\
SHA-1 makes 20 bytes. Many functions return them as text: 40 hex digits.

  b3 7a 4f 2c c0 62 ...                     20 bytes
  b37a4f2cc062...                           40 letters, which are 40 bytes

  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=              Base64 of the 20 bytes: right
  YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2...       Base64 of the 40 letters: wrong

The value is always 28 characters long. If yours has 56, this is the mistake.

The remedy: ask the function for bytes, or convert the hex digits to bytes
before you encode them with Base64.";

NO_BASE64 = "D13-ACCEPT-NO-BASE64", rule "RFC 6455 §4.2.2 step 5.4";
says "You sent the digest as hex text, without Base64.";
hint "Take the 20 bytes of the digest and encode them with Base64.";
page "\
The value is Base64 of the 20 bytes of the digest:

  b37a4f2cc0624f1690f64606cf385945b2bec4ea    the digest as hex: wrong
  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=                its bytes in Base64: right

Hex needs two characters for each byte; Base64 needs four for three bytes. So
20 bytes are 40 characters in hex and 28 in Base64.

The remedy: ask your SHA-1 function for bytes, and encode these with Base64.";

UNHASHED = "D13-ACCEPT-UNHASHED", rule "RFC 6455 §4.2.2 step 5.4";
says "You encoded the key and the GUID with Base64, but you did not hash them.";
hint "Between joining the two texts and Base64 comes SHA-1.";
page "\
There are three steps: join, hash, encode.

  dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11     join
  b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea      SHA-1
  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=                                     Base64

Without SHA-1 the value is 80 characters long, and everyone who decodes it can
read the GUID at its end.

The remedy: calculate SHA-1 of the joined text and encode the 20 bytes of it.";

DECODED = "D13-ACCEPT-DECODED", rule "RFC 6455 §4.2.2 step 5.4";
says "You decoded the key from Base64 before you hashed it.";
hint "Use the key exactly as it stands in the request: 24 characters.";
page "\
The key looks like Base64, and it is: of 16 random bytes. But the server hashes
its text, not these bytes.

  dGhlIHNhbXBsZSBub25jZQ== + GUID      60 characters: right
  the sample nonce + GUID              16 bytes and 36 characters: wrong

The wrong value for the key of the RFC is BXhwxM0SZasKmCD9S4BfpPmCnEw=.

The remedy: remove the call that decodes the key.";

NO_GUID = "D13-ACCEPT-NOGUID", rule "RFC 6455 §4.2.2 step 5.4";
says "You hashed the key alone, without the GUID.";
hint "Append 258EAFA5-E914-47DA-95CA-C5AB0DC85B11 to the key before you hash it.";
page "\
The fixed text 258EAFA5-E914-47DA-95CA-C5AB0DC85B11 belongs to the protocol. A
server that knows it must know WebSocket; that is the purpose of the header.

  SHA-1(key)          hHLtf2V1k8aDQZfNjw3Ia1hCwt0=    wrong
  SHA-1(key + GUID)   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=    right

The remedy: append the GUID to the text of the key, without a blank or a line
break between them, and hash the result.";

LOWER = "D13-ACCEPT-LOWER", rule "RFC 6455 §1.3";
says "You wrote the GUID in lower case.";
hint "Write it in upper case: 258EAFA5-E914-47DA-95CA-C5AB0DC85B11.";
page "\
A GUID usually has no letter case. Here it is only a text that is hashed, and
SHA-1 sees each letter as it is:

  258EAFA5-E914-47DA-95CA-C5AB0DC85B11    right
  258eafa5-e914-47da-95ca-c5ab0dc85b11    wrong: WJfwerbIozKsJXHxxI0JTO1SQgU=

This also happens if a GUID type of your language prints the text.

The remedy: keep the GUID as a text constant in upper case.";

ORDER = "D13-ACCEPT-ORDER", rule "RFC 6455 §4.2.2 step 5.4";
says "You put the GUID before the key.";
hint "First the key, then the GUID.";
page "\
The key comes first:

  SHA-1(key + GUID)   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=    right
  SHA-1(GUID + key)   2OZf2Seed9yzIpkj+zvC9KS9Mjw=    wrong

The remedy: exchange the two texts.";

CR = "D13-ACCEPT-CR", rule "RFC 6455 §4.2.2 step 5.4";
says "You hashed the key together with its line end.";
hint "Remove CR and LF from the end of the header line before you use its value.";
page "\
Header lines end with CR LF. A program that splits the request at LF keeps the
CR at the end of each line:

  dGhlIHNhbXBsZSBub25jZQ==\\r       25 characters: wrong
  dGhlIHNhbXBsZSBub25jZQ==         24 characters: right

You cannot see the CR when you print the line. With it the value for the key of
the RFC is zvnId+CMmoYWpbuFiCx6kU/bpAw=.

The remedy: split the request at CR LF, or trim each value.";

BLANK = "D13-ACCEPT-BLANK", rule "RFC 6455 §4.2.2 step 5.4";
says "You hashed the key together with a blank.";
hint "The blank after the colon of a header line does not belong to the value: trim the value.";
page "\
A header line is a name, a colon, blanks, a value, and perhaps blanks again:

  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
                    ^ not a part of the value

A program that splits the line at the colon keeps this blank. With it the value
for the key of the RFC is s3mCG3XUBfFRrUGpYOBQiHm5i8g=.

The remedy: remove blanks from both ends of the value. The key has 24
characters.";

DIGEST = "D13-ACCEPT-DIGEST", rule "RFC 6455 §4.2.2 step 5.4";
says "You used another digest than SHA-1.";
hint "Use plain SHA-1: 20 bytes, which are 28 characters in Base64.";
page "\
The digest is SHA-1. The length of the value shows other digests:

  SHA-1      20 bytes   28 characters   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
  MD5        16 bytes   24 characters   fI/F95pFHyUax3HLt0ktmQ==
  SHA-256    32 bytes   44 characters   c8qeCxwB8sJPxkSckeL76bKL7f642+KYzDiR...

SHA-1 is too weak for signatures today. Here it protects nothing: it only shows
that the server speaks WebSocket, so it stays.

The remedy: call SHA-1.";

HMAC = "D13-ACCEPT-HMAC", rule "RFC 6455 §4.2.2 step 5.4";
says "You used HMAC-SHA-1 instead of plain SHA-1.";
hint "Join the key and the GUID to one text, and hash this text with SHA-1.";
page "\
The name Sec-WebSocket-Key leads to this mistake: the header is no secret key,
and nothing is signed.

  SHA-1(key + GUID)              s3pPLMBiTxaQ9kYGzzhZRbK+xOo=    right
  HMAC-SHA-1(GUID, with key)     I0LaJwpzqqaocDChnoeI5+bJdnQ=    wrong
  HMAC-SHA-1(key, with GUID)     BKguWnClpU89ejmNzZHuX1i/Z/A=    wrong

The length is right (28 characters), so only the value shows it.

The remedy: use SHA-1 of the joined text.";

GUID = "D13-ACCEPT-GUID", rule "RFC 6455 §1.3";
says "You used a GUID that has a mistake.";
hint "Copy it from here: 258EAFA5-E914-47DA-95CA-C5AB0DC85B11.";
page "\
The right text is

  258EAFA5-E914-47DA-95CA-C5AB0DC85B11

Wrong ones are spread on the web:
  258EAFA5-E914-47DA-95CA-5BAB11DC85B6     the end is wrong
  258EAFA5-E914-47DA-95CA- C5AB0DC85B11    a blank, from a line break

A wrong GUID gives a value of the right length, so it looks right.

The remedy: copy the GUID from this page and check its length: 36 characters.";

FIXED = "D13-ACCEPT-FIXED", rule "RFC 6455 §4.2.2 step 5.4";
says "You sent the accept value of the example in the RFC, or of an earlier request.";
hint "Calculate the value for each request from the key of that request.";
page "\
The client makes a new key for each connection. The value

  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=

is right for one key only, the example in the RFC: dGhlIHNhbXBsZSBub25jZQ==.

The remedy: read Sec-WebSocket-Key from the request and calculate the value.
Keep no value from an earlier connection.";

COPIED = "D13-ACCEPT-COPIED", rule "RFC 6455 §4.2.2 step 5.4";
says "You sent the key back as the accept value.";
hint "The accept value is calculated from the key: SHA-1 of key and GUID, then Base64.";
page "\
A copy proves nothing: every program that reflects its input could send it. The
server must calculate:

  dGhlIHNhbXBsZSBub25jZQ==         Sec-WebSocket-Key
  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=     Sec-WebSocket-Accept

The remedy: append the GUID to the key, hash the text with SHA-1, and encode the
20 bytes of the digest with Base64.";

ENCODING = "D13-ACCEPT-ENCODING", rule "RFC 6455 §4.2.2 step 5.4";
says "The digest is right, but its Base64 has the wrong form.";
hint "Use standard Base64 with + and / and with = at the end, in one line.";
page "\
There are several forms of Base64. The accept value needs the standard form:

  s3pPLMBiTxaQ9kYGzzhZRbK+xOo=     standard, with padding: right
  s3pPLMBiTxaQ9kYGzzhZRbK-xOo=     for URLs, with - and _: wrong
  s3pPLMBiTxaQ9kYGzzhZRbK+xOo      without padding: wrong
  \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"   with quotes: wrong

The form for URLs differs only for some keys: then the mistake shows on some
connections and not on others.

The remedy: call the standard encoder of your language.";
}
