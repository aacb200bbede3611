# server.py: the server of chapter 1, in parts that later chapters replace
import contextlib, socketserver, sys

class Draft75(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(EOFError, OSError):
            self.read_request()
            self.respond()
            while True:
                self.frame()

    def read_request(self):
        self.path = self.rfile.readline().decode().split()[1]
        self.headers = {}
        while line := self.rfile.readline().decode().strip():
            name, value = line.split(":", 1)
            self.headers[name.lower()] = value.strip()

    def respond(self):
        self.send_head("101 Web Socket Protocol Handshake", "Upgrade: WebSocket", "Connection: Upgrade",
                       "WebSocket-Origin: " + self.headers["origin"],
                       "WebSocket-Location: ws://" + self.headers["host"] + self.path)

    def send_head(self, status, *lines):
        self.connection.sendall("\r\n".join(["HTTP/1.1 " + status, *lines, "", ""]).encode())

    def frame(self):
        kind = self.read(1)[0]
        if kind >= 0x80:
            return self.skip(kind)
        text = b"".join(iter(lambda: self.read(1), b"\xff"))  # up to FF
        if kind == 0:
            self.connection.sendall(b"\x00" + text + b"\xff")

    def skip(self, kind):
        length, digit = 0, 0x80
        while digit & 0x80:
            digit = self.read(1)[0]
            length = length * 128 + (digit & 0x7F)
        self.read(length)
        return length

    def read(self, count):
        data = self.rfile.read(count)  # waits for all of them
        if len(data) < count:
            raise EOFError
        return data

def serve(handler):
    socketserver.TCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), handler) as server:
        print("port", server.server_address[1], flush=True)
        server.serve_forever()

if __name__ == "__main__":
    serve(Draft75)
