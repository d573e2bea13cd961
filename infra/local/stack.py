#!/usr/bin/env python3
"""Leadstream on a local AWS: the real template and programs, without Docker, only on the loopback interface.

    stack.py up   --artifacts DIR [--port N]   start a stack and keep it; .local/stack.env has the variables to use it
    stack.py down                              stop that stack
    stack.py run  --artifacts DIR --wire PROGRAM -- COMMAND
                                               run a command on its own stack on a free port, then stop the stack

`--emulator` chooses the engine (docs/localstack.md). With `LOCALSTACK_ENDPOINT` in the environment, the engine
`localstack` is the one that already runs there: it is neither started nor stopped, `down` deletes the stack from it, and
`run` exports the tests to skip as `SKIPPED_TESTS`, a filterset of nextest. DIR contains `<function>/bootstrap` for each function of the
template. PROGRAM is the strict wire, through which the functions and the command call AWS; a request that it refuses
fails the run. Several `run`s may run at the same time.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from beside import Beside
from deployment import STACK, DeploymentFailed, deploy, make_policies_enforceable, roles, set_variables
from emulator import ENGINES, Emulator, is_taken
from engine import REGION, EmulatorFailed, Engine
from engine_localstack import LocalStack
from inspection import Inspection
from profiles import Taken, add, profiles, remove
from removal import status, undeploy
from running import HOW, Need, Running, selector, skipped
from strict import StrictWire, never_used

LOCAL = Path(__file__).resolve().parents[2] / ".local"
UP_HOME = LOCAL / "up"
STACK_ENV = LOCAL / "stack.env"
# A stack with another status can be deleted, but not updated.
UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
# The time in seconds that a command has to end after a signal.
COMMAND_GRACE = 15


class Stopped(BaseException):
    """This process received a signal to stop, the argument. Not an `Exception`, because libraries catch those."""


def main() -> int:
    arguments = _arguments()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _stop)
    try:
        there = None
        if arguments.emulator == LocalStack.name and (url := os.environ.get("LOCALSTACK_ENDPOINT")):
            there = Running.at(url)
        match arguments.action:
            case "up" if there:
                return up_at(there, arguments.artifacts)
            case "up":
                return up(ENGINES[arguments.emulator], arguments.artifacts, arguments.port)
            case "down" if there:
                return down_at(there)
            case "down":
                return down()
            case _ if arguments.enforce_iam and not ENGINES[arguments.emulator].can_enforce_iam:
                name = arguments.emulator
                return _complain(f"{name} does not enforce policies: leave out --enforce-iam, or use another engine")
            case _ if there and arguments.all_used:
                return _complain("some tests are skipped on a running LocalStack: leave out --all-used")
            case _ if there:
                return run_at(there, arguments.artifacts, arguments.wire, arguments.command, arguments.needs)
            case _:
                engine = ENGINES[arguments.emulator]
                return run(
                    engine, arguments.artifacts, arguments.wire, arguments.command, arguments.enforce_iam,
                    arguments.all_used)
    except (EmulatorFailed, DeploymentFailed) as error:
        return _complain(str(error))
    except ClientError as error:
        return _complain(f"the local AWS refused a request: {error}")
    except (BotoCoreError, OSError) as error:
        return _complain(f"the local AWS no longer answers: {error}")
    except Stopped as stopped:
        return 128 + stopped.args[0]


def up(engine: Engine, artifacts: Path, port: int) -> int:
    """Starts a stack and keeps it running, or deploys to the one that is already running."""
    emulator = Emulator.running_in(UP_HOME)
    if emulator and (emulator.port, emulator.engine) != (port, engine):
        running = f"a stack is already running on port {emulator.port} ({emulator.engine.name})"
        return _complain(f"{running}: stop it with `make down`")
    if not emulator and is_taken(port):
        return _complain(f"port {port} is in use: choose another one with PORT=")
    is_ours_to_end = not emulator
    if emulator:
        _check_updatable(emulator.endpoint, "make down")
        print(f"A stack is already running on port {port}; deploying to it.")
    else:
        emulator = Emulator.start(engine, UP_HOME, port)
    try:
        environment = deploy(emulator.endpoint, REGION, artifacts)
        emulator.check_listeners()
    except BaseException:
        if is_ours_to_end:
            emulator.stop()
        print(f"Log of the emulator: {emulator.log}", file=sys.stderr)
        raise
    _write_stack_env(environment)
    print(
        f"The stack is running at {emulator.endpoint}. To use it, {_how_to_use(emulator.endpoint)}; to stop it, run "
        "`make down`."
    )
    return 0


def up_at(there: Running, artifacts: Path) -> int:
    """Creates or updates the stack on a LocalStack that is already running."""
    is_new = _check_updatable(there.endpoint, _removal_from(there)) is None
    there.route_functions_through("")
    try:
        environment = _deploy_at(there, artifacts)
    except BaseException:
        if is_new:
            _ignore_signals()
            _leave(there, is_deploying=True)
        raise
    _write_stack_env(environment)
    print(f"The stack is on {there}. To use it, {_how_to_use(there.endpoint)}; to delete it, run `{_removal_from(there)}`.")
    return 0


def down_at(there: Running) -> int:
    """Deletes the stack from a LocalStack that is already running."""
    was_there = undeploy(there.endpoint, REGION)
    _forget_stack()
    print(f"The stack is deleted from {there}." if was_there else f"No stack is on {there}.")
    return 0


def down() -> int:
    """Stops the stack that `up` started and deletes its files."""
    emulator = Emulator.running_in(UP_HOME)
    if emulator:
        emulator.stop()
    _forget_stack()
    shutil.rmtree(UP_HOME, ignore_errors=True)
    print("The stack is stopped." if emulator else "No stack is running.")
    return 0


def run(engine: Engine, artifacts: Path, program: Path, command: list[str], enforce_iam: bool, all_used: bool) -> int:
    """Runs `command` on a new stack. Returns its exit code, or 1 if AWS would have refused a request, or with `all_used`,
    if the functions did not use a permission.

    The log of the emulator is kept only after a failure.
    """
    LOCAL.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="run-", dir=LOCAL))
    emulator, beside, wire, went_wrong = None, Beside(), StrictWire(program), True
    try:
        emulator = Emulator.start_anywhere(engine, home, enforce_iam, wire.before)
        environment = deploy(emulator.endpoint, REGION, artifacts) | {"LEGACY_URL": beside.url}
        granted = roles(emulator.endpoint, REGION)
        wire.decide(granted)
        if enforce_iam:
            make_policies_enforceable(emulator.endpoint, REGION)
        beside.set_variables = partial(set_variables, emulator.endpoint, REGION)
        beside.signal_function = emulator.signal_function
        # Only the deployment calls the emulator directly; the command goes through the strict wire.
        code = _run_to_the_end(command, environment | {"AWS_ENDPOINT_URL": wire.url, "SKIPPED_TESTS": selector({})})
        if code and not emulator.answers():
            _complain(f"the emulator ended during the run: {emulator.last_words()}")
        # Also after a failure, of which a refused request may be the cause.
        refused, unused = _report(granted, *wire.seen(), is_test=enforce_iam or all_used)
        if all_used and unused:
            _complain("the functions have permissions that they did not use in this run (listed above)")
        code = code or int(refused or (all_used and unused))
        emulator.check_listeners()
        went_wrong = code != 0
        return code
    except Stopped:
        went_wrong = False
        raise
    finally:
        _ignore_signals()
        beside.stop()
        wire.stop()
        emulator = emulator or Emulator.running_in(home)
        if emulator:
            emulator.stop()
        if went_wrong:
            print(f"Log of the emulator: {home / 'emulator.log'}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)


def run_at(there: Running, artifacts: Path, program: Path, command: list[str], needs: set[Need]) -> int:
    """Runs `command` on a new stack on a LocalStack that is already running, and deletes the stack.

    Returns its exit code, or 1 if AWS would have refused a request or the stack cannot be deleted.
    """
    if found := status(there.endpoint, REGION):
        raise DeploymentFailed(
            f"{there} has a stack `{STACK}` ({found}), but a run needs a new one: `{_removal_from(there)}` deletes it")
    inspection = None if there.has_plugin else Inspection(there.endpoint)
    beside, wire, is_deploying = Beside(), StrictWire(program), False
    try:
        wire.before(inspection.port if inspection else there.port)
        lacks = there.lacks(there.route_functions_through(wire.url))
        if absent := needs & lacks:
            reasons = "; ".join(need.value for need in Need if need in absent)
            raise EmulatorFailed(f"this target cannot run on {there}: {reasons}. {HOW}")
        print("\n  ".join([f"Running on {there}.", *(need.value for need in Need if need in lacks)]), flush=True)
        # Only a command that needs nothing can skip what needs more.
        tests = {} if needs else skipped(lacks)
        is_deploying = True
        environment = _deploy_at(there, artifacts) | {"LEGACY_URL": beside.url, "SKIPPED_TESTS": selector(tests)}
        granted = {} if Need.MACHINE in lacks else roles(there.endpoint, REGION)
        wire.decide(granted)
        if tests:
            # All tests of a profile may be among them.
            environment["NEXTEST_NO_TESTS"] = "pass"
        beside.set_variables = partial(set_variables, there.endpoint, REGION)
        code = _run_to_the_end(command, environment | {"AWS_ENDPOINT_URL": wire.url})
        refused, _ = _report(granted, *wire.seen())
        code = code or int(refused)
        if tests:
            print("\n  ".join([f"\nSkipped tests: {len(tests)}", *(f"{name}: {why}" for name, why in tests.items())]))
    finally:
        _ignore_signals()
        beside.stop()
        wire.stop()
        if inspection:
            inspection.stop()
        is_cleaned_up = _leave(there, is_deploying)
    return code if is_cleaned_up else code or 1


def _deploy_at(there: Running, artifacts: Path) -> dict[str, str]:
    # Without SES v2, LocalStack cannot create the identity either.
    lacking = {} if there.has_email else {"CreateEmailIdentity": "false"}
    return deploy(there.endpoint, REGION, artifacts, parameters=lacking)


def _leave(there: Running, is_deploying: bool) -> bool:
    """Deletes what this process made on a LocalStack. Returns whether that is done; otherwise prints why not."""
    try:
        there.route_functions_through("")
        if is_deploying:
            undeploy(there.endpoint, REGION)
        return True
    except (OSError, BotoCoreError, ClientError, DeploymentFailed) as error:
        _complain(f"the stack is not deleted from {there}: {error}")
        return False


def _removal_from(there: Running) -> str:
    return f"make down LOCALSTACK_ENDPOINT={there.endpoint}"


def _check_updatable(endpoint: str, removal: str) -> str | None:
    """Returns the status of the stack if it can be updated, or `None` if there is no stack."""
    found = status(endpoint, REGION)
    if found not in (None, *UPDATABLE):
        raise DeploymentFailed(f"the stack at {endpoint} is half deployed ({found}): run `{removal}`, then try again")
    return found


def _write_stack_env(environment: dict[str, str]) -> None:
    LOCAL.mkdir(exist_ok=True)
    STACK_ENV.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()))


def _how_to_use(endpoint: str) -> str:
    """Adds the profile for `leads --stack local`. Returns how to use the stack."""
    variables = f"run `. {os.path.relpath(STACK_ENV)}`"
    try:
        add(profiles(os.environ), STACK, REGION, endpoint)
    except (OSError, Taken) as error:
        _complain(f"no profile `local` for `leads`: {error}")
        return variables
    return f"use `leads --stack local`, or {variables}"


def _forget_stack() -> None:
    STACK_ENV.unlink(missing_ok=True)
    try:
        remove(profiles(os.environ))
    except OSError as error:
        _complain(f"the profile `local` for `leads` stays: {error}")


def _report(
    granted: dict[str, dict], taken: dict[str, int], refused: list[str], used: list[list[str]], is_test: bool = True,
) -> tuple[bool, bool]:
    """Prints what the strict wire saw; permissions only in a test. Returns whether AWS would have refused a request, and whether a permission of the
    functions was not used."""
    services = ", ".join(f"{service} {count}" for service, count in taken.items())
    print(f"\nRequests that AWS's API models accept: {services}; refused: {len(refused)}")
    unused = never_used(granted, used)
    if is_test:
        print(f"Permissions that the functions used: {len(used)}; granted and not used in this run: {len(unused)}")
        for one in unused:
            print(f"  {one}")
    for one, times in Counter(refused).items():
        _complain(f"AWS would have refused this ({times} times): {one}")
    return bool(refused), bool(unused)


def _run_to_the_end(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command in its own process group. The whole group has ended when this returns."""
    # The caller's profile or session token must not be combined with the dummy credentials.
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
        _ignore_signals()
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
        pass  # the group has ended


def _stop(signum: int, _frame) -> None:
    raise Stopped(signum)


def _ignore_signals() -> None:
    """Ignores further signals, so that they cannot interrupt the clean-up."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def _complain(message: str) -> int:
    print(f"stack: {message}", file=sys.stderr)
    return 1


def _needs(names: str) -> set[Need]:
    try:
        return {Need[name.upper()] for name in names.split(",") if name != "nothing"}
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"unknown need {error}") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True, metavar="up|down|run")
    artifacts = argparse.ArgumentParser(add_help=False)
    artifacts.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    artifacts.add_argument("--emulator", choices=ENGINES, default="ministack", help="the engine of the local AWS")
    starting = actions.add_parser("up", parents=[artifacts])
    starting.add_argument("--port", type=int, default=4566)
    actions.add_parser("down").set_defaults(emulator=LocalStack.name)
    running = actions.add_parser("run", parents=[artifacts])
    running.add_argument("--wire", type=Path, required=True, metavar="PROGRAM")
    running.add_argument("--enforce-iam", action="store_true", help="enforce the policies of the functions' roles")
    running.add_argument("--all-used", action="store_true", help="fail if the functions did not use a permission")
    running.add_argument(
        "--needs", type=_needs, default=set(Need), metavar="NEED,…",
        help="what the command cannot do without on a LocalStack that is already running "
        f"({', '.join(need.name.lower() for need in Need)}, or nothing; all of it unless given)",
    )
    running.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
