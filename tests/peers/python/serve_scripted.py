"""What a server sees of a client that makes use of its options, and what the client makes of the answers:
serve_scripted.py DIRECTORY

wants tests/peers/scripted.rs, as the example `scripted`, in that directory.
"""

import contextlib
import json
import sys

from checks import Checks, same
from program import Program
from serve_sync import WAIT, listening, said_goodbye

KIB = 1024


@contextlib.contextmanager
def scripted(programs, wanted, *steps, **options):
    """A connection of `scripted`, or None if it is not to come to one, and the program."""
    with listening(**options) as (url, arrived):
        script = "".join(json.dumps(line) + "\n" for line in [{"url": url, **wanted}, *steps])
        with Program(programs, "scripted", [], script) as program:
            yield None if "process_request" in options else arrived.get(timeout=WAIT), program


def told(program):
    """What the program says has happened."""
    return [json.loads(line) for line in program.succeeds().splitlines()]


def main(programs):
    checks = Checks()
    for name, claim in CLAIMS.items():
        with checks.check(name):
            claim(programs)
    checks.finish()


def asks(programs):
    wanted = {
        "subprotocols": ["soap", "wamp"],
        "origin": "http://example.com",
        "fields": {"Authorization": "Bearer Στέντωρ", "User-Agent": "peers"},
        "cookies": {"session": "e8bb", "theme": "dark"},
    }

    def set_cookies(connection, request, response):
        response.headers["Set-Cookie"] = "a=1; Path=/"
        response.headers["Set-Cookie"] = "b=2"

    options = {"subprotocols": ["chat", "wamp"], "process_response": set_cookies}
    with scripted(programs, wanted, {"close": [1000, ""]}, {"wait": 1}, **options) as (connection, program):
        asked = connection.request.headers
        same(asked.get_all("Sec-WebSocket-Protocol"), ["soap, wamp"])
        same(asked.get_all("Origin"), ["http://example.com"])
        same([value.encode("latin-1").decode() for value in asked.get_all("Authorization")], ["Bearer Στέντωρ"])
        same(asked.get_all("User-Agent"), ["peers"])
        same(asked.get_all("Cookie"), ["session=e8bb; theme=dark"])
        same(connection.subprotocol, "wamp")
        said_goodbye(connection, 1000)
        opened, closed = told(program)
        same(opened["open"]["version"], "RFC 6455")
        same(opened["open"]["subprotocol"], "wamp")
        same(opened["open"]["answer"]["status"], 101)
        cookies = [value for name, value in opened["open"]["answer"]["fields"] if name.lower() == "set-cookie"]
        same(cookies, ["a=1; Path=/", "b=2"])
        same(closed, {"closed": {"code": 1000, "reason": "", "clean": True}})


def agrees_on_no_subprotocol(programs):
    def none_of_them(connection, offered):
        same(offered, ["soap"])

    options = {"subprotocols": ["chat"], "select_subprotocol": none_of_them}
    with scripted(programs, {"subprotocols": ["soap"]}, {"text": "hello"}, **options) as (connection, program):
        same(connection.recv(timeout=WAIT), "hello")
        said_goodbye(connection, 1000)
        same(told(program)[0]["open"]["subprotocol"], None)


def subprotocols_that_fit_not(programs):
    for value in ["chat", "WAMP", "soap, wamp", ""]:

        def answer(connection, request, response):
            response.headers["Sec-WebSocket-Protocol"] = value

        with scripted(programs, {"subprotocols": ["soap", "wamp"]}, process_response=answer) as (_, program):
            (failed,) = told(program)
            same("Sec-WebSocket-Protocol" in failed["failed"], True)


def declined_with_all(programs):
    body = "not for you, nor for Στέντωρ\n" * 10

    def refuse(connection, request):
        response = connection.respond(403, body)
        response.headers["Retry-After"] = "120"
        return response

    with scripted(programs, {}, process_request=refuse) as (_, program):
        (answer,) = told(program)
        declined = answer["declined"]
        same((declined["status"], declined["reason"], declined["body"]), (403, "Forbidden", body))
        same(["Retry-After", "120"] in declined["fields"], True)


def declined_at_length(programs):
    body = "".join(f"{number:7}\n" for number in range(20 * KIB))
    with scripted(programs, {}, process_request=lambda connection, _: connection.respond(500, body)) as (_, program):
        (answer,) = told(program)
        same(answer["declined"]["status"], 500)
        same(answer["declined"]["body"], body[: 64 * KIB])


def redirected(programs):
    def redirect(connection, request):
        response = connection.respond(307, "")
        response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return response

    with scripted(programs, {}, process_request=redirect) as (_, program):
        (answer,) = told(program)
        same(answer["declined"]["status"], 307)
        same(["Location", "ws://127.0.0.1:1/elsewhere"] in answer["declined"]["fields"], True)


def says_goodbye(programs):
    for code, reason in [(1000, ""), (1001, "page left"), (3000, "ἔρρωσο"), (4999, "r" * 123)]:
        with scripted(programs, {}, {"close": [code, reason]}, {"wait": 1}) as (connection, program):
            said_goodbye(connection, code)
            same(connection.protocol.close_rcvd.reason, reason)
            same(told(program)[1:], [{"closed": {"code": code, "reason": reason, "clean": True}}])


def drops_without_a_word(programs):
    with scripted(programs, {}, {"text": "the last"}) as (connection, program):
        same(connection.recv(timeout=WAIT), "the last")
        said_goodbye(connection, 1000)
        program.succeeds()


def hears_goodbye(programs):
    for code, reason in [(1000, ""), (1011, "Στέντωρ is hoarse"), (4001, "r" * 123)]:
        with scripted(programs, {}, {"wait": 1}) as (connection, program):
            connection.close(code, reason)
            same(connection.protocol.close_rcvd.code, code)
            same(told(program)[1:], [{"closed": {"code": code, "reason": reason, "clean": True}}])


def loses_the_server(programs):
    with scripted(programs, {}, {"wait": 2}) as (connection, program):
        connection.send("so far")
        connection.socket.shutdown(2)
        opened, text, closed = told(program)
        same(text, {"text": "so far"})
        same((closed["closed"]["code"], closed["closed"]["clean"]), (1006, False))


def pings(programs):
    payloads = ["", "are you there", "p" * 125]
    with scripted(programs, {}, *({"ping": payload} for payload in payloads), {"wait": 3}) as (connection, program):
        said_goodbye(connection, 1000)
        same(told(program)[1:], [{"pong": payload} for payload in payloads])


def sends_binary(programs):
    every = bytes(range(256))
    with scripted(programs, {}, {"binary": list(every)}, {"wait": 1}) as (connection, program):
        same(connection.recv(timeout=WAIT), every)
        connection.send(every[::-1])
        said_goodbye(connection, 1000)
        same(told(program)[1:], [{"binary": list(every[::-1])}])


CLAIMS = {
    "subprotocols, origin, fields and cookies arrive, and the answer's are read": asks,
    "no subprotocol is agreed on, and none needed": agrees_on_no_subprotocol,
    "a subprotocol that was not offered, or not as one, is refused": subprotocols_that_fit_not,
    "a refusal is told with status, reason, fields and body": declined_with_all,
    "of a long refusal the first 64 KiB are told": declined_at_length,
    "a redirect is told with where it leads": redirected,
    "the client says goodbye with any code and reason, and hears it back": says_goodbye,
    "a client that is dropped says goodbye": drops_without_a_word,
    "the server's goodbye is told with code and reason": hears_goodbye,
    "a server that vanishes is told as 1006": loses_the_server,
    "the client's pings are answered": pings,
    "binary both ways": sends_binary,
}


if __name__ == "__main__":
    main(sys.argv[1])
