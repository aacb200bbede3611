"""What a server must refuse, and with which code: violations.py ws://HOST:PORT/PATH

websockets' client cannot be brought to break a rule, so the bad bytes go straight into its socket.
It is then the judge of the answer: the close code, its turn in the closing handshake, the hang-up.
"""

import struct
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from checks import Checks, same

WAIT = 10  # seconds any one answer may take
LIMIT = 64 * 1024 * 1024  # the echo example's largest message
MASK = b"\x12\x34\x56\x78"

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=MASK):
    """A short frame, right or wrong as told; a client's, if it has a mask."""
    head = bytes([(fin << 7) | (rsv << 4) | opcode, (0x80 if mask else 0) | len(payload)])
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def declared(opcode, length, *, fin=True, rsv=0, mask=MASK):
    """The head alone of a frame that says it is `length` bytes long."""
    return bytes([(fin << 7) | (rsv << 4) | opcode, 0xFF if mask else 0x7F]) + struct.pack(">Q", length) + (mask or b"")


VIOLATIONS = [
    ("an unmasked text", 1002, frame(TEXT, b"hello", mask=None)),
    ("an unmasked close", 1002, frame(CLOSE, b"\x03\xe8", mask=None)),
    ("RSV1 without an extension", 1002, frame(TEXT, b"hello", rsv=4)),
    ("RSV3", 1002, frame(BINARY, b"hello", rsv=1)),
    ("opcode 3", 1002, frame(3, b"hello")),
    ("opcode 15", 1002, frame(15)),
    ("a continuation of nothing", 1002, frame(0, b"hello")),
    ("a text inside a text", 1002, frame(TEXT, b"hel", fin=False) + frame(TEXT, b"lo")),
    ("a ping in fragments", 1002, frame(PING, b"hello", fin=False)),
    ("a ping of 126 bytes", 1002, bytes([0x80 | PING, 0x80 | 126, 0, 126]) + MASK + b"p" * 126),
    ("a close of one byte", 1002, frame(CLOSE, b"\x03")),
    ("a close with code 999", 1002, frame(CLOSE, struct.pack(">H", 999))),
    ("a close with code 1005", 1002, frame(CLOSE, struct.pack(">H", 1005))),
    ("a close with code 1006", 1002, frame(CLOSE, struct.pack(">H", 1006))),
    ("a close with code 5000", 1002, frame(CLOSE, struct.pack(">H", 5000))),
    ("a length with its top bit set", 1002, declared(BINARY, 1 << 63)),
    ("a length not in its shortest form", 1002, bytes([0x80 | TEXT, 0x80 | 126, 0, 1]) + MASK + b"x"),
    ("a text that is not UTF-8", 1007, frame(TEXT, b"\xff")),
    ("a text with a surrogate", 1007, frame(TEXT, b"\xed\xa0\x80")),
    ("a text that ends within a character", 1007, frame(TEXT, "é".encode()[:1])),
    ("a close whose reason is not UTF-8", 1007, frame(CLOSE, b"\x03\xe8\xff")),
    # Only heads: a server that believed them would have to make room or wait for 64 MiB.
    ("a message declared too long", 1009, declared(TEXT, LIMIT + 1)),
    ("a message declared absurdly long", 1009, declared(BINARY, (1 << 63) - 1)),
    ("fragments too long together", 1009, frame(TEXT, b"x", fin=False) + declared(0, LIMIT)),
]


def main(url):
    checks = Checks()
    for name, code, violation in VIOLATIONS:
        with checks.check(f"{name} is closed with {code}"):
            refused(url, code, violation)
        with checks.check(f"{name}, behind a good message, byte by byte"):
            refused(url, code, violation, after="good morning", piece=1)
    checks.finish()


def refused(url, code, violation, after=None, piece=None):
    with connect(url, proxy=None, compression=None, open_timeout=WAIT, close_timeout=WAIT) as client:
        if after is not None:
            client.send(after)
            same(client.recv(timeout=WAIT), after)
        piece = piece or len(violation)
        for start in range(0, len(violation), piece):
            try:
                client.socket.sendall(violation[start : start + piece])
            except OSError:
                break  # the server has seen enough and hung up: what it said is what counts
        try:
            seen = client.recv(timeout=WAIT)
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise AssertionError("hung up without a close frame") from closed
            same(closed.rcvd.code, code)
            same(closed.rcvd_then_sent, True)
        else:
            raise AssertionError(f"delivered {seen!r}")


if __name__ == "__main__":
    main(sys.argv[1])
