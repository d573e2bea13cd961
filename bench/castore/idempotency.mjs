// An idempotency record for every message, by Powertools for AWS Lambda.

import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { IdempotencyConfig, makeIdempotent } from "@aws-lambda-powertools/idempotency";
import { DynamoDBPersistenceLayer } from "@aws-lambda-powertools/idempotency/dynamodb";

export const TABLE = "Idempotency";

/** The function's name, which Powertools puts before every hash. */
process.env.AWS_LAMBDA_FUNCTION_NAME ??= "recorder";

/** The remaining time of the invocation, in milliseconds. */
const REMAINING = 30_000;

export const create = (client) =>
  client.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    }),
  );

export const open = (client) => {
  const persistenceStore = new DynamoDBPersistenceLayer({ tableName: TABLE, awsSdkV3Client: client });
  const config = new IdempotencyConfig({ eventKeyJmesPath: "id" });
  config.registerLambdaContext({ getRemainingTimeInMillis: () => REMAINING });

  /**
   * Passes the messages that were not handled yet to `record`, all at once, and returns its result, or 0 if there are
   * none. Each message is made idempotent by itself, and waits until every message is claimed or known as a repeat.
   */
  return async (messages, record) => {
    const claimed = new Set();
    let undecided = messages.length;
    let begin;
    const recorded = new Promise((resolve) => (begin = resolve)).then(() => {
      const ours = messages.filter((message) => claimed.has(message));
      return ours.length > 0 ? record(ours) : 0;
    });
    const decided = () => {
      undecided -= 1;
      if (undecided === 0) begin();
    };
    const handled = async (message) => {
      claimed.add(message);
      decided();
      await recorded;
      return true;
    };
    const handle = makeIdempotent(handled, { persistenceStore, config });
    const isTwin = (message) => messages.some((other) => other !== message && other.id === message.id);
    const outcomes = messages.map(async (message) => {
      try {
        await handle(message);
      } catch (error) {
        const isRepeat = error.name === "IdempotencyAlreadyInProgressError" && isTwin(message);
        if (!isRepeat) throw error;
      } finally {
        if (!claimed.has(message)) decided();
      }
    });
    const failure = (await Promise.allSettled(outcomes)).find(({ status }) => status === "rejected");
    if (failure) throw failure.reason;
    return recorded;
  };
};
