"""Tests of the example consumer. Run `python3 -m unittest` in this folder."""

import itertools
import json
import pathlib
import random
import unittest

from sales_desk import SalesDesk

CONTACT = {"name": "Ada Byron", "email": "ada@example.com"}


def message(type, key, buyer, **data):
    return {"specversion": "1.0", "id": f"{buyer}/{key}", "source": "/leadstream", "type": type, "data": {"buyerId": buyer, **data}}


def quote(offer, buyer="buyer-7"):
    return message("quote.requested.v1", f"quote/{offer}", buyer, offerId=offer, carId="car-1", contact=CONTACT)


def opened(lead, buyer="buyer-7"):
    return message("lead.opened.v1", f"opened/{lead}", buyer, leadId=lead, priority=lead.split("/")[0], contact=CONTACT)


def closed(lead, reason="offer-accepted", buyer="buyer-7"):
    return message("lead.closed.v1", f"closed/{lead}", buyer, leadId=lead, priority=lead.split("/")[0], reason=reason)


def desk_after(messages):
    desk = SalesDesk()
    for each in messages:
        desk.apply(json.loads(json.dumps(each)))
    return desk


# An offer is accepted, its acceptance is withdrawn, and it is accepted again. The opening of one low lead was never sent.
# Another buyer has a lead with the same leadId.
STORY = [
    quote("offer-1"), opened("low/1"), closed("low/1"), opened("high/offer-1/2"), closed("high/offer-1/2", "acceptance-withdrawn"),
    closed("low/3"), opened("high/offer-1/4"), opened("low/1", buyer="buyer-8"),
]
OPEN_AT_THE_END = {("buyer-7", "high/offer-1/4"), ("buyer-8", "low/1")}


class SalesDeskTest(unittest.TestCase):
    def test_messages_in_order_leave_the_expected_open_leads(self):
        desk = desk_after(STORY)
        self.assertEqual(set(desk.open), OPEN_AT_THE_END)
        self.assertEqual(set(desk.to_phone()), {("buyer-7", "high/offer-1/4")})
        self.assertEqual(set(desk.quotes), {("buyer-7", "offer-1")})

    def test_every_order_ends_in_the_same_open_leads(self):
        for order in itertools.permutations(STORY[1:]):
            self.assertEqual(set(desk_after(order).open), OPEN_AT_THE_END)

    def test_shuffled_and_repeated_messages_end_in_the_same_open_leads(self):
        for seed in range(2000):
            generator = random.Random(seed)
            order = STORY + generator.choices(STORY, k=generator.randint(0, 12))
            generator.shuffle(order)
            desk = desk_after(order)
            self.assertEqual(desk.open, desk_after(STORY).open, f"seed {seed}")
            self.assertEqual(desk.quotes, desk_after(STORY).quotes, f"seed {seed}")

    def test_the_same_id_is_applied_once(self):
        desk = SalesDesk()
        self.assertTrue(desk.apply(opened("low/1")))
        self.assertFalse(desk.apply(opened("low/1")))

    def test_a_closed_lead_never_reopens(self):
        self.assertEqual(desk_after([opened("low/1"), closed("low/1"), opened("low/1")]).open, {})

    def test_a_lead_closed_before_its_opening_arrives_stays_closed(self):
        self.assertEqual(desk_after([closed("low/1"), opened("low/1")]).open, {})

    def test_one_lead_id_of_two_buyers_means_two_leads(self):
        desk = desk_after([opened("low/1"), opened("low/1", buyer="buyer-8"), closed("low/1")])
        self.assertEqual(set(desk.open), {("buyer-8", "low/1")})

    def test_a_message_of_unknown_type_is_ignored(self):
        desk = SalesDesk()
        self.assertFalse(desk.apply(message("lead.opened.v9", "opened/low/1", "buyer-7", leadId="low/1")))
        self.assertTrue(desk.apply(opened("low/1")))

    def test_every_example_of_the_contract_can_be_applied(self):
        folder = pathlib.Path(__file__).parent.parent / "examples/valid"
        for type in ["quote.requested.v1", "lead.opened.v1", "lead.closed.v1"]:
            lines = (folder / f"{type}.jsonl").read_text(encoding="utf-8").splitlines()
            self.assertTrue(lines)
            for example in map(json.loads, lines):
                with self.subTest(example["name"]):
                    self.assertTrue(SalesDesk().apply(example["event"]))


if __name__ == "__main__":
    unittest.main()
