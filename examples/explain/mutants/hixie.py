"""The frames of draft-75 and draft-76: text between the bytes 00 and FF, and in draft-76 the close frame FF 00."""

from hybi import CLOSE, TEXT
from wire import MAX_MESSAGE, ProtocolError, Stream


class Hixie:
    def __init__(self, stream: Stream, version: int, wrong: str):
        self.stream = stream
        self.version = version
        self.wrong = wrong

    def receive(self) -> tuple[int, bytes]:
        """Returns the next text, or in draft-76 the close frame. Other frames are skipped (draft-76, section 5.3)."""
        while True:
            self.stream.begin_frame()
            if self.wrong == "F11":
                # F11: the read is the frame: its first byte is 00, its last is FF.
                data = self.stream.take(len(self.stream.buffer))
                if data == b"\xff\x00" and self.version == 76:
                    return CLOSE, b""
                return TEXT, replaced(data[1:-1])
            kind = self.stream.exactly(1)[0]
            if kind < 0x80:
                content = self.until_ff()
            elif kind == 0xFF and self.wrong == "E8-marker":
                kind, content = 0x00, b""  # data.split(b"\xff"): an empty text was before FF
            else:
                length = self.read_length()
                if kind == 0xFF and length == 0 and self.version == 76:
                    return CLOSE, b""
                self.stream.skip(length)
            if self.wrong == "F12-lost":
                self.stream.buffer.clear()
            if kind == 0x00:
                return TEXT, replaced(content)

    def until_ff(self) -> bytes:
        try:
            return self.stream.until(b"\xff", MAX_MESSAGE)
        except OverflowError as error:
            raise ProtocolError(0, "text is too long") from error

    def read_length(self) -> int:
        """A number in base 128: the top bit means that another byte follows."""
        length = 0
        while True:
            byte = self.stream.exactly(1)[0]
            length = length * 128 + (byte & 0x7F)
            if length > MAX_MESSAGE:
                raise ProtocolError(0, "frame is too long")
            if byte < 0x80:
                return length

    def send_message(self, opcode: int, message: bytes) -> None:
        """Sends a text; there are no other messages."""
        if self.wrong == "F1":
            self.stream.send(message)
        elif self.wrong == "E8-noff":
            self.stream.send(b"\x00" + message)
        elif self.wrong == "E8-binary":
            self.stream.send(b"\x80" + base_128(len(message)) + message)
        else:
            self.stream.send(b"\x00" + message + b"\xff")

    def send_close(self) -> None:
        """Sends the close frame of draft-76. Draft-75 has none: there TCP is closed, and nothing is written."""
        if self.version == 76:
            self.stream.send(b"\xff\x00")


def replaced(content: bytes) -> bytes:
    """Bytes that are not UTF-8 become U+FFFD (draft-76, section 4.2), so FF never is in a message."""
    return content.decode("utf-8", "replace").encode("utf-8")


def base_128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return bytes(reversed(digits))
