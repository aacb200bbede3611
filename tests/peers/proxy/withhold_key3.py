"""A proxy that knows HTTP and no draft-76: withhold_key3.py ws://HOST:PORT/PATH COMMAND...

To HTTP, the eight bytes behind draft-76's request head (key3) are no part of the request, so such a
proxy keeps them until it has seen the server agree to the upgrade. HAProxy does that, and a server
that waits for key3 before it sends its 101 then waits for ever.

Runs COMMAND with the proxy's own URL as its last argument, and exits as the command does, or with 1
if no bytes were ever withheld: then nothing was tested.
"""

import socket
import subprocess
import sys
import threading
import urllib.parse

WAIT = 10  # seconds any one read may take
END_OF_HEAD = b"\r\n\r\n"


def main(url, command):
    server = urllib.parse.urlsplit(url)
    withheld = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # the listener was closed: the command has ended
                arguments = (client, (server.hostname, server.port), withheld)
                threading.Thread(target=relay, args=arguments, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        own = server._replace(netloc="127.0.0.1:%d" % listener.getsockname()[1])
        status = subprocess.run([*command, own.geturl()], timeout=60).returncode
    print(f"withheld until the 101: {', '.join(f'{n} bytes' for n in withheld) or 'nothing'}")
    sys.exit(status or (0 if 8 in withheld else 1))


def relay(client, server_address, withheld):
    with client, socket.create_connection(server_address, WAIT) as server:
        client.settimeout(WAIT)
        head, key3 = read_head(client)
        server.sendall(head)
        answer, rest = read_head(server)
        if not answer.startswith(b"HTTP/1.1 101 "):
            client.sendall(answer + rest)
            return
        withheld.append(len(key3))
        client.sendall(answer + rest)
        server.sendall(key3)
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join(WAIT)


def read_head(source):
    """What comes up to and with the blank line, and what came behind it."""
    seen = b""
    while END_OF_HEAD not in seen:
        chunk = source.recv(65536)
        if not chunk:
            raise ConnectionError(f"hung up after {seen!r}")
        seen += chunk
    end = seen.index(END_OF_HEAD) + len(END_OF_HEAD)
    return seen[:end], seen[end:]


def copy(source, sink):
    """Until the end of the stream, which is passed on."""
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one side is gone: the other's copy ends by itself


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
