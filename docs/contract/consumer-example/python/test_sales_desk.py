"""Tests of the example consumer. Run `python3 -m unittest` in this folder."""

import itertools
import json
import pathlib
import sqlite3
import sys
import unittest

from sales_desk import SalesDesk

FOLDER = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(FOLDER))

import deliveries  # noqa: E402

DATA = json.loads((FOLDER / "deliveries.json").read_text(encoding="utf-8"))


def tables(desk):
    """Every row of every table. Without rowids, tables are read in the order of their primary keys."""
    return {name: [dict(row) for row in desk.database.execute(f"SELECT * FROM {name}")] for name in DATA["tables"]}


def desk_after(bodies):
    desk = SalesDesk()
    for body in bodies:
        desk.apply(body)
    return desk


def opened(lead="low/1", buyer="buyer-7"):
    return json.dumps(deliveries.opened(buyer, lead, 1, deliveries.ADA))


def closed(lead="low/1", buyer="buyer-7"):
    return json.dumps(deliveries.closed(buyer, lead, 2, "offer-accepted"))


class SalesDeskTest(unittest.TestCase):
    def names(self, desk):
        return [(lead["buyer_id"], lead["lead_id"]) for lead in desk.open_leads()]

    def test_the_test_data_is_what_its_program_writes(self):
        self.assertEqual((FOLDER / "deliveries.json").read_text(encoding="utf-8"), deliveries.document())

    def test_every_delivery_ends_in_the_same_tables(self):
        for number, order in enumerate(DATA["deliveries"]):
            desk = desk_after(DATA["bodies"][position] for position in order)
            self.assertEqual(tables(desk), DATA["tables"], f"delivery {number}")

    def test_every_order_of_one_buyers_messages_ends_in_the_same_tables(self):
        expected = tables(desk_after(DATA["bodies"][1:7]))
        for order in itertools.permutations(DATA["bodies"][1:7]):
            self.assertEqual(tables(desk_after(order)), expected)

    def test_the_same_id_is_applied_once(self):
        desk = SalesDesk()
        self.assertEqual(desk.apply(opened()), "applied")
        self.assertEqual(desk.apply(opened()), "repeated")

    def test_a_closed_lead_never_reopens(self):
        self.assertEqual(self.names(desk_after([opened(), closed(), opened()])), [])

    def test_a_lead_closed_before_its_opening_arrives_stays_closed(self):
        self.assertEqual(self.names(desk_after([closed(), opened()])), [])

    def test_one_lead_id_of_two_buyers_means_two_leads(self):
        desk = desk_after([opened(), opened(buyer="buyer-8"), closed()])
        self.assertEqual(self.names(desk), [("buyer-8", "low/1")])

    def test_a_message_of_unknown_type_is_ignored(self):
        desk = SalesDesk()
        self.assertEqual(desk.apply(opened().replace("opened.v1", "opened.v9")), "unknown type")
        self.assertEqual(desk.apply(opened()), "applied")

    def test_what_cannot_be_read_is_set_aside(self):
        wrong = [opened().replace('"low"', "1"), opened().replace("Ada", "\\ud83d")]
        bodies = ["", "7", "[" * 100_000, "null", "{}", '"\\ud800"', *wrong]
        desk = SalesDesk()
        for body in bodies:
            self.assertEqual(desk.apply(body), "set aside", body[:40])
            self.assertEqual(desk.apply(body), "set aside", body[:40])
        self.assertEqual(len(tables(desk)["set_aside"]), len(bodies))
        self.assertEqual(tables(desk)["applied"], [])

    def test_an_error_of_the_database_leaves_no_trace_of_the_message(self):
        desk = SalesDesk()
        desk.database.execute("CREATE TRIGGER full BEFORE INSERT ON leads BEGIN SELECT RAISE(ABORT, 'full'); END")
        with self.assertRaises(sqlite3.Error):
            desk.apply(opened())
        self.assertEqual(tables(desk), {name: [] for name in DATA["tables"]})
        desk.database.execute("DROP TRIGGER full")
        self.assertEqual(desk.apply(opened()), "applied")

    def test_every_example_of_the_contract_can_be_applied(self):
        folder = FOLDER.parent / "examples/valid"
        for type in ["quote.requested.v1", "lead.opened.v1", "lead.closed.v1"]:
            lines = (folder / f"{type}.jsonl").read_text(encoding="utf-8").splitlines()
            self.assertTrue(lines)
            for example in map(json.loads, lines):
                with self.subTest(example["name"]):
                    self.assertEqual(SalesDesk().apply(json.dumps(example["event"])), "applied")


if __name__ == "__main__":
    unittest.main()
