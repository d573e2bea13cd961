"""The local AWS as a process: an engine on the loopback interface, with all processes that it starts."""

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

from engine import EmulatorFailed, Engine, Place, direct
from engine_localstack import LocalStack
from engine_ministack import MiniStack

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (MiniStack(), LocalStack())}
START_TIMEOUT = 60
STOP_TIMEOUT = 5
# Ends a process group once standard input closes, that is, when the process that started it has ended in any way.
GUARD = "import os, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), 9)"
# Where Linux lists the sockets of each process, and how it writes their state and address.
PROC = Path("/proc")
LISTENING = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


class Emulator:
    """An engine whose files, log and process id are stored in `home`.

    The process leads its own process group, to which all functions that it runs belong. A signal to the group therefore
    ends all of them, even if the emulator itself has already ended.
    """

    def __init__(self, engine: Engine, home: Path, port: int, pid: int):
        self.engine, self.home, self.port, self.pid = engine, home, port, pid
        self._guard: subprocess.Popen | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / "emulator.log"

    @classmethod
    def start(
        cls, engine: Engine, home: Path, port: int, enforces_iam: bool = False, front: str = "", outlives: bool = True,
    ) -> "Emulator":
        """Starts an emulator on `port` and returns once it answers. Its functions call AWS at `front`, if given.

        Unless it `outlives` this process, it ends even if this process is killed.
        """
        command = engine.command()
        place = Place(home, port, front or f"http://127.0.0.1:{port}", enforces_iam)
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        with open(home / "emulator.log", "wb") as log:
            process = subprocess.Popen(
                command, cwd=home, env=engine.environment(place),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        emulator = cls(engine, home, port, process.pid)
        try:
            if not outlives:
                emulator._guard = subprocess.Popen(
                    [sys.executable, "-c", GUARD, str(process.pid)],
                    stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                )
            stored = {"engine": engine.name, "pid": process.pid, "port": port}
            (home / "emulator.json").write_text(json.dumps(stored))
            deadline = time.monotonic() + START_TIMEOUT
            while not emulator.answers():
                if process.poll() is not None:
                    raise EmulatorFailed(f"the emulator ended during its start: {emulator.last_words()}")
                if time.monotonic() > deadline:
                    raise EmulatorFailed(f"the emulator did not answer within {START_TIMEOUT} s: see {emulator.log}")
                time.sleep(0.1)
            emulator.check_listeners()
        except BaseException:
            emulator.stop()
            raise
        return emulator

    @classmethod
    def start_anywhere(
        cls, engine: Engine, home: Path, enforces_iam: bool, front: Callable[[int], str],
    ) -> "Emulator":
        """Starts an emulator that ends with this process on a free port. `front` returns, for that port, the URL at
        which functions call AWS."""
        for attempt in range(5):
            port = free_port()
            try:
                return cls.start(engine, home, port, enforces_iam, front(port), outlives=False)
            except EmulatorFailed:
                # Another program may have taken the port in between.
                if attempt == 4 or not is_taken(port):
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def running_in(cls, home: Path) -> "Emulator | None":
        """The emulator that an earlier call started in `home`, if it is still running. Ends what a killed one left."""
        try:
            found = json.loads((home / "emulator.json").read_text())
            emulator = cls(ENGINES[found["engine"]], home, found["port"], found["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        members = emulator._members()
        if str(emulator.engine.program) in members.get(emulator.pid, ""):
            return emulator
        # By now the process id may belong to another program. What the emulator left behind still names its files.
        ours = (str(home), str(Path(__file__).resolve().parent))
        if members and all(any(place in command for place in ours) for command in members.values()):
            emulator.stop()
        return None

    def answers(self) -> bool:
        try:
            with direct.open(self.endpoint + self.engine.health, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def check_listeners(self) -> None:
        """Raises `EmulatorFailed` if the emulator or a function listens on another interface than loopback."""
        if found := not_on_loopback(self.pid):
            raise EmulatorFailed(f"other machines can reach {', '.join(found)}")

    def last_words(self) -> str:
        """The last line of the log, and the log's path."""
        lines = self.log.read_text(errors="replace").split("\n")
        return f"{next((line for line in reversed(lines) if line.strip()), 'no reason given')} (log: {self.log})"

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
        if self._guard:
            self._guard.kill()
            self._guard.wait()
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        (self.home / "emulator.json").unlink(missing_ok=True)

    def _members(self) -> dict[int, str]:
        """The command lines of the processes in the emulator's group, by process id."""
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,args="], capture_output=True, text=True).stdout
        rows = (line.split(None, 2) for line in listed.splitlines())
        return {int(row[1]): row[2] for row in rows if len(row) == 3 and row[0] == str(self.pid)}

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


def not_on_loopback(group: int) -> list[str]:
    """Describes each TCP listener of the process group that is not on the loopback interface. Empty where there is no /proc."""
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) != group:
                continue
            sockets = {os.readlink(descriptor) for descriptor in process.joinpath("fd").iterdir()}
            command = process.joinpath("comm").read_text().strip()
            tables = [process.joinpath("net", table).read_text() for table in ("tcp", "tcp6")]
        except OSError:
            continue  # the process has ended
        for fields in (line.split() for table in tables for line in table.splitlines()[1:]):
            address, _, port = fields[1].partition(":")
            is_own = fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets
            if is_own and address not in LOOPBACK:
                found.append(f"{command} (process {process.name}) on port {int(port, 16)}")
    return found
