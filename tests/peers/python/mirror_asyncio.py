"""websockets' asyncio side as a program that sends each message back: mirror_asyncio.py [URL]

Without a URL it is a server of RFC 6455 on a free port, which it prints. With one it is a client.
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

LIMIT = 64 * 1024 * 1024  # bytes of a message


async def mirror(connection):
    async for message in connection:
        await connection.send(message)


async def client(url):
    async with connect(url, max_size=LIMIT, proxy=None) as connection:
        await mirror(connection)


async def server():
    async with serve(mirror, "127.0.0.1", 0, max_size=LIMIT) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await listening.serve_forever()


asyncio.run(client(sys.argv[1]) if len(sys.argv) > 1 else server())
