"""Clients of two versions come to Stentor through HAProxy, by the PROXY protocol: haproxy.py DIRECTORY

wants tests/peers/proxied.rs, as the example `proxied`, in that directory. It sends each client the address
that the proxy has named, so the client compares this with its own.
"""

import contextlib
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))

from checks import Checks, same

WAIT = 10  # seconds any one step may take

# How HAProxy is to send the header, and whether it speaks TCP or HTTP. It checks the server's health all
# the time, with headers without an address. In HTTP, draft-75 is no upgrade to it.
WAYS = {
    "version 1": ("send-proxy", "tcp"),
    "version 2": ("send-proxy-v2", "tcp"),
    "version 2 with extensions": ("send-proxy-v2 proxy-v2-options crc32c,unique-id", "tcp"),
    "version 1, in front of HTTP": ("send-proxy", "http"),
    "version 2, in front of HTTP": ("send-proxy-v2", "http"),
    "no header": ("", "tcp"),
}

CONFIGURATION = """
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 30s
"""

LISTEN = """
listen way{number}
    bind 127.0.0.1:{port}
    mode {mode}
    {more}
    server stentor {server} {how} check inter 200ms
"""

DRAFT_75 = "GET /p HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: h\r\nOrigin: http://h\r\n\r\n"
RFC_6455 = (
    "GET /p HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def main(programs):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder, server(programs) as address:
        ports = [free_port() for _ in WAYS]
        with haproxy(pathlib.Path(folder), address, ports):
            for (name, (how, mode)), port in zip(WAYS.items(), ports):
                for version, request in {"draft-75": DRAFT_75, "RFC 6455": RFC_6455}.items():
                    if version == "draft-75" and mode == "http":
                        continue
                    with checks.check(f"{name}: {version}"):
                        named(port, request) if how else rejected(port, request)
    checks.finish()


@contextlib.contextmanager
def server(programs):
    """The address of the server."""
    with subprocess.Popen([f"{programs}/proxied", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"ws://(\S+)", process.stdout.readline()).group(1)
        finally:
            process.kill()


@contextlib.contextmanager
def haproxy(folder, address, ports):
    configuration = folder / "haproxy.cfg"
    text = CONFIGURATION
    for number, ((how, mode), port) in enumerate(zip(WAYS.values(), ports)):
        more = "unique-id-format %ci:%cp" if "unique-id" in how else ""
        text += LISTEN.format(number=number, port=port, mode=mode, more=more, server=address, how=how)
    configuration.write_text(text)
    with subprocess.Popen(["haproxy", "-db", "-f", configuration], stdout=subprocess.DEVNULL) as process:
        try:
            for port in ports:
                wait_for(port, process)
            yield
        finally:
            process.kill()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def wait_for(port, process):
    deadline = time.monotonic() + WAIT
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), WAIT).close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"HAProxy does not listen: {process.poll()}")
        time.sleep(0.02)


def named(port, request):
    """The server knows the client's own address, and then a message comes back as it was."""
    with socket.create_connection(("127.0.0.1", port), WAIT) as client:
        own = "127.0.0.1:%d" % client.getsockname()[1]
        client.sendall(request.encode())
        frames = opened(client)
        if "Sec-" in request:
            frames.expect(bytes([0x81, len(own)]) + own.encode())
            client.sendall(b"\x81\x85\0\0\0\0hello")
            frames.expect(b"\x81\x05hello")
        else:
            frames.expect(b"\0" + own.encode() + b"\xff")
            client.sendall(b"\0hello\xff")
            frames.expect(b"\0hello\xff")


def rejected(port, request):
    """Without the header, the server says what is wrong."""
    with socket.create_connection(("127.0.0.1", port), WAIT) as client:
        client.sendall(request.encode())
        answer = b""
        while more := client.recv(4096):
            answer += more
        same(answer.split(b" ")[1], b"400")
        same(b"must send: it begins with neither" in answer, True)


def opened(client):
    """What comes behind the head of the 101."""
    frames = Bytes(client)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += frames.take(1)
    same(head.split(b" ")[1], b"101")
    return frames


class Bytes:
    def __init__(self, client):
        self.file = client.makefile("rb")

    def take(self, count):
        seen = self.file.read(count)
        if len(seen) < count:
            raise AssertionError(f"closed after {seen!r}")
        return seen

    def expect(self, right):
        same(self.take(len(right)), right)


if __name__ == "__main__":
    main(sys.argv[1])
