// The aggregate: one buyer with its offers. It is as small as possible, and independent of the store.

const STAGES = {
  "offer.made.v1": "pending",
  "offer.accepted.v1": "accepted",
  "offer.acceptance-withdrawn.v1": "pending",
  "offer.rejected.v1": "closed",
  "offer.withdrawn.v1": "closed",
};

export const EVENT_TYPES = Object.keys(STAGES);

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
export const isNews = (buyer, { payload }) => (buyer?.offers.get(payload.offer)?.version ?? 0) < payload.version;

/**
 * The buyer after one more event. Offers are changed in place, because every fold begins with a new buyer, and copying
 * thousands of offers for each of thousands of events would dominate the measurement.
 */
export const reducer = (buyer, { aggregateId, version, type, payload }) => {
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
