#!/usr/bin/env python3
"""Starts many servers at little cost: the interpreter is loaded once, and each server is a fork of it.

A line `start ARGUMENTS` on the standard input has the arguments of one `server.py`, separated by blanks; the answer is
a line with the server's port and its process. A line `end PROCESS` ends that server. The end of the input ends all.
"""

import os
import signal
import sys

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import server
from mistakes import options


def main() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    # A server reads from this pipe until it ends, which it does together with this process.
    read_end, write_end = os.pipe()
    for line in sys.stdin:
        command, *words = line.split()
        if command == "end":
            os.kill(int(words[0]), signal.SIGKILL)
            os.waitpid(int(words[0]), 0)
            continue
        sys.argv = ["server.py", *words]
        chosen = options("server")
        listener = server.listen()
        process = os.fork()
        if process == 0:
            os.close(write_end)
            for stream, file in enumerate((read_end, nothing, nothing)):
                os.dup2(file, stream)
            try:
                server.run(listener, chosen)
            finally:
                os._exit(0)
        print(listener.getsockname()[1], process, flush=True)
        listener.close()


if __name__ == "__main__":
    main()
