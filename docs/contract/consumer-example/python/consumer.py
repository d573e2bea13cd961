"""An example consumer of the sales team's queue, with boto3 and SQLite.

    python3 consumer.py receive         applies messages as they arrive, until it is stopped
    python3 consumer.py apply FILE      applies messages from a file, one body per line
    python3 consumer.py open            prints the open leads, one per line

The queue is named by SALES_TEAM_QUEUE_URL, the database by SALES_DATABASE (default sales.db).

It may be stopped or killed at any time: a message is deleted only after its transaction. At the
first error it ends, for its supervisor to start it again; what was not deleted is delivered again.
"""

import json
import os
import sys

import boto3

from sales_desk import SalesDesk


def receive(desk):
    sqs = boto3.client("sqs")
    queue_url = os.environ["SALES_TEAM_QUEUE_URL"]
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        for message in answer.get("Messages", []):
            apply(desk, message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def apply(desk, body):
    # The log has no bodies: they contain personal data.
    if desk.apply(body) == "set aside":
        print("A message was set aside.", file=sys.stderr)


def main(arguments):
    desk = SalesDesk(os.environ.get("SALES_DATABASE", "sales.db"))
    match arguments:
        case ["receive"]:
            receive(desk)
        case ["apply", file]:
            with open(file, encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    apply(desk, line.removesuffix("\n"))
        case ["open"]:
            for lead in desk.open_leads():
                print(json.dumps(lead))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
