"""Stentor's clients as programs: started against a server, and judged by how they end."""

import subprocess
import tempfile

WAIT = 10  # seconds a program may take to end


class Program:
    """One of the examples in `directory`. Its input is `text`, or stays open until `end_input`."""

    def __init__(self, directory, name, arguments, text=None):
        self.name = name
        self.output, self.errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        stdin = subprocess.PIPE
        if text is not None:
            stdin = tempfile.TemporaryFile()
            stdin.write(text.encode())
            stdin.seek(0)
        command = [f"{directory}/{name}", *arguments]
        self.process = subprocess.Popen(command, stdin=stdin, stdout=self.output, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()

    def end_input(self):
        self.process.stdin.close()

    def succeeds(self):
        """What it has printed, once it has ended well."""
        status = self.process.wait(WAIT)
        if status != 0:
            raise AssertionError(f"{self.name} ends with {status}: {self.printed(self.errors)}")
        return self.printed(self.output)

    def fails(self):
        """What it says on stderr; it has printed nothing that it took for a message, and did not panic."""
        status = self.process.wait(WAIT)
        output, errors = self.printed(self.output), self.printed(self.errors)
        if status <= 0 or status == 101 or output or not errors.strip():
            raise AssertionError(f"{self.name} ends with {status}, prints {output!r} and says {errors!r}")
        return errors

    def survives(self):
        """It has ended, whatever its exit status says, but by itself: no signal and no panic."""
        status = self.process.wait(WAIT)
        if status < 0 or status == 101:
            raise AssertionError(f"{self.name} ends with {status}: {self.printed(self.errors)}")

    @staticmethod
    def printed(file):
        file.seek(0)
        return file.read().decode()
