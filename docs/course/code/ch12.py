# ch12.py: permessage-deflate
import zlib
from server import serve
from ch8 import Strict

class Deflate(Strict):
    agreed = compressed = False

    def send_head(self, status, *lines):
        offers = self.headers.get("sec-websocket-extensions", "").split(",")
        # One simple offer is enough: with or without client_max_window_bits.
        for offer in ([word.strip() for word in offer.split(";")] for offer in offers):
            if offer[0] == "permessage-deflate" and all(
                    word.startswith("client_max_window_bits") for word in offer[1:]) and len(offer) <= 2:
                self.agreed = True
        if self.agreed and status.startswith("101"):
            lines += ("Sec-WebSocket-Extensions: permessage-deflate",)
            self.inflater = zlib.decompressobj(-15)  # one window for all messages
            self.deflater = zlib.compressobj(wbits=-15)
        super().send_head(status, *lines)

    def check(self, first, second, length):
        if first & 0x0F in (1, 2):
            self.compressed = self.agreed and first & 0x40
            if self.compressed:
                first &= ~0x40
        super().check(first, second, length)

    def message(self, opcode, payload):
        if self.compressed:
            try:
                payload = self.inflater.decompress(payload + b"\x00\x00\xff\xff", 2**20)
            except zlib.error:
                self.fail(1007)  # no deflate, or a reference to bytes that never came
            if self.inflater.unconsumed_tail:
                self.fail(1009)  # a bomb: small on the wire, large here
        super().message(opcode, payload)

    def send_frame(self, first, payload):
        if self.agreed and first & 0x0F in (1, 2):
            payload = self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
            first, payload = first | 0x40, payload[:-4]
        super().send_frame(first, payload)

if __name__ == "__main__":
    serve(Deflate)
