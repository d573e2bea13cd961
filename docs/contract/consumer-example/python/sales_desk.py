"""The sales team's tables in SQLite, and how each message changes them.

Messages are delivered at least once, and an old one may arrive after newer ones. Two rules make
that harmless: each `id` is applied once, and a closed lead never reopens. In any order and with
any number of repeats, the same messages lead to the same tables.
"""

import json
import sqlite3
from pathlib import Path

SCHEMA = Path(__file__).resolve().parent.parent / "schema.sql"

QUOTE = """INSERT INTO quotes (buyer_id, offer_id, car_id, name, email, phone, sequence)
    VALUES (:buyer_id, :offer_id, :car_id, :name, :email, :phone, :sequence)
    ON CONFLICT DO NOTHING"""
# Changes nothing if the closing arrived before.
OPEN = """INSERT INTO leads (buyer_id, lead_id, priority, offer_id, car_id, name, email, phone, sequence)
    VALUES (:buyer_id, :lead_id, :priority, :offer_id, :car_id, :name, :email, :phone, :sequence)
    ON CONFLICT DO NOTHING"""
CLOSE = """REPLACE INTO leads (buyer_id, lead_id, closed, sequence)
    VALUES (:buyer_id, :lead_id, :reason, :sequence)"""
# An erasure covers what precedes it in the buyer's stream. A buyer who returns later is contacted again.
FORGET = """UPDATE quotes SET name = NULL, email = NULL, phone = NULL
    WHERE buyer_id = :buyer_id AND EXISTS (SELECT 1 FROM leads
        WHERE leads.buyer_id = quotes.buyer_id AND closed = 'erased' AND leads.sequence > quotes.sequence)"""


class Unreadable(Exception):
    """Why a message cannot be applied, now or later."""


class SalesDesk:
    """The tables, in a file or in memory."""

    def __init__(self, database=":memory:"):
        self.database = sqlite3.connect(database, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.executescript(SCHEMA.read_text(encoding="utf-8"))

    def apply(self, body):
        """Apply a message in one transaction. Return `applied`, `repeated`, `unknown type` or `set aside`.

        Delete the message only after this returned. An error of the database changes nothing and is raised.
        """
        # Commits at the end, or rolls back after an error.
        with self.database:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                message = read(body)
                change = change_of(message)
            except Unreadable as error:
                self.database.execute("INSERT INTO set_aside VALUES (?, ?) ON CONFLICT DO NOTHING", (body, str(error)))
                return "set aside"
            # The id of an unknown type is not recorded, because a later version of this program may know the type.
            if change is None:
                return "unknown type"
            ids = self.database.execute("INSERT INTO applied VALUES (?) ON CONFLICT DO NOTHING", (text(message, "id"),))
            if ids.rowcount == 0:
                return "repeated"
            statement, values = change
            self.database.execute(statement, values)
            self.database.execute(FORGET, values)
            return "applied"

    def open_leads(self):
        """Return the open leads, in order. A lead is identified by buyer and lead together."""
        rows = self.database.execute("SELECT * FROM leads WHERE closed IS NULL ORDER BY buyer_id, lead_id")
        return [dict(row) for row in rows]


def read(body):
    try:
        message = json.loads(body)
        json.dumps(message, ensure_ascii=False).encode()  # refuses unpaired surrogates, which SQLite cannot store
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    text(message, "id")
    return message


def change_of(message):
    """Return the statement that applies a message, and its values; `None` if the type is unknown."""
    kind = text(message, "type")
    if kind not in ("quote.requested.v1", "lead.opened.v1", "lead.closed.v1"):
        return None
    data = field(message, "data", dict)
    values = {"buyer_id": text(data, "buyerId"), "sequence": field(data, "sequence", int)}
    if kind == "lead.closed.v1":
        return CLOSE, values | {"lead_id": text(data, "leadId"), "reason": text(data, "reason")}
    contact = field(data, "contact", dict)
    values |= {"name": text(contact, "name"), "email": text(contact, "email"), "phone": optional(contact, "phone")}
    if kind == "quote.requested.v1":
        return QUOTE, values | {"offer_id": text(data, "offerId"), "car_id": text(data, "carId")}
    values |= {"lead_id": text(data, "leadId"), "priority": text(data, "priority")}
    return OPEN, values | {"offer_id": optional(data, "offerId"), "car_id": optional(data, "carId")}


def field(object, name, type):
    value = object.get(name) if isinstance(object, dict) else None
    if not isinstance(value, type):
        raise Unreadable(f"no {name}")
    return value


def text(object, name):
    return field(object, name, str)


def optional(object, name):
    return None if object.get(name) is None else text(object, name)
