"""Writes deliveries.json, the test data of the three consumers. The same program writes the same file.

    python3 deliveries.py > deliveries.json

`bodies` are messages; a text that is no message stands as it is. `deliveries` are lists of positions in `bodies`: every
body arrives at least once, in any order. `tables` is what every delivery leads to.
"""

import json
import random

ADA = {"name": "Ada Byron", "email": "ada@example.com", "phone": "+61 400 000 000"}
EVE = {"name": "Eve \u0000'); DROP TABLE leads; --<script>\u202e\U0001f697", "email": "eve@example.com"}


def message(type, buyer, key, sequence, **data):
    return {
        "specversion": "1.0",
        "id": f"{buyer}/{key}",
        "source": "/leadstream",
        "type": type,
        "subject": key.partition("/")[2],
        "time": "2026-11-23T10:00:01.204Z",
        "datacontenttype": "application/json",
        "data": {"buyerId": buyer, **data, "sequence": sequence},
    }


def quote(buyer, offer, sequence, contact):
    return message("quote.requested.v1", buyer, f"quote/{offer}", sequence, offerId=offer, carId="car-1", contact=contact)


def opened(buyer, lead, sequence, contact, **more):
    priority = lead.split("/")[0]
    return message("lead.opened.v1", buyer, f"opened/{lead}", sequence, leadId=lead, priority=priority, contact=contact, **more)


def closed(buyer, lead, sequence, reason, priority=None):
    priority = priority or lead.split("/")[0]
    return message("lead.closed.v1", buyer, f"closed/{lead}", sequence, leadId=lead, priority=priority, reason=reason)


def without(body, name):
    return body | {"data": {key: value for key, value in body["data"].items() if key != name}}


BODIES = [
    # An offer is accepted, its acceptance is withdrawn, and it is accepted again. The opening of low/3 was never sent.
    quote("buyer-7", "offer-1", 1, ADA),
    opened("buyer-7", "low/1", 1, ADA),
    closed("buyer-7", "low/1", 2, "offer-accepted"),
    opened("buyer-7", "high/offer-1/2", 2, ADA, offerId="offer-1", carId="car-1"),
    closed("buyer-7", "high/offer-1/2", 3, "acceptance-withdrawn"),
    closed("buyer-7", "low/3", 4, "offer-accepted"),
    opened("buyer-7", "high/offer-1/4", 4, ADA, offerId="offer-1"),
    # A lead of a former system.
    closed("buyer-7", "L-2041", 5, "handed-over", priority="high"),
    # Another buyer has a lead of the same name.
    opened("buyer-8", "low/1", 1, EVE),
    # A buyer is erased, and comes back.
    quote("buyer-9", "offer-2", 1, ADA),
    opened("buyer-9", "low/1", 1, ADA),
    closed("buyer-9", "low/1", 2, "erased"),
    quote("buyer-9", "offer-3", 3, EVE),
    opened("buyer-9", "low/3", 3, EVE),
    # A type of a later version; messages that cannot be read.
    message("lead.opened.v2", "buyer-8", "opened/low/1", 1, leadId="low/1"),
    without(opened("buyer-8", "low/2", 2, EVE), "contact"),
    "this is no JSON",
]


def row(**columns):
    return columns


def open_lead(buyer, lead, sequence, contact, offer=None):
    return row(
        buyer_id=buyer, lead_id=lead, priority=lead.split("/")[0], offer_id=offer, car_id=None, name=contact["name"],
        email=contact["email"], phone=contact.get("phone"), closed=None, sequence=sequence,
    )


def closed_lead(buyer, lead, sequence, reason):
    return row(
        buyer_id=buyer, lead_id=lead, priority=None, offer_id=None, car_id=None, name=None, email=None, phone=None,
        closed=reason, sequence=sequence,
    )


def quote_row(buyer, offer, sequence, contact):
    return row(
        buyer_id=buyer, offer_id=offer, car_id="car-1", name=contact.get("name"), email=contact.get("email"),
        phone=contact.get("phone"), sequence=sequence,
    )


def text_of(body):
    return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))


# Each in the order of its primary key.
TABLES = {
    "applied": sorted((row(id=body["id"]) for body in BODIES[:14]), key=lambda one: one["id"]),
    "leads": [
        closed_lead("buyer-7", "L-2041", 5, "handed-over"),
        closed_lead("buyer-7", "high/offer-1/2", 3, "acceptance-withdrawn"),
        open_lead("buyer-7", "high/offer-1/4", 4, ADA, offer="offer-1"),
        closed_lead("buyer-7", "low/1", 2, "offer-accepted"),
        closed_lead("buyer-7", "low/3", 4, "offer-accepted"),
        open_lead("buyer-8", "low/1", 1, EVE),
        closed_lead("buyer-9", "low/1", 2, "erased"),
        open_lead("buyer-9", "low/3", 3, EVE),
    ],
    "quotes": [
        quote_row("buyer-7", "offer-1", 1, ADA),
        quote_row("buyer-9", "offer-2", 1, {}),
        quote_row("buyer-9", "offer-3", 3, EVE),
    ],
    "set_aside": [row(body=BODIES[16], reason="not JSON"), row(body=text_of(BODIES[15]), reason="no contact")],
}


def deliveries():
    """In order, backwards, and 198 times shuffled with up to 12 repeats."""
    everything = list(range(len(BODIES)))
    found = [everything, everything[::-1]]
    for seed in range(198):
        generator = random.Random(seed)
        order = everything + [generator.randrange(len(BODIES)) for _ in range(generator.randrange(13))]
        generator.shuffle(order)
        found.append(order)
    return found


def document():
    def lines(values):
        return ",\n".join(f"  {json.dumps(value)}" for value in values)

    tables = ",\n".join(f'  "{name}": [\n{lines(rows)}\n  ]' for name, rows in TABLES.items())
    bodies, orders = lines(map(text_of, BODIES)), lines(deliveries())
    return f'{{\n"bodies": [\n{bodies}\n],\n"tables": {{\n{tables}\n}},\n"deliveries": [\n{orders}\n]\n}}\n'


if __name__ == "__main__":
    print(document(), end="")
