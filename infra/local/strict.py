"""The strict wire in front of a local AWS, as a process. Functions and tests reach the local AWS through it."""

import json
import subprocess
import urllib.request
from pathlib import Path


class StrictWire:
    """The program `strict-wire` on a free port of the loopback interface. It ends when this process ends, however that is."""

    def __init__(self, program: Path):
        self._program = program
        self._process: subprocess.Popen | None = None
        self.url = ""

    def before(self, port: int) -> str:
        """Starts it in front of the local AWS on `port`, in place of an earlier one, and returns its URL."""
        self.stop()
        self._process = subprocess.Popen(
            [self._program, f"http://127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.url = self._process.stdout.readline().strip()
        return self.url

    def seen(self) -> tuple[dict[str, int], list[str]]:
        """The number of requests that each service took, and the requests that AWS would have refused."""
        with _direct.open(f"{self.url}/_strict", timeout=10) as answer:
            seen = json.load(answer)
        return seen["taken"], seen["refused"]

    def stop(self) -> None:
        """Ends it and cuts what is under way."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


# Never through a proxy, whatever the environment says.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
