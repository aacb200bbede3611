"""websockets' blocking client against an echo server: echo_sync.py ws://HOST:PORT/PATH"""

import sys

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from checks import Checks, compressed, same

WAIT = 10  # seconds any one answer may take
MIB = 1024 * 1024


def open_connection(url, **options):
    options = {"open_timeout": WAIT, "close_timeout": WAIT, "max_size": None, **options}
    return connect(url, proxy=None, **options)


def main(url):
    checks = Checks()

    # Left to itself this client offers permessage-deflate, and echo takes it up.
    with open_connection(url) as client:
        with checks.check("handshake: deflate agreed on, no subprotocol"):
            same(compressed(client), True)
            same(client.subprotocol, None)
        exchange(checks, client, "deflate")
    with open_connection(url, compression=None) as client:
        with checks.check("handshake: deflate not offered, and not agreed on"):
            same(client.protocol.extensions, [])
        exchange(checks, client, "no deflate offered")
    for bits in [9, 12, 15]:
        for theirs, ours in [(False, False), (False, True), (True, False), (True, True)]:
            how = ClientPerMessageDeflateFactory(theirs, ours, bits, bits)
            with checks.check(f"deflate: windows of {bits} bits, context kept: theirs {not theirs}, ours {not ours}"):
                with open_connection(url, compression=None, extensions=[how]) as client:
                    same(compressed(client), True)
                    for message in ["ὣς φάτο. " * 4096, bytes(range(256)) * 256, "", "ὣς φάτο. " * 4096]:
                        client.send(message)
                        same(client.recv(timeout=WAIT), message)
    with checks.check("a subprotocol that nobody knows is left out of the answer"):
        with open_connection(url, subprotocols=["superchat"]) as client:
            same(client.subprotocol, None)
            same(client.response.headers.get("Sec-WebSocket-Protocol"), None)

    for code, reason in [(1000, ""), (1001, "page left"), (3000, "ἔρρωσο"), (4999, "r" * 123)]:
        with checks.check(f"close with {code} is answered with {code}"):
            with open_connection(url) as client:
                client.close(code, reason)
                same(client.protocol.close_rcvd.code, code)
                same(client.protocol.close_rcvd_then_sent, False)

    checks.finish()


def exchange(checks, client, how):
    """The same traffic for every connection, each message checked before the next is sent."""

    def echoed(message):
        client.send(message)
        same(client.recv(timeout=WAIT), message)

    with checks.check(f"{how}: text"):
        for text in ["", "a", "é Στέντωρ 漢字 𝄞", "a\0b"]:
            echoed(text)
    # Where the length field changes its form, and one to each side.
    with checks.check(f"{how}: binary of 0 to 65,537 bytes"):
        for length in [0, 1, 125, 126, 127, 65534, 65535, 65536, 65537]:
            echoed(bytes(i % 251 for i in range(length)))
    with checks.check(f"{how}: 1 MiB of text and of binary"):
        echoed("ὣς φάτο. " * (MIB // 16))
        echoed(bytes(range(256)) * (MIB // 256))
    with checks.check(f"{how}: fragments are echoed as one message"):
        client.send(iter(["ἄν", "", "δρα", " μοι"]))
        same(client.recv(timeout=WAIT), "ἄνδρα μοι")
        client.send(b"%d," % i for i in range(1000))
        same(client.recv(timeout=WAIT), b"".join(b"%d," % i for i in range(1000)))
    with checks.check(f"{how}: pings are answered, the largest too"):
        for payload in [b"", b"are you there", b"p" * 125]:
            if not client.ping(payload).wait(WAIT):
                raise AssertionError(f"no pong for {payload!r}")
    with checks.check(f"{how}: an unsolicited pong changes nothing"):
        client.pong(b"nobody asked")
        echoed("still here")
    with checks.check(f"{how}: a hundred messages on the way at once keep their order"):
        for number in range(100):
            client.send(f"message {number}")
        same([client.recv(timeout=WAIT) for _ in range(100)], [f"message {n}" for n in range(100)])


if __name__ == "__main__":
    main(sys.argv[1])
