"""Prometheus scrapes the chat, and answers every query of its dashboard: scrape.py DIRECTORY PROMETHEUS DASHBOARD

wants the examples `chat` and `client` in the directory, built with the feature `prometheus`; the program of
Prometheus; and the dashboard of Grafana. A client of each version has said something before.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))

from checks import Checks, same
from program import Program

WAIT = 20  # seconds any one step may take

VERSIONS = {"draft-75": "draft-75", "draft-76": "draft-76", "7": "version 7", "8": "version 8", "13": "RFC 6455"}

CONFIGURATION = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: stentor
    static_configs:
      - targets: ["{address}"]
"""

# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*"}


def main(programs, prometheus, dashboard):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder, chat(programs) as (metrics, url):
        talk(programs, url)
        with scraper(prometheus, pathlib.Path(folder), metrics) as server:
            with checks.check("up is 1"):
                until(lambda: value(server, 'up{job="stentor"}') == 1)
            with checks.check("two scrapes, so that rates have values"):
                until(lambda: query(server, "rate(stentor_received_bytes_total[1m])"))
            described(checks, server, page(metrics))
            counted(checks, server)
            for title, expression in queries(pathlib.Path(dashboard)):
                with checks.check(f"{title}: {expression}"):
                    series = query(server, expression)
                    same(bool(series), True)
                    same([one for one in series if one["value"][1] == "NaN"], [])
    checks.finish()


@contextlib.contextmanager
def chat(programs):
    """The address of the metrics, and the URL of the chat."""
    command = [f"{programs}/chat", "--data", "none", "--metrics", "0", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            metrics = re.fullmatch(r"metrics at http://(\S+)/metrics\n", process.stdout.readline()).group(1)
            yield metrics, re.search(r"http(://\S+)/", process.stdout.readline()).group(1)
        finally:
            process.kill()


def talk(programs, url):
    """A client of each version joins a room, says something, and leaves."""
    for version in VERSIONS:
        lines = '{"type":"join","name":"%s"}\n{"type":"say","text":"hello"}\n' % version
        with Program(programs, "client", ["--as", version, f"ws{url}/lobby"], lines) as client:
            client.succeeds()


@contextlib.contextmanager
def scraper(prometheus, folder, target):
    """The URL of a Prometheus that scrapes the target. The system chooses its port, and its log names the port."""
    configuration, log = folder / "prometheus.yml", folder / "log"
    configuration.write_text(CONFIGURATION.format(address=target))
    command = [prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={folder}/data"]
    command.append("--web.listen-address=127.0.0.1:0")
    with open(log, "w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            listening = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:[0-9]+)')
            found = until(lambda: process.poll() is None and listening.search(log.read_text()))
            yield "http://" + found.group(1)
        except Exception:
            print(log.read_text())
            raise
        finally:
            process.kill()


def described(checks, server, page):
    """Prometheus knows the type, the unit and the help text of each family of the page."""
    families = re.findall(r"# HELP (\S+) (.+)\n# TYPE \S+ (\S+)\n(?:# UNIT \S+ (\S+)\n)?", page)
    with checks.check("the page has families of the chat and of the process"):
        names = [family[0] for family in families]
        same({"stentor_live", "process_cpu_seconds"} <= set(names), True)
    known = get(server, "/api/v1/metadata")
    for name, text, kind, unit in families:
        with checks.check(f"{name}: {kind}"):
            same(known.get(name), [{"type": kind, "help": text, "unit": unit}])


def counted(checks, server):
    for version in VERSIONS.values():
        with checks.check(f"{version}: one handshake"):
            same(value(server, f'stentor_handshakes_completed_total{{version="{version}"}}'), 1)
    with checks.check("one message of each client beside its join"):
        same(value(server, "stentor_messages_received_total"), 2 * len(VERSIONS))


def queries(dashboard):
    """The title of each panel of the dashboard, with each of its queries."""
    found = []
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, text in VARIABLES.items():
                expression = expression.replace(name, text)
            if "$" in expression:
                raise AssertionError(f"an unknown variable: {expression}")
            found.append((panel["title"], expression))
    if not found:
        raise AssertionError("the dashboard has no queries")
    return found


def page(address):
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return answer.read().decode()


def value(server, expression):
    """The number of the only series of a query; None without one."""
    series = query(server, expression)
    return float(series[0]["value"][1]) if len(series) == 1 else None


def query(server, expression):
    return get(server, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["result"]


def get(server, path):
    """The data of an answer; an error of the query is an exception, with its text."""
    try:
        with urllib.request.urlopen(server + path, timeout=WAIT) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def until(look):
    deadline = time.monotonic() + WAIT
    while True:
        with contextlib.suppress(OSError):
            if found := look():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT} s")
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
