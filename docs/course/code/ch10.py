# ch10.py: versions 7 and 8
from server import serve
from ch8 import Strict

class Older(Strict):
    versions = ["13", "8", "7"]

    def fail(self, code):
        version = self.headers["sec-websocket-version"]
        if code == 1009 and version != "13":
            code = 1004  # too large, until draft 13 gave it 1009
        if code == 1007 and version == "7":
            code = 1003  # draft 07 has no code for text that is not UTF-8
        super().fail(code)

if __name__ == "__main__":
    serve(Older)
