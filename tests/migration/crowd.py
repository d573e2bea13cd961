"""Buyers with histories of several offers, and the ways in which their events reach both systems. Seeded: every run has the
same buyers, events and orders of delivery."""

import json
import random
from dataclasses import dataclass, field

MADE = "offer.made.v1"
# By stage: what may happen to an offer, the stage after it, and how often.
CLOSING = [("offer.rejected.v1", "closed", 15), ("offer.withdrawn.v1", "closed", 15)]
CHANGES = {
    "pending": [("offer.accepted.v1", "accepted", 70), *CLOSING],
    "accepted": [("offer.acceptance-withdrawn.v1", "pending", 45), *CLOSING],
}
MOST_OFFERS = 5


@dataclass
class Offer:
    version: int = 1
    stage: str = "pending"
    # The versions that accepted it.
    acceptances: list[int] = field(default_factory=list)


@dataclass
class Delivery:
    """One step of a buyer's script: an event on its way to one of the two systems."""

    to_former: bool
    event: dict
    # The copies of an event have different deduplication ids, or SQS would drop them.
    copy: int = 0


class Buyer:
    """A buyer, and what is true of its offers once every event so far has arrived."""

    def __init__(self, buyer_id: str):
        self.id = buyer_id
        self.offers: dict[str, Offer] = {}
        self.dice = random.Random(buyer_id)
        self.copies = 0
        # Events that the former system has not heard yet, in order.
        self.late: list[dict] = []

    @property
    def email(self) -> str:
        return f"{self.id}@example.com"

    def accepted(self) -> list[str]:
        return [offer_id for offer_id, offer in self.offers.items() if offer.stage == "accepted"]

    def calls_for_low_lead(self) -> bool:
        return not self.accepted() and any(offer.stage == "pending" for offer in self.offers.values())

    def event(self) -> dict:
        """The next event of one of its offers, or of a new one."""
        open_ids = [offer_id for offer_id, offer in self.offers.items() if offer.stage != "closed"]
        is_new = not open_ids or len(self.offers) < MOST_OFFERS and self.dice.random() < 0.35
        offer_id = f"{self.id}-offer-{len(self.offers) + 1}" if is_new else self.dice.choice(open_ids)
        data = {"buyerId": self.id, "offerId": offer_id, "offerVersion": 1}
        kind = MADE
        if is_new:
            self.offers[offer_id] = Offer()
            contact = {"name": f"Buyer {self.id}", "email": self.email, "phone": "+61 400 000 000"}
            data |= {"carId": f"car-{offer_id}", "buyer": contact}
        else:
            offer = self.offers[offer_id]
            changes = CHANGES[offer.stage]
            kind, offer.stage, _ = self.dice.choices(changes, [weight for *_, weight in changes])[0]
            offer.version += 1
            data["offerVersion"] = offer.version
            if offer.stage == "accepted":
                offer.acceptances.append(offer.version)
        return {
            "specversion": "1.0", "id": f"{offer_id}-{data['offerVersion']}", "source": "/offers", "type": kind, "data": data,
        }

    def events(self, least: int, most: int) -> list[dict]:
        return [self.event() for _ in range(self.dice.randint(least, most))]

    def script(self, events: list[dict], older: list[dict] = ()) -> list[Delivery]:
        """The deliveries of new events: to the former system in order, to the queue with some early and some repeated ones,
        and either system may be ahead. Now and then an older event, which never was in the queue, is posted again. The events
        of some buyers are late: they do not reach the former system until `catch_up`."""
        is_late = bool(self.late) or self.dice.random() < 0.3
        if is_late:
            self.late += events
        queued = [Delivery(False, event) for event in events]
        for place in range(len(queued) - 1):
            if self.dice.random() < 0.15:
                queued[place : place + 2] = reversed(queued[place : place + 2])
        repeated = [event for event in events if self.dice.random() < 0.2]
        if older and self.dice.random() < 0.1:
            repeated.append(self.dice.choice(older))
        for again in repeated:
            self.copies += 1
            first = next((place for place, one in enumerate(queued) if one.event is again), 0)
            queued.insert(self.dice.randint(first + 1, len(queued)), Delivery(False, again, self.copies))
        known = [] if is_late else [Delivery(True, event) for event in events]
        script = []
        while known or queued:
            ahead = known if self.dice.random() < len(known) / (len(known) + len(queued)) else queued
            script.append(ahead.pop(0))
        return script

    def catch_up(self) -> list[dict]:
        """The events that are late, once."""
        late, self.late = self.late, []
        return late


def body(event: dict) -> str:
    return json.dumps(event, separators=(",", ":"))
