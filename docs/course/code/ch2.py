# ch2.py: the handshake of version 13
import base64, hashlib
from server import Draft75, serve

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

def accept_value(key):
    digest = hashlib.sha1((key + GUID).encode()).digest()  # 20 bytes, no hex text
    return base64.b64encode(digest).decode()

class Handshake(Draft75):
    def respond(self):
        self.send_head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                       "Sec-WebSocket-Accept: " + accept_value(self.headers["sec-websocket-key"]))

    def frame(self):
        self.read(1)  # ignored until chapter 3

if __name__ == "__main__":
    serve(Handshake)
