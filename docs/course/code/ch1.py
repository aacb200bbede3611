# ch1.py: an echo server of draft-75
import contextlib, socketserver, sys

class Draft75(socketserver.StreamRequestHandler):
    def handle(self):
        path, headers = self.rfile.readline().decode().split()[1], {}
        while line := self.rfile.readline().decode().strip():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        self.wfile.write(("HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
                          f"WebSocket-Origin: {headers['origin']}\r\n"
                          f"WebSocket-Location: ws://{headers['host']}{path}\r\n\r\n").encode())
        with contextlib.suppress(IndexError, OSError):  # the stream ends
            while True:
                kind, length, digit = self.rfile.read(1)[0], 0, 0x80
                if kind < 0x80:
                    text = bytes(iter(lambda: self.rfile.read(1)[0], 0xFF))  # up to FF
                    if kind == 0:
                        self.wfile.write(b"\x00" + text + b"\xff")
                    continue
                while digit & 0x80:
                    digit = self.rfile.read(1)[0]
                    length = length * 128 + (digit & 0x7F)
                self.rfile.read(length)

if __name__ == "__main__":
    socketserver.TCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Draft75) as server:
        print("port", server.server_address[1], flush=True)
        server.serve_forever()
