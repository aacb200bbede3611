# ch9.py: draft-76 adds a proof and a close
import hashlib
from server import Draft75, serve
from ch7 import finish

def number(key):
    digits = int("".join(c for c in key if c in "0123456789"))
    if digits % key.count(" "):
        raise ValueError
    return (digits // key.count(" ")).to_bytes(4, "big")

class Draft76(Draft75):
    def respond(self):
        try:
            numbers = number(self.headers["sec-websocket-key1"]) + number(self.headers["sec-websocket-key2"])
        except (ArithmeticError, LookupError, ValueError):
            self.send_head("400 Bad Request", "Content-Length: 0", "Connection: close")
            finish(self.connection)
        self.send_head("101 WebSocket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade",
                       "Sec-WebSocket-Origin: " + self.headers["origin"],
                       "Sec-WebSocket-Location: ws://" + self.headers["host"] + self.path)
        key3 = self.read(8)  # a proxy sends it only after our header block
        self.connection.sendall(hashlib.md5(numbers + key3).digest())

    def skip(self, kind):
        if super().skip(kind) == 0 and kind == 0xFF:
            self.connection.sendall(b"\xff\x00")
            finish(self.connection)

if __name__ == "__main__":
    serve(Draft76)
