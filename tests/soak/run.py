#!/usr/bin/env python3
"""A soak: random histories on a local AWS for many minutes, with functions killed and frozen, answers lost and calls
throttled; in the end a judge compares the outcome with an independent reference.

    stack.py run --emulator localstack --artifacts DIR --wire PROGRAM -- run.py [--minutes N] [--seed N] [--report FILE]

Ends with exit code 1 if anything was lost, doubled or wrong, or if it does not settle.
"""

import argparse
import json
import os
import random
import sys
import threading
import time
import urllib.parse
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "migration"))

from histories import Histories, Message  # noqa: E402
from judge import Evidence, Verdict, judge  # noqa: E402
from local import Failed, Local, check, described_commit, write_report  # noqa: E402
from trouble import Trouble, wire_report  # noqa: E402

# Messages a second, so that a run of N minutes posts at most 60 * N * RATE of them, and a few more at its end.
RATE = 4
# Seconds within which everything must settle once the trouble is over. A receipt that was being taken when its function
# was killed comes again after six minutes.
SETTLE = 1200


class Soak:
    def __init__(self, seed: int, minutes: float):
        self.seed, self.minutes = seed, minutes
        self.local = SoakLocal(Path("leads"))
        self.histories = Histories(seed)
        self.trouble = Trouble(seed)
        self.consumer = Consumer(self.local, seed)
        self.posted = 0
        self._begun = time.monotonic()
        self._minute = 0

    def run(self, evidence_file: Path | None) -> tuple[Verdict, dict]:
        self.consumer.start()
        self.trouble.start()
        self._post()
        self.trouble.stop()
        posted_for = time.monotonic() - self._begun
        self._settle()
        settled_for = time.monotonic() - self._begun - posted_for
        self.consumer.stop()
        evidence = self._evidence()
        if evidence_file:
            evidence.write(evidence_file)
        verdict = judge(evidence)
        return verdict, {
            "minutes of posting": round(posted_for / 60, 1),
            "seconds until settled": round(settled_for),
            "buyers": len(evidence.histories),
            "messages posted": self.posted,
            **verdict.figures,
            "lost": len(verdict.lost), "doubled": len(verdict.doubled), "wrong": len(verdict.wrong),
            "kills": self.trouble.counts["kills"], "freezes": self.trouble.counts["freezes"],
            **{name: count for name, count in sorted(self.trouble.counts.items()) if " " in name},
            **self._wire_figures(),
        }

    def _post(self) -> None:
        """Posts at a steady rate until the time is over, and then what is left of the histories under way."""
        end = self._begun + 60 * self.minutes
        while batch := self.histories.next(is_ending=time.monotonic() > end):
            self.local.send([message for _, message in batch])
            self.posted += len(batch)
            self._progress("posting")
            time.sleep(max(0.0, self._begun + self.posted / RATE - time.monotonic()))

    def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE
        while left := self._unsettled():
            self._progress(f"settling: {left}")
            check(time.monotonic() < deadline, f"not settled after {SETTLE} s: {left}")
            time.sleep(2)

    def _unsettled(self) -> dict[str, int]:
        """What is still under way, by its name."""
        queues = {"events": "OFFER_EVENTS", "sales messages": "SALES_TEAM", "receipts": "EMAIL_RECEIPTS"}
        left = {name: self.local.depth(os.environ[f"{queue}_QUEUE_URL"]) for name, queue in queues.items()}
        if not any(left.values()):
            facts = {buyer: len(facts) for buyer, facts in self.local.streams().items()}
            cursors = {buyer: through for buyer, kind, through in self.local.leads_items() if kind == "cursor"}
            left["buyers behind"] = sum(cursors.get(buyer, 0) != count for buyer, count in facts.items())
            statuses = Counter(status for found in self.local.ledger().values() for status in found.values())
            left["e-mails under way"] = statuses["sending"] + statuses["retry"]
        return {name: count for name, count in left.items() if count}

    def _evidence(self) -> Evidence:
        posted = [history for history in self.histories.all if history.posted]
        return Evidence(
            posted, self.local.streams(), self.local.ledger(), self.consumer.received, self.local.emails(),
            self.local.dead_letter_bodies(), self.trouble.doubts(),
        )

    def _wire_figures(self) -> dict[str, int]:
        report = wire_report()
        check(not report["refused"], f"AWS would have refused: {report['refused'][:3]}")
        words = {"lose": "answers lost", "throttle": "calls throttled"}
        figures = {f"requests to {service}": count for service, count in report["taken"].items()}
        for fate, word in words.items():
            counts = report["injected"].get(fate, {})
            figures[word] = sum(counts.values())
            figures |= {f"{word}, {operation}": count for operation, count in counts.items()}
        return figures

    def _progress(self, doing: str) -> None:
        minute = int((time.monotonic() - self._begun) / 60)
        if minute > self._minute:
            self._minute = minute
            counts = self.trouble.counts
            print(
                f"minute {minute}: {doing}; {self.posted} messages posted, {len(self.consumer.received)} sales messages"
                f" received, {counts['kills']} kills, {counts['freezes']} freezes; depths {self._unsettled()}",
                flush=True,
            )


class SoakLocal(Local):
    """The deployed stack, as a sender, a consumer and an onlooker see it."""

    def send(self, messages: list[Message]) -> None:
        entries = [
            {
                "Id": str(place), "MessageGroupId": message.group, "MessageBody": message.body,
                "MessageDeduplicationId": message.deduplication_id,
            }
            for place, message in enumerate(messages)
        ]
        answer = self._sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
        check(not answer.get("Failed"), f"SQS did not take {answer.get('Failed')}")

    def receive_sales(self) -> list[dict]:
        answer = self._sqs.receive_message(
            QueueUrl=os.environ["SALES_TEAM_QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=1,
        )
        return answer.get("Messages", [])

    def delete_sales(self, message: dict) -> None:
        self._sqs.delete_message(QueueUrl=os.environ["SALES_TEAM_QUEUE_URL"], ReceiptHandle=message["ReceiptHandle"])

    def ledger(self) -> dict[str, dict[str, str]]:
        """By buyer, the status of each e-mail by its effect key."""
        found: dict[str, dict[str, str]] = {}
        for item in self._scan("LEADS_TABLE", "buyer, kind, #status", {"#status": "status"}):
            kind, _, key = item["kind"]["S"].partition("/")
            if kind == "email":
                found.setdefault(item["buyer"]["S"], {})[key] = item["status"]["S"]
        return found

    def dead_letter_bodies(self) -> list[tuple[str, str, str]]:
        place = urllib.parse.quote(os.environ["OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL"], safe="")
        letters = self._peek(f"messages?queue={place}")
        return [(letter["group"], letter["body"], letter["attributes"].get("reason", "")) for letter in letters]


class Consumer(threading.Thread):
    """Receives the sales team's messages all the time. Now and then it forgets to delete one, which comes again."""

    FORGETS = 0.02

    def __init__(self, local: SoakLocal, seed: int):
        super().__init__(daemon=True)
        self._local, self._dice = local, random.Random(f"consumer {seed}")
        self._is_over = threading.Event()
        self._failed: Exception | None = None
        self.received: list[dict] = []

    def stop(self) -> None:
        self._is_over.set()
        self.join()
        if self._failed:
            raise self._failed

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                for message in self._local.receive_sales():
                    self.received.append(json.loads(message["Body"]))
                    if self._dice.random() >= self.FORGETS:
                        self._local.delete_sales(message)
        except Exception as error:  # noqa: BLE001 - raised by `stop`
            self._failed = error


def main() -> int:
    arguments = _arguments()
    # The code that runs, whatever is committed meanwhile.
    commit = described_commit()
    try:
        soak = Soak(arguments.seed, arguments.minutes)
        verdict, figures = soak.run(arguments.evidence)
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        return 1
    run = {
        "date": datetime.now(timezone.utc).date().isoformat(), "commit": commit, "seed": arguments.seed,
        "figures": figures, "lost": verdict.lost, "doubled": verdict.doubled, "wrong": verdict.wrong,
    }
    table = _table(run)
    print(f"\n{table}")
    for kind in ("lost", "doubled", "wrong"):
        for one in run[kind]:
            print(f"{kind}: {one}", file=sys.stderr)
    if arguments.report:
        arguments.report.write_text(json.dumps(run, indent=2) + "\n")
    if arguments.page and verdict.is_good():
        write_report(arguments.page, table)
    return 0 if verdict.is_good() else 1


def _table(run: dict) -> str:
    rows = [("date", run["date"]), ("commit", run["commit"]), ("seed", run["seed"]), *run["figures"].items()]
    # The report has the counts by operation too.
    lines = [f"|{name}|{figure}|" for name, figure in rows if ", " not in name]
    return "\n".join(["|figure|value|", "|---|---:|", *lines]) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="how long messages are posted")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of messages, kills and faults")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures and all faults found as JSON")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="keep what the judge sees, for `judge.py FILE`")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the figures into this page if all is right")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
