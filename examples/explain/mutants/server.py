#!/usr/bin/env python3
"""An echo server for all five versions of the WebSocket protocol, with one mistake on request.

`server.py [--as 75|76|7|8|13] [--wrong ID] [--port N]` listens on 127.0.0.1, prints the number of its port as one line, and
serves until its standard input ends. Without --as, the request shows the version. `--list` prints the mistakes.
"""

import argparse
import base64
import hashlib
import hmac
import os
import re
import socket
import struct
import sys
import threading

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import deflate
from deflate import Agreement
from echo import LINGER, echo
from hixie import Hixie
from hybi import Hybi
from mistakes import options
from wire import BadHead, Gone, Head, Silent, Stream, read_head, write_head

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
NEWEST_FIRST = (13, 8, 7)


def main() -> None:
    chosen = options("server")
    listener = listen(chosen.port)
    print(listener.getsockname()[1], flush=True)
    run(listener, chosen)


def listen(port: int = 0) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def run(listener: socket.socket, chosen: argparse.Namespace) -> None:
    """Serves until the standard input ends."""
    threading.Thread(target=accept_forever, args=(listener, chosen.version, chosen.wrong), daemon=True).start()
    while os.read(sys.stdin.fileno(), 4096):
        pass


def accept_forever(listener: socket.socket, only: int | None, wrong: str) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, only, wrong), daemon=True).start()


def serve(sock: socket.socket, only: int | None, wrong: str) -> None:
    """One connection, from the first byte to the end of the TCP connection."""
    stream = Stream(sock, wrong)
    try:
        framing = shake_hands(stream, only)
        if framing is not None:
            echo(framing, "server")
    except (Gone, Silent):
        pass
    except IndexError as error:
        print(f"a thread crashed: {error}", file=sys.stderr, flush=True)  # F11 and F13
    finally:
        sock.close()


def shake_hands(stream: Stream, only: int | None) -> Hybi | Hixie | None:
    """Reads the request and writes the response. Returns None after a rejection."""
    try:
        request = read_head(stream)
        version = detect(request, (only,) if only else (75, 76, *NEWEST_FIRST))
        if version == 75:
            return accept_75(stream, request)
        if version == 76:
            return accept_76(stream, request)
        return accept_hybi(stream, request, version)
    except BadHead as error:
        reject(stream, error.status, str(error), error.headers)
    except Silent:
        reject(stream, 408, "the request did not arrive in time", ())
    return None


REASONS = {400: "Bad Request", 405: "Method Not Allowed", 408: "Request Timeout", 426: "Upgrade Required",
           431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported"}


def reject(stream: Stream, status: int, reason: str, headers: tuple[str, ...]) -> None:
    body = reason + "\n"
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *headers, "Content-Type: text/plain",
             f"Content-Length: {len(body)}", "Connection: close", "", body]
    stream.send("\r\n".join(lines).encode("latin-1"))
    stream.finish(LINGER)


# The version.


def detect(request: Head, served: tuple[int, ...]) -> int:
    """Finds the version of a request. The first rule that fits decides."""
    numbers = ", ".join(str(version) for version in NEWEST_FIRST if version in served)
    upgrade = ("Upgrade: websocket", *([f"Sec-WebSocket-Version: {numbers}"] if numbers else []))
    check_request_line(request.start)
    if not request.all("Upgrade"):
        raise BadHead(426, "this server accepts WebSocket requests only: no Upgrade header", *upgrade)
    version = request.one("Sec-WebSocket-Version")
    if version is not None:
        if "," in version:
            raise BadHead(400, "Sec-WebSocket-Version is a list")
        if version not in ("7", "8", "13") or int(version) not in served:
            raise BadHead(426, "this version is not supported", *upgrade)
        return int(version)
    # hybi-02 and -03 have the keys of draft-76 but other frames.
    if request.one("Sec-WebSocket-Draft") not in (None, "0"):
        raise BadHead(400, "this draft is not supported")
    if request.raw("Sec-WebSocket-Key1") or request.raw("Sec-WebSocket-Key2"):
        found = 76
    elif request.raw("Sec-WebSocket-Key"):
        raise BadHead(400, "Sec-WebSocket-Key without Sec-WebSocket-Version")
    elif request.all("Host") and request.all("Origin"):
        found = 75
    else:
        raise BadHead(400, "neither a key nor a version, and no Host and Origin as in draft-75")
    if found not in served:
        raise BadHead(400, f"draft-{found} is not served")
    return found


def check_request_line(line: str) -> None:
    parts = line.split(" ")
    if len(parts) != 3 or not parts[1].isascii() or not re.fullmatch(r"HTTP/\d\.\d", parts[2]):
        raise BadHead(400, "the first line is not a request")
    if parts[0] != "GET":
        raise BadHead(405, "the method is not GET", "Allow: GET")
    if parts[2] < "HTTP/1.1":
        raise BadHead(505, "HTTP/1.1 is needed")
    if not re.match(r"/|(https?|wss?)://", parts[1]):
        raise BadHead(400, "the path does not begin with /")


def check_upgrade(stream: Stream, request: Head) -> None:
    """The headers that all versions need. Connection is a list: Firefox sends `keep-alive, Upgrade`."""
    if not request.has_token("Upgrade", "websocket"):
        raise BadHead(400, "Upgrade is not websocket")
    if stream.wrong == "A9":
        if request.all("Connection") != ["Upgrade"]:
            raise BadHead(400, "Connection is not Upgrade")
    elif not request.has_token("Connection", "upgrade"):
        raise BadHead(400, "Connection has no Upgrade")
    host = request.one("Host")
    if not host:
        raise BadHead(400, "no Host")
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(:\d{1,5})?", host):
        raise BadHead(400, "Host is malformed")


# Versions 7, 8 and 13.


def accept_hybi(stream: Stream, request: Head, version: int) -> Hybi:
    """Writes the response of RFC 6455, section 4.2.2."""
    wrong = stream.wrong
    check_upgrade(stream, request)
    key = request.one("Sec-WebSocket-Key")
    # 16 bytes in Base64. The unused bits of the last digit may be anything, as in the RFC's own example.
    if not key or not re.fullmatch(r"[A-Za-z0-9+/]{22}==", key):
        raise BadHead(400, "Sec-WebSocket-Key is not 16 bytes in Base64")
    lines = [
        "HTTP/1.1 " + ("200 OK" if wrong == "A8-status" else "101 Switching Protocols"),
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_value(key, wrong)}",
    ]
    protocols = [part.strip(" \t") for value in request.all("Sec-WebSocket-Protocol") for part in value.split(",")]
    if wrong == "A11-other":
        lines.append("Sec-WebSocket-Protocol: mutant")
    elif wrong == "A11-list" and protocols:
        lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
    elif protocols and protocols[0]:
        lines.append(f"Sec-WebSocket-Protocol: {protocols[0]}")
    agreed, extensions = choose_extension(request, version, wrong)
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    write_head(stream, lines)
    if wrong == "F2-refusal":
        # Two handlers for one upgrade: the second one knows no such path, and rejects the request.
        stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nBad Request")
    return Hybi(stream, "server", version, agreed, wrong)


def accept_value(key: str, wrong: str) -> str:
    """Base64 of the SHA-1 of the key, as it was sent, and the GUID."""
    if wrong == "A2":
        return base64.b64encode((key + GUID).encode()).decode()
    if wrong == "A3-hmac":
        digest = hmac.new(GUID.encode(), key.encode(), "sha1").digest()
    elif wrong == "A4":
        digest = hashlib.sha1(base64.b64decode(key) + GUID.encode()).digest()
    else:
        guid = {
            "A5-lower": GUID.lower(),
            "A5-linebreak": "258EAFA5-E914-47DA-\n   95CA-C5AB0DC85B11",
            "A5-blank": "258EAFA5-E914-47DA-95CA- C5AB0DC85B11",
            "A5-misprint": "258EAFA5-E914-47DA-95CA-5BAB11DC85B6",
        }.get(wrong, GUID)
        # A6-cr: request.split("\n"). A6-blank: line.split(":")[1].
        sent = {"A6-cr": key + "\r", "A6-blank": " " + key}.get(wrong, key)
        name = {"A3-sha256": "sha256", "A3-md5": "md5"}.get(wrong, "sha1")
        digest = hashlib.new(name, (sent + guid).encode()).digest()
        if wrong == "A1":
            digest = digest.hex().encode()
    return base64.b64encode(digest).decode()


def choose_extension(request: Head, version: int, wrong: str) -> tuple[Agreement | None, str]:
    offers = request.all("Sec-WebSocket-Extensions")
    if wrong == "A10":
        return None, ", ".join(offers)
    # The older versions had other extensions, which must not be used any more.
    chosen = deflate.agree(offers) if version == 13 else None
    return chosen or (None, "")


# Draft-75 and draft-76.


def accept_75(stream: Stream, request: Head) -> Hixie:
    """Writes the response of draft-75, section 4.1. Clients compare its first three lines byte by byte."""
    check_upgrade(stream, request)
    status = "200 OK" if stream.wrong == "A8-status" else "101 Web Socket Protocol Handshake"
    lines = [
        f"HTTP/1.1 {status}",
        "Upgrade: WebSocket",
        "Connection: Upgrade",
        f"WebSocket-Origin: {request.one('Origin')}",
        f"WebSocket-Location: {location(request)}",
        *hixie_protocol(stream, request, "WebSocket-Protocol"),
    ]
    write_head(stream, lines)
    return Hixie(stream, 75, stream.wrong)


def accept_76(stream: Stream, request: Head) -> Hixie:
    """Writes the response of draft-76, section 5.2: the header block, and 16 bytes that prove that the keys arrived."""
    check_upgrade(stream, request)
    if not request.one("Origin"):
        raise BadHead(400, "no Origin")
    first, second = (key_number(request.raw(name)) for name in ("Sec-WebSocket-Key1", "Sec-WebSocket-Key2"))
    status = "200 OK" if stream.wrong == "A8-status" else "101 WebSocket Protocol Handshake"
    lines = [
        f"HTTP/1.1 {status}",
        "Upgrade: WebSocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Origin: {request.one('Origin')}",
        *([] if stream.wrong == "A12-nolocation" else [f"Sec-WebSocket-Location: {location(request)}"]),
        *hixie_protocol(stream, request, "Sec-WebSocket-Protocol"),
    ]
    # Proxies hold the 8 bytes of key3 back until they have seen the 101: so the 101 must not wait for them.
    if stream.wrong == "A12-waits":
        key3 = stream.exactly(8)
        write_head(stream, lines)
    else:
        write_head(stream, lines)
        key3 = stream.exactly(8)
    stream.send(proof(first, second, key3, stream.wrong))
    return Hixie(stream, 76, stream.wrong)


def key_number(values: list[str]) -> int:
    """The digits of a key as one number, divided by the number of its spaces (draft-76, section 5.2)."""
    if len(values) != 1:
        raise BadHead(400, "Key1 and Key2 must both be there once")
    digits = "".join(char for char in values[0] if char in "0123456789")
    spaces = values[0].count(" ")
    if not digits or not spaces:
        raise BadHead(400, "a key has no digits or no spaces")
    if len(digits) > 20 or int(digits) > 0xFFFFFFFF or int(digits) % spaces:
        raise BadHead(400, "a key is not a multiple of its spaces, or too large")
    return int(digits) // spaces


def proof(first: int, second: int, key3: bytes, wrong: str) -> bytes:
    """The MD5 of both numbers, 4 bytes each in network byte order, and key3."""
    if wrong == "A12-swapped":
        first, second = second, first
    numbers = struct.pack("<II" if wrong == "A12-little" else ">II", first, second)
    digest = hashlib.md5(numbers + (b"" if wrong == "A12-nokey3" else key3))
    return digest.hexdigest().encode() if wrong == "A12-hex" else digest.digest()


def location(request: Head) -> str:
    """The URL of the connection. Port 80 is the default of ws, and is left out."""
    host = request.one("Host").removesuffix(":80")
    path = re.sub(r"^\w+://[^/]*", "", request.start.split(" ")[1]) or "/"
    return f"ws://{host.lower()}{path}"


def hixie_protocol(stream: Stream, request: Head, name: str) -> list[str]:
    """In both drafts the client asks for one subprotocol, not for a list, and expects it back."""
    asked = request.one(name)
    if asked is not None and not re.fullmatch(r"[ -~]+", asked):
        raise BadHead(400, f"{name} is malformed")
    if stream.wrong == "A11-other":
        return [f"{name}: mutant"]
    return [f"{name}: {asked}"] if asked else []


if __name__ == "__main__":
    main()
