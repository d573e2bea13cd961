// Castore with its single-table DynamoDB adapter. A single event is pushed alone, several of a buyer as a group.

import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { Command, EventStore, EventType, tuple } from "@castore/core";
import {
  DynamoDBSingleTableEventStorageAdapter,
  EVENT_TABLE_EVENT_STORE_ID_KEY,
  EVENT_TABLE_INITIAL_EVENT_INDEX_NAME,
  EVENT_TABLE_PK,
  EVENT_TABLE_SK,
  EVENT_TABLE_TIMESTAMP_KEY,
} from "@castore/event-storage-adapter-dynamodb";

import { EVENT_TYPES, isNews, reducer } from "./buyer.mjs";

const TABLE = "buyer-events";

/** The number of events in a group, which is limited by the size of a transaction. */
const GROUP = 100;

/** Creates the table with its index, as in the adapter's README. Returns the table's name. */
export const create = async (client) => {
  const key = (AttributeName, KeyType) => ({ AttributeName, KeyType });
  const attribute = (AttributeName, AttributeType) => ({ AttributeName, AttributeType });
  const index = {
    IndexName: EVENT_TABLE_INITIAL_EVENT_INDEX_NAME,
    KeySchema: [key(EVENT_TABLE_EVENT_STORE_ID_KEY, "HASH"), key(EVENT_TABLE_TIMESTAMP_KEY, "RANGE")],
    Projection: { ProjectionType: "KEYS_ONLY" },
  };
  const table = {
    TableName: TABLE,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      attribute(EVENT_TABLE_PK, "S"),
      attribute(EVENT_TABLE_SK, "N"),
      attribute(EVENT_TABLE_EVENT_STORE_ID_KEY, "S"),
      attribute(EVENT_TABLE_TIMESTAMP_KEY, "S"),
    ],
    KeySchema: [key(EVENT_TABLE_PK, "HASH"), key(EVENT_TABLE_SK, "RANGE")],
    GlobalSecondaryIndexes: [index],
  };
  await client.send(new CreateTableCommand(table));
  return [TABLE];
};

export const open = (client) => {
  const buyers = new EventStore({
    eventStoreId: "BUYERS",
    eventTypes: EVENT_TYPES.map((type) => new EventType({ type })),
    reducer,
    eventStorageAdapter: new DynamoDBSingleTableEventStorageAdapter({ tableName: TABLE, dynamoDBClient: client }),
  });
  // Castore runs the command again, up to twice, after a conflict with another writer.
  const recordOffers = new Command({
    commandId: "RECORD_OFFERS",
    requiredEventStores: tuple(buyers),
    handler: async ({ buyer, events }, [buyers]) => {
      let { aggregate } = await buyers.getAggregate(buyer);
      const news = [];
      for (const event of events) {
        if (!isNews(aggregate, event)) continue;
        const numbered = { aggregateId: buyer, version: (aggregate?.version ?? 0) + 1, ...event };
        aggregate = reducer(aggregate, numbered);
        news.push(numbered);
      }
      await push(buyers, news);
      return news.length;
    },
  });
  return {
    /** Appends the new events. Returns their number. */
    record: (buyer, events) => recordOffers.handler({ buyer, events }, [buyers]),

    /** Stores a whole stream. The stored items do not depend on how many events were pushed at a time. */
    lay: async (buyer, events) => {
      const numbered = events.map((event, index) => ({ aggregateId: buyer, version: index + 1, ...event }));
      while (numbered.length > 0) await push(buyers, numbered.splice(0, GROUP));
    },
  };
};

/** A group is a transaction, which costs twice as much, so a single event is pushed without one. */
const push = async (buyers, events) => {
  if (events.length === 1) await buyers.pushEvent(events[0]);
  if (events.length > 1) await EventStore.pushEventGroup(...events.map((event) => buyers.groupEvent(event)));
};
