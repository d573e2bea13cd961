-- The sales team's tables, the same in all three consumers. Every message is applied in one transaction.
PRAGMA busy_timeout = 5000;

-- Ids of applied messages.
CREATE TABLE IF NOT EXISTS applied (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- A lead is open while `closed` is null. A closing replaces the row by its reason, or leaves one before the opening
-- arrives, so that no opening can follow it. Contacts of closed leads are not kept.
CREATE TABLE IF NOT EXISTS leads (
    buyer_id TEXT NOT NULL,
    lead_id TEXT NOT NULL,
    priority TEXT,
    offer_id TEXT,
    car_id TEXT,
    name TEXT,
    email TEXT,
    phone TEXT,
    closed TEXT,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (buyer_id, lead_id)
) STRICT, WITHOUT ROWID;

-- Quotes to prepare. The contact is null once the buyer was erased.
CREATE TABLE IF NOT EXISTS quotes (
    buyer_id TEXT NOT NULL,
    offer_id TEXT NOT NULL,
    car_id TEXT NOT NULL,
    name TEXT,
    email TEXT,
    phone TEXT,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (buyer_id, offer_id)
) STRICT, WITHOUT ROWID;

-- Messages that could not be read, for an engineer to look at.
CREATE TABLE IF NOT EXISTS set_aside (body TEXT PRIMARY KEY, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
