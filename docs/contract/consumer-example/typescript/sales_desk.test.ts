// Tests of the example consumer: `npm test`, after `npm run build`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SalesDesk } from "./sales_desk.js";

interface Deliveries {
  bodies: string[];
  tables: Record<string, object[]>;
  deliveries: number[][];
}

const DATA: Deliveries = JSON.parse(readFileSync(new URL("../../deliveries.json", import.meta.url), "utf8"));
const OPENED = DATA.bodies[1]!;

/** Every row of every table. Without rowids, tables are read in the order of their primary keys. */
function tables(desk: SalesDesk): Record<string, object[]> {
  const rows = (name: string) => desk.database.prepare(`SELECT * FROM ${name}`).all().map((row) => ({ ...row }));
  return Object.fromEntries(Object.keys(DATA.tables).map((name) => [name, rows(name)]));
}

test("every delivery ends in the same tables", () => {
  for (const [number, order] of DATA.deliveries.entries()) {
    const desk = new SalesDesk();
    for (const position of order) desk.apply(DATA.bodies[position]!);
    assert.deepEqual(tables(desk), DATA.tables, `delivery ${number}`);
  }
});

test("the same id is applied once", () => {
  const desk = new SalesDesk();
  assert.equal(desk.apply(OPENED), "applied");
  assert.equal(desk.apply(OPENED), "repeated");
});

test("a message of unknown type is ignored", () => {
  const desk = new SalesDesk();
  assert.equal(desk.apply(OPENED.replace("opened.v1", "opened.v9")), "unknown type");
  assert.equal(desk.apply(OPENED), "applied");
});

test("what cannot be read is set aside", () => {
  const desk = new SalesDesk();
  for (const body of ["", "7", "[".repeat(100_000), "null", "{}", OPENED.replace('"low"', "1")]) {
    assert.equal(desk.apply(body), "set aside", body.slice(0, 40));
  }
  assert.deepEqual(tables(desk)["applied"], []);
});

test("an error of the database leaves no trace of the message", () => {
  const desk = new SalesDesk();
  desk.database.exec("CREATE TRIGGER full BEFORE INSERT ON leads BEGIN SELECT RAISE(ABORT, 'full'); END");
  assert.throws(() => desk.apply(OPENED), /full/);
  assert.deepEqual(Object.values(tables(desk)), [[], [], [], []]);
  desk.database.exec("DROP TRIGGER full");
  assert.equal(desk.apply(OPENED), "applied");
});
