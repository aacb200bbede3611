"""Stentor's clients against Stentor: ourselves.py DIRECTORY WS://ECHO [WS://CHAT]

wants the example `client` in that directory, and the examples `echo` and `chat` at those addresses.
In every version a burst of lines through `echo`; then all five in one room of `chat`. `--only VERSION`,
as `--as` calls it, runs one version, and no room.
"""

import argparse
import json
import queue
import subprocess
import threading

from checks import Checks, same
from program import Program

WAIT = 10  # seconds any one answer may take
# What `--as` calls a version, and what the room calls it.
VERSIONS = {"draft-75": "draft-75", "draft-76": "draft-76", "7": "version 7", "8": "version 8", "13": "RFC 6455"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=VERSIONS)
    parser.add_argument("directory")
    parser.add_argument("echo")
    parser.add_argument("chat", nargs="?")
    arguments = parser.parse_args()
    checks = Checks()
    for version in [arguments.only] if arguments.only else VERSIONS:
        burst(checks, arguments, version)
    if arguments.chat and not arguments.only:
        room(checks, arguments.directory, arguments.chat)
    checks.finish()


def burst(checks, arguments, version):
    """Lines of every kind, more of them than the sockets hold, all at once."""
    kinds = ["", "a", "é Στέντωρ 漢字 𝄞 🗣", "a\0b", "x" * 126, "ὣς " * 30_000]
    lines = kinds + [f"{number} " + "ὣς φάτο. " * (number % 50) for number in range(10_000)] + kinds
    with checks.check(f"{VERSIONS[version]}: {len(lines)} lines through echo, all printed before the client leaves"):
        text = "".join(f"{line}\n" for line in lines)
        # A terminal would obey control characters, so they are printed escaped.
        printed = text.replace("\0", r"\u{0}")
        command = ["--as", version, arguments.echo + "/peers?of=ours"]
        with Program(arguments.directory, "client", command, text) as program:
            same(program.succeeds(), printed)


def number_of(position):
    """The number in the position of an entry; the rest of the position is the same in the whole room."""
    return int(position.split("-")[1])


class Member:
    """A client in the room, and what it has printed, line by line."""

    def __init__(self, directory, url, version):
        self.version, self.name = version, f"Stentor {VERSIONS[version]}"
        self.seen, self.events = [], queue.SimpleQueue()
        # The number in the position of the welcome.
        self.at = None
        self.process = subprocess.Popen(
            [f"{directory}/client", "--as", version, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def send(self, **message):
        self.process.stdin.write(json.dumps(message, ensure_ascii=False) + "\n")
        self.process.stdin.flush()

    def next(self):
        event = self.events.get(timeout=WAIT)
        if event is None:
            raise AssertionError(f"{self.name} has ended, after {self.seen[-1:]}")
        if event["type"] == "welcome":
            self.at = number_of(event["at"])
        # The list of members is true there: entries up to there do not change it.
        if event["type"] in ("joined", "left") and number_of(event["id"]) <= self.at:
            return event
        self.seen.append(event)
        return event

    def wait_until(self, condition):
        while not condition(self.seen):
            self.next()

    def leave(self):
        """Ends its input: it says goodbye, prints what still comes, and ends."""
        self.process.stdin.close()
        self.reader.join(WAIT)
        same(self.process.wait(WAIT), 0)
        while (event := self.events.get(timeout=WAIT)) is not None:
            self.seen.append(event)

    def heard(self, kind):
        return [event for event in self.seen if event["type"] == kind]


def room(checks, directory, url):
    members = []
    try:
        with checks.check("five versions in one room see each other come"):
            for version in VERSIONS:
                members.append(Member(directory, url + "/ours", version))
                newcomer = members[-1]
                newcomer.send(type="join", name=newcomer.name)
                welcome = newcomer.next()
                same((welcome["type"], welcome["name"]), ("welcome", newcomer.name))
                same(welcome["version"], VERSIONS[version])
                names = sorted(member["name"] for member in welcome["members"])
                same(names, sorted(member.name for member in members))
            for position, member in enumerate(members):
                later = [other.name for other in members[position + 1 :]]
                member.wait_until(lambda _: len(member.heard("joined")) == len(later))
                same([event["name"] for event in member.heard("joined")], later)
        with checks.check("everybody hears everybody, each in order"):
            said = {member.name: [f"χαῖρε {turn} 🗣 " + "x" * 18 * turn for turn in range(100)] for member in members}
            for turn in range(100):
                for member in members:
                    member.send(type="say", text=said[member.name][turn].strip())
            for member in members:
                member.wait_until(lambda _: len(member.heard("said")) == 100 * len(members))
                for name, texts in said.items():
                    heard = [event["text"] for event in member.heard("said") if event["name"] == name]
                    same(heard, [text.strip() for text in texts])
        with checks.check("who ends its input says goodbye, and the others see it go"):
            gone = []
            while members:
                leaving = members.pop()
                leaving.leave()
                gone.append(leaving.name)
                for member in members:
                    member.wait_until(lambda _: len(member.heard("left")) == len(gone))
                    same([event["name"] for event in member.heard("left")], gone)
            same(gone, [f"Stentor {name}" for name in reversed(VERSIONS.values())])
    finally:
        for member in members:
            member.process.kill()
            member.process.wait()


if __name__ == "__main__":
    main()
