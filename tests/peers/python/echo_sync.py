"""websockets' blocking client against an echo server: echo_sync.py ws://HOST:PORT/PATH"""

import sys

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from checks import Checks, compressed, same
from exchange import WAIT, exchange


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


if __name__ == "__main__":
    main(sys.argv[1])
