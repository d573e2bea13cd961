// An example sender of offer events, with the AWS SDK for JavaScript.
//
// The outbox rule: write each event to an outbox table in the transaction that changes the offer, and delete the row
// only after SQS accepted the event. A crash in between posts an event twice, which is harmless; any other order loses
// events.
//
//     node sender.js < outbox.jsonl       one event per line, oldest first; prints the ids of posted events
//
// The queue is named by OFFER_EVENTS_QUEUE_URL. The exit code is 1 if events remain in the outbox.

import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";

interface OfferEvent {
  id: string;
  data: { buyerId: string };
}

// The limit of SendMessageBatch. Ten events of the largest size, 64 KiB, stay below its limit of 1 MiB.
const BATCH = 10;
// Attempts without progress, and the longest wait in milliseconds before each further one.
const ATTEMPTS = 5;
const FIRST_WAIT = 200;

/**
 * Posts the events of an outbox once, in order. Returns the ids of posted events, and why others were refused.
 *
 * After a failure, later batches leave out that buyer's events, so that they are not posted before it.
 */
async function post(sqs: SQSClient, queueUrl: string, outbox: OfferEvent[]) {
  const posted = new Set<string>();
  const refused = new Map<string, string>();
  const blocked = new Set<string>();
  let rest = outbox;
  for (;;) {
    rest = rest.filter((event) => !blocked.has(event.data.buyerId));
    const batch = rest.slice(0, BATCH);
    rest = rest.slice(BATCH);
    if (batch.length === 0) return { posted, refused };
    const entries = batch.map((event, index) => ({
      Id: String(index),
      MessageBody: JSON.stringify(event),
      MessageGroupId: event.data.buyerId,
      MessageDeduplicationId: event.id,
    }));
    const answer = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
    for (const entry of answer.Successful ?? []) posted.add(batch[Number(entry.Id)]!.id);
    // The call as a whole succeeds even if SQS accepted none of the events.
    for (const failure of answer.Failed ?? []) {
      const event = batch[Number(failure.Id)]!;
      blocked.add(event.data.buyerId);
      // Repeating an event that SQS finds invalid cannot help: an engineer must look at it.
      if (failure.SenderFault) refused.set(event.id, failure.Code ?? "unknown");
    }
  }
}

async function main(): Promise<number> {
  const queueUrl = process.env.OFFER_EVENTS_QUEUE_URL;
  if (!queueUrl) throw new Error("OFFER_EVENTS_QUEUE_URL is not set");
  // The SDK repeats requests that failed as a whole; failures inside a batch are ours to repeat.
  // A configured endpoint, for example of a VPC, takes precedence over the host in the queue's URL.
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const lines = readFileSync(0, "utf8").split("\n").filter((line) => line.trim());
  let outbox: OfferEvent[] = lines.map((line) => JSON.parse(line));
  let refused = new Map<string, string>();
  for (let attempt = 0; outbox.length > 0 && attempt < ATTEMPTS; ) {
    if (attempt > 0) await wait(Math.random() * FIRST_WAIT * 2 ** attempt);
    const round = await post(sqs, queueUrl, outbox);
    refused = round.refused;
    for (const event of outbox) {
      if (round.posted.has(event.id)) console.log(event.id); // here the outbox deletes the row
    }
    outbox = outbox.filter((event) => !round.posted.has(event.id));
    if (outbox.every((event) => refused.has(event.id))) break;
    attempt = round.posted.size > 0 ? 0 : attempt + 1;
  }
  for (const [event, code] of refused) console.error(`${event} was refused: ${code}`);
  return outbox.length > 0 ? 1 : 0;
}

process.exitCode = await main();
