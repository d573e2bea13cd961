"""Trouble: faults at the strict wire, and functions killed and frozen, at random moments and in the middle of calls."""

import json
import os
import random
import threading
import time
import urllib.request
from collections import Counter

from local import http

# The share of the functions' calls that are throttled, and of those whose answers are lost.
SHARE = 0.01
# By function: calls in the middle of which it is killed or frozen.
CALLS = {
    "recorder": ["Query", "PutItem"],
    "reactor": ["Query", "TransactWriteItems", "SendMessage", "SendEmail"],
    "sweeper": ["Query"],
    "receipts": ["UpdateItem", "GetItem"],
}
OFTEN = {"recorder": 4, "reactor": 5, "sweeper": 1, "receipts": 2}
# Seconds between two kills or freezes.
PAUSE = (1, 6)
# Seconds that a function stays frozen: mostly a moment, now and then longer than the recorder's time-out of 30 seconds.
MOMENT, LONG = (1, 8), (32, 40)
HELD_PATIENCE = 3


def wire_faults(seed: int, rules: list[dict]) -> None:
    """Replaces the rules of the strict wire and releases what it holds."""
    put(f"{os.environ['AWS_ENDPOINT_URL']}/_strict/faults", {"seed": seed, "rules": rules})


def wire_report() -> dict:
    with http.open(f"{os.environ['AWS_ENDPOINT_URL']}/_strict", timeout=60) as answer:
        return json.load(answer)


def signal_function(function: str, name: str) -> int:
    """Signals the processes of a function; returns how many there were."""
    return put(f"{os.environ['LEGACY_URL']}/control/signal", {"function": function, "signal": name})


def put(url: str, content: object):
    """Puts JSON; returns the JSON of the response."""
    with http.open(urllib.request.Request(url, json.dumps(content).encode(), method="PUT"), timeout=60) as answer:
        return json.loads(answer.read() or "null")


class Trouble(threading.Thread):
    """Makes trouble until it is stopped. Then no fault is left: every call passes and no function is frozen."""

    def __init__(self, seed: int):
        super().__init__(daemon=True)
        self._dice = random.Random(f"trouble {seed}")
        self._is_over = threading.Event()
        self.counts: Counter[str] = Counter()
        self._strikes_on_senders = 0
        self.failed: Exception | None = None

    def stop(self) -> None:
        self._is_over.set()
        self.join()
        if self.failed:
            raise self.failed

    def doubts(self) -> int:
        """How many e-mails this may leave in doubt."""
        lost = wire_report()["injected"].get("lose", {})
        return self._strikes_on_senders + lost.get("ses SendEmail", 0)

    def run(self) -> None:
        try:
            self._faults([])
            while not self._is_over.wait(self._dice.uniform(*PAUSE)):
                self._strike()
        except Exception as error:  # noqa: BLE001 - reported by `stop`
            self.failed = error
        finally:
            wire_faults(0, [])
            for function in CALLS:
                signal_function(function, "SIGCONT")

    def _faults(self, more: list[dict]) -> None:
        shares = [{"fate": "throttle", "share": SHARE}, {"fate": "lose", "share": SHARE}]
        wire_faults(self._dice.getrandbits(32), more + shares)

    def _strike(self) -> None:
        function = self._dice.choices(list(OFTEN), list(OFTEN.values()))[0]
        is_freeze = self._dice.random() < 0.25
        is_in_call = self._dice.random() < 0.7 and self._hold_a_call(function)
        hit = signal_function(function, "SIGSTOP" if is_freeze else "SIGKILL")
        self._faults([])
        if not hit:
            return
        # Only these send e-mails.
        self._strikes_on_senders += function in ("reactor", "sweeper")
        self.counts["freezes" if is_freeze else "kills"] += 1
        self.counts[f"{'freeze' if is_freeze else 'kill'} {function}{' in a call' if is_in_call else ''}"] += 1
        if is_freeze:
            self._is_over.wait(self._dice.uniform(*(LONG if self._dice.random() < 0.15 else MOMENT)))
            signal_function(function, "SIGCONT")

    def _hold_a_call(self, function: str) -> bool:
        fate, operation = self._dice.choice(["hold", "hold-answer"]), self._dice.choice(CALLS[function])
        self._faults([{"fate": fate, "operation": operation, "times": 1}])
        deadline = time.monotonic() + HELD_PATIENCE
        while time.monotonic() < deadline:
            if wire_report()["held"]:
                return True
            time.sleep(0.02)
        return False
