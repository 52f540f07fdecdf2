// How old a confirmed policy is, by a clock of one's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createConfirmations } from "../../../src/sources/configmaps/confirmations.ts";

function script() {
  const clock = { nowMs: Date.parse("2026-06-01T00:01:00Z") };
  const { look, confirmedAtMs } = createConfirmations("policy", () => clock.nowMs);
  const show = (text: string, name = "policy-confirmed"): void =>
    look(new Map([[name, { data: { "confirmed.json": text } }]]));
  const confirm = (revision: string, confirmedAt: string): void =>
    show(JSON.stringify({ revision, confirmedAt }));
  return { clock, look, show, confirm, confirmedAtMs };
}

test("createConfirmations takes what was there first for as old as it says, and never for newer than now", () => {
  const old = script();
  old.confirm("a", "2026-06-01T00:00:30Z");
  assert.equal(old.confirmedAtMs("a"), Date.parse("2026-06-01T00:00:30Z"));
  const ahead = script();
  ahead.confirm("a", "2027-01-01T00:00:00Z");
  assert.equal(ahead.confirmedAtMs("a"), ahead.clock.nowMs);
});

test("createConfirmations takes a change for made just now, whatever the controller's clock says, and the same again for none", () => {
  const it = script();
  it.confirm("a", "2026-06-01T00:00:30Z");
  it.clock.nowMs += 10_000;
  it.confirm("a", "2020-01-01T00:00:00Z");
  assert.equal(it.confirmedAtMs("a"), it.clock.nowMs);
  const atMs = it.clock.nowMs;
  it.clock.nowMs += 600_000;
  it.confirm("a", "2020-01-01T00:00:00Z");
  assert.equal(it.confirmedAtMs("a"), atMs);
});

test("createConfirmations knows each revision by itself, first, last and between, and not without end", () => {
  const it = script();
  for (const revision of ["a", "b", "c"]) {
    it.clock.nowMs += 1000;
    it.confirm(revision, new Date(it.clock.nowMs).toISOString());
  }
  const [a = 0, b = 0, c = 0] = ["a", "b", "c"].map(it.confirmedAtMs);
  assert.deepEqual([b - a, c - b], [1000, 1000]);
  assert.equal(it.confirmedAtMs("d"), undefined);
  assert.equal(it.confirmedAtMs(undefined), undefined);
  for (let at = 0; at < 100; at++) it.confirm(`r${at}`, `2026-06-01T00:00:${10 + (at % 50)}Z`);
  assert.equal(it.confirmedAtMs("a"), undefined);
  assert.equal(it.confirmedAtMs("r99"), it.clock.nowMs);
});

test("createConfirmations passes by what is no confirmation", () => {
  const it = script();
  for (const text of [
    ...["", "{", "null", "[]", '"a"', "{}", '{"revision":1,"confirmedAt":"2026-06-01T00:00:00Z"}'],
    ...['{"revision":"a","confirmedAt":"yesterday"}', `{"revision":"${"a".repeat(2000)}"}`],
  ]) {
    it.show(text);
  }
  it.look(new Map());
  it.look(new Map([["policy-confirmed", {}]]));
  it.show('{"revision":"a","confirmedAt":"2026-06-01T00:00:00Z"}', "other-confirmed");
  assert.equal(it.confirmedAtMs("a"), undefined);
});
