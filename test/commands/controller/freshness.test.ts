// What the controller says of the age of the policy that it cannot confirm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createFreshness } from "../../../src/commands/controller/freshness.ts";
import {
  confirmEveryMs,
  createConfirmer,
  unconfirmedMsMax,
} from "../../../src/controller/writing/confirmation.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";

function script() {
  const state = { nowMs: 1000, leads: true, confirmedAtMs: undefined as number | undefined };
  const told: string[] = [];
  const freshness = createFreshness({
    leads: () => state.leads,
    confirmedAtMs: () => state.confirmedAtMs,
    monotonicMs: () => state.nowMs,
    cause: () => "because",
    announce: async (isConfirmed, message) => {
      told.push(isConfirmed ? "again" : message.replace(/^For (\d+) s.*?(\w+)$/, "$1 $2"));
    },
    logger: createLogger("silent"),
  });
  const after = (ms: number): readonly string[] => {
    state.nowMs += ms;
    freshness.look();
    return told.splice(0);
  };
  return { state, after };
}

test("createFreshness tells once that the policy is not confirmed, each minute while it lasts, and when it is again", () => {
  const { state, after } = script();
  assert.deepEqual(after(0), []);
  assert.deepEqual(after(unconfirmedMsMax - 1), []);
  assert.deepEqual(after(1), ["30 because"]);
  assert.deepEqual(after(5000), []);
  assert.deepEqual(after(55_000), ["90 because"]);
  state.confirmedAtMs = state.nowMs;
  assert.deepEqual(after(5000), ["again"]);
  assert.deepEqual(after(5000), []);
  assert.deepEqual(after(unconfirmedMsMax), ["40 because"]);
});

test("createFreshness says nothing without the lead, and counts from its beginning", () => {
  const { state, after } = script();
  state.leads = false;
  assert.deepEqual(after(600_000), []);
  state.leads = true;
  assert.deepEqual(after(0), []);
  assert.deepEqual(after(unconfirmedMsMax - 1), []);
  assert.deepEqual(after(1), ["30 because"]);
});

test("createConfirmer writes each new revision at once and the same one not too often, and a failure keeps nothing up", async () => {
  const state = { nowMs: 0, isDown: false, failures: 0 };
  const written: string[] = [];
  const confirmer = createConfirmer({
    write: async ({ revision }) => {
      if (state.isDown) throw new Error("down");
      written.push(revision);
    },
    nowMs: () => 0,
    monotonicMs: () => state.nowMs,
    onFailure: () => {
      state.failures += 1;
    },
  });
  assert.equal(confirmer.confirmedAtMs(), undefined);
  await confirmer.confirm("a");
  await confirmer.confirm("a");
  await confirmer.confirm("b");
  // Two at once: the second follows the first.
  await Promise.all([confirmer.confirm("c"), confirmer.confirm("b")]);
  assert.deepEqual(written.splice(2), ["c", "b"]);
  state.nowMs = confirmEveryMs - 1;
  await confirmer.confirm("b");
  assert.deepEqual(written, ["a", "b"]);
  state.nowMs = confirmEveryMs;
  state.isDown = true;
  await confirmer.confirm("b");
  assert.equal(state.failures, 1);
  assert.equal(confirmer.confirmedAtMs(), confirmEveryMs);
  state.isDown = false;
  await confirmer.confirm("b");
  assert.deepEqual(written, ["a", "b", "b"]);
});
