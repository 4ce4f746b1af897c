"""A program that is steered by lines of JSON: a driver, or the scripted peer."""
import json
import os
import select
import signal
import subprocess
import tempfile
import time

PATIENCE = 20.0  # seconds that any request may take beyond its own timeout


class Broken(Exception):
    """The program did not answer, answered no JSON, or left in the wrong way."""


class Program:
    def __init__(self, command: list, environment: dict):
        self._errors = tempfile.TemporaryFile()
        self._known_errors = 0
        self._rest = b""
        try:
            self._process = subprocess.Popen(  # its own group, so that what it starts ends with it
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                start_new_session=True)
        except OSError as error:
            raise Broken(f"it cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: dict) -> None:
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Broken(f"it does not read its standard input any more: {self._how_it_stands()}") from error

    def answer(self, request: dict) -> dict:
        """What is answered to the request that was sent."""
        line = self._read_line(time.monotonic() + max(request.get("timeout_ms", 0), 0) / 1000 + PATIENCE)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise Broken(f"it answered what is no JSON: {line[:200]!r}") from error
        if not isinstance(answer, dict) or "status" not in answer:
            raise Broken(f"it answered without a status: {line[:200]!r}")
        return answer

    def _read_line(self, deadline: float) -> bytes:
        chunks = [self._rest]
        while b"\n" not in chunks[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise Broken("no answer within the time limit")
            chunks.append(os.read(self._process.stdout.fileno(), 1 << 20))
            if not chunks[-1]:
                raise Broken(f"it closed its standard output: {self._how_it_stands()}")
        line, self._rest = b"".join(chunks).split(b"\n", 1)
        return line

    def _how_it_stands(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it still runs"
        return f"it exited with {code}" if code >= 0 else f"it was ended by {signal.Signals(-code).name}"

    def leave(self) -> None:
        """Ends its standard input, upon which it must exit with 0."""
        self._process.stdin.close()
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Broken("it did not exit at the end of its standard input") from error
        if code != 0:
            raise Broken(f"at the end of its standard input {self._how_it_stands()}")

    def kill(self) -> None:
        """Ends it and what it started, whatever they do. Harmless when it has left."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                stream.close()
            except BrokenPipeError:  # what was not written yet
                pass

    def forget_errors(self) -> None:
        self._known_errors = self._errors.seek(0, os.SEEK_END)

    def errors(self) -> str:
        """The end of what it wrote to standard error since they were forgotten."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(self._known_errors, size - 4000))
        return self._errors.read().decode(errors="replace")

    def resident_kib(self) -> int:
        """The memory that it has in use."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
