"""websockets' asyncio server for Stentor's clients: serve_asyncio.py DIRECTORY

wants the example `echo_client` in that directory. One thread holds many connections
here, so this is also the server to which they come in numbers.
"""

import asyncio
import contextlib
import sys

from websockets.asyncio.server import serve

from checks import Checks, compressed, same

WAIT = 10  # seconds any one answer may take
MIB = 1024 * 1024


class Peer:
    """A server, and the programs that connect to it, in whatever order."""

    def __init__(self, programs, server):
        self.programs, self.server = programs, server
        self.port = server.sockets[0].getsockname()[1]
        self.arrived = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def visitor(self):
        """The connection of an `echo_client`, which must have ended well once it is closed."""
        url = f"ws://127.0.0.1:{self.port}/"
        program = await asyncio.create_subprocess_exec(f"{self.programs}/echo_client", url)
        over = None
        try:
            connection, over = await asyncio.wait_for(self.arrived.get(), WAIT)
            yield connection
            same(await asyncio.wait_for(program.wait(), WAIT), 0)
        finally:
            if over:
                over.set()
            if program.returncode is None:
                program.kill()
                await program.wait()


@contextlib.asynccontextmanager
async def listening(programs, **options):
    peer = None

    async def handler(connection):
        over = asyncio.Event()
        await peer.arrived.put((connection, over))
        await over.wait()

    options = {"max_size": None, "ping_interval": None, "close_timeout": WAIT, **options}
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        peer = Peer(programs, server)
        yield peer


async def main(programs):
    checks = Checks()

    async with listening(programs) as peer:
        with checks.check("text; 1 MiB of text and of binary; deflate agreed on"):
            async with peer.visitor() as connection:
                same(compressed(connection), True)
                for message in ["", "a", "é Στέντωρ 漢字 𝄞 🗣", "a\0b", "ὣς φάτο. " * (MIB // 16), bytes(range(256)) * 4096]:
                    await echoed(connection, message)
                await connection.close()
                same(connection.protocol.close_rcvd.code, 1000)
        with checks.check("16 MiB each way at once"):
            # Both sides write more than the sockets hold: whoever stops reading while it writes, stalls.
            async with peer.visitor() as connection:
                sender = asyncio.create_task(send_all(connection, [bytes([i]) * MIB for i in range(16)]))
                for i in range(16):
                    same(await asyncio.wait_for(connection.recv(), WAIT), bytes([i]) * MIB)
                await sender
                await connection.close()
        with checks.check("a message of 16 MiB"):
            async with peer.visitor() as connection:
                await echoed(connection, bytes(range(256)) * (MIB // 16))
                await connection.close()
        with checks.check("twenty clients at once, ten messages each"):
            await asyncio.gather(*(one_of_many(peer, number) for number in range(20)))
        for code, reason in [(1001, "page left"), (3000, "ἔρρωσο"), (4999, "r" * 123)]:
            with checks.check(f"the server says goodbye with {code}, and is answered with it"):
                async with peer.visitor() as connection:
                    await connection.close(code, reason)
                    same(connection.protocol.close_rcvd.code, code)
                    same(connection.protocol.close_rcvd_then_sent, False)

    async with listening(programs, ping_interval=0.05, ping_timeout=WAIT) as peer:
        with checks.check("a server's keepalive is answered while messages come and go"):
            async with peer.visitor() as connection:
                while not connection.latency:  # until the first of its pongs has come
                    await echoed(connection, "still there?")
                await connection.close()
    checks.finish()


async def echoed(connection, message):
    await connection.send(message)
    same(await asyncio.wait_for(connection.recv(), WAIT), message)


async def send_all(connection, messages):
    for message in messages:
        await connection.send(message)


async def one_of_many(peer, number):
    async with peer.visitor() as connection:
        for turn in range(10):
            await echoed(connection, f"client {number}, turn {turn}")
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
