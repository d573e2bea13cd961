#!/usr/bin/env python3
"""The alarm drill: on LocalStack, each alarm that can be is made to ring, `leads status` must name it, the runbook's
commands for it are run as printed, and the alarm must end.

    stack.py run --emulator localstack --artifacts DIR --wire PROGRAM -- run.py --leads DIR [--page FILE]

Ends with exit code 1 if an alarm does not ring or end, `leads status` misses it, or a command is refused.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from provocations import NOT_PROVOKED, WAVES, Provocation
from runbook import filled, rows
from stack import STACK, Stack, event

from local import Failed, described_commit, until, write_report  # noqa: E402 - found by what `stack` adds

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs/runbook.md"
# Seconds until an alarm must ring, and end. LocalStack looks at an alarm, and at queues, once a minute, and at the two
# periods before the last one too.
PATIENCE = 420
# Every other command of the runbook must end with 0. By its beginning, the exit code that a command has in this drill,
# and a part of what it then prints.
OTHERWISE = {
    f"leads status --stack {STACK}": (1, '"red"'),
    "leads status": (1, "lines are red"),
    "leads held --buyer": (1, "is unknown: the streams table has no event"),
    "leads held": (1, "waits for version"),
    "leads resume": (2, "Pass --yes to confirm"),
    "leads emails --allow": (1, "no address of"),
}


@dataclass
class Drilled:
    provocation: Provocation
    provoked_at: float = 0.0
    rang_after: int | None = None
    is_named: bool = False
    commands: list[tuple[str, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ended_at: float = 0.0
    ok_after: int | None = None

    def is_good(self) -> bool:
        return self.rang_after is not None and self.is_named and not self.refused and self.ok_after is not None


class Drill:
    def __init__(self, page_rows: dict[str, tuple[str, ...]], only: list[str]):
        self.stack, self.rows, self.only = Stack(), page_rows, only
        self.template = self.stack.described()
        self.drilled: dict[str, Drilled] = {}
        self._files = tempfile.TemporaryDirectory()

    def run(self) -> None:
        planned = [one for wave in WAVES for one in wave]
        missing = set(self.template) ^ {*NOT_PROVOKED, *(one.alarm for one in planned)}
        if missing:
            raise Failed(f"provocations.py and the template differ in {', '.join(sorted(missing))}")
        for one in planned:
            self.stack.shorten(self.template[one.alarm], one.threshold)
        for wave in WAVES:
            self._ring([one for one in wave if not self.only or one.alarm in self.only])
        self._see_the_end()

    def _ring(self, wave: list[Provocation]) -> None:
        """Provokes these, and treats each alarm as soon as it rings."""
        for one in wave:
            # A new stack rings until the first sweep.
            until(f"{one.alarm} is quiet", lambda one=one: self.stack.alarms()[one.alarm] != "ALARM", PATIENCE)
            print(f"{one.alarm}: {one.how}", flush=True)
            self.drilled[one.alarm] = Drilled(one, time.monotonic())
            one.provoke(self.stack)
        deadline = time.monotonic() + PATIENCE
        while left := [self.drilled[one.alarm] for one in wave if not self.drilled[one.alarm].ended_at]:
            if time.monotonic() > deadline:
                for drilled in left:
                    self._end(drilled)
                return
            self._look()
            for drilled in left:
                if drilled.rang_after is not None and drilled.provocation.is_over(self.stack):
                    self._end(drilled)
            time.sleep(1)

    def _look(self) -> None:
        states = self.stack.alarms()
        for alarm, drilled in self.drilled.items():
            now = time.monotonic()
            if drilled.rang_after is None and states[alarm] == "ALARM":
                drilled.rang_after = round(now - drilled.provoked_at)
                print(f"{alarm} rings after {drilled.rang_after} s", flush=True)
                self._follow(drilled)
            elif drilled.ended_at and drilled.ok_after is None and states[alarm] == "OK":
                drilled.ok_after = round(now - drilled.ended_at)
                print(f"{alarm} is OK {drilled.ok_after} s later", flush=True)

    def _follow(self, drilled: Drilled) -> None:
        """Asks `leads status`, and runs what the runbook prints."""
        alarm = drilled.provocation.alarm
        status = self._run(drilled, f"leads status --stack {STACK}", f"leads --json status --stack {STACK}")
        lines = json.loads(status.stdout)["lines"] if status.stdout.startswith("{") else []
        # LocalStack cuts long names, by which `leads` finds the alarms. Then the line must be red by its value.
        is_cut = f"-{alarm}-" not in self.template[alarm]["AlarmName"]
        seen = {"name": alarm, "state": None if is_cut else "ALARM"}
        drilled.is_named = status.returncode == 1 and any(
            line["state"] == "red" and seen in line["alarms"] for line in lines)
        values = self._values(drilled.provocation.buyer)
        for command in self.rows[alarm]:
            sends, buyer = command.startswith("leads send"), drilled.provocation.buyer
            recorded = self.stack.commits(buyer) if sends else 0
            self._run(drilled, command, filled(command, values))
            if sends:
                # Otherwise the next command may declare its version void.
                until("the event is recorded", lambda: self.stack.commits(buyer) > recorded, 60)

    def _run(self, drilled: Drilled, printed: str, command: str) -> subprocess.CompletedProcess:
        ended = self.stack.run_command(command)
        drilled.commands.append((printed, ended.returncode))
        print(f"  {command}: exit code {ended.returncode}", flush=True)
        if not is_expected(printed, ended.returncode, ended.stdout + ended.stderr):
            drilled.refused.append(f"{command}: exit code {ended.returncode}: {ended.stderr.strip()}")
        if ended.returncode:
            print(f"    {(ended.stdout[-300:] + ended.stderr[-300:]).strip()}", flush=True)
        return ended

    def _values(self, buyer: str) -> dict[str, str]:
        """What stands for the runbook's placeholders: the buyer of the provocation, its only offer, and a file with the
        event that comes next."""
        file = Path(self._files.name) / f"{buyer}.jsonl"
        file.write_text(event(buyer, "accepted", 2) + "\n")
        return {"BUYER": buyer, "B": buyer, "buyer-7": buyer, "offer-1": f"{buyer}-offer", "FILE": str(file)}

    def _end(self, drilled: Drilled) -> None:
        drilled.provocation.end(self.stack)
        drilled.ended_at = time.monotonic()

    def _see_the_end(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while any(one.ok_after is None for one in self.drilled.values()) and time.monotonic() < deadline:
            self._look()
            time.sleep(1)

    def table(self) -> str:
        """Every alarm of the template, in its order of the runbook."""
        lines = [
            "|alarm|provoked by|period|rings after|`leads status` names it|commands of the runbook, exit code|done|OK after|",
            "|---|---|---|---:|---|---|---|---:|",
        ]
        for alarm in self.rows:
            if self.only and alarm not in self.only:
                continue
            if alarm in NOT_PROVOKED:
                lines.append(f"|`{alarm}`|not: {NOT_PROVOKED[alarm]}||||||")
                continue
            one, described = self.drilled[alarm], self.template[alarm]
            waits = described["Period"], described["EvaluationPeriods"]
            period = "as it is" if waits == (60, 1) else f"60 s × 1 instead of {waits[0]} s × {waits[1]}"
            if one.provocation.threshold is not None:
                period += f"; threshold {one.provocation.threshold} s instead of {described['Threshold']:.0f} s"
            commands = "<br>".join(f"`{' '.join(command.split())}`: {code}" for command, code in one.commands)
            lines.append(
                f"|`{alarm}`|{one.provocation.how}|{period}|{_seconds(one.rang_after)}"
                f"|{'yes' if one.is_named else 'no'}|{commands}|{one.provocation.do}|{_seconds(one.ok_after)}|")
        return "\n".join(lines) + "\n"


def is_expected(command: str, code: int, output: str) -> bool:
    """Whether a command ended as it must in this drill."""
    known = next((known for beginning, known in OTHERWISE.items() if command.startswith(beginning)), (0, ""))
    return code == known[0] and known[1] in output


def _seconds(count: int | None) -> str:
    return "never" if count is None else f"{count} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=Path, required=True, metavar="DIR", help="where the command `leads` is")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the report into this page")
    parser.add_argument("--only", nargs="*", default=[], metavar="ALARM", help="provoke only these; writes no page")
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{arguments.leads.resolve()}:{os.environ['PATH']}"
    # The code that runs, whatever is committed meanwhile.
    commit = described_commit()
    try:
        drill = Drill(rows(RUNBOOK.read_text(encoding="utf-8")), arguments.only)
        drill.run()
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        return 1
    bad = [alarm for alarm, one in drill.drilled.items() if not one.is_good()]
    for alarm in bad:
        print(f"{alarm}: {drill.drilled[alarm]}", file=sys.stderr)
    rang = sum(one.rang_after is not None for one in drill.drilled.values())
    report = (
        f"{datetime.now(timezone.utc).date().isoformat()}, commit {commit}: of {len(drill.template)} alarms,"
        f" {len(drill.drilled)} were provoked, {rang} rang, {len(drill.drilled) - len(bad)} were named by `leads status`"
        f" and ended.\n\n{drill.table()}")
    print(report)
    if arguments.page and not arguments.only:
        write_report(arguments.page, report)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
