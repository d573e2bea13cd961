"""The local AWS as a process: one MiniStack, bound to the loopback interface, with everything it starts."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent / "emulated.py"
REGION = "us-east-1"
START_TIMEOUT = 60
STOP_TIMEOUT = 5


class EmulatorFailed(Exception):
    """The emulator did not start; the message says why and where its log is."""


class Emulator:
    """A MiniStack whose files, log and process id live in `home`.

    The process leads a group of its own, to which every function it runs belongs too: signalling the group leaves
    nothing behind, however the emulator itself ends.
    """

    def __init__(self, home: Path, port: int, pid: int):
        self.home, self.port, self.pid = home, port, pid

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / "emulator.log"

    @classmethod
    def start(cls, home: Path, port: int, enforce_iam: bool = False, front: str = "") -> "Emulator":
        """Starts an emulator on `port` and returns once it answers. Its functions call AWS at `front`, if that is given."""
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        with open(home / "emulator.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, PROGRAM],
                cwd=home, env=_environment(home, port, enforce_iam, front),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        emulator = cls(home, port, process.pid)
        try:
            (home / "emulator.json").write_text(json.dumps({"pid": process.pid, "port": port}))
            deadline = time.monotonic() + START_TIMEOUT
            while not emulator.answers():
                if process.poll() is not None:
                    raise EmulatorFailed(f"the emulator ended at once, see {emulator.log}")
                if time.monotonic() > deadline:
                    raise EmulatorFailed(f"no answer from the emulator in {START_TIMEOUT} s, see {emulator.log}")
                time.sleep(0.1)
        except BaseException:
            emulator.stop()
            raise
        return emulator

    @classmethod
    def start_anywhere(cls, home: Path, enforce_iam: bool, front: Callable[[int], str]) -> "Emulator":
        """Starts an emulator on a free port. `front` returns the URL at which functions call the AWS on a port."""
        for attempt in range(5):
            port = free_port()
            try:
                return cls.start(home, port, enforce_iam, front(port))
            except EmulatorFailed:
                # Somebody else may have taken the port in between.
                if attempt == 4 or not is_taken(port):
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def running_in(cls, home: Path) -> "Emulator | None":
        """The emulator that an earlier call started in `home`, if it still runs."""
        try:
            found = json.loads((home / "emulator.json").read_text())
            emulator = cls(home, found["port"], found["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        # The id may belong to another program by now.
        command = subprocess.run(["ps", "-o", "args=", "-p", str(emulator.pid)], capture_output=True, text=True)
        return emulator if PROGRAM.name in command.stdout else None

    def answers(self) -> bool:
        try:
            with _direct.open(f"{self.endpoint}/_ministack/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ends the emulator with every function it runs, and forgets its files except the log."""
        for signum, patience in ((signal.SIGTERM, STOP_TIMEOUT), (signal.SIGKILL, STOP_TIMEOUT)):
            deadline = time.monotonic() + patience
            while self._signal_group(signum):
                _reap(self.pid)
                signum = 0
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        (self.home / "emulator.json").unlink(missing_ok=True)

    def _signal_group(self, signum: int) -> bool:
        """Signals the group, with 0 only asks for it; false when nobody is left in it."""
        try:
            os.killpg(self.pid, signum)
            return True
        except ProcessLookupError:
            return False
        except PermissionError:
            # What macOS says of a group of processes that have ended but are not collected yet.
            return signum != signal.SIGKILL


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by another process


def _environment(home: Path, port: int, enforce_iam: bool, front: str) -> dict[str, str]:
    """Exactly what the emulator gets, and through it every function: nothing of the caller's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        # Whether requests are checked against the policies of whoever signed them.
        "AUTH": str(enforce_iam).lower(),
        # Listeners that nobody needs, and that would not be on the loopback interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # No Docker, also where there is one: at start the emulator would remove the containers of others.
        "DOCKER_HOST": "unix:///nonexistent",
        # Unpacked functions go here.
        "TMPDIR": str(home / "tmp"),
        # Handed on to the functions.
        "AWS_ENDPOINT_URL": front or f"http://127.0.0.1:{port}",
        # Else the log of the emulator is written in blocks, and what its last one held is lost when it is killed.
        "PYTHONUNBUFFERED": "1",
    }


# Never through a proxy, whatever the environment says.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
