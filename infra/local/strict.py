"""The strict wire as a process in front of a local AWS. Functions and tests reach the local AWS through it."""

import json
import subprocess
import urllib.request
from fnmatch import fnmatchcase
from pathlib import Path

from engine import direct

# What Lambda itself does with a function's role: it writes logs, reads what it invokes the function with, and reports
# what it gave up. Sources: the managed policies AWSLambdaBasicExecutionRole, AWSLambdaSQSQueueExecutionRole and
# AWSLambdaDynamoDBExecutionRole; AWS Lambda Developer Guide, "Retain discarded records for a DynamoDB event source".
LAMBDAS_OWN = (
    "logs:CreateLogStream on *", "logs:PutLogEvents on *",
    "sqs:ReceiveMessage on *", "sqs:DeleteMessage on *", "sqs:GetQueueAttributes on *",
    "dynamodb:DescribeStream on *", "dynamodb:GetRecords on *", "dynamodb:GetShardIterator on *",
    "dynamodb:ListStreams on *", "sqs:SendMessage on *-ReactorFailures",
)


def never_used(roles: dict[str, dict], used: list[list[str]]) -> list[str]:
    """What the roles' policies grant and no function used: `function: action on resource`. Without what is Lambda's."""
    listed = []
    for role in roles.values():
        for statement in (one for policy in role["policies"] for one in _several(policy["Statement"])):
            for action in _several(statement["Action"]):
                listed += [
                    f"{role['function']}: {action} on {resource}"
                    for resource in _several(statement["Resource"])
                    if not any(fnmatchcase(f"{action} on {resource}", own) for own in LAMBDAS_OWN) and not any(
                        (function, did) == (role["function"], action) and fnmatchcase(on, resource)
                        for function, did, on in used
                    )
                ]
    return listed


def _several(value):
    return value if isinstance(value, list) else [value]


class StrictWire:
    """The program `strict-wire` on a free port of the loopback interface. It ends when this process ends."""

    def __init__(self, program: Path):
        self._program = program
        self._process: subprocess.Popen | None = None
        self.url = ""

    def before(self, port: int) -> str:
        """Starts the program in front of the local AWS on `port`, after stopping an earlier one. Returns its URL."""
        self.stop()
        self._process = subprocess.Popen(
            [self._program, f"http://127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.url = self._process.stdout.readline().strip()
        return self.url

    def decide(self, roles: dict[str, dict]) -> None:
        """From now on decides on the requests of these roles (`deployment.roles`) as IAM would."""
        body = json.dumps(roles).encode()
        with direct.open(urllib.request.Request(f"{self.url}/_strict/roles", body, method="PUT"), timeout=10):
            pass

    def seen(self) -> tuple[dict[str, int], list[str], list[list[str]]]:
        """The number of accepted requests by service, the requests that AWS would have refused, and the permissions used:
        function, action and resource."""
        with direct.open(f"{self.url}/_strict", timeout=10) as answer:
            seen = json.load(answer)
        return seen["taken"], seen["refused"], seen["used"]

    def stop(self) -> None:
        """Ends the program immediately, and with it all open connections."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

