//! Mistakes in the length of frames.

use crate::diagnosis::catalogue;

catalogue! {
SEVEN_BITS = "D13-LENGTH-7BIT", rule "RFC 6455 §5.2";
says "You treat the length as a number of 7 bits, also for messages of 126 bytes and more.";
hint "126 and 127 in the second byte are no lengths: they say that the length follows in 2 or 8 bytes.";
page "\
The second byte has only 7 bits for the length. Larger lengths have more bytes:

  length         second byte    then
  0 to 125       the length     -
  126 to 65535   7e (126)       2 bytes, highest byte first
  from 65536     7f (127)       8 bytes, highest byte first

  81 7e 01 2c ...        300 bytes: 01 2c = 1 * 256 + 44
  81 2c ...              wrong: 44 bytes, and then bytes that are no frame

A client that receives 7e without the two bytes takes two bytes of the text for
the length, and waits in silence.

The remedy: write and read all three forms.";

BYTE_ORDER = "D13-LENGTH-ENDIAN", rule "RFC 6455 §5.2";
says "You write or read the extended length with its lowest byte first.";
hint "Network byte order has the highest byte first: 300 is 01 2c.";
page "\
Numbers of several bytes stand in network byte order: the highest byte first.

  01 2c = 1 * 256 + 44    = 300         right
  2c 01 = 44 * 256 + 1    = 11265       wrong

Most processors store numbers the other way round. A program that copies the
memory of a number sends the wrong order. A server that reads the wrong order
waits for thousands of bytes, in silence.

The remedy: use the function of your language for network byte order (htons,
pack with '>' or '!', ByteOrder.BIG_ENDIAN, to_be_bytes, writeUInt16BE).";

FOUR_BYTES = "D13-LENGTH-64", rule "RFC 6455 §5.2";
says "The length after 127 has 8 bytes, but you use fewer.";
hint "Read and write 8 bytes after 7f; for 65536 they are 00 00 00 00 00 01 00 00.";
page "\
The third form of the length has 8 bytes (64 bits):

  81 7f  00 00 00 00 00 01 00 00  ...     65536 bytes: right
  81 7f  00 01 00 00  ...                 wrong: 4 bytes only

A receiver takes 8 bytes. If you send 4, it takes four bytes of the payload for
the rest of the length and waits for a huge message. If you read 4, you read 0,
and the rest is out of step.

The remedy: use a 64-bit number, and write and read all of its 8 bytes.";

NO_64 = "D13-LENGTH-NO-64", rule "RFC 6455 §5.2";
says "You use the 16-bit form for a message that is longer than 65535 bytes.";
hint "From 65536 bytes on write 7f and the length in 8 bytes.";
page "\
The 16-bit form ends at 65535. A larger number loses its higher bits:

  65536 = 01 00 00        the two lowest bytes are 00 00
  81 7e 00 00 ...         wrong: 0 bytes, then bytes without a frame

The remedy: from 65536 on write 7f, and the length in 8 bytes, highest first:

  81 7f 00 00 00 00 00 01 00 00 ...";

SIGNED = "D13-LENGTH-SIGNED", rule "RFC 6455 §5.2";
says "You treat the 16-bit length as a signed number: it breaks from 32768 bytes on.";
hint "Read the two bytes as an unsigned number.";
page "\
The same two bytes mean two numbers:

  80 00 = 32768        unsigned: right
  80 00 = -32768       signed: wrong

Messages of up to 32767 bytes work, longer ones do not. In Java, C# and some
other languages the usual short type, and in Java the byte type, is signed.

The remedy: use the unsigned type, or combine the bytes yourself:
  length = (high AND 255) * 256 + (low AND 255)";

CHARACTERS = "D13-LENGTH-CHARACTERS", rule "RFC 6455 §5.2";
says "You wrote the number of characters as the length; it must be the number of bytes.";
hint "Encode the text as UTF-8 first, and then take the length of the bytes.";
page "\
In UTF-8 many characters have more than one byte:

  \"Grüße\"    5 characters    47 72 c3 bc c3 9f 65    7 bytes
  81 07 47 72 c3 bc c3 9f 65        right
  81 05 47 72 c3 bc c3 ...          wrong: ends inside a character

English text works, so the mistake shows late: a client reports text that is no
UTF-8, or two bytes are left over and are read as a header.

The remedy:
  bytes = encode(text, UTF-8)
  length = number of bytes";

WITH_HEADER = "D13-LENGTH-HEADER", rule "RFC 6455 §5.2";
says "Your length counts more than the payload.";
hint "The length is the number of bytes of the payload alone: without the header and without the key.";
page "\
The length counts the payload only:

  81 05 48 65 6c 6c 6f        right: 5
  81 07 48 65 6c 6c 6f        wrong: the header was counted; the client waits

A client's frame has four more bytes of key between length and payload. They are
not counted either.

The remedy: take the length of the unmasked payload.";

LONG_FORM = "D13-LENGTH-LONG-FORM", rule "RFC 6455 §5.2";
says "You wrote the length in a longer form than necessary.";
hint "Up to 125: 7 bits. From 126 to 65535: 16 bits. From 65536: 64 bits.";
page "\
The shortest form must be used. These four are the borders:

  125      7d
  126      7e 00 7e
  65535    7e ff ff
  65536    7f 00 00 00 00 00 01 00 00

Common causes: a comparison with < instead of <=, or one form for all messages.
Some clients accept the longer form, others close with 1002.

The remedy: check your comparisons with the four values above.";

TOO_LONG = "D13-LENGTH-TOO-LONG", rule "RFC 6455 §5.2";
says "Your header declares more bytes than you sent, so the client waits.";
hint "Compare the length in your header with the number of bytes that you write after it.";
page "\
The client reads as many bytes as the header declares:

  81 07 48 65 6c 6c 6f        declared 7, sent 5: the client waits for 2 more

Nothing is displayed and no error is reported, until the next frame fills the
gap. Then the text is wrong, and the stream is out of step.

The remedy: calculate the length from the same bytes that you write. Check that
a large write is complete: some functions write only a part and return how much.";

END_LOST = "D13-END-LOST", rule "RFC 6455 §5.2";
says "Your reply lacks the end of the message.";
hint "Look for a length or an index that is too small by one.";
page "\
The message came with one write, and it is short, so all of it was there to be
read:

  81 85 k k k k p p p p p      received: five bytes of payload
  81 04 48 65 6c 6c            your reply: the last byte is missing

Common causes:
  - A loop ends at length - 1 instead of length.
  - A slice ends at the index of the last byte: in most languages data[a:b] has
    no byte b, so the payload is data[start:start + length].
  - The last byte is removed as if it were a line end or a zero byte.

The remedy: print the length that you read and the number of bytes that you
send.";

WAITS = "D13-WAITS", rule "RFC 6455 §5.2";
says "Your server waits for more bytes: it has read a larger length than the frame has.";
hint "Print the length that your server calculates for this frame.";
page "\
The frame is complete, but your server still reads. So the length that it
calculates is too large.

  81 fe 01 2c ...        fe = bit MASK and 126: two bytes of length follow
                         01 2c = 300

Common causes: the bytes of the length in the wrong order, the length read from
the wrong place, or four bytes of key counted twice.

The remedy: print the length for this frame. For the 16-bit form it must be
the third byte * 256 + the fourth byte.";

BREAKS = "D13-LENGTH-BREAKS", rule "RFC 6455 §5.2";
says "Shorter messages work; your server does not send this one back.";
hint "Print the length that your server reads, and the header that it writes, for this message.";
page "\
The earlier cases with shorter messages passed. So the form of the length, or
the size of a buffer, is the cause.

  up to 125    7 bits
  from 126     7e and 2 bytes, highest byte first
  from 65536   7f and 8 bytes, highest byte first

Common causes: a length is written into a single byte, which fails above 255; a
buffer has a fixed size; one read returns only a part of a large message.

The remedy: print the length, and read in a loop until all bytes are there.";
}
