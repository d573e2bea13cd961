"""Random valid histories of buyers, and the messages in which they arrive: late, repeated, swapped, and with bad ones in
between. The same seed gives the same messages."""

import json
import random
from dataclasses import dataclass, field

from crowd import MADE, Buyer, body

ACTIVE = 60


@dataclass
class Message:
    group: str
    deduplication_id: str
    body: str
    # Why it must become a dead letter; empty for a valid event.
    reason: str = ""


@dataclass
class History:
    """One buyer: its events in the order of their offers, and its messages in the order of posting."""

    buyer_id: str
    email: str
    events: list[dict]
    messages: list[Message]
    posted: int = 0

    def is_posted(self) -> bool:
        return self.posted == len(self.messages)


@dataclass
class Histories:
    """An endless supply of histories, of which so many are under way at a time."""

    seed: int
    all: list[History] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"histories {self.seed}")
        self._active: list[History] = []

    def next(self, is_ending: bool) -> list[tuple[History, Message]]:
        """One to four further messages of one buyer. Near the end no new buyers begin; then empty once all are posted."""
        self._active = [history for history in self._active if not history.is_posted()]
        while not is_ending and len(self._active) < ACTIVE:
            history = history_of(f"soak-{self.seed}-{len(self.all) + 1}")
            self.all.append(history)
            self._active.append(history)
        if not self._active:
            return []
        history = self.dice.choice(self._active)
        count = self.dice.choice((1, 1, 1, 1, 2, 4))
        messages = history.messages[history.posted : history.posted + count]
        history.posted += len(messages)
        return [(history, message) for message in messages]


def history_of(buyer_id: str) -> History:
    buyer = Buyer(buyer_id)
    events = buyer.events(3, 10)
    dice = random.Random(f"messages {buyer_id}")
    order = list(events)
    for place in range(len(order)):
        if dice.random() < 0.2:
            event = order.pop(place)
            order.insert(min(place + dice.randint(1, 4), len(order)), event)
    for event in [event for event in events if dice.random() < 0.2]:
        order.insert(dice.randint(order.index(event) + 1, len(order)), event)
    messages, posted = [], set()
    for place, event in enumerate(order):
        messages.append(Message(buyer_id, f"{buyer_id}-{place}", body(event)))
        # A contradiction is refused only while the version that it contradicts is the offer's last.
        is_newest = event["type"] == MADE and not any(offer == event["data"]["offerId"] for offer in posted)
        posted.add(event["data"]["offerId"])
        if dice.random() < 0.08:
            reason, text = _bad(event, is_newest, dice)
            messages.append(Message(buyer_id, f"{buyer_id}-{place}-bad", text, reason))
    return History(buyer_id, buyer.email, events, messages)


def _bad(event: dict, is_newest: bool, dice: random.Random) -> tuple[str, str]:
    data = event["data"]
    kinds = {
        "not-json": "{",
        "unknown-type": body(event | {"type": "offer.updated.v1"}),
        "wrong-group": body(event | {"data": data | {"buyerId": "another-buyer"}}),
        "not-an-offer-event": body(event | {"data": {name: data[name] for name in data if name != "offerId"}}),
    }
    if is_newest:
        kinds["contradiction"] = body(event | {"data": data | {"carId": "another-car"}})
    reason = dice.choice(sorted(kinds))
    return reason, kinds[reason]
