"""What websockets' blocking side, client or server, says to somebody who echoes."""

from checks import same

WAIT = 10  # seconds any one answer may take
MIB = 1024 * 1024


def exchange(checks, connection, how):
    """The same traffic for every connection, each message checked before the next is sent."""

    def echoed(message):
        connection.send(message)
        same(connection.recv(timeout=WAIT), message)

    with checks.check(f"{how}: text"):
        for text in ["", "a", "é Στέντωρ 漢字 𝄞 🗣", "a\0b", "x" * 65536]:
            echoed(text)
    # Where the length field changes its form, and one to each side.
    with checks.check(f"{how}: binary of 0 to 65,537 bytes"):
        for length in [0, 1, 125, 126, 127, 65534, 65535, 65536, 65537]:
            echoed(bytes(i % 251 for i in range(length)))
    with checks.check(f"{how}: 1 MiB of text and of binary"):
        echoed("ὣς φάτο. " * (MIB // 16))
        echoed(bytes(range(256)) * (MIB // 256))
    with checks.check(f"{how}: fragments are echoed as one message"):
        connection.send(iter(["ἄν", "", "δρα", " μοι"]))
        same(connection.recv(timeout=WAIT), "ἄνδρα μοι")
        connection.send(b"%d," % i for i in range(1000))
        same(connection.recv(timeout=WAIT), b"".join(b"%d," % i for i in range(1000)))
    with checks.check(f"{how}: pings are answered, the largest too"):
        for payload in [b"", b"are you there", b"p" * 125]:
            if not connection.ping(payload).wait(WAIT):
                raise AssertionError(f"no pong for {payload!r}")
    with checks.check(f"{how}: an unsolicited pong changes nothing"):
        connection.pong(b"nobody asked")
        echoed("still here")
    with checks.check(f"{how}: a hundred messages on the way at once keep their order"):
        for number in range(100):
            connection.send(f"message {number}")
        same([connection.recv(timeout=WAIT) for _ in range(100)], [f"message {n}" for n in range(100)])
