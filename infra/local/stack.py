#!/usr/bin/env python3
"""Leadstream on a local AWS: the real template, the real programs, no Docker, nothing but the loopback interface.

    stack.py up   --artifacts DIR [--port N]   start one and keep it; .local/stack.env says how to use it
    stack.py down                              end it
    stack.py run  --artifacts DIR --wire PROGRAM -- COMMAND
                                               run a command against one of its own, on a free port, then end it

DIR holds `<function>/bootstrap` for each function of the template. PROGRAM is the strict wire, through which functions and
command reach AWS; a request that it refuses fails the run. Any number of `run`s may go on at the same time.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from beside import Beside
from deployment import DeploymentFailed, deploy, set_recorder
from emulator import REGION, Emulator, EmulatorFailed, is_taken
from strict import StrictWire

LOCAL = Path(__file__).resolve().parents[2] / ".local"
UP_HOME = LOCAL / "up"
STACK_ENV = LOCAL / "stack.env"
# How long a command may take to end once it is told to.
COMMAND_GRACE = 15


class Stopped(BaseException):
    """We were told to stop; carries the signal. No mere `Exception`, for libraries swallow those."""


def main() -> int:
    arguments = _arguments()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _stop)
    try:
        match arguments.action:
            case "up":
                return up(arguments.artifacts, arguments.port)
            case "down":
                return down()
            case _:
                return run(arguments.artifacts, arguments.wire, arguments.command, arguments.enforce_iam)
    except (EmulatorFailed, DeploymentFailed) as error:
        return _complain(str(error))
    except Stopped as stopped:
        return 128 + stopped.args[0]


def up(artifacts: Path, port: int) -> int:
    """Starts a stack that stays, or deploys onto the one that runs already."""
    emulator = Emulator.running_in(UP_HOME)
    if emulator and emulator.port != port:
        return _complain(f"a stack is already up on port {emulator.port}; `make down` ends it")
    if not emulator and is_taken(port):
        return _complain(f"port {port} is taken; choose another one with PORT=")
    is_ours_to_end = not emulator
    if emulator:
        print(f"A stack is already up on port {port}; deploying onto it.")
    else:
        emulator = Emulator.start(UP_HOME, port)
    try:
        environment = deploy(emulator.endpoint, REGION, artifacts)
    except BaseException:
        if is_ours_to_end:
            emulator.stop()
        print(f"Log of the emulator: {emulator.log}", file=sys.stderr)
        raise
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    STACK_ENV.write_text("".join(lines))
    print(f"Up at {emulator.endpoint}. Use it with `. {os.path.relpath(STACK_ENV)}`, end it with `make down`.")
    return 0


def down() -> int:
    """Ends the stack that `up` left; nothing of it stays."""
    emulator = Emulator.running_in(UP_HOME)
    if emulator:
        emulator.stop()
    STACK_ENV.unlink(missing_ok=True)
    shutil.rmtree(UP_HOME, ignore_errors=True)
    print("Down." if emulator else "No stack is up.")
    return 0


def run(artifacts: Path, program: Path, command: list[str], enforce_iam: bool) -> int:
    """Runs `command` with a fresh stack in its environment; returns its exit code, or 1 if AWS would have refused anything.

    The log of the emulator is kept only if something went wrong.
    """
    LOCAL.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="run-", dir=LOCAL))
    emulator, beside, wire, went_wrong = None, Beside(), StrictWire(program), True
    try:
        emulator = Emulator.start_anywhere(home, enforce_iam, wire.before)
        environment = deploy(emulator.endpoint, REGION, artifacts, enforce_iam) | {"LEGACY_URL": beside.url}
        beside.set_recorder = lambda variables: set_recorder(emulator.endpoint, REGION, variables)
        # Only the deployment itself calls the emulator directly.
        own = {"AWS_ENDPOINT_URL": wire.url, "LOCAL_EMULATOR_LOG": str(emulator.log)}
        code = _run_to_the_end(command, environment | own)
        code = code or _report_refused(*wire.seen())
        went_wrong = code != 0
        return code
    except Stopped:
        went_wrong = False
        raise
    finally:
        _be_deaf()
        beside.stop()
        wire.stop()
        emulator = emulator or Emulator.running_in(home)
        if emulator:
            emulator.stop()
        if went_wrong:
            print(f"Log of the emulator: {home / 'emulator.log'}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)


def _report_refused(taken: dict[str, int], refused: list[str]) -> int:
    """Prints what the strict wire saw. Returns the exit code: 1 if AWS would have refused a request."""
    services = ", ".join(f"{service} {count}" for service, count in taken.items())
    print(f"Strict wire: requests taken: {services}; refused: {len(refused)}")
    for one in refused:
        _complain(f"AWS would have refused this: {one}")
    return 1 if refused else 0


def _run_to_the_end(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command in a process group of its own, which has ended when this returns."""
    # A profile or session of the caller must not get mixed up with the dummy credentials.
    own = {name: value for name, value in os.environ.items() if name not in ("AWS_PROFILE", "AWS_SESSION_TOKEN")}
    try:
        process = subprocess.Popen(
            command, env=own | environment, stdin=subprocess.DEVNULL, start_new_session=True,
        )
    except OSError as error:
        return _complain(f"cannot run {command[0]}: {error.strerror}")
    try:
        code = process.wait()
        return code if code >= 0 else 128 - code
    except Stopped as stopped:
        _be_deaf()
        _signal_group(process.pid, stopped.args[0])
        try:
            process.wait(COMMAND_GRACE)
        except subprocess.TimeoutExpired:
            pass
        raise
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, signum: int) -> None:
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it


def _stop(signum: int, _frame) -> None:
    raise Stopped(signum)


def _be_deaf() -> None:
    """From here on everything is being ended anyway; a second signal must not interrupt that."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def _complain(message: str) -> int:
    print(f"stack: {message}", file=sys.stderr)
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True, metavar="up|down|run")
    artifacts = argparse.ArgumentParser(add_help=False)
    artifacts.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    starting = actions.add_parser("up", parents=[artifacts])
    starting.add_argument("--port", type=int, default=4566)
    actions.add_parser("down")
    running = actions.add_parser("run", parents=[artifacts])
    running.add_argument("--wire", type=Path, required=True, metavar="PROGRAM")
    running.add_argument("--enforce-iam", action="store_true", help="hold the functions to the policies of their roles")
    running.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
