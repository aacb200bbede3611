# ch4.py: three forms of the length
from server import serve
from ch3 import Frames

class Lengths(Frames):
    def read_length(self, short):
        more = {126: 2, 127: 8}.get(short)
        return int.from_bytes(self.read(more), "big") if more else short

    def length(self, count):
        if count < 126:
            return bytes([count])
        if count < 65536:
            return bytes([126]) + count.to_bytes(2, "big")
        return bytes([127]) + count.to_bytes(8, "big")

if __name__ == "__main__":
    serve(Lengths)
