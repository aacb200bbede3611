# ch6.py: fragments, and control frames between them
from server import serve
from ch5 import Reads

class Messages(Reads):
    pieces = None  # a list while a message is incomplete

    def frame(self):
        first, payload = self.read_frame()
        opcode = first & 0x0F
        if opcode >= 8:
            return self.control(opcode, payload)
        if opcode:  # 0 continues the message
            self.opcode, self.pieces = opcode, []
        self.pieces.append(payload)
        if first & 0x80:  # FIN
            pieces, self.pieces = self.pieces, None
            self.message(self.opcode, b"".join(pieces))

    def message(self, opcode, payload):
        self.send_frame(0x80 | opcode, payload)

    def control(self, opcode, payload):
        if opcode == 9:
            self.send_frame(0x8A, payload)  # a pong

if __name__ == "__main__":
    serve(Messages)
