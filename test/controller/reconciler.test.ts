// The job behind every change: once for many, the policy before the statuses, again after a failure, and by the leader
// only.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectStatus, PolicyObject } from "../../src/controller/objects.ts";
import {
  createReconciler,
  debounceMs,
  type ReconcileObservation,
} from "../../src/controller/reconciler.ts";
import { usageMsMax, usageMsMin } from "../../src/controller/statuses.ts";
import type { ConfigMapWriter } from "../../src/controller/writing/config-maps.ts";
import { object } from "./objects.ts";

/** A reconciler whose waits end when the test says so, and everything it has done. */
function script(first: readonly PolicyObject[] | undefined) {
  const state = {
    objects: first,
    isLeader: true,
    policyFails: 0,
    statusFails: 0,
    error: new Error("the API server is away") as Error,
    secret: undefined as string | undefined,
  };
  const done: string[] = [];
  const waits: { ms: number; end: () => void }[] = [];
  const observations: ReconcileObservation[] = [];
  const statuses = new Map<string, ObjectStatus>();
  const writer: ConfigMapWriter = {
    write: async ({ index }) => {
      if (state.policyFails-- > 0) throw state.error;
      done.push(`policy ${(JSON.parse(index) as { counts: { aliases: number } }).counts.aliases}`);
      return 1;
    },
    forget: () => done.push("forget"),
  };
  const reconciler = createReconciler({
    objects: () => state.objects,
    readSecrets: async (entries) =>
      new Map(
        [...entries].map((entry) => [
          entry,
          state.secret === undefined
            ? { kind: "missing" as const }
            : { kind: "digest" as const, digest: state.secret },
        ]),
      ),
    writer,
    writeStatus: async ({ metadata }, status, resourceVersion) => {
      if (state.statusFails-- > 0) throw state.error;
      done.push(`status ${metadata.name}`);
      statuses.set(metadata.name, status);
      return `${resourceVersion}+`;
    },
    announce: async ({ metadata }, transitions) => {
      for (const { type, to } of transitions)
        done.push(`event ${metadata.name} ${type}=${to.status}`);
    },
    isLeader: () => state.isLeader,
    nowMs: () => 0,
    monotonicMs: () => 0,
    delay: (ms, signal) =>
      new Promise((resolve) => {
        const wait = { ms, end: resolve };
        // Numbers of keys are looked at again after a while: not here.
        if (ms !== usageMsMin && ms !== usageMsMax) waits.push(wait);
        signal.addEventListener("abort", () => resolve(), { once: true });
      }),
    observe: (observation) => observations.push(observation),
  });
  /** Ends the waits there are, and lets what follows happen. */
  const settle = async (): Promise<readonly number[]> => {
    await new Promise((resolve) => setImmediate(resolve));
    const ended = waits.splice(0);
    for (const { end } of ended) end();
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
    return ended.map(({ ms }) => ms);
  };
  /** As the watch brings an object back after its status was written. */
  const echo = (name: string): void => {
    state.objects = state.objects?.map((each) => {
      if (each.metadata.name !== name) return each;
      const status = statuses.get(name);
      const metadata = { ...each.metadata, resourceVersion: `${each.metadata.resourceVersion}+` };
      return { ...each, metadata, ...(status !== undefined && { status }) };
    });
  };
  return { state, done, observations, statuses, reconciler, settle, echo };
}

const aliases = (...names: readonly string[]): readonly PolicyObject[] =>
  names.map((name) => object("ModelAlias", name, { target: "m" }));

test("createReconciler compiles many changes once, and writes the policy before the statuses", async () => {
  const { done, reconciler, settle } = script(aliases("a", "b"));
  for (let at = 0; at < 100; at++) reconciler.request();
  assert.deepEqual(await settle(), [debounceMs]);
  assert.deepEqual(done, ["policy 2", "status a", "status b"]);
  await reconciler.stop();
});

test("createReconciler writes no status twice, also before the watch has brought it back", async () => {
  const { done, state, reconciler, settle, echo } = script(aliases("a"));
  reconciler.request();
  await settle();
  reconciler.request();
  await settle();
  assert.deepEqual(done, ["policy 1", "status a", "policy 1"]);
  echo("a");
  reconciler.request();
  await settle();
  // Somebody empties it: what is there counts, and it is written again.
  state.objects = state.objects?.map((each) => ({
    ...each,
    metadata: { ...each.metadata, resourceVersion: "of another" },
    status: {},
  }));
  reconciler.request();
  await settle();
  assert.deepEqual(done.slice(3), ["policy 1", "policy 1", "status a"]);
  await reconciler.stop();
});

test("createReconciler does not compile anew for statuses that come back, and does for a Secret", async () => {
  const key = object("VirtualKey", "k", { secretRef: { name: "s", key: "key" } });
  const { state, statuses, reconciler, settle, echo } = script([...aliases("a"), key]);
  reconciler.request();
  await settle();
  assert.equal(statuses.get("k")?.conditions?.[1]?.reason, "SecretNotFound");
  echo("k");
  reconciler.request();
  await settle();
  state.secret = "a".repeat(64);
  reconciler.request();
  await settle();
  assert.equal(statuses.get("k")?.conditions?.[1]?.reason, "ResolvedRefs");
  await reconciler.stop();
});

test("createReconciler waits until everything has been listed, and for its leadership", async () => {
  const { done, state, reconciler, settle } = script(undefined);
  reconciler.request();
  await settle();
  assert.deepEqual(done, []);
  state.objects = aliases("a");
  state.isLeader = false;
  reconciler.request();
  await settle();
  assert.deepEqual(done, []);
  state.isLeader = true;
  reconciler.leadershipChanged();
  await settle();
  assert.deepEqual(done, ["forget", "policy 1", "status a"]);
  await reconciler.stop();
});

test("createReconciler tries again after a failure, at longer and longer intervals, and says so", async () => {
  const { done, state, observations, reconciler, settle } = script(aliases("a"));
  state.policyFails = 3;
  reconciler.request();
  const waited: number[] = [];
  for (let turn = 0; turn < 7; turn++) waited.push(...(await settle()));
  assert.deepEqual(waited, [debounceMs, 200, debounceMs, 400, debounceMs, 800, debounceMs]);
  assert.deepEqual(done, ["policy 1", "status a"]);
  assert.deepEqual(
    observations.map(({ kind }) => kind).filter((kind) => kind !== "ran"),
    ["failed", "failed", "failed", "policy", "statuses"],
  );
  await reconciler.stop();
});

test("createReconciler tells of conditions that turn bad, and not of those that are fine from the start", async () => {
  const bad = object("ModelAlias", "bad", { target: "a,b" });
  const { done, reconciler, settle } = script([...aliases("good"), bad]);
  reconciler.request();
  await settle();
  assert.deepEqual(done, ["policy 1", "status good", "status bad", "event bad Ready=False"]);
  await reconciler.stop();
});

test("createReconciler ends when it is stopped while it waits", async () => {
  const { state, reconciler, settle } = script(aliases("a"));
  state.policyFails = 1000;
  reconciler.request();
  await settle();
  await reconciler.stop();
  await reconciler.stop();
});
