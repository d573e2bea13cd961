"""What a run uses: the deployed stack and the `leads` command, the former system beside it with the parameters of the
recorder (`infra/local/beside.py`), and the report of the figures."""

import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

from crowd import Delivery, body

PERIOD = 0.1
# SQS takes ten messages at once.
BATCH = 10
POSTERS = 8
LOG_PAGE = 10_000


class Failed(Exception):
    """A step did not result in what it must; the message says what is wrong."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Failed(what)


def until(what: str, look: Callable, patience: float):
    """Looks again and again until something is there, and returns it."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        check(time.monotonic() < deadline, f"waited {patience:.0f} s in vain until {what}")
        time.sleep(PERIOD)
    return found


# What stands between these in a page is written by a run.
MARKS = "<!-- report -->\n", "<!-- end -->\n"


def write_report(page: Path, report: str) -> None:
    """Replaces the report in a page."""
    before, rest = page.read_text().split(MARKS[0])
    page.write_text(before + MARKS[0] + report + MARKS[1] + rest.split(MARKS[1])[1])


def described_commit() -> str:
    return subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()


# Never uses a proxy, regardless of the environment.
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Former:
    def __init__(self, url: str):
        self.url = url

    def _ask(self, method: str, place: str, content: str = ""):
        request = urllib.request.Request(f"{self.url}/{place}", content.encode() or None, method=method)
        with http.open(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def send(self, events: list[dict]) -> None:
        """Applies these events there; what they call for is announced at once."""
        if events:
            self._ask("POST", "control/events", "\n".join(map(body, events)))

    def set_away(self, is_away: bool) -> None:
        self._ask("PUT", "control/away", json.dumps(is_away))

    def deploy_recorder(self, effects: str, is_misread: bool = False) -> None:
        """Deploys the recorder with other parameters. If it misreads, it takes accepted offers for pending ones."""
        url = f"{self.url}/misread" if is_misread else self.url
        self._ask("PUT", "control/recorder", json.dumps({"EFFECTS": effects, "LEGACY_URL": url}))

    def requests(self) -> dict[str, Counter]:
        """By buyer, how many requests of a kind it answered, as in `GET 200`."""
        return {buyer: Counter(counts) for buyer, counts in self._ask("GET", "control/requests").items()}

    def announced(self) -> dict[str, list[list[str]]]:
        """By buyer, what it announced in order: [what, about]."""
        return self._ask("GET", "control/announced")

    def last_word(self, buyer_id: str) -> dict:
        """Its answer about a buyer that it has handed over."""
        return self._ask("GET", f"buyers/{buyer_id}")


class Local:
    """Everything is found by the environment that `stack.py run` sets."""

    def __init__(self, leads: Path):
        self.leads_program = leads
        self.former = Former(os.environ["LEGACY_URL"])
        self.queue = os.environ["OFFER_EVENTS_QUEUE_URL"]
        self._session = boto3.Session()
        self._sqs = self._client("sqs")
        self._dynamodb = self._client("dynamodb")
        self._logs = self._client("logs")
        # The ids that SQS gave to the messages it took.
        self.posted: list[str] = []

    def _client(self, service: str):
        return self._session.client(service, config=Config(proxies={}, retries={"mode": "standard", "max_attempts": 5}))

    # ---- Posting -----------------------------------------------------------------------------------------------------

    def play(self, scripts: dict[str, list[Delivery]]) -> int:
        """Plays the scripts of many buyers, each in order and all at once; returns how many messages the queue took."""
        scripts = list(scripts.values())
        shares = [scripts[first : first + BATCH] for first in range(0, len(scripts), BATCH)]
        with ThreadPoolExecutor(POSTERS) as posters:
            return sum(posters.map(self._play_share, shares))

    def _play_share(self, scripts: list[list[Delivery]]) -> int:
        posted = 0
        for turn in range(max(map(len, scripts), default=0)):
            now = [script[turn] for script in scripts if turn < len(script)]
            self.former.send([delivery.event for delivery in now if delivery.to_former])
            posted += self._post([delivery for delivery in now if not delivery.to_former])
        return posted

    def _post(self, deliveries: list[Delivery]) -> int:
        if not deliveries:
            return 0
        entries = [
            {
                "Id": str(place), "MessageGroupId": delivery.event["data"]["buyerId"], "MessageBody": body(delivery.event),
                "MessageDeduplicationId": f"{delivery.event['id']}-{delivery.copy}",
            }
            for place, delivery in enumerate(deliveries)
        ]
        answer = self._sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
        check(not answer.get("Failed"), f"SQS did not take {answer.get('Failed')}")
        self.posted += [taken["MessageId"] for taken in answer["Successful"]]
        return len(answer["Successful"])

    # ---- The stack ---------------------------------------------------------------------------------------------------

    def depth(self, queue_url: str) -> int:
        """The messages of a queue, those under way included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(attributes.get(name, 0)) for name in names)

    def streams(self) -> dict[str, list[dict]]:
        """The facts of every buyer, in order."""
        found: dict[str, list] = {}
        for item in self._scan("STREAMS_TABLE", "buyer, #sequence, facts", {"#sequence": "sequence"}):
            found.setdefault(item["buyer"]["S"], []).append((int(item["sequence"]["N"]), json.loads(item["facts"]["S"])))
        return {buyer: [fact for _, facts in sorted(commits) for fact in facts] for buyer, commits in found.items()}

    def leads_items(self) -> list[tuple[str, str, int]]:
        """The items of the leads table: buyer, kind, and of a cursor how far it has come."""
        items = self._scan("LEADS_TABLE", "buyer, kind, through", {})
        return [(item["buyer"]["S"], item["kind"]["S"], int(item.get("through", {"N": "0"})["N"])) for item in items]

    def _scan(self, table: str, attributes: str, names: dict[str, str]) -> list[dict]:
        query = {"TableName": os.environ[table], "ProjectionExpression": attributes}
        if names:
            query["ExpressionAttributeNames"] = names
        pages = self._dynamodb.get_paginator("scan").paginate(**query)
        return [item for page in pages for item in page["Items"]]

    def settle(self, patience: float) -> dict[str, list[dict]]:
        """Waits until the queue is empty and every cursor is at the end of its stream; returns the streams."""
        until("the queue is empty", lambda: self.depth(self.queue) == 0, patience)
        streams = self.streams()

        def is_settled() -> bool:
            cursors = {buyer: through for buyer, kind, through in self.leads_items() if kind == "cursor"}
            return all(cursors.get(buyer, 0) == len(facts) for buyer, facts in streams.items())

        until("every cursor is at the end of its stream", is_settled, patience)
        return streams

    def _peek(self, place: str) -> list[dict]:
        with http.open(f"{os.environ['AWS_ENDPOINT_URL']}/_local/{place}", timeout=60) as answer:
            return json.load(answer)

    def waiting(self) -> set[str]:
        """The buyers with a message in the queue, those under way included."""
        place = urllib.parse.quote(self.queue, safe="")
        return {message["group"] for message in self._peek(f"messages?queue={place}")}

    def sales_messages(self) -> list[dict]:
        """Every message of the sales team's queue, in order; none is taken off it."""
        place = urllib.parse.quote(os.environ["SALES_TEAM_QUEUE_URL"], safe="")
        return [json.loads(message["body"]) for message in self._peek(f"messages?queue={place}")]

    def emails(self) -> list[dict]:
        return self._peek("mails")

    def dead_letters(self) -> int:
        return self.depth(os.environ["OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL"])

    def outcomes(self) -> dict[str, Counter]:
        """By message, what the recorder logged of it: `recorded`, `held`, `duplicate`, `returned`, …"""
        found: dict[str, Counter] = {}
        for line in self._log_lines(os.environ["RECORDER_LOG_GROUP"]):
            if '"messageId"' in line:
                read = json.loads(line)
                found.setdefault(read["messageId"], Counter())[read["message"]] += 1
        return found

    def _log_lines(self, group: str) -> set[str]:
        """Every line of a log group. The local AWS returns the first lines from a time on, and no token for a next page."""
        lines: set[str] = set()
        since, size = 0, LOG_PAGE
        while size == LOG_PAGE:
            events = self._logs.filter_log_events(logGroupName=group, startTime=since, limit=LOG_PAGE)["events"]
            lines |= {event["message"] for event in events}
            since, size = events[-1]["timestamp"] if events else 0, len(events)
        return lines

    def aws_requests(self) -> dict[str, int]:
        """The requests that each service took so far, as the strict wire counts them."""
        with http.open(f"{os.environ['AWS_ENDPOINT_URL']}/_strict", timeout=60) as answer:
            return json.load(answer)["taken"]

    # ---- The command -------------------------------------------------------------------------------------------------

    def leads(self, *words: str, interrupt: Callable[[], bool] | None = None) -> tuple[int, dict]:
        """Runs `leads`; returns its exit code and its answer. Interrupts it as soon as `interrupt` returns true."""
        process = subprocess.Popen(
            [self.leads_program, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        while interrupt and process.poll() is None and not interrupt():
            time.sleep(0.005)
        if interrupt:
            process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=1800)
        check(out.startswith("{"), f"leads {' '.join(words)}: exit code {process.returncode}: {error.strip()}")
        return process.returncode, json.loads(out)


class Report:
    """The figures of a run, step by step: for people, as JSON, and as a Markdown table."""

    def __init__(self, sizes: dict[str, int]):
        self._sizes = sizes
        self._steps: list[dict] = []

    @contextmanager
    def step(self, name: str):
        """Times a step and prints its figures once it has held."""
        print(f"{len(self._steps) + 1}. {name} …", flush=True)
        figures: dict = {}
        begun = time.monotonic()
        yield figures
        seconds = round(time.monotonic() - begun, 1)
        self._steps.append({"step": name, "seconds": seconds, "figures": figures})
        for what, figure in figures.items():
            print(f"   {what}: {_shown(figure)}")
        print(f"   {seconds} s", flush=True)

    def table(self) -> str:
        lines = ["| step | figures | seconds |", "| --- | --- | --- |"]
        for number, step in enumerate(self._steps, 1):
            figures = "<br>".join(f"{what}: {_shown(figure)}" for what, figure in step["figures"].items())
            lines.append(f"| {number}. {step['step']} | {figures} | {step['seconds']} |")
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        whole = self._sizes | {"steps": self._steps, "table": self.table()}
        file.write_text(json.dumps(whole, indent=2) + "\n")


def _shown(figure) -> str:
    match figure:
        case dict():
            return ", ".join(f"{count} {name}" for name, count in sorted(figure.items())) or "none"
        case float():
            return f"{figure:,.3f}"
        case int():
            return f"{figure:,}"
        case _:
            return str(figure)
