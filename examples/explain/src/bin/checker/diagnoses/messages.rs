//! Mistakes with fragments, and with control frames between them.

use crate::diagnosis::catalogue;

catalogue! {
NO_PONG = "D13-NO-PONG", rule "RFC 6455 §5.5.2";
says "Your server does not respond to a ping.";
hint "Respond to opcode 9 with opcode 10 (first byte 8a) and the same payload.";
page "\
A ping asks: are you still there? The response is a pong with the same payload:

  89 84 k k k k p p p p        ping from a client, masked
  8a 04 70 69 6e 67            pong from a server: \"ping\"

A client that receives no pong closes the connection after some time. Browsers
send no pings, but many programs and proxies do.

The remedy: handle opcode 9 in the loop that reads frames. Unmask the payload
and send it back with the first byte 8a.";

PONG_EMPTY = "D13-PONG-EMPTY", rule "RFC 6455 §5.5.3";
says "Your pong has no payload; it must have the payload of the ping.";
hint "Copy the unmasked payload of the ping into the pong.";
page "\
The sender of a ping recognizes its pong by the payload:

  89 84 k k k k p p p p        ping with the payload \"ping\"
  8a 04 70 69 6e 67            right
  8a 00                        wrong

The remedy: read and unmask the payload of the ping as for a message, and send
the same bytes after 8a and the length.";

PONG_PAYLOAD = "D13-PONG-PAYLOAD", rule "RFC 6455 §5.5.3";
says "Your pong has another payload than the ping.";
hint "The payload of the pong is equal to the unmasked payload of the ping, byte for byte.";
page "\
The pong returns the payload of the ping. Common causes of a difference:

  - The payload of control frames is not unmasked.
  - The pong has a text of its own, such as \"pong\".
  - The payload is decoded as text and encoded again.

A ping may have up to 125 bytes of any value.

The remedy: unmask all frames in one place, and send the bytes unchanged.";

PING_FOR_PING = "D13-PING-FOR-PING", rule "RFC 6455 §5.5.3";
says "You responded to a ping with a ping.";
hint "The opcode of a pong is 10: the first byte is 8a, not 89.";
page "\
  89 = FIN and opcode 9      ping
  8a = FIN and opcode 10     pong

Two programs that respond to pings with pings send them to each other for ever.

The remedy: send the payload back with the first byte 8a.";

PING_AS_MESSAGE = "D13-PING-AS-MESSAGE", rule "RFC 6455 §5.5";
says "You treated a control frame as a message, and sent its payload back as a message.";
hint "Look at the opcode: 8, 9 and 10 are control frames (close, ping, pong), not messages.";
page "\
The opcode decides what a frame is:

  1 text      2 binary      0 more of a message
  8 close     9 ping        10 pong

A program that looks only at the payload sends the payload of a ping to its
users.

The remedy: branch on the opcode after each frame. Pass only the opcodes 0, 1
and 2 to the code for messages.";

PONG_NOT_IGNORED = "D13-PONG-NOT-IGNORED", rule "RFC 6455 §5.5.3";
says "Your server fails when it receives a pong that it did not ask for.";
hint "Ignore frames with opcode 10.";
page "\
A client may send a pong at any time, as a sign of life:

  8a 80 k k k k        pong without a payload

No response is expected. It is no error.

The remedy: read the payload of the pong, so that the stream stays in step, and
go on with the next frame.";

PONG_ANSWERED = "D13-PONG-SENT-BACK", rule "RFC 6455 §5.5.3";
says "Your server sends a pong back as a response to a pong.";
hint "Respond to opcode 9 (ping) only; ignore opcode 10 (pong).";
page "\
A pong is the response to a ping, or a sign of life. It needs no response:

  89 80 k k k k        ping: respond with 8a 00
  8a 80 k k k k        pong: ignore it

Two programs that respond to pongs send the same pong to each other for ever.

The remedy: look at the opcode. Send a pong only if it is 9.";

CONTINUATION = "D13-CONTINUATION", rule "RFC 6455 §5.4";
says "Your server does not put the fragments of a message together.";
hint "Keep the payload while FIN is 0; the message is complete with the first data frame with FIN 1.";
page "\
A message may come in several frames:

  01 83 k k k k p p p        text, FIN 0: \"Hel\"
  80 82 k k k k p p          continuation, FIN 1: \"lo\"

Both together are one message: \"Hello\". The first frame has the kind of the
message, all others have opcode 0, and only the last one has FIN.

The remedy:
  opcode 1 or 2:  kind = opcode; message = payload
  opcode 0:       message = message + payload
  if FIN is 1:    the message is complete";

OPCODE_LOST = "D13-OPCODE-LOST", rule "RFC 6455 §5.4";
says "You lost the opcode of the first fragment.";
hint "Remember the opcode of the first frame: the last frame of the message has opcode 0.";
page "\
Only the first fragment names the kind of the message:

  02 82 k k k k p p        binary, FIN 0
  00 81 k k k k p          continuation, FIN 0
  80 82 k k k k p p        continuation, FIN 1

Common causes: the reply uses the opcode of the last frame (0), or text for all
messages.

The remedy: keep the opcode when a message begins, and use it when the message
is complete.";

PING_JOINED = "D13-PING-JOINED", rule "RFC 6455 §5.4";
says "A ping came between two fragments, and you added its payload to the message.";
hint "Control frames may stand between fragments. They do not belong to the message.";
page "\
The order on the wire may be:

  01 ...  text, FIN 0      \"first \"
  89 ...  ping             \"between\"
  80 ...  continuation     \"second\"

The message is \"first second\". The pong is sent at once.

The remedy: handle opcodes 8, 9 and 10 before the code that collects fragments,
and do not touch the collected payload there.";

PING_ENDS = "D13-PING-IN-MESSAGE", rule "RFC 6455 §5.4";
says "A ping came between two fragments, and your server lost the message or the ping.";
hint "A control frame must not change the state of the message that is being collected.";
page "\
The order on the wire may be:

  01 ...  text, FIN 0      \"first \"
  89 ...  ping             \"between\"
  80 ...  continuation     \"second\"

Common causes:
  - The ping has FIN 1, and the program takes it for the end of the message.
  - One variable holds the opcode of the last frame, and the ping overwrites it.
  - A frame other than a continuation is an error inside a message.

The remedy: keep the kind and the payload of the message in variables of their
own, which control frames do not change.";

FRAGMENTS_STAY = "D13-FRAGMENTS-STAY", rule "RFC 6455 §5.4";
says "Parts of an earlier message are in the next one.";
hint "Empty the buffer of the message after the message is complete.";
page "\
Each message begins empty:

  01 \"one \" 80 \"two\"          first message: \"one two\"
  01 \"three \" 80 \"four\"       second message: \"three four\"

The remedy: when a frame with opcode 1 or 2 arrives, begin a new payload; and
drop the old one when it was handled.";

UTF8_PIECEWISE = "D13-UTF8-PIECEWISE", rule "RFC 6455 §5.6";
says "You decode each fragment as UTF-8, so a character that is cut in two fails.";
hint "Join the fragments as bytes, and decode the whole message.";
page "\
A fragment may end inside a character. Only the message is text:

  47 72 c3 | bc c3 9f 65        \"Grüße\", cut inside ü (c3 bc)

The first part alone is no valid UTF-8, and neither is the second one. A program
that decodes them alone closes the connection, or shows \"Gr?\".

The remedy: collect bytes until the message is complete and decode once; or use
a decoder that keeps its state between two calls.";
}
