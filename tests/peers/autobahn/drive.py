"""Runs Stentor's clients through the Autobahn TestSuite: drive.py PYTHON27 OUTDIR DIRECTORY

PYTHON27 has the suite; DIRECTORY has the examples `echo_client`, which plays the cases, and `client`,
which asks how many there are. judge.py then judges what is in OUTDIR.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.parse

# Name of the agent, as judge.py knows it: what `--as` calls the version, and the cases not to run.
AGENTS = {"RFC 6455": ("13", []), "version 8": ("8", ["9.*", "12.*", "13.*"])}

# 12 and 13 are permessage-deflate's. The last number of their cases stands for a size, and 1 to 4 for those
# up to 1 KiB.
CASES = [f"{category}.*" for category in [1, 2, 3, 4, 5, 6, 7, 9, 10]]
if os.environ.get("AUTOBAHN_DEFLATE") == "all":
    CASES += ["12.*", "13.*"]
else:
    CASES += [f"12.{way}.{size}" for way in range(1, 6) for size in range(1, 5)]
    CASES += [f"13.{way}.{size}" for way in range(1, 8) for size in range(1, 5)]
WAIT = 120  # seconds any one case may take: the largest messages come in pieces of 64 bytes


def main(python27, outdir, programs):
    outdir.mkdir(parents=True)
    spec = {
        "outdir": str(outdir),
        # Only its form counts: fuzzingserver.py takes a free port.
        "url": "ws://127.0.0.1:1",
        "cases": CASES,
        "exclude-cases": [],
        "exclude-agent-cases": {agent: cases for agent, (_, cases) in AGENTS.items()},
    }
    (outdir / "spec.json").write_text(json.dumps(spec))
    server = [python27, "-W", "ignore", pathlib.Path(__file__).parent / "fuzzingserver.py", outdir / "spec.json"]
    with (outdir / "server.log").open("w") as log:
        server = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        url = next(line.split()[-1] for line in server.stdout if line.startswith("listening on "))
        # It talks on: a pipe that nobody reads would stop it.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        # Both agents at once: each waits most of the time.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(run, programs, url, agent) for agent in AGENTS]:
                done.result()
        told(programs, "13", url, "/updateReports?agent=all")
    finally:
        server.kill()
        server.wait()


def run(programs, url, agent):
    """Plays every case once; what came of it, the suite knows."""
    as_, _ = AGENTS[agent]
    count = int(told(programs, as_, url, "/getCaseCount"))
    for case in range(1, count + 1):
        path = f"/runCase?case={case}&agent={urllib.parse.quote(agent)}"
        # A case may break the connection, and the client may say so: that is for the suite to judge.
        done = subprocess.run(
            [programs / "echo_client", "--as", as_, url + path],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=WAIT,
        )
        if done.returncode < 0 or done.returncode == 101:
            raise SystemExit(f"{agent}, case {case}: {done}")


def told(programs, as_, url, path):
    """What the suite says at that path, until it closes."""
    command = [programs / "client", "--as", as_, url + path]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=WAIT).stdout


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
