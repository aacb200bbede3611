"""Two chats with one Redis, behind nginx and behind HAProxy: balancers.py DIRECTORY

wants the example `chat` in that directory, and redis-server, nginx, haproxy and Perl. The configurations are those
of docs/rooms.md, with other addresses. Clients of all five versions are in one room; one chat ends, and its clients
resume at the other one.
"""

import contextlib
import json
import pathlib
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent / "python"))

from checks import Checks, same

WAIT = 20  # seconds any one step may take
VERSIONS = ["draft-75", "draft-76", "version 7", "version 8", "RFC 6455"]
MOST_PER_ADDRESS = 50  # of the chat
DOCUMENT = here.parent.parent.parent / "docs" / "rooms.md"

NGINX = "daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{text}\n}}\n"


def main(programs):
    checks = Checks()
    for name, balancer in {"nginx": nginx, "HAProxy": haproxy}.items():
        for how, number in {"shuts down": signal.SIGTERM, "is killed": signal.SIGKILL}.items():
            with checks.check(f"{name}: all versions in one room; a chat {how}, and its clients resume"):
                converse(programs, balancer, number)
        with checks.check(f"{name}: the chats know the clients' addresses"):
            addresses(programs, balancer)
    with checks.check("HAProxy in mode http: draft-75 and draft-76 get a 400, the others pass"):
        in_http(programs)
    checks.finish()


# ---------------------------------------------------------------------------- programs


@contextlib.contextmanager
def redis(folder):
    options = ["--port", "0", "--unixsocket", folder / "redis", "--save", "", "--dir", folder]
    with running(["redis-server", *options]):
        until("Redis", (folder / "redis").exists)
        yield f"redis+unix://{folder}/redis"


@contextlib.contextmanager
def chat(programs, redis, arguments):
    """The process, and its port."""
    command = [f"{programs}/chat", "--redis", redis, *arguments, "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(re.search(r":(\d+)/", process.stdout.readline()).group(1))
        finally:
            process.kill()


@contextlib.contextmanager
def nginx(folder, ports):
    """The port of a balancer in front of chats at these ports."""
    own = free_port()
    configuration = folder / "nginx.conf"
    text = printed("nginx", ports).replace("listen 80;", f"listen 127.0.0.1:{own};")
    configuration.write_text(NGINX.format(folder=folder, text=text))
    with running(["nginx", "-p", folder, "-c", configuration, "-e", "stderr"]):
        until("nginx", lambda: accepts(own))
        yield own


nginx.options = ["--trust-forwarded"]


@contextlib.contextmanager
def haproxy(folder, ports, mode="tcp"):
    own = free_port()
    configuration = folder / "haproxy.cfg"
    text = printed("haproxy", ports).replace("bind :80", f"bind 127.0.0.1:{own}")
    configuration.write_text(text.replace("mode tcp", f"mode {mode}"))
    with running(["haproxy", "-db", "-f", configuration]):
        until("HAProxy", lambda: accepts(own))
        yield own


haproxy.options = ["--proxy", "127.0.0.1"]


def printed(language, ports):
    """The configuration in the document, for chats at these ports."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    for name, port in zip(["192.0.2.1:8000", "192.0.2.2:8000"], ports):
        same(text.count(name), 1)
        text = text.replace(name, f"127.0.0.1:{port}")
    return text


@contextlib.contextmanager
def running(command):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def accepts(port):
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WAIT).close()
        return True
    return False


def until(what, is_so):
    deadline = time.monotonic() + WAIT
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {WAIT} s")
        time.sleep(0.02)


# ---------------------------------------------------------------------------- clients


class Ended(AssertionError):
    """The connection of a client has ended."""


class Member:
    """A member of the room `demo`, and the messages that it has received."""

    def __init__(self, version, port):
        self.version, self.port = version, port
        self.position = self.key = None
        self.texts, self.gaps = [], []
        self.enter()

    def enter(self):
        command = [here.parent / "perl" / "pipe.pl", "--version", self.version, "--seconds", str(3 * WAIT)]
        command += ["--url", f"ws://127.0.0.1:{self.port}/demo"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = queue.Queue()
        threading.Thread(target=self.read, args=(self.process.stdout, self.events), daemon=True).start()
        join = {"type": "join", "name": self.version}
        if self.position:
            join |= {"since": self.position, "key": self.key}
        self.send(join)
        self.until(lambda event: event["type"] == "welcome")

    @staticmethod
    def read(output, events):
        for line in output:
            events.put(json.loads(line))
        events.put(None)

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def until(self, is_it):
        """Notes all messages, up to one that is such a one."""
        while (event := self.events.get(timeout=WAIT)) is not None:
            kind = event["type"]
            if kind == "error":
                raise AssertionError(event["text"])
            if kind == "gap" or event.get("gap"):
                self.gaps.append(event)
            if kind == "said":
                self.texts.append(event["text"])
            if kind == "welcome":
                self.key = event["key"]
                self.position = self.position or event["at"]
            self.position = event.get("id", self.position)
            if is_it(event):
                return
        raise Ended(f"{self.version}: the connection has ended")

    def receives(self, text):
        if text not in self.texts:
            self.until(lambda event: event.get("text") == text)

    def say(self, text):
        self.send({"type": "say", "text": text})

    def is_connected(self):
        """Whether the chat still answers, once one of the chats has ended."""
        try:
            self.send({"type": "rooms"})
            self.until(lambda event: event["type"] == "rooms")
        except (BrokenPipeError, Ended):
            return False
        return True

    def end(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def two(programs, balancer, **more):
    """Two chats with a Redis of their own, and the port of the balancer."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(redis(folder))
        chats = [stack.enter_context(chat(programs, address, balancer.options)) for _ in range(2)]
        yield chats, stack.enter_context(balancer(folder, [port for _, port in chats], **more))


def converse(programs, balancer, number):
    with two(programs, balancer) as (chats, port):
        members = []
        try:
            for version in VERSIONS:
                members.append(Member(version, port))
            all_say(members, "before")
            chats[0][0].send_signal(number)
            chats[0][0].wait(WAIT)
            kept = [member for member in members if member.is_connected()]
            lost = [member for member in members if member not in kept]
            same(bool(lost) and bool(kept), True)
            # The lost ones miss these.
            all_say(kept, "meanwhile")
            for member in lost:
                member.enter()
            all_say(members, "after")
            for member in members:
                same(member.gaps, [])
                same(member.texts, members[0].texts)
            same(len(members[0].texts), 2 * len(VERSIONS) + len(kept))
        finally:
            for member in members:
                member.end()


def all_say(members, when):
    for member in members:
        member.say(f"{when}: {member.version}")
    for member in members:
        for other in members:
            member.receives(f"{when}: {other.version}")


# ---------------------------------------------------------------------------- single requests

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
DRAFT_76 = "Sec-WebSocket-Key1: 18x 6]8vM;54 *(5:  {   U1]8  z [  8\r\nSec-WebSocket-Key2: 1_ tx7X d  <  nw  334J702) 7]o}` 0\r\n"
HEADERS = {"draft-75": "", "draft-76": DRAFT_76, "RFC 6455": KEY}


def status(port, version="RFC 6455", source="127.0.0.1"):
    """The status of the response, and the connection."""
    client = socket.create_connection(("127.0.0.1", port), WAIT, source_address=(source, 0))
    upgrade = "websocket" if version == "RFC 6455" else "WebSocket"
    request = f"GET /demo HTTP/1.1\r\nHost: h\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n"
    request += f"Origin: http://h\r\n{HEADERS[version]}\r\n"
    client.sendall(request.encode() + (b"^n:ds[4U" if version == "draft-76" else b""))
    line = client.makefile("rb").readline()
    return int(line.split(b" ")[1]), client


def addresses(programs, balancer):
    """The limit of clients for each address tells the addresses apart, and counts those of one."""
    with two(programs, balancer) as (_, port), contextlib.ExitStack() as stack:
        statuses = []
        # Each chat has its own limit, and each has half of the clients or more.
        for source, count in [("127.0.0.2", 2 * MOST_PER_ADDRESS + 2), ("127.0.0.3", 2)]:
            for _ in range(count):
                seen, client = status(port, source=source)
                stack.enter_context(client)
                statuses.append((source, seen))
        rejected = [(source, seen) for source, seen in statuses if seen != 101]
        same(len(rejected) >= 2, True)
        same({source for source, _ in rejected}, {"127.0.0.2"})


def in_http(programs):
    with two(programs, haproxy, mode="http") as (_, port):
        seen = {}
        for version in HEADERS:
            seen[version], client = status(port, version)
            client.close()
        same(seen, {"draft-75": 400, "draft-76": 400, "RFC 6455": 101})


if __name__ == "__main__":
    main(sys.argv[1])
