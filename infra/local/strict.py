"""The strict wire as a process in front of a local AWS. Functions and tests reach the local AWS through it."""

import json
import subprocess
from pathlib import Path

from engine import direct


class StrictWire:
    """The program `strict-wire` on a free port of the loopback interface. It ends when this process ends."""

    def __init__(self, program: Path):
        self._program = program
        self._process: subprocess.Popen | None = None
        self.url = ""

    def before(self, port: int) -> str:
        """Starts the program in front of the local AWS on `port`, after stopping an earlier one. Returns its URL."""
        self.stop()
        self._process = subprocess.Popen(
            [self._program, f"http://127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.url = self._process.stdout.readline().strip()
        return self.url

    def seen(self) -> tuple[dict[str, int], list[str]]:
        """The number of accepted requests by service, and the requests that AWS would have refused."""
        with direct.open(f"{self.url}/_strict", timeout=10) as answer:
            seen = json.load(answer)
        return seen["taken"], seen["refused"]

    def stop(self) -> None:
        """Ends the program immediately, and with it all open connections."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

