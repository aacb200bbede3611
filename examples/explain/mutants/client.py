#!/usr/bin/env python3
"""An echo client for all five versions of the WebSocket protocol, with one mistake on request.

`client.py URL [--as 75|76|7|8|13] [--wrong ID]` connects, sends each message back to the server, responds to the
close frame, and ends with status 0. Without --as it speaks version 13, or the newest version in which the mistake
can be made. It ends with 1 when the handshake fails or the end was not clean. `--list` prints the mistakes.
"""

import base64
import hashlib
import os
import random
import socket
import struct
import sys
from typing import NamedTuple
from urllib.parse import urlsplit

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import deflate
from deflate import Agreement
from echo import echo
from hixie import Hixie
from hybi import Hybi
from mistakes import options
from wire import SILENCE, BadHead, Gone, Head, Silent, Stream, read_head, write_head

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Target(NamedTuple):
    host: str
    port: int
    path: str

    def authority(self) -> str:
        """The value of Host: the port only where it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"

    def origin(self) -> str:
        return f"http://{self.authority()}"

    def url(self) -> str:
        return f"ws://{self.authority()}{self.path}"


class HandshakeError(Exception):
    """The response of the server cannot be accepted."""


def main() -> int:
    chosen = options("client")
    try:
        target = read_url(chosen.url)
        stream = Stream(socket.create_connection((target.host, target.port), SILENCE), chosen.wrong)
        framing = shake_hands(stream, target, chosen.version)
        clean = echo(framing, "client")
    except (HandshakeError, BadHead) as error:
        return failed(f"the handshake failed: {error}")
    except Gone:
        return failed("the server closed the TCP connection in the handshake")
    except Silent:
        return failed("the server was silent for too long")
    except IndexError as error:
        return failed(f"the program crashed: {error}")  # F11 and F13
    except (OSError, ValueError) as error:
        return failed(str(error))
    return 0 if clean else failed("the connection did not end with a closing handshake")


def failed(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def read_url(url: str) -> Target:
    parts = urlsplit(url)
    if parts.scheme != "ws" or not parts.hostname:
        raise ValueError("the URL must begin with ws://")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, parts.port or 80, path)


def shake_hands(stream: Stream, target: Target, version: int) -> Hybi | Hixie:
    if version == 75:
        return open_75(stream, target)
    if version == 76:
        return open_76(stream, target)
    return open_hybi(stream, target, version)


# Versions 7, 8 and 13.


def open_hybi(stream: Stream, target: Target, version: int) -> Hybi:
    """Sends the request of RFC 6455, section 4.1, and checks the response."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority()}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {version}",
        f"{'Origin' if version == 13 else 'Sec-WebSocket-Origin'}: {target.origin()}",
    ]
    if version == 13:
        lines.append(f"Sec-WebSocket-Extensions: {deflate.NAME}")
    write_head(stream, lines)
    response = read_head(stream)
    check_status(response)
    if not response.has_token("Upgrade", "websocket"):
        raise HandshakeError("Upgrade is not websocket")
    check_connection(response, stream.wrong)
    expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    if response.one("Sec-WebSocket-Accept") != expected:
        raise HandshakeError(f"Sec-WebSocket-Accept is not {expected}")
    if response.all("Sec-WebSocket-Protocol"):
        raise HandshakeError("a subprotocol was not offered")
    return Hybi(stream, "client", version, check_extension(response, version), stream.wrong)


def check_status(response: Head) -> None:
    parts = response.start.split(" ")
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or parts[1] != "101":
        raise HandshakeError(f"the status is not 101: {response.start}")


def check_connection(response: Head, wrong: str) -> None:
    if wrong == "A9":
        # Right for most servers; but it is a list, and its words may be in any case.
        if response.all("Connection") != ["Upgrade"]:
            raise HandshakeError("Connection is not Upgrade")
    elif not response.has_token("Connection", "upgrade"):
        raise HandshakeError("Connection has no Upgrade")


def check_extension(response: Head, version: int) -> Agreement | None:
    values = response.all("Sec-WebSocket-Extensions")
    if version != 13 and values:
        raise HandshakeError("an extension was not offered")
    try:
        return deflate.accept(values)
    except ValueError as error:
        raise HandshakeError(str(error)) from error


# Draft-75 and draft-76.


def open_75(stream: Stream, target: Target) -> Hixie:
    """Sends the request of draft-75, section 4.1, and checks the response: its first lines byte by byte."""
    write_head(stream, [
        f"GET {target.path} HTTP/1.1",
        "Upgrade: WebSocket",
        "Connection: Upgrade",
        f"Host: {target.authority()}",
        f"Origin: {target.origin()}",
    ])
    response = read_head(stream)
    if response.start != "HTTP/1.1 101 Web Socket Protocol Handshake":
        raise HandshakeError(f"the first line is wrong: {response.start}")
    if response.headers[:2] != [("upgrade", "WebSocket"), ("connection", "Upgrade")]:
        raise HandshakeError("Upgrade and Connection are not the second and the third line")
    check_origin_and_location(response, target, "WebSocket-")
    return Hixie(stream, 75, stream.wrong)


def open_76(stream: Stream, target: Target) -> Hixie:
    """Sends the request of draft-76, section 4.1, with two keys and 8 bytes, and checks the proof."""
    first_key, first = make_key()
    second_key, second = make_key()
    key3 = os.urandom(8)
    headers = [
        "Upgrade: WebSocket",
        "Connection: Upgrade",
        f"Host: {target.authority()}",
        f"Origin: {target.origin()}",
        f"Sec-WebSocket-Key1: {first_key}",
        f"Sec-WebSocket-Key2: {second_key}",
    ]
    random.shuffle(headers)  # the draft requires a random order
    write_head(stream, [f"GET {target.path} HTTP/1.1", *headers])
    if stream.wrong != "A12-nokey3":
        stream.send(key3)
    response = read_head(stream)
    check_status(response)
    for name, value in (("Upgrade", "WebSocket"), ("Connection", "Upgrade")):
        if response.one(name) != value:
            raise HandshakeError(f"{name} is not {value}")
    check_origin_and_location(response, target, "Sec-WebSocket-")
    expected = hashlib.md5(struct.pack(">II", first, second) + key3).digest()
    received = stream.exactly(16)
    if received != expected:
        raise HandshakeError(f"the proof is {received.hex(' ')} instead of {expected.hex(' ')}")
    return Hixie(stream, 76, stream.wrong)


def make_key() -> tuple[str, int]:
    """A number, hidden in a text with spaces and other characters (draft-76, section 4.1, steps 16 to 22)."""
    spaces = random.randint(1, 12)
    number = random.randint(0, 0xFFFFFFFF // spaces)
    text = list(str(number * spaces))
    others = [chr(code) for code in (*range(0x21, 0x30), *range(0x3A, 0x7F))]
    for _ in range(random.randint(1, 12)):
        text.insert(random.randint(0, len(text)), random.choice(others))
    for _ in range(spaces):
        text.insert(random.randint(1, len(text) - 1), " ")  # never first or last
    return "".join(text), number


def check_origin_and_location(response: Head, target: Target, prefix: str) -> None:
    for name, expected in ((prefix + "Origin", target.origin()), (prefix + "Location", target.url())):
        if response.one(name) != expected:
            raise HandshakeError(f"{name} is not {expected}")
    if response.all(prefix + "Protocol"):
        raise HandshakeError("a subprotocol was not asked for")


if __name__ == "__main__":
    sys.exit(main())
