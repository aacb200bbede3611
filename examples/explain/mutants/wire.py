"""One TCP connection: reads with a buffer, header blocks, the mask, and the end.

Everything that both sides need below the frames is here. `wrong` is the id of the mistake to make, or empty.
"""

import re
import socket
import struct
import time

SILENCE = 30.0  # seconds without a byte from the peer, or without progress of a write
MAX_HEAD = 16 * 1024  # bytes of a header block
MAX_MESSAGE = 16 * 1024 * 1024  # bytes of a message, also after decompression
READ_SIZE = 64 * 1024

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Gone(Exception):
    """The peer closed or reset the TCP connection."""


class Silent(Exception):
    """Nothing arrived for `SILENCE` seconds, or nothing could be written."""


class ProtocolError(Exception):
    """The peer broke a rule. `code` is the close code to send."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


class BadHead(Exception):
    """A header block that cannot be used. `status` is the HTTP status of the rejection."""

    def __init__(self, status: int, reason: str, *headers: str):
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Stream:
    """A socket with a buffer. TCP transports bytes, not messages: a read may end anywhere."""

    def __init__(self, sock: socket.socket, wrong: str):
        sock.settimeout(SILENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.buffer = bytearray()
        self.wrong = wrong

    def fill(self) -> None:
        """Waits for one read from the socket, of any size."""
        try:
            piece = self.sock.recv(READ_SIZE)
        except TimeoutError as error:
            raise Silent from error
        except OSError as error:
            raise Gone from error
        if not piece:
            raise Gone
        self.buffer += piece

    def exactly(self, count: int) -> bytes:
        """Returns the next `count` bytes, however many reads they need."""
        while len(self.buffer) < count:
            self.fill()
        return self.take(count)

    def some(self, most: int) -> bytes:
        """Returns the next bytes, at least one and at most `most`: a piece of a payload."""
        # F11: the rest of the payload would be in the next read, so it is not waited for.
        if not self.buffer and self.wrong != "F11":
            self.fill()
        return self.take(most)

    def until(self, end: bytes, limit: int) -> bytes:
        """Returns the next bytes before `end` and removes both; more than `limit` bytes are an OverflowError."""
        searched = 0
        while (found := self.buffer.find(end, searched)) < 0:
            searched = max(0, len(self.buffer) - len(end) + 1)
            if searched > limit:
                raise OverflowError
            self.fill()
        if found > limit:
            raise OverflowError
        content = self.take(found)
        self.take(len(end))
        return content

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.some(count))

    def take(self, count: int) -> bytes:
        """Takes bytes out of the buffer, without a read."""
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def begin_frame(self) -> None:
        """Called before each frame. A right program has nothing to do here."""
        if self.wrong == "F11":
            # F11: `data = sock.recv(...)` is the next frame; the rest of the last read is forgotten.
            self.buffer.clear()
            self.fill()
        elif self.wrong == "F13" and not self.buffer:
            self.fill()

    def frame_header(self, count: int) -> bytes:
        """Returns the next `count` bytes of a frame's header, which may be cut anywhere like all the rest."""
        if self.wrong in ("F11", "F13") and len(self.buffer) < count:
            # F13: the header is read as data[0], data[1], data[2:4] … of one read, without a look at its length.
            raise IndexError("index out of range")
        return self.exactly(count)

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except TimeoutError as error:
            raise Silent from error
        except OSError as error:
            raise Gone from error

    def finish(self, wait: float, half_close: bool = True) -> None:
        """Closes the TCP connection so that the peer receives everything that was written.

        To close a socket with unread bytes makes TCP reset the connection, and a reset overtakes bytes that
        are still on their way. So the sending side is closed first, and the rest of the input is read for
        at most `wait` seconds (RFC 6455, section 7.1.1). A client leaves the first step to the server.
        """
        until = time.monotonic() + wait
        try:
            if half_close:
                self.sock.shutdown(socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.sock.recv(READ_SIZE):
                    break
        except OSError:
            pass  # the peer was faster, or the time is over: nothing is left to do
        self.sock.close()

    def reset_on_close(self) -> None:
        """Makes the next close of the socket a reset (see E6-linger)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Head:
    """The start line and the headers of a request or of a response."""

    def __init__(self, block: bytes):
        lines = block.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.headers: list[tuple[str, str]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not TOKEN.fullmatch(name) or re.search(r"[\0\r\n]", value):
                raise BadHead(400, "a header line is not NAME: VALUE")
            # One blank behind the colon is not a part of the value; draft-76 counts all others.
            self.headers.append((name.lower(), value.removeprefix(" ")))

    def raw(self, name: str) -> list[str]:
        return [value for other, value in self.headers if other == name.lower()]

    def all(self, name: str) -> list[str]:
        return [value.strip(" \t") for value in self.raw(name)]

    def one(self, name: str) -> str | None:
        """The only header of this name, or None. Two of them are an error: peers would disagree which counts."""
        values = self.all(name)
        if len(values) > 1:
            raise BadHead(400, f"{name} is there twice")
        return values[0] if values else None

    def has_token(self, name: str, token: str) -> bool:
        """Whether a comma-separated list holds the token, in any case (RFC 6455, section 4.2.1)."""
        return any(token in [part.strip(" \t").lower() for part in value.split(",")] for value in self.all(name))


def read_head(stream: Stream) -> Head:
    """Reads up to the blank line; bytes behind it stay in the buffer."""
    try:
        return Head(stream.until(b"\r\n\r\n", MAX_HEAD))
    except OverflowError as error:
        raise BadHead(431, f"the header block is longer than {MAX_HEAD} bytes") from error


def write_head(stream: Stream, lines: list[str]) -> None:
    """Sends a header block: each line ends in CR LF, and a blank line ends the block (RFC 2616, section 5)."""
    end_of_line = "\n" if stream.wrong == "A8-lf" else "\r\n"
    blank_line = "" if stream.wrong == "A8-noblank" else end_of_line
    block = "".join(line + end_of_line for line in lines) + blank_line
    stream.send(block.encode("latin-1"))


def mask(data: bytes, key: bytes, at: int) -> bytes:
    """Byte i of the payload is XOR key[i mod 4] (RFC 6455, section 5.3). `at` is the index of data[0] in it."""
    turned = key[at % 4:] + key[:at % 4]
    repeated = (turned * (len(data) // 4 + 1))[:len(data)]
    both = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return both.to_bytes(len(data), "big")
