#!/usr/bin/env python3
"""Runs the contract's example senders, unchanged: against a queue that fails as SQS may, and on a deployed stack.

    senders.py --built DIR [LANGUAGE ...]      DIR contains the built `sender-example` and `leads`

The languages are `python`, `rust` and `typescript`, by default all. TypeScript needs npm, which downloads what the sender
depends on; without npm it is skipped by name. The stack is the one that the environment variables name: `make test-local`
runs the first two languages, `make test-examples` all.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "docs/contract/sender-example"
# The time in seconds that a stack has to record events.
PATIENCE = 120
SENDERS: dict[str, list[str]] = {}
BUILT = Path()
LANGUAGES = ("python", "rust", "typescript")


class Queue(BaseHTTPRequestHandler):
    """SQS's JSON protocol for SendMessageBatch, over loopback. `failures` says how the next entries of an id fail."""

    failures: dict[str, list[tuple[str, bool]]] = {}
    batches: list[list[dict]] = []
    accepted: list[str] = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"]
        if action != "AmazonSQS.SendMessageBatch":
            self.send_error(400, f"a sender must not call {action}")
            return
        self.batches.append(request["Entries"])
        successful, failed = [], []
        for entry in request["Entries"]:
            event = entry["MessageDeduplicationId"]
            if self.failures.get(event):
                code, is_senders = self.failures[event].pop(0)
                failed.append({"Id": entry["Id"], "Code": code, "SenderFault": is_senders, "Message": "no"})
            else:
                self.accepted.append(event)
                digest = hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest()
                successful.append({"Id": entry["Id"], "MessageId": event, "MD5OfMessageBody": digest})
        answer = {"Successful": successful} | ({"Failed": failed} if failed else {})
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Senders(unittest.TestCase):
    def test_failed_entries_are_repeated_and_wait_for_no_other_buyer(self):
        # Every third event of ada fails once; an event of bob fails until the last attempt.
        events = [event(buyer, number) for number in range(12) for buyer in ("ada", "bob")]
        failures = {f"ada-{number}": [("InternalError", False)] for number in range(0, 12, 3)}
        failures["bob-4"] = [("ThrottlingException", False)] * 3
        for name, done in self.each_sender(events, failures):
            with self.subTest(name):
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(sorted(Queue.accepted), sorted(one["id"] for one in events), "each once")
                self.assertEqual(sorted(done.stdout.split()), sorted(Queue.accepted))
                self.assertTrue(all(len(batch) <= 10 for batch in Queue.batches))
                for entry in (entry for batch in Queue.batches for entry in batch):
                    body = json.loads(entry["MessageBody"])
                    self.assertEqual(entry["MessageGroupId"], body["data"]["buyerId"])
                    self.assertEqual(entry["MessageDeduplicationId"], body["id"])

    def test_after_a_failure_later_batches_leave_out_the_buyer(self):
        events = [event("ada", number) for number in range(11)] + [event("bob", 0)]
        for name, _ in self.each_sender(events, {"ada-0": [("InternalError", False)]}):
            with self.subTest(name):
                sent = [[entry["MessageDeduplicationId"] for entry in batch] for batch in Queue.batches]
                self.assertEqual(sent, [[f"ada-{number}" for number in range(10)], ["bob-0"], ["ada-0", "ada-10"]])

    def test_an_invalid_event_stays_in_the_outbox_and_is_named(self):
        events = [event("ada", 0), event("bob", 0), event("bob", 1)]
        for name, done in self.each_sender(events, {"ada-0": [("InvalidMessageContents", True)] * 9}):
            with self.subTest(name):
                self.assertEqual(done.returncode, 1)
                self.assertEqual(done.stdout.split(), ["bob-0", "bob-1"])
                self.assertEqual(done.stderr, "ada-0 was refused: InvalidMessageContents\n")
                self.assertEqual(len(Queue.batches), 1, "a refused event is not repeated at once")

    def test_a_queue_that_accepts_nothing_ends_the_run_and_keeps_the_outbox(self):
        failures = {"ada-0": [("InternalError", False)] * 99}
        for name, done in self.each_sender([event("ada", 0)], failures):
            with self.subTest(name):
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertEqual(len(Queue.batches), 5)

    def test_the_stack_records_what_each_sender_posts(self):
        for name, command in SENDERS.items():
            with self.subTest(name):
                buyer = f"sender-{name}"
                events = [event(buyer, number) for number in range(12)]
                done = run(command, events, {})
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(done.stdout.split(), [one["id"] for one in events])
                self.assertEqual(recorded(buyer, len(events)), [one["id"] for one in events])

    def each_sender(self, events, failures):
        """Runs every sender against a new queue. Yields its name and what it did."""
        for name, command in SENDERS.items():
            Queue.failures = {event: list(answers) for event, answers in failures.items()}
            Queue.batches, Queue.accepted = [], []
            server = ThreadingHTTPServer(("127.0.0.1", 0), Queue)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield name, run(command, events, {"AWS_ENDPOINT_URL": url, "OFFER_EVENTS_QUEUE_URL": f"{url}/1/offers.fifo"})
            finally:
                server.shutdown()
                server.server_close()


def event(buyer: str, number: int) -> dict:
    """A new offer of a buyer."""
    return {
        "specversion": "1.0",
        "id": f"{buyer}-{number}",
        "source": "/offers",
        "type": "offer.made.v1",
        "data": {
            "buyerId": buyer,
            "offerId": f"{buyer}-offer-{number}",
            "offerVersion": 1,
            "carId": "car-1",
            "buyer": {"name": "Zoë Example", "email": "zoe@example.com"},
        },
    }


def run(command: list[str], events: list[dict], variables: dict[str, str]) -> subprocess.CompletedProcess:
    outbox = "".join(json.dumps(event) + "\n" for event in events)
    # Node would mix warnings of its own into the errors.
    environment = os.environ | {"NODE_NO_WARNINGS": "1"} | variables
    return subprocess.run(command, input=outbox, capture_output=True, text=True, timeout=60, env=environment)


def recorded(buyer: str, count: int) -> list[str]:
    """The ids of a buyer's recorded events, once there are this many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run([BUILT / "leads", "--json", "history", buyer], capture_output=True, text=True)
        history = json.loads(done.stdout) if done.returncode == 0 else {}
        ids = [line["id"] for line in history.get("events", [])]
        if len(ids) >= count:
            return ids
        if time.monotonic() > deadline:
            raise AssertionError(f"{buyer} has {len(ids)} of {count} events: {done.stderr}")
        time.sleep(0.1)


def build_typescript(folder: Path) -> None:
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=folder, check=True)


def main() -> int:
    global BUILT
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, required=True, metavar="DIR")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    arguments = parser.parse_args()
    BUILT = arguments.built.resolve()
    languages = arguments.languages or LANGUAGES
    if unknown := set(languages) - set(LANGUAGES):
        parser.error(f"unknown language: {', '.join(sorted(unknown))}")
    commands = {
        "python": [sys.executable, "-B", str(EXAMPLES / "python/sender.py")],
        "rust": [str(BUILT / "sender-example")],
        "typescript": ["node", str(EXAMPLES / "typescript/built/sender.js")],
    }
    SENDERS.update({name: commands[name] for name in languages})
    if "typescript" in SENDERS:
        if shutil.which("npm"):
            build_typescript(EXAMPLES / "typescript")
        else:
            del SENDERS["typescript"]
            print("The sender in TypeScript is skipped: npm is not installed.", file=sys.stderr)
    ended = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=1)
    return 0 if ended.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
