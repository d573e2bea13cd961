// A Lambda that records offer events with Castore. The bench drives it: each line of standard input is a JSON command,
// and is answered by one line of JSON on standard output.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

import * as idempotency from "./idempotency.mjs";
import * as store from "./store.mjs";
import { decode } from "./store.mjs";

const { values } = parseArgs({ options: { peer: { type: "string" }, endpoint: { type: "string" } } });
const { peer, endpoint } = values;
if (!endpoint || !["castore", "castore+idempotency"].includes(peer)) {
  throw new Error("usage: node main.mjs --peer castore[+idempotency] --endpoint URL");
}

/** Keeps the SDK's warnings off standard error, which is for failures. */
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

const hasIdempotency = peer === "castore+idempotency";

/** Creates the state that a cold start creates and warm invocations reuse. */
const start = () => {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = new DynamoDBClient({ region: "us-east-1", endpoint, credentials });
  return { client, buyers: store.open(client), once: hasIdempotency ? idempotency.open(client) : undefined };
};

let warm = start();

/** Records the events of one buyer in a batch. Returns the number of new ones. */
const record = (buyer, messages) => {
  const all = (some) => warm.buyers.record(buyer, some.map(({ event }) => event));
  return warm.once ? warm.once(messages, all) : all(messages);
};

const deliver = async ({ messages }) => {
  const buyers = new Map();
  for (const { id, body } of messages) {
    const { buyer, event } = decode(body);
    buyers.set(buyer, [...(buyers.get(buyer) ?? []), { id, event }]);
  }
  let recorded = 0;
  for (const [buyer, batch] of buyers) recorded += await record(buyer, batch);
  return { recorded, repeats: messages.length - recorded };
};

const create = async () => {
  const tables = await store.create(warm.client);
  if (!hasIdempotency) return { tables };
  await idempotency.create(warm.client);
  return { tables, idempotency: idempotency.TABLE };
};

const lay = async ({ buyer, bodies }) => {
  await warm.buyers.lay(buyer, bodies.map((body) => decode(body).event));
  return {};
};

const restart = () => {
  warm.client.destroy();
  warm = start();
  return {};
};

/** Makes a refusal of the peer an answer; every other failure ends the process. */
const orRefused = (work) => async (command) => {
  try {
    return await work(command);
  } catch (error) {
    return { error: chain(error) };
  }
};

const chain = (error) => (error.cause ? `${error.message}: ${chain(error.cause)}` : error.message);

const commands = { create, lay: orRefused(lay), deliver: orRefused(deliver), restart };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = commands[command.do];
  if (!answer) throw new Error(`unknown command ${command.do}`);
  process.stdout.write(`${JSON.stringify(await answer(command))}\n`);
}
