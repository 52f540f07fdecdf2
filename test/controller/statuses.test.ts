// Statuses beside the policy: what changed for an object first, numbers in their own time, each failure by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectStatus, PolicyObject } from "../../src/controller/objects.ts";
import {
  createStatusWriter,
  type StatusObservation,
  usageMsMax,
  usageMsMin,
  usagePaceMs,
} from "../../src/controller/statuses.ts";
import { translate } from "../../src/controller/translate.ts";
import { KubeError } from "../../src/kubernetes/transport.ts";
import { hash, object } from "./objects.ts";

/** A cluster whose watch is as quick or slow as the test wants, and a clock that it moves. */
function script(first: readonly PolicyObject[]) {
  const cluster = new Map(first.map((each) => [each.metadata.name, each]));
  const state = { nowMs: 0, isLeader: true, isBusy: false, failures: new Map<string, unknown>() };
  const writes: string[] = [];
  const events: string[] = [];
  const observations: StatusObservation[] = [];
  const waits = new Set<{ readonly atMs: number; readonly end: () => void }>();
  const writer = createStatusWriter({
    writeStatus: async ({ metadata: { name } }, status, resourceVersion) => {
      if (state.failures.has(name)) {
        writes.push(`failed ${name}`);
        throw state.failures.get(name);
      }
      const there = cluster.get(name);
      if (there?.metadata.resourceVersion !== resourceVersion) {
        writes.push(`conflict ${name}`);
        return undefined;
      }
      writes.push(`${name} ${status.usableByKeys ?? "-"}`);
      const version = `${resourceVersion}+`;
      const metadata = { ...there.metadata, resourceVersion: version };
      cluster.set(name, { ...there, metadata, status });
      return version;
    },
    announce: async ({ metadata }, transitions) => {
      for (const { type, to } of transitions) events.push(`${metadata.name} ${type}=${to.status}`);
    },
    isLeader: () => state.isLeader,
    isBusy: () => state.isBusy,
    nowMs: () => state.nowMs,
    monotonicMs: () => state.nowMs,
    delay: (ms, signal) =>
      new Promise((resolve) => {
        const wait = { atMs: state.nowMs + ms, end: resolve };
        waits.add(wait);
        signal.addEventListener("abort", () => {
          waits.delete(wait);
          resolve();
        });
      }),
    observe: (observation) => observations.push(observation),
  });
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  const advance = async (ms: number): Promise<void> => {
    const endMs = state.nowMs + ms;
    for (;;) {
      const [due] = [...waits].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      state.nowMs = Math.max(state.nowMs, due.atMs);
      waits.delete(due);
      due.end();
      await settle();
    }
    state.nowMs = endMs;
    await settle();
  };
  let objects = first;
  let translation = translate(objects, { nowMs: 0, secrets: new Map() });
  /** As the watch shows everything now, compiled anew. */
  const compile = async (...more: readonly PolicyObject[]): Promise<void> => {
    for (const each of more) cluster.set(each.metadata.name, each);
    objects = [...cluster.values()];
    translation = translate(objects, { nowMs: 0, secrets: new Map() });
    writer.set(objects, translation);
    await settle();
  };
  /** As the watch brings back what was written, which changes nothing. */
  const echo = async (): Promise<void> => {
    objects = [...cluster.values()];
    writer.set(objects, translation);
    await settle();
  };
  const taken = (): readonly string[] => writes.splice(0);
  return { cluster, state, taken, events, observations, writer, advance, settle, compile, echo };
}

const alias = (name: string, target = "m"): PolicyObject => object("ModelAlias", name, { target });
const team = object("Team", "t", { grants: { models: ["m"] } });
const key = (name: string, letter: string): PolicyObject =>
  object("VirtualKey", name, { team: "t", keyHash: hash(letter) });

test("createStatusWriter writes each status once, with the number of keys, and nothing when it comes back", async () => {
  const it = script([alias("a"), alias("b", "n"), team, key("k", "a")]);
  await it.compile();
  assert.deepEqual(it.taken(), ["a 1", "b 0", "t -", "k -"]);
  await it.echo();
  await it.advance(usageMsMax * 3);
  assert.deepEqual(it.taken(), []);
  assert.deepEqual(it.events, []);
  await it.writer.stop();
});

test("createStatusWriter writes no status again while the watch is behind", async () => {
  const it = script([alias("a")]);
  const stale = [...it.cluster.values()];
  await it.compile();
  it.taken();
  it.writer.set(stale, translate(stale, { nowMs: 0, secrets: new Map() }));
  await it.settle();
  assert.deepEqual(it.taken(), []);
  await it.writer.stop();
});

test("createStatusWriter writes a number that alone changed one by one, and not more often than each 10 s", async () => {
  const it = script([alias("a"), alias("b"), team, key("k", "a")]);
  await it.compile();
  await it.echo();
  await it.advance(1000);
  it.taken();
  await it.compile(key("l", "b"));
  assert.deepEqual(it.taken(), ["t -", "l -"].sort().reverse());
  await it.compile(key("m", "c"));
  await it.advance(usageMsMin - 1100);
  assert.deepEqual(it.taken(), ["t -", "m -"].sort().reverse());
  await it.advance(100);
  assert.deepEqual(it.taken(), ["a 3"]);
  await it.advance(usagePaceMs);
  assert.deepEqual(it.taken(), ["b 3"]);
  await it.echo();
  await it.advance(usageMsMax * 2);
  assert.deepEqual(it.taken(), []);
  await it.writer.stop();
});

test("createStatusWriter counts again after a minute, for keys expire by themselves", async () => {
  const expiresAt = new Date(30_000).toISOString();
  const short = object("VirtualKey", "s", { team: "t", keyHash: hash("a"), expiresAt });
  const it = script([alias("a"), team, short]);
  await it.compile();
  await it.echo();
  assert.equal(it.taken()[0], "a 1");
  await it.advance(usageMsMax - 1);
  assert.deepEqual(it.taken(), []);
  await it.advance(1);
  assert.deepEqual(it.taken(), ["t -", "s -", "a 0"]);
  const reason = it.cluster.get("s")?.status?.conditions?.find(({ type }) => type === "Ready");
  assert.equal(reason?.reason, "Expired");
  assert.equal(it.cluster.get("t")?.status?.keys, 0);
  assert.deepEqual(it.events, ["s Ready=False"]);
  await it.writer.stop();
});

test("createStatusWriter lets what changed for an object go before numbers that are on their way", async () => {
  const it = script([alias("a"), alias("b"), alias("c"), team, key("k", "a")]);
  await it.compile();
  await it.echo();
  await it.advance(1000);
  await it.compile(key("l", "b"));
  await it.advance(usageMsMin - 1000);
  it.taken();
  await it.compile(alias("d"));
  assert.deepEqual(it.taken(), ["d 2", "b 2"]);
  await it.writer.stop();
});

test("createStatusWriter goes on with the others when one object's status is refused, and tries that again", async () => {
  const it = script([alias("a"), alias("b"), alias("c")]);
  it.state.failures.set("b", new KubeError("invalid", { status: 422 }));
  await it.compile();
  assert.deepEqual(it.taken(), ["a 0", "failed b", "c 0"]);
  const [failed] = it.observations.filter(({ kind }) => kind === "failed");
  assert.match(String(failed?.kind === "failed" ? failed.error : ""), /invalid/);
  await it.advance(200);
  assert.deepEqual(it.taken(), ["failed b"]);
  it.state.failures.clear();
  await it.advance(400);
  assert.deepEqual(it.taken(), ["b 0"]);
  await it.writer.stop();
});

test("createStatusWriter sends no more than its parallel calls while the API server is away, at longer and longer intervals", async () => {
  const names = Array.from({ length: 100 }, (_, at) => `a${at}`);
  const it = script(names.map((name) => alias(name)));
  for (const name of names) it.state.failures.set(name, new KubeError("no answer"));
  await it.compile();
  assert.ok(it.taken().length <= 8);
  await it.advance(10_000);
  const tried = it.taken().length;
  assert.ok(tried > 8 && tried <= 8 * 6, `${tried} calls in 10 s`);
  it.state.failures.clear();
  await it.advance(30_000);
  assert.equal(new Set(it.taken()).size, 100);
  await it.writer.stop();
});

test("createStatusWriter writes one status at a time while the policy changes, and all of them in the end", async () => {
  const it = script(Array.from({ length: 30 }, (_, at) => alias(`a${at}`)));
  it.state.isBusy = true;
  for (let at = 0; at < 30; at++) it.state.failures.set(`a${at}`, new KubeError("no answer"));
  await it.compile();
  assert.equal(it.taken().length, 1);
  it.state.isBusy = false;
  it.state.failures.clear();
  await it.advance(1000);
  assert.equal(new Set(it.taken()).size, 30);
  await it.writer.stop();
});

test("createStatusWriter waits as long as the server asks", async () => {
  const it = script([alias("a")]);
  it.state.failures.set("a", new KubeError("slow", { status: 429, retryAfterMs: 5000 }));
  await it.compile();
  it.taken();
  await it.advance(4999);
  assert.deepEqual(it.taken(), []);
  await it.advance(1);
  assert.deepEqual(it.taken(), ["failed a"]);
  await it.writer.stop();
});

test("createStatusWriter takes another version for no failure: the watch brings it, and then it is written", async () => {
  const it = script([alias("a")]);
  const [before] = it.cluster.values();
  assert.ok(before);
  const edited = { ...before, metadata: { ...before.metadata, resourceVersion: "of another" } };
  it.cluster.set("a", edited);
  it.writer.set([before], translate([before], { nowMs: 0, secrets: new Map() }));
  await it.settle();
  assert.deepEqual(it.taken(), ["conflict a"]);
  assert.deepEqual(it.observations, []);
  await it.echo();
  assert.deepEqual(it.taken(), ["a 0"]);
  await it.writer.stop();
});

test("createStatusWriter writes nothing without the lead, and forgets what it knew when it is cleared", async () => {
  const it = script([alias("a")]);
  it.state.isLeader = false;
  await it.compile();
  await it.advance(60_000);
  assert.deepEqual(it.taken(), []);
  it.state.isLeader = true;
  it.writer.clear();
  await it.advance(60_000);
  assert.deepEqual(it.taken(), []);
  await it.compile();
  assert.deepEqual(it.taken(), ["a 0"]);
  await it.writer.stop();
  await it.writer.stop();
});

test("createStatusWriter forgets objects that are gone", async () => {
  const it = script([alias("a"), alias("b")]);
  it.state.isLeader = false;
  await it.compile();
  it.cluster.delete("a");
  it.state.isLeader = true;
  await it.compile();
  assert.deepEqual(it.taken(), ["b 0"]);
  await it.writer.stop();
});

test("createStatusWriter tells of conditions that turned", async () => {
  const it = script([alias("a", "a,b")]);
  await it.compile();
  assert.deepEqual(it.events, ["a Ready=False"]);
  const status: ObjectStatus | undefined = it.cluster.get("a")?.status;
  assert.equal(status?.conditions?.[0]?.reason, "Invalid");
  await it.writer.stop();
});
