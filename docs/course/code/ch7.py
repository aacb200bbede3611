# ch7.py: the closing handshake
import socket
from server import serve
from ch6 import Messages

def finish(connection):
    connection.shutdown(socket.SHUT_WR)  # no more bytes from here
    connection.settimeout(2)
    while connection.recv(4096):  # until the client has closed
        pass
    raise EOFError

class Closing(Messages):
    def control(self, opcode, payload):
        if opcode == 8:
            self.close(payload[:2])  # the same code
        super().control(opcode, payload)

    def close(self, code):
        self.send_frame(0x88, code)
        finish(self.connection)

if __name__ == "__main__":
    serve(Closing)
