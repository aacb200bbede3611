"""websockets' blocking server for Stentor's clients: serve_sync.py DIRECTORY

wants the examples `echo_client` and `client` in that directory.
"""

import contextlib
import queue
import struct
import sys
import threading
import zlib

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.server import serve

from checks import Checks, compressed, same
from exchange import MIB, WAIT, exchange
from program import Program
from violations import BINARY, CLOSE, PING, TEXT, declared, frame

LIMIT = 64 * MIB  # echo_client's largest message


@contextlib.contextmanager
def visited(programs, name, text=None, **options):
    """A server, and a program that has connected to it: the accepted connection and the program.

    With `process_request` among the options there is no connection to wait for: None.
    """
    with listening(**options) as (url, arrived):
        with Program(programs, name, ["--as", "13", url], text) as program:
            yield None if "process_request" in options else arrived.get(timeout=WAIT), program


@contextlib.contextmanager
def listening(**options):
    """A server: what to ask it for, and the connections that it has accepted, which live for as long."""
    arrived, over = queue.SimpleQueue(), threading.Event()

    def handler(connection):
        arrived.put(connection)
        over.wait(6 * WAIT)

    options = {"compression": None, "max_size": None, "ping_interval": None, "close_timeout": WAIT, **options}
    with serve(handler, "127.0.0.1", 0, **options) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield "ws://127.0.0.1:%d/peers?of=today" % server.socket.getsockname()[1], arrived
        finally:
            over.set()


def main(programs):
    checks = Checks()

    with visited(programs, "echo_client") as (connection, program):
        with checks.check("handshake: what is asked for"):
            fields = connection.request.headers
            same(connection.request.path, "/peers?of=today")
            for name, right in [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]:
                same(fields.get_all(name), [right])
            same(fields.get_all("Host"), ["127.0.0.1:%d" % connection.local_address[1]])
            # echo_client offers it; this server agrees to nothing.
            same(["permessage-deflate" in offer for offer in fields.get_all("Sec-WebSocket-Extensions")], [True])
            same(fields.get_all("Sec-WebSocket-Protocol"), [])
        exchange(checks, connection, "no deflate")
        with checks.check("the server says goodbye"):
            closed(connection, program, 1000, "")
    with visited(programs, "echo_client", compression="deflate") as (connection, program):
        with checks.check("handshake: deflate agreed on"):
            same(compressed(connection), True)
        exchange(checks, connection, "deflate")
        with checks.check("the server says goodbye, where deflate was agreed on"):
            closed(connection, program, 1000, "")
    compressions(checks, programs)
    for code, reason in [(1001, "page left"), (1011, ""), (3000, "ἔρρωσο"), (4999, "r" * 123)]:
        with checks.check(f"the server says goodbye with {code}, and is answered with it"):
            with visited(programs, "echo_client") as (connection, program):
                closed(connection, program, code, reason)
    with checks.check("ten thousand lines, answered and printed before the client leaves"):
        lines = "".join(f"γραμμή {number}\n" for number in range(10_000))
        with visited(programs, "client", lines) as (connection, program):
            for line in lines.splitlines():
                same(connection.recv(timeout=WAIT), line)
                connection.send(line)
            said_goodbye(connection, 1000)
            same(program.succeeds(), lines)

    refusals(checks, programs)
    for name, change in ANSWERS:
        with checks.check(f"an answer with {name} is refused"):
            with visited(programs, "client", "never to be sent\n", process_response=change) as (connection, program):
                same(connection.response.status_code, 101)
                hung_up(connection)
                program.fails()
    for name, code, violation in VIOLATIONS:
        with checks.check(f"{name} is closed with {code}"):
            violated(programs, code, violation)
        with checks.check(f"{name}, behind a good message, byte by byte"):
            violated(programs, code, violation, after="good morning", piece=1)
    checks.finish()


def closed(connection, program, code, reason):
    connection.close(code, reason)
    same(connection.protocol.close_rcvd.code, code)
    same(connection.protocol.close_rcvd_then_sent, False)
    program.succeeds()


def said_goodbye(connection, code):
    """The client closes next, of its own accord."""
    try:
        seen = connection.recv(timeout=WAIT)
    except ConnectionClosed as end:
        same(end.rcvd and end.rcvd.code, code)
        same(end.rcvd_then_sent, True)
    else:
        raise AssertionError(f"delivered {seen!r}")


def hung_up(connection):
    """The client is gone, and has sent nothing at all."""
    try:
        seen = connection.recv(timeout=WAIT)
    except ConnectionClosed as end:
        same(end.rcvd, None)
    else:
        raise AssertionError(f"delivered {seen!r}")


def compressions(checks, programs):
    """Every way of agreeing on permessage-deflate, and what breaks it."""
    messages = ["ὣς φάτο. " * 4096, bytes(range(256)) * 256, "", "ὣς φάτο. " * 4096]
    for bits in [9, 12, 15]:
        for ours, theirs in [(False, False), (False, True), (True, False), (True, True)]:
            how = [ServerPerMessageDeflateFactory(ours, theirs, bits, None)]
            with checks.check(f"deflate: a window of {bits} bits, context kept: ours {not ours}, theirs {not theirs}"):
                with visited(programs, "echo_client", extensions=how) as (connection, program):
                    same(compressed(connection), True)
                    for message in messages:
                        connection.send(message)
                        same(connection.recv(timeout=WAIT), message)
                    closed(connection, program, 1000, "")
    for name, code, violation in COMPRESSED_VIOLATIONS:
        with checks.check(f"deflate: {name} is closed with {code}"):
            violated(programs, code, violation, compression="deflate")


def refusals(checks, programs):
    """Answers that are HTTP and no WebSocket: the client tells the status, and goes nowhere else."""
    for status in [400, 401, 403, 404, 429, 500, 503]:
        with checks.check(f"a refusal with {status} is told"):
            with visited(programs, "client", "", process_request=refusing(status)) as (_, program):
                same(str(status) in program.fails(), True)
    for status in [301, 302, 307]:
        with checks.check(f"a redirect with {status} is told, and not followed"):
            visits = []

            def redirect(connection, request):
                visits.append(request.path)
                response = connection.respond(status, "over there")
                response.headers["Location"] = "/elsewhere"
                return response

            with visited(programs, "client", "", process_request=redirect) as (_, program):
                same(str(status) in program.fails(), True)
            same(visits, ["/peers?of=today"])
    with checks.check("a plain page with 200 is no WebSocket"):
        with visited(programs, "client", "", process_request=refusing(200)) as (_, program):
            same("200" in program.fails(), True)


def refusing(status):
    return lambda connection, request: connection.respond(status, "not for you\n")


def replaced(name, value=None):
    """A change to the server's answer: another value for a field, or none."""

    def change(connection, request, response):
        if name in response.headers:
            del response.headers[name]
        if value is not None:
            response.headers[name] = value

    return change


# The right Accept for the key of RFC 6455's example, and so for no other.
ANSWERS = [
    ("another Accept", replaced("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
    ("an empty Accept", replaced("Sec-WebSocket-Accept", "")),
    ("no Accept", replaced("Sec-WebSocket-Accept")),
    ("no Upgrade", replaced("Upgrade")),
    ("another Upgrade", replaced("Upgrade", "h2c")),
    ("no Connection", replaced("Connection")),
    ("another Connection", replaced("Connection", "keep-alive")),
    ("a subprotocol that was not offered", replaced("Sec-WebSocket-Protocol", "superchat")),
    ("an extension that was not offered", replaced("Sec-WebSocket-Extensions", "permessage-deflate")),
]

def deflated(data):
    """As in a message's last frame: without the four bytes that every flush ends with."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def long_frame(payload):
    """A compressed binary message of a server's."""
    return declared(BINARY, len(payload), rsv=4, mask=None) + payload


CUT_WRONG = frame(TEXT, deflated(b"hello")[:3], fin=False, rsv=4, mask=None) + frame(0, b"", rsv=4, mask=None)

VIOLATIONS = [
    ("a masked text", 1002, frame(TEXT, b"hello")),
    ("a masked close", 1002, frame(CLOSE, b"\x03\xe8")),
    ("RSV1 without an extension", 1002, frame(TEXT, b"hello", rsv=4, mask=None)),
    ("RSV3", 1002, frame(BINARY, b"hello", rsv=1, mask=None)),
    ("opcode 3", 1002, frame(3, b"hello", mask=None)),
    ("opcode 15", 1002, frame(15, mask=None)),
    ("a continuation of nothing", 1002, frame(0, b"hello", mask=None)),
    ("a text inside a text", 1002, frame(TEXT, b"hel", fin=False, mask=None) + frame(TEXT, b"lo", mask=None)),
    ("a ping in fragments", 1002, frame(PING, b"hello", fin=False, mask=None)),
    ("a ping of 126 bytes", 1002, bytes([0x80 | PING, 126, 0, 126]) + b"p" * 126),
    ("a close of one byte", 1002, frame(CLOSE, b"\x03", mask=None)),
    ("a close with code 999", 1002, frame(CLOSE, struct.pack(">H", 999), mask=None)),
    ("a close with code 1005", 1002, frame(CLOSE, struct.pack(">H", 1005), mask=None)),
    ("a close with code 5000", 1002, frame(CLOSE, struct.pack(">H", 5000), mask=None)),
    ("a length with its top bit set", 1002, declared(BINARY, 1 << 63, mask=None)),
    ("a length not in its shortest form", 1002, bytes([0x80 | TEXT, 126, 0, 1]) + b"x"),
    ("a text that is not UTF-8", 1007, frame(TEXT, b"\xff", mask=None)),
    ("a text with a surrogate", 1007, frame(TEXT, b"\xed\xa0\x80", mask=None)),
    ("a text that ends within a character", 1007, frame(TEXT, "é".encode()[:1], mask=None)),
    ("a close whose reason is not UTF-8", 1007, frame(CLOSE, b"\x03\xe8\xff", mask=None)),
    ("a message declared too long", 1009, declared(TEXT, LIMIT + 1, mask=None)),
    ("fragments too long together", 1009, frame(TEXT, b"x", fin=False, mask=None) + declared(0, LIMIT, mask=None)),
]

COMPRESSED_VIOLATIONS = [
    ("what is no deflate", 1007, frame(TEXT, b"\xff" * 20, rsv=4, mask=None)),
    ("text that is not UTF-8 once inflated", 1007, frame(TEXT, deflated(b"\xff" * 20), rsv=4, mask=None)),
    ("a compressed ping", 1002, frame(PING, deflated(b"hello"), rsv=4, mask=None)),
    ("a continuation that says it is compressed", 1002, CUT_WRONG),
    ("a message that inflates to more than the limit", 1009, long_frame(deflated(bytes(2 * LIMIT)))),
]


def violated(programs, code, violation, after=None, piece=None, **options):
    with visited(programs, "echo_client", **options) as (connection, program):
        if after is not None:
            connection.send(after)
            same(connection.recv(timeout=WAIT), after)
        piece = piece or len(violation)
        for start in range(0, len(violation), piece):
            try:
                connection.socket.sendall(violation[start : start + piece])
            except OSError:
                break  # the client has seen enough and hung up: what it said is what counts
        said_goodbye(connection, code)
        program.survives()


if __name__ == "__main__":
    main(sys.argv[1])
