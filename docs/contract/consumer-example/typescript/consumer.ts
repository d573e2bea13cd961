// An example consumer of the sales team's queue, with the AWS SDK for JavaScript and Node's SQLite.
//
//     node built/consumer.js receive         applies messages as they arrive, until it is stopped
//     node built/consumer.js apply FILE      applies messages from a file, one body per line
//     node built/consumer.js open            prints the open leads, one per line
//
// The queue is named by SALES_TEAM_QUEUE_URL, the database by SALES_DATABASE (default sales.db).
//
// It may be stopped or killed at any time: a message is deleted only after its transaction. At the first error it ends,
// for its supervisor to start it again; what was not deleted is delivered again.

import { readFileSync } from "node:fs";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { SalesDesk } from "./sales_desk.js";

async function receive(desk: SalesDesk): Promise<never> {
  const queueUrl = process.env.SALES_TEAM_QUEUE_URL;
  if (!queueUrl) throw new Error("SALES_TEAM_QUEUE_URL is not set");
  // A configured endpoint, for example of a VPC, takes precedence over the host in the queue's URL.
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const request = { QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 };
  for (;;) {
    const answer = await sqs.send(new ReceiveMessageCommand(request));
    for (const message of answer.Messages ?? []) {
      apply(desk, message.Body ?? "");
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
    }
  }
}

function apply(desk: SalesDesk, body: string): void {
  // The log has no bodies: they contain personal data.
  if (desk.apply(body) === "set aside") console.error("A message was set aside.");
}

const desk = new SalesDesk(process.env.SALES_DATABASE ?? "sales.db");
const [command, file, ...more] = process.argv.slice(2);
if (command === "receive" && file === undefined) {
  await receive(desk);
} else if (command === "apply" && file !== undefined && more.length === 0) {
  const lines = readFileSync(file, "utf8").replace(/\n$/, "").split("\n");
  for (const line of lines) apply(desk, line);
} else if (command === "open" && file === undefined) {
  for (const lead of desk.openLeads()) console.log(JSON.stringify(lead));
} else {
  console.error("usage: consumer.js receive | apply FILE | open");
  process.exitCode = 1;
}
