"""The local AWS as a process: one MiniStack on the loopback interface, with all processes that it starts."""

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
    """The emulator did not start; the message has the cause and the path of its log."""


class Emulator:
    """A MiniStack whose files, log and process id are stored in `home`.

    The process leads its own process group, to which all functions that it runs belong. A signal to the group therefore
    ends all of them, even if the emulator itself has already ended.
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
        """Starts an emulator on `port` and returns once it answers. Its functions call AWS at `front`, if given."""
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
                    raise EmulatorFailed(f"the emulator ended during its start: see {emulator.log}")
                if time.monotonic() > deadline:
                    raise EmulatorFailed(f"the emulator did not answer within {START_TIMEOUT} s: see {emulator.log}")
                time.sleep(0.1)
        except BaseException:
            emulator.stop()
            raise
        return emulator

    @classmethod
    def start_anywhere(cls, home: Path, enforce_iam: bool, front: Callable[[int], str]) -> "Emulator":
        """Starts an emulator on a free port. `front` returns, for that port, the URL at which functions call AWS."""
        for attempt in range(5):
            port = free_port()
            try:
                return cls.start(home, port, enforce_iam, front(port))
            except EmulatorFailed:
                # Another program may have taken the port in between.
                if attempt == 4 or not is_taken(port):
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def running_in(cls, home: Path) -> "Emulator | None":
        """The emulator that an earlier call started in `home`, if it is still running."""
        try:
            found = json.loads((home / "emulator.json").read_text())
            emulator = cls(home, found["port"], found["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        # By now the process id may belong to another program.
        command = subprocess.run(["ps", "-o", "args=", "-p", str(emulator.pid)], capture_output=True, text=True)
        return emulator if PROGRAM.name in command.stdout else None

    def answers(self) -> bool:
        try:
            with _direct.open(f"{self.endpoint}/_ministack/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ends the emulator and all functions that it runs, and deletes its files except the log."""
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
        """Sends a signal to the process group; 0 only checks that the group exists. Returns whether it exists."""
        try:
            os.killpg(self.pid, signum)
            return True
        except ProcessLookupError:
            return False
        except PermissionError:
            # macOS reports this for a group whose processes have ended but are not reaped yet.
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
        pass  # another process started it and reaps it


def _environment(home: Path, port: int, enforce_iam: bool, front: str) -> dict[str, str]:
    """The whole environment of the emulator and of its functions. It contains none of the caller's AWS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        # Whether each request is checked against the policies of its signer.
        "AUTH": str(enforce_iam).lower(),
        # These listeners are not needed and would not be on the loopback interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Docker is not used even if it is installed: the emulator would remove foreign containers when it starts.
        "DOCKER_HOST": "unix:///nonexistent",
        # The functions are unpacked here.
        "TMPDIR": str(home / "tmp"),
        # Passed on to the functions.
        "AWS_ENDPOINT_URL": front or f"http://127.0.0.1:{port}",
        # Without this the log is written in blocks, and the last block is lost when the emulator is killed.
        "PYTHONUNBUFFERED": "1",
    }


# Never through a proxy, even if the environment configures one.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
