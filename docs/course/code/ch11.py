# ch11.py: a client, which echoes as well
import base64, os, socket, sys
from urllib.parse import urlsplit
from ch2 import accept_value
from ch8 import Strict

class Client(Strict):
    def __init__(self, url):
        self.url = urlsplit(url)
        self.connection = socket.create_connection((self.url.hostname, self.url.port or 80))
        self.rfile = self.connection.makefile("rb", 0)
        self.handle()

    def read_request(self):  # which a client writes
        self.key = base64.b64encode(os.urandom(16)).decode()
        target = (self.url.path or "/") + ("?" + self.url.query if self.url.query else "")
        self.connection.sendall("\r\n".join([
            f"GET {target} HTTP/1.1", f"Host: {self.url.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self.key}", "Sec-WebSocket-Version: 13", "", ""]).encode())
        super().read_request()  # the response has the same form; its status stands where a path would be

    def respond(self):  # check the response instead
        has = lambda name: self.headers.get(name, "").lower()
        if (self.path != "101" or has("upgrade") != "websocket" or "upgrade" not in has("connection")
                or self.headers.get("sec-websocket-accept") != accept_value(self.key)
                or has("sec-websocket-extensions") or has("sec-websocket-protocol")):
            raise EOFError

    def masked_well(self, second):
        return not second & 0x80

    def read_payload(self, length):
        return self.read(length)

    def send_frame(self, first, payload):
        key = os.urandom(4)  # new for each frame
        length = bytearray(self.length(len(payload)))
        length[0] |= 0x80
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        self.connection.sendall(bytes([first]) + length + key + payload)

    def close(self, code):
        self.send_frame(0x88, code)
        self.connection.settimeout(2)
        while self.connection.recv(4096):  # the server closes TCP first
            pass
        raise EOFError

if __name__ == "__main__":
    Client(sys.argv[1])
