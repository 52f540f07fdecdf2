// How old a confirmed policy is, by a clock of one's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createConfirmations } from "../../../src/sources/configmaps/confirmations.ts";

function script() {
  const clock = { nowMs: Date.parse("2026-06-01T00:01:00Z") };
  const { look, put, confirmedAtMs } = createConfirmations("policy", () => clock.nowMs);
  const show = (text: string, name = "policy-confirmed"): void =>
    look(new Map([[name, { data: { "confirmed.json": text } }]]));
  const confirm = (revision: string, confirmedAt: string): void =>
    show(JSON.stringify({ revision, confirmedAt }));
  return { clock, look, put, show, confirm, confirmedAtMs };
}

test("createConfirmations takes what was there first for as old as it says, and never for newer than now", () => {
  const old = script();
  old.confirm("a", "2026-06-01T00:00:30Z");
  assert.equal(old.confirmedAtMs(), undefined);
  old.put("a");
  assert.equal(old.confirmedAtMs(), Date.parse("2026-06-01T00:00:30Z"));
  const ahead = script();
  ahead.put("a");
  ahead.confirm("a", "2027-01-01T00:00:00Z");
  assert.equal(ahead.confirmedAtMs(), ahead.clock.nowMs);
});

test("createConfirmations takes a change for made just now, whatever the controller's clock says, and the same again for none", () => {
  const it = script();
  it.put("a");
  it.confirm("a", "2026-06-01T00:00:30Z");
  it.clock.nowMs += 10_000;
  it.confirm("a", "2020-01-01T00:00:00Z");
  const atMs = it.clock.nowMs;
  assert.equal(it.confirmedAtMs(), atMs);
  it.clock.nowMs += 600_000;
  it.confirm("a", "2020-01-01T00:00:00Z");
  assert.equal(it.confirmedAtMs(), atMs);
});

test("createConfirmations counts no word on a policy that is not in force, before or after", () => {
  const it = script();
  it.put("a");
  it.confirm("a", "2026-06-01T00:00:30Z");
  const firstMs = it.confirmedAtMs();
  it.clock.nowMs += 60_000;
  it.confirm("b", "2026-06-01T00:02:00Z");
  // This process could not load it: what it has grows old.
  assert.equal(it.confirmedAtMs(), firstMs);
  it.clock.nowMs += 1000;
  it.put("b");
  assert.equal(it.confirmedAtMs(), it.clock.nowMs - 1000);
  it.confirm("a", "2026-06-01T00:03:00Z");
  assert.equal(it.confirmedAtMs(), it.clock.nowMs - 1000);
});

test("createConfirmations takes a policy that has just come for as old as the last word on the one before", () => {
  const it = script();
  it.put("a");
  it.confirm("a", "2026-06-01T00:00:30Z");
  const firstMs = it.confirmedAtMs();
  it.clock.nowMs += 10_000;
  it.put("b");
  assert.equal(it.confirmedAtMs(), firstMs);
  it.confirm("b", "2026-06-01T00:01:10Z");
  assert.equal(it.confirmedAtMs(), it.clock.nowMs);
});

test("createConfirmations remembers not without end", () => {
  const it = script();
  for (let at = 0; at < 100; at++) it.confirm(`r${at}`, `2026-06-01T00:00:${10 + (at % 50)}Z`);
  it.put("r3");
  assert.equal(it.confirmedAtMs(), undefined);
  it.put("r99");
  assert.equal(it.confirmedAtMs(), it.clock.nowMs);
});

test("createConfirmations passes by what is no confirmation", () => {
  const it = script();
  it.put("a");
  for (const text of [
    ...["", "{", "null", "[]", '"a"', "{}", '{"revision":1,"confirmedAt":"2026-06-01T00:00:00Z"}'],
    ...['{"revision":"a","confirmedAt":"yesterday"}', `{"revision":"${"a".repeat(2000)}"}`],
  ]) {
    it.show(text);
  }
  it.look(new Map());
  it.look(new Map([["policy-confirmed", {}]]));
  it.show('{"revision":"a","confirmedAt":"2026-06-01T00:00:00Z"}', "other-confirmed");
  assert.equal(it.confirmedAtMs(), undefined);
});
