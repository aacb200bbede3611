"""A conversation after the handshake: each message is sent back, pings get pongs, and the connection is closed
as each version requires. Both sides use it; they differ in the order of the last steps.
"""

import struct

from hixie import Hixie
from hybi import BAD_TEXT, CLOSE, PING, PONG, Hybi
from wire import Gone, ProtocolError, Silent, Stream

LINGER = 1.0  # seconds that a server reads on behind its close
CLIENT_WAITS = 5.0  # seconds that a client gives the server to close the TCP connection first

LONG_REASON = "the connection is closed because this program has received a close frame, or because it has " \
    "found an error in a frame of the peer; more details are in its log"


def echo(framing: Hybi | Hixie, role: str) -> bool:
    """Sends messages back until the end. Returns whether the end was clean."""
    stream = framing.stream
    try:
        clean = echo_until_close(framing)
    except ProtocolError as error:
        fail(framing, error.code, str(error))
        clean = False
    except Silent:
        fail(framing, 1001, "no data for a long time")
        clean = False
    except Gone:
        # Draft-75 has no closing handshake: the end of the TCP connection is the right end (section 4.2).
        stream.sock.close()
        return isinstance(framing, Hixie) and framing.version == 75
    close_tcp(stream, role)
    return clean


def echo_until_close(framing: Hybi | Hixie) -> bool:
    while True:
        opcode, data = framing.receive()
        if opcode == CLOSE:
            if framing.wrong == "E1":
                continue
            if framing.wrong != "E1-drop":
                respond_to_close(framing, data)
            return True
        if opcode == PING:
            respond_to_ping(framing, data)
        elif opcode != PONG:
            framing.send_message(opcode, data)


def respond_to_ping(framing: Hybi, payload: bytes) -> None:
    """A pong has the payload of its ping (RFC 6455, section 5.5.3)."""
    if framing.wrong == "F17-nopayload":
        payload = b""
    framing.send_frame(PING if framing.wrong == "F17-pingback" else PONG, payload)


def respond_to_close(framing: Hybi | Hixie, body: bytes) -> None:
    """The response to a close frame has the same code, or none if there was none (section 5.5.1)."""
    if isinstance(framing, Hixie):
        framing.send_close()
        return
    code = check_close(framing.version, body)
    if code is not None:
        framing.send_frame(CLOSE, close_body(framing.wrong, code, ""))
    elif framing.wrong == "E3-1005":
        framing.send_frame(CLOSE, struct.pack(">H", 1005))
    else:
        framing.send_frame(CLOSE, b"")


def check_close(version: int, body: bytes) -> int | None:
    """Returns the code of a close frame, or None for an empty body."""
    if not body:
        return None
    if len(body) == 1:
        raise ProtocolError(1002, "close frame with a body of one byte")
    code, = struct.unpack(">H", body[:2])
    defined = 1000 <= code <= 1003 or 1007 <= code <= 1014 or version < 13 and code == 1004
    if not defined and not 3000 <= code <= 4999:
        raise ProtocolError(1002, f"close code {code} may not be sent")
    try:
        body[2:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(BAD_TEXT[version], "the reason is not UTF-8") from error
    return code


def fail(framing: Hybi | Hixie, code: int, reason: str) -> None:
    """Starts the end of a connection that cannot go on (section 7.1.7)."""
    try:
        if isinstance(framing, Hixie):
            framing.send_close()
        elif framing.wrong == "E3-1006":
            framing.send_frame(CLOSE, struct.pack(">H", 1006))
        else:
            framing.send_frame(CLOSE, close_body(framing.wrong, code, reason))
    except (Gone, Silent):
        pass  # the peer does not read any more


def close_body(wrong: str, code: int, reason: str) -> bytes:
    """Two bytes of code in network byte order, then the reason in UTF-8, at most 123 bytes (section 5.5.1)."""
    if wrong == "E2-text":
        return f"{code} {reason}".rstrip().encode()
    if wrong == "E5-one":
        return bytes([code & 0xFF])
    if wrong == "E5-long":
        reason = LONG_REASON
    return struct.pack("<H" if wrong == "E2-little" else ">H", code) + reason.encode()


def close_tcp(stream: Stream, role: str) -> None:
    """The server closes the TCP connection first, and the client waits for it (section 7.1.1)."""
    if role == "client":
        if stream.wrong == "E7":
            stream.sock.close()
        else:
            stream.finish(CLIENT_WAITS, half_close=False)
    elif stream.wrong in ("E6", "E6-linger"):
        if stream.wrong == "E6-linger":
            # Often copied against "address already in use".
            stream.reset_on_close()
        stream.sock.close()
    else:
        stream.finish(LINGER)
