"""The frames of versions 7, 8 and 13 (RFC 6455, section 5): from bytes to messages and back.

One object for one connection. `receive` returns whole messages and control frames, `send_message` and
`send_frame` write. All rules of the framing are checked in `read_frame`, in the order of the bytes.
"""

import codecs
import os
import struct
import zlib
from typing import NamedTuple

from deflate import Agreement, Compressor, Decompressor
from wire import MAX_MESSAGE, ProtocolError, Stream, mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, MASK = 0x80, 0x40, 0x80

# The close codes that differ between the versions: draft-07 has no code for bad text, and 1004 was
# "too large" before 1009 was defined (draft-13).
BAD_TEXT = {7: 1003, 8: 1007, 13: 1007}
TOO_LARGE = {7: 1004, 8: 1004, 13: 1009}


class Frame(NamedTuple):
    fin: bool
    rsv1: bool
    opcode: int
    payload: bytes


class Hybi:
    def __init__(self, stream: Stream, role: str, version: int, agreed: Agreement | None, wrong: str):
        self.stream = stream
        self.role = role
        self.version = version
        self.wrong = wrong
        self.compressor = Compressor(agreed, wrong) if agreed else None
        self.decompressor = Decompressor(agreed, wrong) if agreed else None
        self.one_key = os.urandom(4)  # only for F4-onekey
        # The message of which the first fragments have arrived.
        self.kind: int | None = None
        self.content = bytearray()
        self.compressed = False
        self.utf8 = None

    # Reading.

    def receive(self) -> tuple[int, bytes]:
        """Returns the next message (TEXT, BINARY) or control frame (CLOSE, PING, PONG)."""
        while True:
            frame = self.read_frame()
            if frame.opcode >= CLOSE:
                return frame.opcode, frame.payload
            message = self.join(frame)
            if message is not None:
                return message

    def join(self, frame: Frame) -> tuple[int, bytes] | None:
        """Adds a frame to the message, and returns the message when it is complete (section 5.4)."""
        fin = frame.fin or self.wrong in ("F15-unknown", "F15-each")
        if frame.opcode != CONTINUATION:
            self.kind = frame.opcode
            self.compressed = frame.rsv1
            self.utf8 = codecs.getincrementaldecoder("utf-8")()
        data = frame.payload
        if self.compressed:
            data = self.decompress(data, fin)
        if self.kind == TEXT:
            self.check_text(data, fin)
        self.content += data
        if len(self.content) > MAX_MESSAGE:
            raise self.too_large()
        if not fin:
            return None
        message = (self.kind, bytes(self.content))
        if self.wrong == "F15-opcode":
            message = (frame.opcode, message[1])
        self.content = bytearray()
        if self.wrong != "F15-each" or frame.fin:
            self.kind = None
        return message

    def decompress(self, data: bytes, fin: bool) -> bytes:
        try:
            return self.decompressor.decompress(data, fin, MAX_MESSAGE - len(self.content))
        except zlib.error as error:
            raise ProtocolError(BAD_TEXT[self.version], "compressed data are broken") from error
        except OverflowError as error:
            raise self.too_large() from error

    def check_text(self, data: bytes, fin: bool) -> None:
        """Checks UTF-8 over the whole message: a character may be cut by fragments (section 5.6)."""
        try:
            if self.wrong == "F19-fragment":
                data.decode("utf-8")
            else:
                self.utf8.decode(data, fin)
        except UnicodeDecodeError as error:
            raise self.bad_text() from error

    def read_frame(self) -> Frame:
        """Reads one frame (section 5.2). The header is checked before the payload is waited for."""
        self.stream.begin_frame()
        first, second = self.stream.frame_header(2)
        fin, opcode = bool(first & FIN), first & 0x0F
        rsv1 = self.check_reserved_bits(first, opcode)
        masked, short = bool(second & MASK), second & 0x7F
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolError(1002, f"reserved opcode {opcode}")
        if self.role == "server" and not masked and self.wrong not in ("F5", "F5-wait"):
            raise ProtocolError(1002, "frame of a client without a mask")
        if self.role == "client" and masked:
            raise ProtocolError(1002, "frame of a server with a mask")
        if opcode >= CLOSE:
            self.check_control(fin, opcode, short)
            if self.wrong == "F15-ping" and opcode == PING and self.kind is not None:
                # "A ping may come in the middle of a message": so its payload is a part of it?
                fin, opcode = False, CONTINUATION
        else:
            self.check_order(opcode)
        length = self.read_length(short)
        if length + (0 if opcode >= CLOSE else len(self.content)) > MAX_MESSAGE:
            raise self.too_large()
        key = b""
        if masked or self.wrong == "F5-wait":
            key = self.stream.frame_header(4)
        elif self.wrong == "F5":
            # payload = data[6:2 + length], as if the key were there
            key = self.stream.frame_header(min(4, length))
            length -= len(key)
        continues_text = opcode == CONTINUATION and self.kind == TEXT and not self.compressed
        is_text = opcode == TEXT and not rsv1 or continues_text
        return Frame(fin, rsv1, opcode, self.read_payload(length, key, opcode, is_text))

    def check_reserved_bits(self, first: int, opcode: int) -> bool:
        """Returns RSV1, which only permessage-deflate gives a meaning, and only on the first frame of a message."""
        rsv1_allowed = self.decompressor is not None and opcode in (TEXT, BINARY)
        if first & 0x70 & ~(RSV1 if rsv1_allowed else 0) and self.wrong != "F18":
            raise ProtocolError(1002, "a reserved bit is set")
        return rsv1_allowed and bool(first & RSV1)

    def check_control(self, fin: bool, opcode: int, short: int) -> None:
        """Control frames are short and whole (section 5.5)."""
        if not fin:
            raise ProtocolError(1002, "control frame in fragments")
        if short > 125 and not (self.wrong == "F17-long" and opcode == PING):
            raise ProtocolError(1002, "control frame of more than 125 bytes")

    def check_order(self, opcode: int) -> None:
        """A continuation needs a message to continue, and a message must end before the next begins."""
        inside = self.kind is not None
        if opcode == CONTINUATION:
            if self.wrong == "F15-unknown":
                raise ProtocolError(1002, "unknown opcode 0")
            if not inside:
                raise ProtocolError(1002, "continuation outside a message")
        elif inside and self.wrong != "F15-each":
            raise ProtocolError(1002, "new message inside an unfinished one")

    def read_length(self, short: int) -> int:
        """The length is 7 bits, or behind 126 two bytes, or behind 127 eight bytes, in network byte order."""
        if short < 126 or self.wrong == "F6-read":
            return short
        if short == 126:
            form = {"F7-16-read": "<H", "F9-read": ">h"}.get(self.wrong, ">H")
            length, = struct.unpack(form, self.stream.frame_header(2))
        elif self.wrong == "F8-read":
            length, = struct.unpack(">I", self.stream.frame_header(4))
            return length
        else:
            form = "<Q" if self.wrong == "F7-64-read" else ">Q"
            length, = struct.unpack(form, self.stream.frame_header(8))
            if length >> 63:
                raise ProtocolError(1002, "the top bit of the length is set")
        # From draft-14 on a length must be in its shortest form.
        minimal = 126 if short == 126 else 0x10000
        misread = self.wrong == ("F7-16-read" if short == 126 else "F7-64-read") or length < 0
        if self.version == 13 and length < minimal and not misread:
            raise ProtocolError(1002, "the length is not in its shortest form")
        return length

    def read_payload(self, length: int, key: bytes, opcode: int, is_text: bool) -> bytes:
        """Reads and unmasks a payload. It arrives in pieces, and the mask goes on from piece to piece."""
        payload = bytearray()
        while len(payload) < length:
            piece = self.stream.some(length - len(payload))
            if not piece:
                break  # only in F11
            if key:
                at = 0 if self.wrong == "F14" else len(payload)
                piece = mask(piece, key, at)
            if self.wrong == "F19-read" and is_text:
                try:
                    piece.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise self.bad_text() from error
            payload += piece
        if self.wrong == "F12-glued" and opcode < CLOSE:
            # payload = data[6:], to the end of the read
            payload += mask(bytes(self.stream.buffer), key or bytes(4), len(payload))
            self.stream.buffer.clear()
        elif self.wrong == "F12-lost":
            self.stream.buffer.clear()
        return bytes(payload)

    def bad_text(self) -> ProtocolError:
        return ProtocolError(BAD_TEXT[self.version], "text is not UTF-8")

    def too_large(self) -> ProtocolError:
        return ProtocolError(TOO_LARGE[self.version], f"message of more than {MAX_MESSAGE} bytes")

    # Writing.

    def send_message(self, opcode: int, message: bytes) -> None:
        """Sends a message in one frame, compressed if that was negotiated."""
        if opcode == TEXT and self.wrong == "F1":
            self.stream.send(message)
        elif opcode == TEXT and self.wrong == "F2-response":
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(message)}\r\n\r\n"
            self.stream.send(head.encode() + message)
        elif self.compressor is None:
            length = len(message)
            if opcode == TEXT and self.wrong == "F10":
                length = len(message.decode("utf-8"))
            self.send_frame(opcode, message, length=length)
        else:
            self.send_compressed(opcode, self.compressor.compress(message))

    def send_compressed(self, opcode: int, payload: bytes) -> None:
        """RSV1 on the first frame marks a compressed message (RFC 7692, section 7.2.1)."""
        if self.wrong == "F20-continuation" and len(payload) > 1:
            half = len(payload) // 2
            self.send_frame(opcode, payload[:half], fin=False, rsv1=True)
            self.send_frame(CONTINUATION, payload[half:], rsv1=True)
        else:
            self.send_frame(opcode, payload, rsv1=self.wrong != "F20-first")

    def send_frame(self, opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False,
                   length: int | None = None) -> None:
        """Sends one frame. `length` is what the header announces, only for F10."""
        first = (FIN if fin else 0) | (RSV1 if rsv1 else 0) | opcode
        masked = self.role == "client" and self.wrong != "F4-nomask" or self.wrong == "F3"
        header = bytes([first]) + self.write_length(len(payload) if length is None else length, masked)
        if masked:
            key = self.mask_key()
            header += key
            payload = mask(payload, key, 0)
        self.stream.send(header + payload)

    def write_length(self, length: int, masked: bool) -> bytes:
        """Returns the second byte and the longer length behind it, in the shortest form."""
        bit = MASK if masked else 0
        most_16 = 0x7FFF if self.wrong == "F9-write" else 0xFFFF
        if self.wrong == "F6-write":
            return bytes([(bit | length) & 0xFF])
        if length < 126:
            return bytes([bit | length])
        if length <= most_16:
            return bytes([bit | 126]) + struct.pack("<H" if self.wrong == "F7-16" else ">H", length)
        form = {"F7-64": "<Q", "F8-write": ">I"}.get(self.wrong, ">Q")
        return bytes([bit | 127]) + struct.pack(form, length)

    def mask_key(self) -> bytes:
        """A new key for each frame, which the peer cannot predict (section 5.3)."""
        if self.wrong == "F4-zerokey":
            return bytes(4)
        if self.wrong == "F4-onekey":
            return self.one_key
        return os.urandom(4)
