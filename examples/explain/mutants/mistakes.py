"""The catalogue of mistakes, and the options of both programs.

An id is a letter and a number: A for the opening handshake, F for frames, E for the end of a connection.
A mistake that is made in several forms has one id for each form: A3-hmac, A3-sha256, A3-md5.
"""

import argparse
import sys
from typing import NamedTuple

VERSIONS = (75, 76, 7, 8, 13)

ALL = (75, 76, 7, 8, 13)
HIXIE = (75, 76)
HYBI = (7, 8, 13)
CLOSING = (76, 7, 8, 13)  # draft-75 has no close frame
DEFLATE = (13,)  # permessage-deflate is an extension of RFC 6455 only

SERVER = ("server",)
CLIENT = ("client",)
BOTH = ("server", "client")


class Mistake(NamedTuple):
    id: str
    roles: tuple[str, ...]
    versions: tuple[int, ...]
    line: str


CATALOGUE = [Mistake(*row) for row in (
    # The opening handshake.
    ("A1", SERVER, HYBI, "Sec-WebSocket-Accept is Base64 of the digest's hex text"),
    ("A2", SERVER, HYBI, "Sec-WebSocket-Accept is Base64 of key and GUID, without a hash"),
    ("A3-hmac", SERVER, HYBI, "Sec-WebSocket-Accept is made with HMAC-SHA-1 instead of SHA-1"),
    ("A3-sha256", SERVER, HYBI, "Sec-WebSocket-Accept is made with SHA-256 instead of SHA-1"),
    ("A3-md5", SERVER, HYBI, "Sec-WebSocket-Accept is made with MD5 instead of SHA-1"),
    ("A4", SERVER, HYBI, "the key is decoded from Base64 before it is hashed"),
    ("A5-lower", SERVER, HYBI, "the GUID is in lower case"),
    ("A5-linebreak", SERVER, HYBI, "the GUID has the line break and the indent of the RFC's page in it"),
    ("A5-blank", SERVER, HYBI, "the GUID has a blank in it, as one widely copied program has"),
    ("A5-misprint", SERVER, HYBI, "the GUID is a wrong one, published by a page on the web"),
    ("A6-cr", SERVER, HYBI, "the key is hashed with the CR at the end of its line"),
    ("A6-blank", SERVER, HYBI, "the key is hashed with the blank behind the colon"),
    ("A8-status", SERVER, ALL, "the status of the response is 200 instead of 101"),
    ("A8-noblank", BOTH, ALL, "the blank line at the end of the header block is missing"),
    ("A8-lf", BOTH, ALL, "lines of the header block end in LF instead of CR LF"),
    ("A9", BOTH, HYBI, "the whole Connection header is compared with the word Upgrade"),
    ("A10", SERVER, HYBI, "Sec-WebSocket-Extensions is copied into the response, but no extension is implemented"),
    ("A11-other", SERVER, ALL, "the response has a subprotocol that was not offered"),
    ("A11-list", SERVER, HYBI, "the response has the whole list of offered subprotocols"),
    ("A12-waits", SERVER, (76,), "the server waits for the 8 bytes of key3 before it writes the 101"),
    ("A12-little", SERVER, (76,), "the two numbers are hashed in little-endian order"),
    ("A12-hex", SERVER, (76,), "the MD5 is written as 32 hex digits instead of 16 bytes"),
    ("A12-swapped", SERVER, (76,), "the numbers of Key1 and Key2 are swapped"),
    ("A12-nokey3", BOTH, (76,), "key3 is left out: the client does not send it, the server does not hash it"),
    ("A12-nolocation", SERVER, (76,), "the response has no Sec-WebSocket-Location"),
    # Frames.
    ("F1", BOTH, ALL, "text is written without a frame"),
    ("F2-response", SERVER, HYBI, "each text message is sent back as an HTTP response"),
    ("F2-refusal", SERVER, HYBI, "a second part of the program writes an HTTP 400 behind the 101"),
    ("F3", SERVER, HYBI, "the server masks its frames"),
    ("F4-nomask", CLIENT, HYBI, "the client does not mask its frames"),
    ("F4-onekey", CLIENT, HYBI, "the client masks all frames with the same key"),
    ("F4-zerokey", CLIENT, HYBI, "the client masks with the key 00 00 00 00"),
    ("F5", BOTH, HYBI, "four bytes of the payload are taken for a key although MASK is 0"),
    ("F5-wait", BOTH, HYBI, "four more bytes are read as a key although MASK is 0, then the whole payload"),
    ("F6-read", BOTH, HYBI, "126 and 127 are read as lengths of 126 and 127 bytes"),
    ("F6-write", BOTH, HYBI, "every length is written into one byte"),
    ("F7-16", BOTH, HYBI, "16-bit lengths are written in little-endian order"),
    ("F7-16-read", BOTH, HYBI, "16-bit lengths are read in little-endian order"),
    ("F7-64", BOTH, HYBI, "64-bit lengths are written in little-endian order"),
    ("F7-64-read", BOTH, HYBI, "64-bit lengths are read in little-endian order"),
    ("F8-read", BOTH, HYBI, "the length behind 127 is read as 4 bytes"),
    ("F8-write", BOTH, HYBI, "the length behind 127 is written as 4 bytes"),
    ("F9-read", BOTH, HYBI, "16-bit lengths are read as signed numbers"),
    ("F9-write", BOTH, HYBI, "lengths above 0x7fff are written in 64 bits"),
    ("F10", BOTH, HYBI, "the length of text is written in characters instead of bytes"),
    ("F11", BOTH, ALL, "each read from the socket is taken for exactly one frame"),
    ("F12-lost", BOTH, ALL, "bytes behind the first frame of a read are thrown away"),
    ("F12-glued", BOTH, HYBI, "bytes behind the first frame of a read are unmasked into its payload"),
    ("F13", BOTH, HYBI, "the header of a frame is expected to arrive in one read; otherwise the program crashes"),
    ("F14", SERVER, HYBI, "the index into the mask key begins at 0 again with each read"),
    ("F15-unknown", BOTH, HYBI, "FIN is ignored, and continuation is an unknown opcode"),
    ("F15-each", BOTH, HYBI, "each fragment is taken for a message of its own"),
    ("F15-opcode", BOTH, HYBI, "a fragmented message gets the opcode of its last frame"),
    ("F15-ping", BOTH, HYBI, "the payload of a ping between fragments is joined to the message"),
    ("F17-nopayload", BOTH, HYBI, "a pong is sent without the payload of the ping"),
    ("F17-pingback", BOTH, HYBI, "the response to a ping is a ping instead of a pong"),
    ("F17-long", BOTH, HYBI, "a ping of more than 125 bytes is accepted, and the pong is as long"),
    ("F18", BOTH, HYBI, "reserved bits are ignored"),
    ("F19-fragment", BOTH, HYBI, "each fragment of a text must be UTF-8 by itself"),
    ("F19-read", BOTH, HYBI, "each read of a text must be UTF-8 by itself"),
    ("F20-continuation", BOTH, DEFLATE, "RSV1 is set on the continuations of a compressed message too"),
    ("F20-first", BOTH, DEFLATE, "RSV1 is not set on compressed messages"),
    ("F20-tail", BOTH, DEFLATE, "the receiver does not put 00 00 ff ff back: the second message fails if the context is kept"),
    ("F20-keep", BOTH, DEFLATE, "the sender does not remove 00 00 ff ff"),
    ("F21-read", BOTH, DEFLATE, "the decompressor is new for each message although context takeover was negotiated"),
    ("F21-write", BOTH, DEFLATE, "the compressor keeps its context although no_context_takeover was negotiated"),
    # The end of a connection.
    ("E1", BOTH, CLOSING, "a close frame is ignored"),
    ("E1-drop", BOTH, CLOSING, "the TCP connection is closed on a close frame, without a close frame in return"),
    ("E2-text", BOTH, HYBI, "the close code is written as decimal text"),
    ("E2-little", BOTH, HYBI, "the close code is written in little-endian order"),
    ("E3-1005", BOTH, HYBI, "the response to a close frame without a code has code 1005"),
    ("E3-1006", BOTH, HYBI, "after a protocol error the close code is 1006"),
    ("E5-one", BOTH, HYBI, "the close code is written into one byte"),
    ("E5-long", BOTH, HYBI, "the reason of the close frame is longer than 123 bytes"),
    ("E6", SERVER, HYBI, "the socket is closed at once behind the close frame: unread bytes make TCP reset"),
    ("E6-linger", SERVER, HYBI, "SO_LINGER of 0 makes TCP reset instead of closing"),
    ("E7", CLIENT, HYBI, "the client closes the TCP connection first"),
    ("E8-noff", BOTH, HIXIE, "the byte FF at the end of text is missing"),
    ("E8-binary", BOTH, HIXIE, "text is sent in a frame with a length, of type 80"),
    ("E8-marker", BOTH, (75,), "FF 00 is taken for text: FF ends an empty one, 00 begins the next"),
)]


def options(role: str) -> argparse.Namespace:
    """Reads the command line. Exits with 2 when a mistake does not fit the role or the version."""
    parser = argparse.ArgumentParser(description=f"The {role} of the mutants; see README.md beside it.")
    if role == "client":
        parser.add_argument("url", nargs="?", metavar="URL", help="ws://HOST:PORT/PATH")
    else:
        parser.add_argument("--port", type=int, default=0, help="listen on this port, by default on a free one")
    parser.add_argument("--as", dest="version", type=int, choices=VERSIONS, help="the version of the protocol")
    parser.add_argument("--wrong", default="", metavar="ID", help="make this mistake, see --list")
    parser.add_argument("--list", action="store_true", help="print the mistakes: id, roles, versions, description")
    chosen = parser.parse_args()
    if chosen.list:
        print_catalogue()
        sys.exit(0)
    if role == "client" and chosen.url is None:
        parser.error("missing URL")
    mistake = None
    if chosen.wrong:
        mistake = next((one for one in CATALOGUE if one.id == chosen.wrong), None)
        if mistake is None:
            parser.error(f"unknown mistake {chosen.wrong}: see --list")
        if role not in mistake.roles:
            parser.error(f"{mistake.id} is not a mistake of a {role}: see --list")
        if chosen.version is not None and chosen.version not in mistake.versions:
            parser.error(f"{mistake.id} cannot be made in version {chosen.version}: see --list")
    if role == "client" and chosen.version is None:
        chosen.version = mistake.versions[-1] if mistake else 13
    return chosen


def print_catalogue() -> None:
    for one in CATALOGUE:
        print(one.id, ",".join(one.roles), ",".join(map(str, one.versions)), one.line, sep="\t")
