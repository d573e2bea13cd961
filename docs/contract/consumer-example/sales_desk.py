"""An example consumer of the sales team's queue.

Messages are delivered at least once, and an old one may arrive after newer ones. Two rules make
that harmless: each `id` is applied once, and a closed lead never reopens. In any order and with
any number of repeats, the same messages lead to the same open leads.

    python3 sales_desk.py < messages.jsonl      one message body per line; prints the open leads
"""

import json
import sys


class SalesDesk:
    """The sales team's state: quotes to prepare and open leads.

    Keep all four collections in one database. Write each message's changes and its id in one
    transaction, and acknowledge the message only afterwards.
    """

    def __init__(self):
        self.applied = set()  # ids of the applied messages
        self.closed = set()  # (buyerId, leadId) of closed leads, including leads whose opening has not arrived
        self.open = {}  # (buyerId, leadId) -> data of its opening
        self.quotes = {}  # (buyerId, offerId) -> data of the request

    def apply(self, message):
        """Apply one decoded message body. Return whether it was new and its type is known."""
        apply = {
            "quote.requested.v1": self._quote_requested,
            "lead.opened.v1": self._lead_opened,
            "lead.closed.v1": self._lead_closed,
        }.get(message["type"])
        # The id of an unknown type is not recorded, because a later version of this program may know the type.
        if apply is None or message["id"] in self.applied:
            return False
        apply(message["data"])
        self.applied.add(message["id"])
        return True

    def to_phone(self):
        """Return the open high leads. A lead is identified by buyerId and leadId together."""
        return {lead: data for lead, data in self.open.items() if data["priority"] == "high"}

    def _quote_requested(self, data):
        self.quotes[data["buyerId"], data["offerId"]] = data

    def _lead_opened(self, data):
        lead = (data["buyerId"], data["leadId"])
        if lead not in self.closed:
            self.open[lead] = data

    def _lead_closed(self, data):
        # Recorded even if the lead is unknown, because its opening may arrive later.
        lead = (data["buyerId"], data["leadId"])
        self.closed.add(lead)
        self.open.pop(lead, None)


if __name__ == "__main__":
    desk = SalesDesk()
    for line in sys.stdin:
        if line.strip():
            desk.apply(json.loads(line))
    for (buyer, lead), data in sorted(desk.open.items()):
        print(json.dumps({"buyerId": buyer, "leadId": lead, "contact": data["contact"]}))
