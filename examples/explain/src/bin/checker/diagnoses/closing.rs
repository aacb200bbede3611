//! Mistakes with the close frame and with the end of the connection.

use crate::diagnosis::catalogue;

catalogue! {
NO_CLOSE = "D13-CLOSE-NO-REPLY", rule "RFC 6455 §5.5.1";
says "Your server does not send a close frame back.";
hint "Respond to opcode 8 with a close frame (first byte 88) that has the same code, and close the TCP connection.";
page "\
Both sides send one close frame:

  88 82 k k k k c c        from the client: code 1000 (03 e8), masked
  88 02 03 e8              from the server
                           then the server closes the TCP connection

Without the second frame the client waits, and its program sees close code 1006:
the connection was lost.

The remedy: when opcode 8 arrives, send 88, 02 and the two bytes of the code,
and end the loop.";

CLOSE_TCP_ONLY = "D13-CLOSE-TCP-ONLY", rule "RFC 6455 §5.5.1";
says "Your server closed the TCP connection without a close frame.";
hint "First send a close frame (88 02 03 e8), then close the TCP connection.";
page "\
A close of the TCP connection alone does not tell whether all messages have
arrived. So each side first sends a close frame:

  88 82 k k k k c c        received
  88 02 03 e8              to be sent, with the same code
  (TCP is closed)          only now

Without it the client's program sees code 1006, which means: the connection was
lost.

The remedy: send the close frame, wait until it is written, then close.";

RESET = "D13-CLOSE-RESET", rule "RFC 6455 §7.1.1";
says "Your server reset the TCP connection, so bytes that were still on their way are lost.";
hint "Shut down the sending side first, read until the client has closed, and then close the socket: RFC 6455 says SHOULD.";
page "\
TCP has two ends. A normal close (FIN) comes after all data. A reset (RST)
destroys data that the other side has not read yet: the client may never see
your close frame, and reports 1006.

The system sends a reset if
  - the socket is closed while received bytes are still unread, or
  - the option SO_LINGER is set to 0 seconds.

The remedy:
  send the close frame
  shut down the sending side (shutdown, SHUT_WR)
  read and drop bytes until the end of the stream, with a time limit
  close the socket

RFC 6455 says SHOULD here: a reset is allowed, but clients then lose data.";

TCP_OPEN = "D13-CLOSE-TCP-OPEN", rule "RFC 6455 §7.1.1";
says "Both close frames were sent, but your server keeps the TCP connection open.";
hint "The server closes the TCP connection as soon as both close frames were sent; the client waits for it.";
page "\
After both close frames the server closes TCP first. Then the side that must
remember the closed connection for a while (TIME_WAIT) is the server, and the
client can reconnect at once.

  client  88 82 ...   >
                      <   88 02 03 e8   server
                      <   TCP closed    server

A server that waits for the client keeps one connection more for each client
that waits too.

The remedy: after you have sent the close frame, shut down and close the socket.";

TEXT_CODE = "D13-CLOSE-TEXT", rule "RFC 6455 §5.5.1";
says "You wrote the close code as text; it is a number of two bytes.";
hint "1000 is the two bytes 03 e8.";
page "\
The body of a close frame begins with a 16-bit number, highest byte first:

  88 02 03 e8               code 1000: right
  88 04 31 30 30 30         the text \"1000\": wrong

A client reads 31 30 as the code 12592, and \"00\" as the reason. Chromium reports
this without an error.

The remedy: write the code as two bytes: code / 256, then code modulo 256.";

ENDIAN = "D13-CLOSE-ENDIAN", rule "RFC 6455 §5.5.1";
says "You wrote the close code with its lowest byte first.";
hint "Network byte order: 1000 is 03 e8.";
page "\
The code is a number in network byte order, the highest byte first:

  03 e8 = 3 * 256 + 232     = 1000      right
  e8 03 = 232 * 256 + 3     = 59395     wrong

The remedy: use the same function as for the extended length of a frame (htons,
pack with '>' or '!', to_be_bytes, writeUInt16BE).";

FOUR_BYTES = "D13-CLOSE-FOUR-BYTES", rule "RFC 6455 §5.5.1";
says "You wrote the close code with four bytes; it has two.";
hint "1000 is the two bytes 03 e8.";
page "\
  88 02 03 e8              right
  88 04 00 00 03 e8        wrong: code 0, and a reason of two bytes

In most languages the usual number type has four or eight bytes, and a function
that writes a number writes all of them.

The remedy: convert the code to a 16-bit number before you write it.";

RESERVED_CODE = "D13-CLOSE-RESERVED", rule "RFC 6455 §7.4.1";
says "You sent a close code that must not be sent.";
hint "Libraries use 1005, 1006 and 1015 to report that no code came; they are never sent. If the received close frame has no code (88 80), respond with 88 00.";
page "\
Some codes are made by the receiver, and never travel:

  1005   the close frame had no code
  1006   the connection ended without a close frame
  1015   TLS failed

A library reports 1005 for a frame with an empty body. A program that sends this
number back breaks the protocol.

  88 80 k k k k        received: no code
  88 00                right: no code
  88 02 03 ed          wrong: 1005

The remedy: send an empty body, or 1000.";

INVALID_CODE = "D13-CLOSE-INVALID", rule "RFC 6455 §7.4";
says "You sent a close code that does not exist.";
hint "Send the code that you received, or 1000 (03 e8).";
page "\
Codes that may be sent:

  1000 to 1003, 1007 to 1014     defined by the protocol and its registry
  3000 to 3999                   registered by libraries
  4000 to 4999                   free for applications

All others break the protocol, also 0 to 999 and 5000 and above.

The remedy: print the two bytes of the code. A strange number often shows that
the code was not unmasked, or has the wrong byte order.";

MASKED_CODE = "D13-CLOSE-NOT-UNMASKED", rule "RFC 6455 §5.3";
says "You sent the body of the close frame back without unmasking it.";
hint "Unmask control frames as you unmask messages.";
page "\
All frames of a client are masked, control frames too:

  88 82 37 fa 21 3d 34 12        the body is 34 12 XOR 37 fa = 03 e8 (1000)
  88 02 34 12                    wrong: code 13330

The remedy: unmask the payload in one place, before you look at the opcode.";

ONE_BYTE = "D13-CLOSE-ONE-BYTE", rule "RFC 6455 §5.5.1";
says "Your close frame has a body of one byte.";
hint "Write the code in two bytes, the high byte first: 1000 is 03 e8.";
page "\
  88 00                no code
  88 02 03 e8          code 1000
  88 01 e8             wrong: half a code

The remedy: write the code as two bytes, also if its higher byte would be 0.";

LONG_REASON = "D13-CLOSE-LONG", rule "RFC 6455 §5.5";
says "Your close frame is longer than a control frame may be.";
hint "A control frame has at most 125 bytes: two of the code, and 123 of the reason.";
page "\
Control frames always have the short form of the length, up to 125 bytes:

  88 7d  03 e8  and 123 bytes of reason          the longest close frame
  88 7e 00 80 ...                                wrong

The remedy: cut the reason at 123 bytes, but not inside a character.";

REASON = "D13-CLOSE-REASON", rule "RFC 6455 §5.5.1";
says "The reason in your close frame is no valid UTF-8.";
hint "After the two bytes of the code only UTF-8 text may follow.";
page "\
  88 06 03 e8 47 72 c3 bc        code 1000 and the reason \"Grü\"
  88 05 03 e8 47 72 c3           wrong: cut inside a character

Common causes: the reason was cut at a number of bytes, or it is in the encoding
of the system and not in UTF-8.

The remedy: encode the reason as UTF-8, and cut it between two characters.";

AS_ERROR = "D13-CLOSE-AS-ERROR", rule "RFC 6455 §5.5.1";
says "You responded to a valid close frame as if it broke the protocol.";
hint "Send the received code back. 1002 and 1007 tell the client that it made a mistake.";
page "\
The close frame of this case is valid. Your server responded with a code that
means an error.

Common causes:
  - The code is not unmasked, or read with the wrong byte order, and the check
    of the number fails.
  - The list of valid codes is too short: 3000 to 4999 are valid too.
  - The reason is decoded together with the code.

The remedy: print the code and the reason that your server reads.";

AS_MESSAGE = "D13-CLOSE-AS-MESSAGE", rule "RFC 6455 §5.5.1";
says "You treated the close frame as a message.";
hint "Opcode 8 is a close frame: send a close frame back and end the connection.";
page "\
  88 82 k k k k c c        close frame: code 1000, masked
  88 02 03 e8              right: a close frame
  81 02 03 e8              wrong: a text message with two strange characters

The remedy: look at the opcode before you pass a payload to the code for
messages.";

AFTER_CLOSE = "D13-CLOSE-THEN-DATA", rule "RFC 6455 §5.5.1";
says "Your server went on with messages after it had received a close frame.";
hint "After opcode 8 ignore all that follows, and send nothing but your close frame.";
page "\
A close frame is the last frame of its side:

  88 82 ...        close frame
  81 85 ...        must be ignored

And after your own close frame you send nothing more.

The remedy: end the loop that reads frames as soon as a close frame arrives.";

NOT_AT_ONCE = "D13-CLOSE-IN-MESSAGE", rule "RFC 6455 §5.4";
says "Your server does not respond to a close frame that comes between two fragments.";
hint "Handle control frames at once, also while a message is incomplete.";
page "\
A client may close in the middle of a message:

  01 ...    text, FIN 0: the message begins
  88 ...    close frame: the message will never be complete

The remedy: handle opcode 8 before the code that collects fragments. Drop the
incomplete message.";

ERROR_CODE = "D13-ERROR-CODE", rule "RFC 6455 §7.4.1";
says "You noticed the error, but your close frame has a code that means something else.";
hint "1002 for broken rules, 1007 for invalid text, 1009 for a message that is too big.";
page "\
The code tells the client's author what went wrong:

  1000   all is done, no error
  1002   a rule of the protocol was broken
  1003   this kind of data is not accepted
  1007   text that is no UTF-8
  1009   a message that is too big

  88 02 03 ea        1002

The remedy: pass the code to the function that closes the connection.";
}
