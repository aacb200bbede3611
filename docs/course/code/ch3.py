# ch3.py: the first frame
from server import serve
from ch2 import Handshake

class Frames(Handshake):
    def frame(self):
        first, payload = self.read_frame()
        self.send_frame(first, payload)

    def read_frame(self):
        first, second = self.read(2)
        length = self.read_length(second & 0x7F)
        self.check(first, second, length)
        payload = self.read_payload(length)
        return first, payload

    def read_payload(self, length):
        key = self.read(4)
        return bytes(byte ^ key[i % 4] for i, byte in enumerate(self.read(length)))

    def send_frame(self, first, payload):
        self.connection.sendall(bytes([first]) + self.length(len(payload)) + payload)

    def read_length(self, short):
        return short  # more in chapter 4

    def length(self, count):
        return bytes([count])

    def check(self, first, second, length):
        pass  # chapter 8

if __name__ == "__main__":
    serve(Frames)
