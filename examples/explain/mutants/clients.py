#!/usr/bin/env python3
"""Starts many clients at little cost: the interpreter is loaded once, and each client is a fork of it.

Each line of the standard input has the arguments of one `client.py`, separated by blanks. The clients print nothing.
"""

import os
import signal
import sys

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import client


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes clients that have ended
    nothing = os.open(os.devnull, os.O_RDWR)
    for line in sys.stdin:
        if os.fork() == 0:
            for stream in range(3):
                os.dup2(nothing, stream)
            sys.argv = ["client.py", *line.split()]
            try:
                client.main()
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
