"""The deployed stack, with the faults that the drill makes and ends. Found by the environment that `infra/local/stack.py
run` sets."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import boto3
from botocore.config import Config

# At the end, because each folder has a `run.py`.
sys.path += [str(Path(__file__).resolve().parents[1] / folder) for folder in ("migration", "soak")]

from local import Failed, until  # noqa: E402
from trouble import put, wire_faults  # noqa: E402

STACK = "leadstream"
# What every function refuses as the name of a table.
BAD_NAME = "not a table"
NOWHERE = "http://127.0.0.1:1"
UNREADABLE = {"buyer": {"S": "drill-unreadable"}, "kind": {"S": "from-no-version"}}


class Stack:
    def __init__(self) -> None:
        config = Config(proxies={}, retries={"mode": "standard", "max_attempts": 5})
        session = boto3.Session()
        clients = ("sqs", "dynamodb", "events", "lambda", "cloudwatch", "cloudformation")
        self.sqs, self.dynamodb, self.events, self.functions, self.cloudwatch, cloudformation = (
            session.client(name, config=config) for name in clients)
        found = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        self.resources = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}
        self._former: dict[str, dict[str, str]] = {}
        self._targets: list[dict] = []

    def resource(self, logical: str) -> str:
        return self.resources[logical].rpartition("/")[2]

    # ---- Alarms ------------------------------------------------------------------------------------------------------

    def described(self) -> dict[str, dict]:
        """The metric alarms, by their logical names."""
        names = {physical.rpartition(":")[2]: logical for logical, physical in self.resources.items()}
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate()
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        return {names[alarm["AlarmName"]]: alarm for alarm in alarms if alarm["AlarmName"] in names}

    def alarms(self) -> dict[str, str]:
        return {name: alarm["StateValue"] for name, alarm in self.described().items()}

    def shorten(self, alarm: dict, threshold: float | None) -> None:
        """Puts the alarm again with one period of a minute, and nothing else changed but a threshold that is a time."""
        kept = (
            "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "MetricName", "Namespace",
            "Statistic", "Dimensions", "Threshold", "ComparisonOperator", "TreatMissingData",
        )
        same = {key: alarm[key] for key in kept if key in alarm}
        changed = {"Period": 60, "EvaluationPeriods": 1} | ({} if threshold is None else {"Threshold": threshold})
        self.cloudwatch.put_metric_alarm(**same | changed)

    # ---- Settings of functions ---------------------------------------------------------------------------------------

    def change(self, function: str, **variables: str) -> None:
        name = self.resource(function.capitalize())
        now = self.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self._former[function] = {variable: now.get(variable, "") for variable in variables}
        self._set(function, variables)

    def give_back(self, function: str) -> None:
        self._set(function, self._former.pop(function))

    def _set(self, function: str, variables: dict[str, str]) -> None:
        put(f"{os.environ['LEGACY_URL']}/control/{function}", variables)

    def invoke(self, function: str) -> None:
        self.functions.invoke(FunctionName=self.resource(function.capitalize()), Qualifier="live", Payload=b"{}")

    def remove_schedule(self) -> None:
        rule = self.resource("SweeperSchedule")
        self._targets = self.events.list_targets_by_rule(Rule=rule)["Targets"]
        self.events.remove_targets(Rule=rule, Ids=[target["Id"] for target in self._targets])

    def restore_schedule(self) -> None:
        self.events.put_targets(Rule=self.resource("SweeperSchedule"), Targets=self._targets)

    # ---- Messages ----------------------------------------------------------------------------------------------------

    def post_body(self, group: str, body: str) -> None:
        # In a batch, because the wire refuses `SendMessage` to the sales team's queue.
        entry = {"Id": "0", "MessageGroupId": group, "MessageBody": body, "MessageDeduplicationId": f"{time.time_ns()}"}
        answer = self.sqs.send_message_batch(QueueUrl=os.environ["OFFER_EVENTS_QUEUE_URL"], Entries=[entry])
        if answer.get("Failed"):
            raise Failed(f"SQS did not take {answer['Failed']}")

    def make_offer(self, buyer: str, email: str = "ada@example.com") -> None:
        self.post_body(buyer, event(buyer, "made", 1, {"carId": "car-1", "buyer": {"name": "Ada", "email": email}}))

    def leave_gap(self, buyer: str) -> None:
        self.make_offer(buyer)
        self.post_body(buyer, event(buyer, "acceptance-withdrawn", 4))

    def wait_recorded(self, *buyers: str) -> None:
        def are_recorded() -> bool:
            pages = self.dynamodb.get_paginator("scan").paginate(TableName=os.environ["STREAMS_TABLE"])
            return {item["buyer"]["S"] for page in pages for item in page["Items"]} >= set(buyers)

        until(f"{', '.join(buyers)} are recorded", are_recorded, 60)

    def commits(self, buyer: str) -> int:
        return self.dynamodb.query(
            TableName=os.environ["STREAMS_TABLE"], KeyConditionExpression="buyer = :buyer",
            ExpressionAttributeValues={":buyer": {"S": buyer}}, Select="COUNT", ConsistentRead=True)["Count"]

    def refuse_sales_messages(self, buyer: str) -> None:
        wire_faults(1, [{"fate": "throttle", "operation": "SendMessage", "about": buyer}])
        self.make_offer(buyer)

    def refuse_nothing(self) -> None:
        wire_faults(1, [])

    # ---- Queues and items --------------------------------------------------------------------------------------------

    def post_receipt(self, queue: str = "EmailReceipts") -> None:
        self.sqs.send_message(QueueUrl=self.resources[queue], MessageBody=receipt())

    def redrive_receipts(self) -> None:
        """Sends all messages of the queue of dead letters again, as SQS's console does (`StartMessageMoveTask`, which
        the strict wire does not know)."""
        for message in self._take_all("EmailReceiptsDeadLetters"):
            self.sqs.send_message(QueueUrl=self.resources["EmailReceipts"], MessageBody=message["Body"])

    def empty_reactor_failures(self) -> None:
        self._take_all("ReactorFailures")

    def _take_all(self, queue: str) -> list[dict]:
        taken, url = [], self.resources[queue]
        while found := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken += found
        return taken

    def put_unreadable_work(self) -> None:
        work = {"openWork": {"S": "behind#0"}, "due": {"S": "2026-01-01T00:00:00.000Z"}}
        self.dynamodb.put_item(TableName=os.environ["LEADS_TABLE"], Item=UNREADABLE | work)

    def close_unreadable_work(self) -> None:
        self.dynamodb.update_item(
            TableName=os.environ["LEADS_TABLE"], Key=UNREADABLE, UpdateExpression="REMOVE openWork, due")

    # ---- Commands ----------------------------------------------------------------------------------------------------

    def run_command(self, command: str) -> subprocess.CompletedProcess:
        """Runs a command as an operator would who has named the stack once."""
        environment = os.environ | {"LEADS_STACK": STACK}
        return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=300)

    def run_by_hand(self, command: str) -> None:
        ended = self.run_command(command)
        if ended.returncode:
            raise Failed(f"{command}: exit code {ended.returncode}: {ended.stderr.strip()}")


def event(buyer: str, kind: str, version: int, more: dict | None = None) -> str:
    offer = f"{buyer}-offer"
    return json.dumps({
        "specversion": "1.0", "id": f"{offer}-{version}", "source": "/offers", "type": f"offer.{kind}.v1", "subject": offer,
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": {"buyerId": buyer, "offerId": offer, "offerVersion": version, **(more or {})},
    }, separators=(",", ":"))


def receipt() -> str:
    """An SES event about an e-mail that is not Leadstream's."""
    return json.dumps({
        "eventType": "Delivery",
        "mail": {"timestamp": "2026-01-01T00:00:00Z", "messageId": "drill", "destination": ["ada@example.com"], "tags": {}},
        "delivery": {"timestamp": "2026-01-01T00:00:01Z", "recipients": ["ada@example.com"]},
    })
