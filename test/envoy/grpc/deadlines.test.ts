// Deadlines that are looked at together: each is told once it is due and not before, and nobody keeps the process running.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createDeadlines, type Waiting } from "../../../src/envoy/grpc/deadlines.ts";

type Told = Waiting & { readonly told: number[] };

function waitingUntil(dueMs: number, then: () => void = () => {}): Told {
  const told: number[] = [];
  return {
    dueMs,
    told,
    expire(nowMs) {
      told.push(nowMs);
      then();
    },
  };
}

test("createDeadlines tells each that is due, at each look, until it leaves", async () => {
  const deadlines = createDeadlines();
  const startMs = performance.now();
  const due = waitingUntil(startMs + 20, () => due.told.length >= 2 && deadlines.remove(due));
  const later = waitingUntil(startMs + 60_000);
  const left = waitingUntil(startMs);
  for (const each of [due, later, left]) deadlines.add(each);
  deadlines.remove(left);
  for (let looks = 0; due.told.length < 2 && looks < 500; looks += 1) await delay(2);
  await delay(30);
  assert.equal(due.told.length, 2);
  assert.ok((due.told[0] ?? 0) >= startMs + 20);
  assert.deepEqual([later.told, left.told], [[], []]);
  deadlines.remove(later);
});

test("createDeadlines looks again for those that come after everybody has left", async () => {
  const deadlines = createDeadlines();
  for (let round = 0; round < 3; round += 1) {
    const due = waitingUntil(performance.now(), () => deadlines.remove(due));
    deadlines.add(due);
    for (let looks = 0; due.told.length === 0 && looks < 500; looks += 1) await delay(2);
    assert.equal(due.told.length, 1, `round ${round}`);
    await delay(30);
  }
});
