"""permessage-deflate (RFC 7692) on top of zlib: negotiation, compressor, decompressor."""

import re
import zlib
from typing import NamedTuple

from wire import TOKEN, MAX_MESSAGE

NAME = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"  # every sync flush ends so; the sender removes it, the receiver puts it back
WINDOW = 32 * 1024


class Agreement(NamedTuple):
    """The negotiated parameters, seen from one side."""

    send_takeover: bool
    receive_takeover: bool
    send_bits: int  # the window of the compressor is 2 to this power


def agree(offers: list[str]) -> tuple[Agreement, str] | None:
    """The server's choice: the first offer that it can fulfil, and the value of its response (section 5.1)."""
    for name, parameters in parse(offers):
        bits = offered_bits(parameters) if name == NAME else None
        if bits is None:
            continue
        response = [NAME]
        for flag in ("server_no_context_takeover", "client_no_context_takeover"):
            if flag in parameters:
                response.append(flag)
        if "server_max_window_bits" in parameters:
            response.append(f"server_max_window_bits={bits}")
        agreement = Agreement(
            send_takeover="server_no_context_takeover" not in parameters,
            receive_takeover="client_no_context_takeover" not in parameters,
            send_bits=bits,
        )
        return agreement, "; ".join(response)
    return None


def offered_bits(parameters: dict[str, str | None] | None) -> int | None:
    """The window bits of the server's compressor, or None for an offer to decline (section 7.1)."""
    if parameters is None or not valid(parameters, bits_may_be_bare=True):
        return None
    bits = int(parameters.get("server_max_window_bits") or 15)
    return bits if bits > 8 else None  # zlib cannot compress with a window of 256 bytes


def accept(response: list[str]) -> Agreement | None:
    """The client's reading of the response to its offer, which had no parameters. An error is a ValueError."""
    extensions = parse(response)
    if not extensions:
        return None
    if len(extensions) > 1 or extensions[0][0] != NAME:
        raise ValueError("an extension was not offered")
    parameters = extensions[0][1]
    # client_max_window_bits may be in the response only if it was in the offer (section 7.1.2.2).
    if parameters is None or not valid(parameters, bits_may_be_bare=False) or "client_max_window_bits" in parameters:
        raise ValueError("a parameter of permessage-deflate was not offered")
    return Agreement(
        send_takeover="client_no_context_takeover" not in parameters,
        receive_takeover="server_no_context_takeover" not in parameters,
        send_bits=15,
    )


def valid(parameters: dict[str, str | None], bits_may_be_bare: bool) -> bool:
    """Unknown parameters and wrong values make an offer or a response unusable (section 7.1)."""
    for name, value in parameters.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return False
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            if value is None and name == "client_max_window_bits" and bits_may_be_bare:
                continue
            if value is None or not re.fullmatch(r"[89]|1[0-5]", value):
                return False
        else:
            return False
    return True


def parse(values: list[str]) -> list[tuple[str, dict[str, str | None] | None]]:
    """Reads headers `a; b=1; c="2", d`. The parameters are None where they are repeated or malformed."""
    extensions = []
    for value in values:
        for extension in re.findall(r'(?:[^,"]|"[^"]*")+', value):
            name, *rest = [part.strip(" \t") for part in extension.split(";")]
            parameters: dict[str, str | None] | None = {}
            for part in rest:
                key, equals, text = (side.strip(" \t") for side in part.partition("="))
                if len(text) > 1 and text[0] == text[-1] == '"':
                    text = text[1:-1]
                good = TOKEN.fullmatch(key) and (TOKEN.fullmatch(text) if equals else True)
                if parameters is not None and good and key not in parameters:
                    parameters[key] = text if equals else None
                else:
                    parameters = None
            extensions.append((name, parameters))
    return extensions


class Compressor:
    """Compresses the messages of one direction."""

    def __init__(self, agreed: Agreement, wrong: str):
        self.bits = agreed.send_bits
        # F21-write: the compressor keeps its context, although the response has no_context_takeover.
        self.takeover = agreed.send_takeover or wrong == "F21-write"
        self.wrong = wrong
        self.zlib = None

    def compress(self, message: bytes) -> bytes:
        if not message:
            return b"\x00"  # an empty message (section 7.2.3.6)
        if self.zlib is None or not self.takeover:
            self.zlib = zlib.compressobj(wbits=-self.bits)
        compressed = self.zlib.compress(message) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
        if self.wrong == "F20-keep":
            return compressed
        return compressed.removesuffix(TAIL)  # section 7.2.1


class Decompressor:
    """Decompresses the messages of one direction, fragment by fragment."""

    def __init__(self, agreed: Agreement, wrong: str):
        # F21-read: a new context for each message, although the compressor of the peer keeps its own.
        self.takeover = agreed.receive_takeover and wrong != "F21-read"
        self.wrong = wrong
        self.forget()

    def forget(self) -> None:
        self.zlib = zlib.decompressobj(wbits=-15)
        self.history = b""

    def decompress(self, data: bytes, last: bool, limit: int = MAX_MESSAGE) -> bytes:
        """Returns the content. Raises zlib.error for bad data, and OverflowError above the limit."""
        if last and self.wrong != "F20-tail":
            data += TAIL  # section 7.2.2
        content = bytearray()
        while data:
            # The limit holds while decompressing: a few bytes may become gigabytes.
            content += self.zlib.decompress(data, limit + 1 - len(content))
            if len(content) > limit:
                raise OverflowError
            data = b""
            if self.zlib.eof:
                # A block with BFINAL ends the stream of zlib, not the message (section 7.2.3.4).
                data = self.zlib.unused_data
                self.zlib = zlib.decompressobj(wbits=-15, zdict=(self.history + content)[-WINDOW:])
        self.history = (self.history + content)[-WINDOW:]
        if last and not self.takeover:
            self.forget()
        return bytes(content)
