// Castore with its single-table DynamoDB adapter. A single event is pushed alone, several of a buyer as a group. The
// aggregate is one buyer with its offers. It is as small as possible, and independent of the store.

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

const STAGES = {
  "offer.made.v1": "pending",
  "offer.accepted.v1": "accepted",
  "offer.acceptance-withdrawn.v1": "pending",
  "offer.rejected.v1": "closed",
  "offer.withdrawn.v1": "closed",
};

const EVENT_TYPES = Object.keys(STAGES);

/** Decodes the body of a message, a CloudEvent in JSON, into its buyer and its event. */
export const decode = (body) => {
  const { id, type, time, data } = JSON.parse(body);
  const { buyerId, offerId: offer, offerVersion: version, carId: car, buyer: contact, reason } = data;
  if (!(type in STAGES)) throw new Error(`unknown event type ${type}`);
  if (!buyerId || !offer || !version) throw new Error(`event ${id} lacks its buyer, offer or version`);
  const payload = { id, offer, version };
  if (time) payload.time = time;
  if (type === "offer.made.v1") {
    payload.car = car;
    if (contact) payload.contact = contactOf(contact);
  }
  if (type === "offer.rejected.v1" && reason) payload.reason = reason;
  return { buyer: buyerId, event: { type, payload } };
};

const contactOf = ({ name, email, phone }) => (phone ? { name, email, phone } : { name, email });

/** Whether this event is new. An early event counts as new, because peers hold no events. */
const isNews = (buyer, { payload }) => (buyer?.offers.get(payload.offer)?.version ?? 0) < payload.version;

/**
 * The buyer after one more event. Offers are changed in place, because every fold begins with a new buyer, and copying
 * thousands of offers for each of thousands of events would dominate the measurement.
 */
const reducer = (buyer, { aggregateId, version, type, payload }) => {
  const { offers, pending, accepted } = buyer ?? { offers: new Map(), pending: 0, accepted: 0 };
  const before = offers.get(payload.offer);
  const stage = STAGES[type];
  const { car, contact } = type === "offer.made.v1" ? payload : (before ?? {});
  offers.set(payload.offer, { version: payload.version, stage, car, contact });
  const moved = (to) => (stage === to) - (before?.stage === to);
  const counts = { pending: pending + moved("pending"), accepted: accepted + moved("accepted") };
  const hasLowLead = counts.pending > 0 && counts.accepted === 0;
  return { aggregateId, version, offers, ...counts, hasLowLead };
};

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
