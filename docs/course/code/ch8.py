# ch8.py: wrong input is refused
from server import serve
from ch7 import Closing, finish

class Strict(Closing):
    versions = ["13"]

    def respond(self):
        if self.headers.get("sec-websocket-version") not in self.versions:
            self.reject("426 Upgrade Required", "Sec-WebSocket-Version: " + ", ".join(self.versions))
        if "sec-websocket-key" not in self.headers:
            self.reject("400 Bad Request")
        super().respond()

    def reject(self, status, *lines):
        self.send_head(status, *lines, "Content-Length: 0", "Connection: close")
        finish(self.connection)

    def check(self, first, second, length):
        opcode = first & 0x0F
        wrong = first & 0x70 or opcode not in (0, 1, 2, 8, 9, 10) or not self.masked_well(second)
        if opcode >= 8:
            wrong = wrong or not first & 0x80 or length > 125
        else:
            wrong = wrong or (opcode == 0) != (self.pieces is not None)
        wrong = wrong or length < {126: 126, 127: 65536}.get(second & 0x7F, 0)  # a shorter form fits
        if wrong or length >= 2**63:
            self.fail(1002)
        if length + sum(map(len, self.pieces or [])) > 2**20:
            self.fail(1009)  # else a client decides how much memory you need

    def masked_well(self, second):
        return second & 0x80

    def message(self, opcode, payload):
        if opcode == 1:
            self.check_text(payload)
        super().message(opcode, payload)

    def control(self, opcode, payload):
        code = int.from_bytes(payload[:2], "big")
        defined = code in range(1000, 1015) and code not in (1004, 1005, 1006)
        if opcode == 8 and payload and not (defined or 3000 <= code < 5000):
            self.fail(1002)
        if opcode == 8:
            self.check_text(payload[2:])
        super().control(opcode, payload)

    def check_text(self, text):
        try:
            text.decode()
        except UnicodeDecodeError:
            self.fail(1007)

    def fail(self, code):
        self.close(code.to_bytes(2, "big"))

if __name__ == "__main__":
    serve(Strict)
