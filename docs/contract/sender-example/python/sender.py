"""An example sender of offer events, with boto3.

The outbox rule: write each event to an outbox table in the transaction that changes the offer, and
delete the row only after SQS accepted the event. A crash in between posts an event twice, which is
harmless; any other order loses events.

    python3 sender.py < outbox.jsonl        one event per line, oldest first; prints the ids of posted events

The queue is named by OFFER_EVENTS_QUEUE_URL. The exit code is 1 if events remain in the outbox.
"""

import json
import os
import random
import sys
import time

import boto3

# The limit of SendMessageBatch. Ten events of the largest size, 64 KiB, stay below its limit of 1 MiB.
BATCH = 10
# Attempts without progress, and the longest wait in seconds before each further one.
ATTEMPTS = 5
FIRST_WAIT = 0.2


def post(sqs, queue_url, outbox):
    """Post the events of an outbox once, in order. Return the ids of posted events, and why others were refused.

    After a failure, later batches leave out that buyer's events, so that they are not posted before it.
    """
    posted, refused, blocked = set(), {}, set()
    rows = iter(outbox)
    while batch := take(rows, blocked):
        entries = [
            {
                "Id": str(index),
                "MessageBody": json.dumps(event),
                "MessageGroupId": event["data"]["buyerId"],
                "MessageDeduplicationId": event["id"],
            }
            for index, event in enumerate(batch)
        ]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        posted.update(batch[int(entry["Id"])]["id"] for entry in answer.get("Successful", []))
        # The call as a whole succeeds even if SQS accepted none of the events.
        for failure in answer.get("Failed", []):
            event = batch[int(failure["Id"])]
            blocked.add(event["data"]["buyerId"])
            # Repeating an event that SQS finds invalid cannot help: an engineer must look at it.
            if failure["SenderFault"]:
                refused[event["id"]] = failure["Code"]
    return posted, refused


def take(rows, blocked):
    """Return the next events, at most a batch, without those of blocked buyers."""
    batch = []
    for event in rows:
        if event["data"]["buyerId"] not in blocked:
            batch.append(event)
        if len(batch) == BATCH:
            break
    return batch


def main():
    # The SDK repeats requests that failed as a whole; failures inside a batch are ours to repeat.
    sqs = boto3.client("sqs")
    queue_url = os.environ["OFFER_EVENTS_QUEUE_URL"]
    outbox = [json.loads(line) for line in sys.stdin if line.strip()]
    refused, attempt = {}, 0
    while outbox and attempt < ATTEMPTS:
        if attempt:
            time.sleep(random.uniform(0, FIRST_WAIT * 2**attempt))
        posted, refused = post(sqs, queue_url, outbox)
        for event in outbox:
            if event["id"] in posted:
                print(event["id"], flush=True)  # here the outbox deletes the row
        outbox = [event for event in outbox if event["id"] not in posted]
        if all(event["id"] in refused for event in outbox):
            break
        attempt = 0 if posted else attempt + 1
    for event, code in refused.items():
        print(f"{event} was refused: {code}", file=sys.stderr)
    return 1 if outbox else 0


if __name__ == "__main__":
    sys.exit(main())
