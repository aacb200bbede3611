"""The chat for Windows under Wine, with clients from Linux: chat.py CLIENT WINE CHAT

A client of each version enters one room; each says something, and receives the messages of all. Then the chat is
interrupted: every client receives its close frame, and the chat ends in order. It is started once more with the same
file: the messages are still there.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading

WAIT = 30  # seconds any one event may take
# Each version, as `--as` calls it.
VERSIONS = ["draft-75", "draft-76", "7", "8", "13"]


class Program:
    """A process whose lines of output are waited for."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.lines = queue.SimpleQueue()
        self.errors = []
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self.read, self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def read_errors(self):
        self.errors.extend(line.rstrip() for line in self.process.stderr)

    def line(self):
        line = self.lines.get(timeout=WAIT)
        if line is None:
            self.process.wait(WAIT)
            self.readers[1].join(WAIT)
            raise AssertionError(f"{self.process.args} has ended: {self.process.returncode}, {self.errors}")
        return line

    def end(self):
        """Waits for its end; returns its status and its last words."""
        status = self.process.wait(WAIT)
        for reader in self.readers:
            reader.join(WAIT)
        return status, self.errors


class Chat(Program):
    def __init__(self, wine, chat, file):
        super().__init__([wine, chat, "--data", f"Z:{file}", "--grace-period", "0", "127.0.0.1:0"])
        self.url = self.line().split(" ")[-1].replace("http://", "ws://")
        kept = self.line()
        assert kept.startswith("messages are kept in"), kept


class Member(Program):
    def __init__(self, client, chat, version):
        super().__init__([client, "--as", version, chat.url + "lobby"])
        self.version = version
        self.send(type="join", name=f"Linux {version}")

    def send(self, **message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def next(self, kind):
        """Returns the next message of a type; others are skipped."""
        while True:
            message = json.loads(self.line())
            if message["type"] == kind:
                return message


def talk(client, chat):
    """All in one room; returns the texts."""
    members = [Member(client, chat, version) for version in VERSIONS]
    for member in members:
        member.next("welcome")
    texts = set()
    for member in members:
        text = f"Στέντωρ from {member.version}"
        member.send(type="say", text=text)
        texts.add(text)
    for member in members:
        received = {member.next("said")["text"] for _ in texts}
        assert received == texts, f"{member.version}: {received}"
        print(f"ok    {member.version} receives the messages of all {len(texts)}")
    return members, texts


def end(chat, members):
    """Interrupts the chat: all close in order."""
    # Wine makes a ctrl-C of this signal.
    chat.process.send_signal(signal.SIGINT)
    for member in members:
        status, words = member.end()
        assert status == 0, f"{member.version}: {status}, {words}"
        # The drafts have no close codes.
        if not member.version.startswith("draft"):
            assert any("1001" in line for line in words), f"{member.version}: {words}"
        print(f"ok    {member.version} is closed in order")
    status, words = chat.end()
    assert status == 0, f"the chat: {status}, {words}"
    print("ok    the chat ends in order")


def main():
    client, wine, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "chat.redb")
        chats = []
        try:
            chats.append(Chat(wine, program, file))
            members, texts = talk(client, chats[0])
            end(chats[0], members)
            chats.append(Chat(wine, program, file))
            member = Member(client, chats[1], "13")
            received = {member.next("said")["text"] for _ in texts}
            assert received == texts, received
            print("ok    the messages are in the file")
            end(chats[1], [member])
        finally:
            for chat in chats:
                if chat.process.poll() is None:
                    chat.process.kill()


main()
