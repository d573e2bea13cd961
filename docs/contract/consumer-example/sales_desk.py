"""An example consumer of the sales team's queue.

Messages come at least once, and late ones after newer ones. Two rules make that harmless:
the same `id` is applied once, and a lead once closed never reopens. Whatever the order and
however many repeats, the same messages end in the same open leads.

    python3 sales_desk.py < messages.jsonl      one message body per line; prints the open leads
"""

import json
import sys


class SalesDesk:
    """What the sales team knows: quotes to prepare and open leads.

    Keep all four collections in one database and write each message's changes in one transaction,
    together with its id. Only then acknowledge the message.
    """

    def __init__(self):
        self.applied = set()  # ids of the messages applied
        self.closed = set()  # (buyerId, leadId): closed for good, also leads never heard of before
        self.open = {}  # (buyerId, leadId) -> data of its opening
        self.quotes = {}  # (buyerId, offerId) -> data of the request

    def apply(self, message):
        """Apply one decoded message body. Returns whether it was new and of a type known here."""
        apply = {
            "quote.requested.v1": self._quote_requested,
            "lead.opened.v1": self._lead_opened,
            "lead.closed.v1": self._lead_closed,
        }.get(message["type"])
        # An unknown type is not remembered as applied: a later version of this program may know it.
        if apply is None or message["id"] in self.applied:
            return False
        apply(message["data"])
        self.applied.add(message["id"])
        return True

    def to_phone(self):
        """The open high leads; a lead's identity is the pair of buyer and lead."""
        return {lead: data for lead, data in self.open.items() if data["priority"] == "high"}

    def _quote_requested(self, data):
        self.quotes[data["buyerId"], data["offerId"]] = data

    def _lead_opened(self, data):
        lead = (data["buyerId"], data["leadId"])
        if lead not in self.closed:
            self.open[lead] = data

    def _lead_closed(self, data):
        # Remembered even if the lead was never heard of: its opening may still be on the way.
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
