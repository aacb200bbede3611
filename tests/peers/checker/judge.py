"""Runs the checker of examples/explain against peers that others wrote: judge.py CHECKER PYTHON

PYTHON has websockets; NODE_PATH has ws and websocket-driver. Each case must pass, unless exceptions.json
lists it for the peer and the version, with the diagnosis and the reason. A listed case that passes, or that
gets another diagnosis, is a failure as well: it shows a change in the peer, or a wrong diagnosis.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
TIMEOUT = "3"  # seconds that the checker waits for a response: programs start slowly beside others
AT_ONCE = 12  # runs of the checker, most of which wait


def peers(python):
    """Name, role, versions, command, and whether the peer has permessage-deflate."""
    node, perl = HERE.parent / "node", HERE.parent / "perl"
    ws = ["node", f"{node}/mirror_ws.js"]
    driver = ["node", f"{node}/mirror_driver.js"]
    blocking = [python, "-B", f"{HERE.parent}/python/mirror_sync.py"]
    asyncio = [python, "-B", f"{HERE.parent}/python/mirror_asyncio.py"]
    protocol_websocket = [f"{perl}/mirror.pl"]
    return [
        ("ws client", ["13", "8", "7"], [*ws, "{version}", "{url}"], True),
        ("websocket-driver client", ["13"], [*driver, "{url}"], False),
        ("websockets client, blocking", ["13"], [*blocking, "{url}"], True),
        ("websockets client, asyncio", ["13"], [*asyncio, "{url}"], True),
        ("Protocol::WebSocket client", ["75", "76", "7", "8", "13"], [*protocol_websocket, "{version}", "{url}"], False),
        ("ws server", ["13", "8"], ws, True),
        ("websocket-driver server", ["75", "76", "13"], driver, False),
        ("websockets server, blocking", ["13"], blocking, True),
        ("websockets server, asyncio", ["13"], asyncio, True),
        ("Protocol::WebSocket server", ["75", "76", "7", "8", "13"], protocol_websocket, False),
    ]


def main(checker, python):
    exceptions = {}
    for listed in json.loads((HERE / "exceptions.json").read_text()):
        for version in listed["versions"]:
            exceptions[listed["peer"], version, listed["case"]] = listed["diagnosis"]
    passed, failures = 0, []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [
            (peer, version, deflate, pool.submit(run, checker, peer, version, command))
            for peer, versions, command, deflate in peers(python)
            for version in versions
        ]
        for peer, version, deflate, future in runs:
            right, wrong = judged(peer, version, deflate, future.result(), exceptions)
            print(f"{peer}, version {version}: {right} as expected, {len(wrong)} not")
            passed += right
            failures += wrong
    failures += [f"{' / '.join(key)} is listed in exceptions.json, but did not run" for key in exceptions]
    for failure in failures:
        print(f"FAIL  {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures or not passed else 0)


def run(checker, peer, version, command):
    """The checker's report, or its words if it has none."""
    options = ["--as", version, "--all", "--json", "--timeout", TIMEOUT]
    if "client" in peer:
        command = [word.replace("{version}", version) for word in command]
        return report([checker, "client", "--port", "0", *options, "--", *command])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = server.stdout.readline().strip()
            return report([checker, "server", f"ws://127.0.0.1:{port}/echo?of=peers", *options])
        finally:
            server.kill()


def report(command):
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return f"no report: {done.stderr.strip()}"


def judged(peer, version, deflate, result, exceptions):
    """The number of cases that ended as expected, and the others in words."""
    name = f"{peer}, version {version}"
    if isinstance(result, str):
        return 0, [f"{name}: {result}"]
    right, wrong = 0, []
    for case in (case for lesson in result["lessons"] for case in lesson["cases"]):
        listed = exceptions.pop((peer, version, case["id"]), None)
        failure = case["failure"]
        if case["skipped"]:
            # Without compression there is nothing to check; a library that has it must not get there.
            if deflate or listed:
                wrong.append(f"{name}, {case['id']}: skipped, because {case['skipped']}")
        elif failure and listed != (failure["diagnosis"] or "unnamed"):
            received = json.dumps(failure["received"])
            wrong.append(f"{name}, {case['id']}: {failure['diagnosis']}: {failure['says']} received {received}")
        elif listed and not failure:
            wrong.append(f"{name}, {case['id']}: passes, and must leave exceptions.json")
        else:
            right += 1
    return right, wrong


if __name__ == "__main__":
    main(*sys.argv[1:])
