"""What every Python peer prints: a line for each check, and the counts at the end."""

import contextlib
import sys
import traceback


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def check(self, name):
        """One claim about the server; an exception in its block is a failure, and the run goes on."""
        try:
            yield
        except Exception as reason:  # whatever went wrong is the result
            self.failed += 1
            print(f"FAIL  {name}: {type(reason).__name__}: {reason}")
            for line in traceback.format_exc().splitlines()[-6:]:
                print("      " + line)
        else:
            self.passed += 1
            print(f"ok    {name}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def same(seen, right):
    """Like `assert seen == right`, but it also holds under -O and prints no megabytes."""
    if seen != right:
        raise AssertionError(f"{shortened(seen)} instead of {shortened(right)}")


def compressed(connection):
    """Whether websockets and Stentor have agreed on permessage-deflate, and on nothing else."""
    return [extension.name for extension in connection.protocol.extensions] == ["permessage-deflate"]


def shortened(value):
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:80]}… ({len(text)} characters)"
