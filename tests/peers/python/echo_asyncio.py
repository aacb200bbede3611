"""websockets' asyncio client against an echo server: echo_asyncio.py ws://HOST:PORT/PATH

One thread holds many connections here, so this is also the peer that comes in numbers.
"""

import asyncio
import sys

from websockets.asyncio.client import connect

from checks import Checks, compressed, same

WAIT = 10  # seconds any one answer may take
MIB = 1024 * 1024


def open_connection(url, **options):
    options = {"open_timeout": WAIT, "close_timeout": WAIT, "max_size": None, **options}
    return connect(url, proxy=None, **options)


async def main(url):
    checks = Checks()

    async with open_connection(url) as client:

        async def echoed(message):
            await client.send(message)
            same(await asyncio.wait_for(client.recv(), WAIT), message)

        with checks.check("handshake: deflate agreed on, no subprotocol"):
            same(compressed(client), True)
            same(client.subprotocol, None)
        with checks.check("text"):
            for text in ["", "a", "é Στέντωρ 漢字 𝄞"]:
                await echoed(text)
        with checks.check("1 MiB of text and of binary"):
            await echoed("ὣς φάτο. " * (MIB // 16))
            await echoed(bytes(range(256)) * (MIB // 256))
        with checks.check("fragments, with a ping between them"):

            async def fragments():
                yield "ἄν"
                await asyncio.wait_for(await client.ping(b"between"), WAIT)
                yield "δρα"

            await client.send(fragments())
            same(await asyncio.wait_for(client.recv(), WAIT), "ἄνδρα")
        with checks.check("16 MiB each way at once"):
            # Both sides write more than the sockets hold: whoever stops reading while it writes, stalls.
            sender = asyncio.create_task(send_all(client, [bytes([i]) * MIB for i in range(16)]))
            for i in range(16):
                same(await asyncio.wait_for(client.recv(), WAIT), bytes([i]) * MIB)
            await sender

    for code, reason in [(1000, ""), (1001, "page left"), (3000, "ἔρρωσο"), (4999, "r" * 123)]:
        with checks.check(f"close with {code} is answered with {code}"):
            async with open_connection(url) as client:
                await client.close(code, reason)
                same(client.protocol.close_rcvd.code, code)
                same(client.protocol.close_rcvd_then_sent, False)

    with checks.check("200 clients at once, ten messages each"):
        await asyncio.gather(*(one_of_many(url, number) for number in range(200)))

    checks.finish()


async def send_all(client, messages):
    for message in messages:
        await client.send(message)


async def one_of_many(url, number):
    async with open_connection(url) as client:
        for turn in range(10):
            await client.send(f"client {number}, turn {turn}")
            same(await asyncio.wait_for(client.recv(), WAIT), f"client {number}, turn {turn}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
