"""Stentor's client through a proxy of others' making, tinyproxy, by CONNECT: tinyproxy.py DIRECTORY

wants tests/peers/scripted.rs, as the example `scripted`, in that directory, and websockets and openssl for
the servers behind the proxy.
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))

from checks import Checks, same
from program import Program
from serve_scripted import told
from serve_sync import WAIT, listening, said_goodbye
from serve_tls import Certificate

CONFIGURATION = """
Listen 127.0.0.1
Port {port}
Timeout 60
MaxClients 20
LogLevel Connect
LogFile "{log}"
BasicAuth stentor loud-er
ConnectPort {allowed}
"""


@contextlib.contextmanager
def proxy(folder, allowed):
    """The proxy's address, and its log; it lets nobody through but to that port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration, log = folder / "tinyproxy.conf", folder / "tinyproxy.log"
    log.unlink(missing_ok=True)
    configuration.write_text(CONFIGURATION.format(port=port, log=log, allowed=allowed))
    process = subprocess.Popen(["tinyproxy", "-d", "-c", configuration], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + WAIT
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), WAIT).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"tinyproxy does not listen: {process.poll()}")
            time.sleep(0.02)
        yield f"127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait()


def main(programs):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        here = Certificate(folder, "here", "IP:127.0.0.1")
        with checks.check("through the proxy, with its password: text and goodbye"):
            converse(programs, folder, None)
        with checks.check("through the proxy to a server with TLS"):
            converse(programs, folder, here)
        with checks.check("without a password the proxy refuses with 407"):
            refused(programs, folder, "", "407")
        with checks.check("with a wrong password the proxy refuses"):
            refused(programs, folder, "stentor:loud@", "401")
        with checks.check("to a port that the proxy does not allow"):
            refused(programs, folder, "stentor:loud%2Der@", "403", allowed=1)
    checks.finish()


def port_of(url):
    return int(url.rsplit(":", 1)[1].split("/")[0])


def script(url, proxied, certificate, *steps):
    wanted = {"url": url, "proxy": proxied}
    if certificate:
        wanted |= {"url": url.replace("ws:", "wss:"), "trust": str(certificate.pem)}
    return "".join(json.dumps(line) + "\n" for line in [wanted, *steps])


def converse(programs, folder, certificate):
    with listening(ssl=certificate and certificate.context()) as (url, arrived):
        with proxy(folder, port_of(url)) as (address, log):
            # The password is percent-encoded, as in any URL.
            text = script(url, f"http://stentor:loud%2Der@{address}", certificate, {"echo": 2}, {"close": [4000, "so"]})
            with Program(programs, "scripted", [], text) as program:
                connection = arrived.get(timeout=WAIT)
                for message in ["Στέντωρ", "ὣς φάτο. " * 65536]:
                    connection.send(message)
                    same(connection.recv(timeout=WAIT), message)
                said_goodbye(connection, 4000)
                same(list(told(program)[0]), ["open"])
            same(f"CONNECT 127.0.0.1:{port_of(url)} HTTP/1.1" in log.read_text(), True)


def refused(programs, folder, user, because, allowed=None):
    with listening() as (url, arrived), proxy(folder, allowed or port_of(url)) as (address, _):
        text = script(url, f"http://{user}{address}", None, {"text": "never to be sent"})
        with Program(programs, "scripted", [], text) as program:
            (failed,) = told(program)
            same(because in failed["failed"], True)
            same(arrived.empty(), True)


if __name__ == "__main__":
    main(sys.argv[1])
