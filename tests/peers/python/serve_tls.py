"""websockets' blocking server behind Python's TLS, which is OpenSSL's, for Stentor's client: serve_tls.py DIRECTORY

wants tests/peers/scripted.rs, as the example `scripted`, in that directory, built with the feature `tls`. The
certificates are made by `openssl`, for this run.
"""

import json
import pathlib
import ssl
import subprocess
import sys
import tempfile

from checks import Checks, same
from program import Program
from serve_scripted import told
from serve_sync import WAIT, listening, said_goodbye

MIB = 1024 * 1024


class Certificate:
    """One that has signed itself, for one name: as PEM, and as a server shows it."""

    def __init__(self, folder, name, subject):
        self.pem, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-subj", "/CN=peers", "-addext", f"subjectAltName={subject}", "-days", "2"]
        # rustls takes no certificate of an authority for a server's.
        command += ["-addext", "basicConstraints=critical,CA:FALSE", "-out", self.pem, "-keyout", self.key]
        subprocess.run(command, check=True, capture_output=True, timeout=WAIT)

    def context(self, only=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.key)
        context.set_alpn_protocols(["http/1.1"])
        if only:
            context.minimum_version = context.maximum_version = only
        return context


def main(programs):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        here = Certificate(pathlib.Path(folder), "here", "IP:127.0.0.1")
        elsewhere = Certificate(pathlib.Path(folder), "elsewhere", "DNS:example.com")

        for name, version in [("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)]:
            with checks.check(f"TLS {name}: text, binary, 1 MiB, a hundred at once, goodbye"):
                converse(programs, here, version, f"TLSv{name}")
        with checks.check("a certificate that nobody has vouched for is refused"):
            fails(programs, here.context(), None, "certificate")
        with checks.check("a certificate that another has vouched for is refused"):
            fails(programs, here.context(), elsewhere, "certificate")
        with checks.check("a certificate for another host is refused"):
            fails(programs, elsewhere.context(), elsewhere, "certificate")
        with checks.check("a server without TLS is no secure one"):
            fails(programs, None, here, "")
    checks.finish()


def script(url, trusted, *steps):
    wanted = {"url": url.replace("ws:", "wss:"), **({"trust": str(trusted.pem)} if trusted else {})}
    return "".join(json.dumps(line) + "\n" for line in [wanted, *steps])


def converse(programs, certificate, version, name):
    messages = ["", "é Στέντωρ 漢字 𝄞 🗣", bytes(range(256)), "ὣς φάτο. " * (MIB // 16), bytes(range(256)) * 4096]
    messages += [f"message {number}" for number in range(100)]
    with listening(ssl=certificate.context(version)) as (url, arrived):
        steps = [{"echo": len(messages)}, {"close": [4000, "ἔρρωσο"]}, {"wait": 1}]
        with Program(programs, "scripted", [], script(url, certificate, *steps)) as program:
            connection = arrived.get(timeout=WAIT)
            same(connection.socket.version(), name)
            same(connection.socket.selected_alpn_protocol(), "http/1.1")
            for message in messages[:5]:
                connection.send(message)
                same(connection.recv(timeout=WAIT), message)
            for message in messages[5:]:
                connection.send(message)
            same([connection.recv(timeout=WAIT) for _ in messages[5:]], messages[5:])
            said_goodbye(connection, 4000)
            same(told(program)[1:], [{"closed": {"code": 4000, "reason": "ἔρρωσο", "clean": True}}])


def fails(programs, context, trusted, because):
    with listening(ssl=context) as (url, arrived):
        with Program(programs, "scripted", [], script(url, trusted, {"text": "never to be sent"})) as program:
            (told_,) = told(program)
            same(because in told_["failed"].lower(), True)
            same(arrived.empty(), True)


if __name__ == "__main__":
    main(sys.argv[1])
