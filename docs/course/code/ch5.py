# ch5.py: reads are not frames
from server import serve
from ch4 import Lengths

class Reads(Lengths):
    rbufsize = 0  # rfile keeps no bytes for itself
    buffer = b""

    def read(self, count):
        while len(self.buffer) < count:
            data = self.connection.recv(4096)  # from 1 to 4096 bytes
            if not data:
                raise EOFError
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

if __name__ == "__main__":
    serve(Reads)
