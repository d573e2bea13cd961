// The sales team's tables in SQLite, and how each message changes them.
//
// Messages are delivered at least once, and an old one may arrive after newer ones. Two rules make that harmless: each
// `id` is applied once, and a closed lead never reopens. In any order and with any number of repeats, the same messages
// lead to the same tables.
//
// Needs Node 24: the SQLite of Node 22 cuts texts at U+0000, which a name may contain.

import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const SCHEMA = readFileSync(new URL("../../schema.sql", import.meta.url), "utf8");

const QUOTE = `INSERT INTO quotes (buyer_id, offer_id, car_id, name, email, phone, sequence)
  VALUES (:buyer_id, :offer_id, :car_id, :name, :email, :phone, :sequence)
  ON CONFLICT DO NOTHING`;
// Changes nothing if the closing arrived before.
const OPEN = `INSERT INTO leads (buyer_id, lead_id, priority, offer_id, car_id, name, email, phone, sequence)
  VALUES (:buyer_id, :lead_id, :priority, :offer_id, :car_id, :name, :email, :phone, :sequence)
  ON CONFLICT DO NOTHING`;
const CLOSE = `REPLACE INTO leads (buyer_id, lead_id, closed, sequence)
  VALUES (:buyer_id, :lead_id, :reason, :sequence)`;
// An erasure covers what precedes it in the buyer's stream. A buyer who returns later is contacted again.
const FORGET = `UPDATE quotes SET name = NULL, email = NULL, phone = NULL
  WHERE buyer_id = :buyer_id AND EXISTS (SELECT 1 FROM leads
    WHERE leads.buyer_id = quotes.buyer_id AND closed = 'erased' AND leads.sequence > quotes.sequence)`;

export type Outcome = "applied" | "repeated" | "unknown type" | "set aside";
type Values = Record<string, string | number | null>;

/** Why a message cannot be applied, now or later. */
class Unreadable extends Error {}

/** The tables, in a file or in memory. */
export class SalesDesk {
  readonly database: DatabaseSync;

  constructor(file = ":memory:") {
    this.database = new DatabaseSync(file);
    this.database.exec(SCHEMA);
  }

  /**
   * Applies a message in one transaction. Delete the message only after this returned. An error of the database changes
   * nothing and is thrown.
   */
  apply(body: string): Outcome {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      const outcome = this.applyHere(body);
      this.database.exec("COMMIT");
      return outcome;
    } catch (error) {
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The open leads, in order. A lead is identified by buyer and lead together. */
  openLeads(): object[] {
    return this.database.prepare("SELECT * FROM leads WHERE closed IS NULL ORDER BY buyer_id, lead_id").all();
  }

  private applyHere(body: string): Outcome {
    try {
      const message = read(body);
      const change = changeOf(message);
      // The id of an unknown type is not recorded, because a later version of this program may know the type.
      if (change === undefined) return "unknown type";
      const ids = this.database.prepare("INSERT INTO applied VALUES (?) ON CONFLICT DO NOTHING").run(text(message, "id"));
      if (ids.changes === 0) return "repeated";
      this.database.prepare(change.statement).run(change.values);
      this.database.prepare(FORGET).run({ buyer_id: change.values.buyer_id! });
      return "applied";
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.database.prepare("INSERT INTO set_aside VALUES (?, ?) ON CONFLICT DO NOTHING").run(body, error.message);
      return "set aside";
    }
  }
}

function read(body: string): unknown {
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    throw new Unreadable("not JSON");
  }
  text(message, "id");
  return message;
}

/** The statement that applies a message, and its values; `undefined` if the type is unknown. */
function changeOf(message: unknown): { statement: string; values: Values } | undefined {
  const type = text(message, "type");
  if (!["quote.requested.v1", "lead.opened.v1", "lead.closed.v1"].includes(type)) return undefined;
  const data = field(message, "data");
  const values: Values = { buyer_id: text(data, "buyerId"), sequence: whole(data, "sequence") };
  if (type === "lead.closed.v1") {
    return { statement: CLOSE, values: { ...values, lead_id: text(data, "leadId"), reason: text(data, "reason") } };
  }
  const contact = field(data, "contact");
  Object.assign(values, { name: text(contact, "name"), email: text(contact, "email"), phone: optional(contact, "phone") });
  if (type === "quote.requested.v1") {
    return { statement: QUOTE, values: { ...values, offer_id: text(data, "offerId"), car_id: text(data, "carId") } };
  }
  Object.assign(values, { lead_id: text(data, "leadId"), priority: text(data, "priority") });
  return { statement: OPEN, values: { ...values, offer_id: optional(data, "offerId"), car_id: optional(data, "carId") } };
}

function field(object: unknown, name: string): unknown {
  const value = object !== null && typeof object === "object" ? (object as Record<string, unknown>)[name] : undefined;
  if (value === undefined || value === null) throw new Unreadable(`no ${name}`);
  return value;
}

function text(object: unknown, name: string): string {
  const value = field(object, name);
  if (typeof value !== "string") throw new Unreadable(`no ${name}`);
  return value;
}

function whole(object: unknown, name: string): number {
  const value = field(object, name);
  if (!Number.isSafeInteger(value)) throw new Unreadable(`no ${name}`);
  return value as number;
}

function optional(object: unknown, name: string): string | null {
  return ((object as Record<string, unknown>)[name] ?? null) === null ? null : text(object, name);
}
