"""websockets' blocking side as a program that sends each message back: mirror_sync.py [URL]

Without a URL it is a server of RFC 6455 on a free port, which it prints. With one it is a client.
"""

import sys

from websockets.sync.client import connect
from websockets.sync.server import serve

LIMIT = 64 * 1024 * 1024  # bytes of a message


def mirror(connection):
    for message in connection:
        connection.send(message)


if len(sys.argv) > 1:
    with connect(sys.argv[1], max_size=LIMIT, proxy=None) as connection:
        mirror(connection)
else:
    with serve(mirror, "127.0.0.1", 0, max_size=LIMIT) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()
