// The ConfigMap source on a scripted watch: the contract of every source, on the loop and in a thread, and what only it
// can meet: torn sets, shards, an API server that is away, and what the watch brings while a policy is loaded.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { DocumentSet } from "../../../src/policy/document/document.ts";
import {
  type CopyOutcome,
  firstListMsMax,
  type PolicyCopy,
  silentMsMax,
  tornMsMax,
} from "../../../src/sources/configmaps/configmap-source.ts";
import { createDocumentLoader } from "../../../src/sources/configmaps/document-loader.ts";
import { type SourceDriver, testSourceContract } from "../source-contract.ts";
import {
  alias,
  documentOf,
  large,
  name,
  recorded,
  script,
  target,
  tiny,
  turns,
} from "./configmap-script.ts";

/** A shard that its index names, and that no controller writes. */
const strange = (): Readonly<Record<string, string>> => {
  const { index, shards } = documentOf([]);
  const text = '[\n{"kind":"Strange"}\n]';
  const hashOf = (of: string): string => createHash("sha256").update(of).digest("hex");
  return {
    "index.json": index.replace(hashOf(shards.get(0) ?? ""), hashOf(text)),
    "policy.json": text,
  };
};

const broken: readonly Readonly<Record<string, string>>[] = [
  { "index.json": "{" },
  { "index.json": "{}" },
  { "index.json": documentOf([]).index.replace('"formatVersion":1', '"formatVersion":2') },
  { "other.json": "{}" },
  strange(),
];

const driverOf = (what: string, lengthMax: number | undefined): SourceDriver => ({
  name: what,
  badVariants: broken.length,
  setUp: async (t, events) => {
    const loader = createDocumentLoader(lengthMax === undefined ? {} : { lengthMax });
    const { source, items, set, write, changed, settle } = script(events, { loader });
    t.after(() => source.stop());
    return {
      source,
      put: async (policy) => {
        if (policy.kind === "bad") set(name, broken[policy.variant] ?? {});
        else write(documentOf([alias("fast", { target: policy.target })]));
      },
      remove: async () => {
        items.delete(name);
        changed();
      },
      settle,
    };
  },
});

testSourceContract(driverOf("createConfigMapSource", undefined));
testSourceContract(driverOf("createConfigMapSource with a thread", 0));

test("createConfigMapSource never serves a torn set: shards of the new policy under the old index", async (t) => {
  const it = recorded();
  t.after(() => it.source.stop());
  it.write(large("a"));
  await it.source.start();
  assert.equal(target(it), "a");
  const next = large("b");
  assert.ok(next.shards.size > 1);
  for (const [shard, text] of next.shards) {
    it.set(`${name}-${shard}`, { "policy.json": text });
    await it.settle();
    assert.equal(target(it), "a");
  }
  it.set(name, { "index.json": next.index });
  await it.settle();
  assert.equal(target(it), "b");
  assert.deepEqual(it.told, ["replaced", "replaced"]);
});

test("createConfigMapSource keeps the last good policy when a shard is deleted, and says so after a while", async (t) => {
  const it = recorded();
  t.after(() => it.source.stop());
  it.write(large("a"));
  await it.source.start();
  it.items.delete(`${name}-2`);
  it.set(name, { "index.json": large("b").index });
  assert.equal(target(it), "a");
  assert.deepEqual(it.told, ["replaced"]);
  it.pass(tornMsMax);
  assert.equal(it.source.health().healthy, false);
  assert.match(it.told[1] ?? "", /^rejected: ConfigMap policy: shard \d+ of \d+ is /);
  it.write(large("b"));
  await it.settle();
  assert.equal(target(it), "b");
  assert.equal(it.source.health().healthy, true);
});

test("createConfigMapSource says after a while that a shard is gone under the same index, and when it is back", async (t) => {
  const it = recorded();
  t.after(() => it.source.stop());
  const document = large("a");
  it.write(document);
  await it.source.start();
  for (const damage of [undefined, large("b").shards.get(2)]) {
    if (damage === undefined) it.items.delete(`${name}-2`);
    else it.items.set(`${name}-2`, { data: { "policy.json": damage } });
    it.changed();
    assert.equal(it.source.health().healthy, true);
    it.pass(tornMsMax);
    assert.equal(it.source.health().healthy, false);
    assert.equal(target(it), "a");
    it.write(document);
    await it.settle();
    assert.equal(it.source.health().healthy, true);
  }
  const torn = "rejected: ConfigMap policy: shard 2 of";
  assert.deepEqual(
    it.told.map((text) => text.slice(0, torn.length)),
    ["replaced", torn, "recovered", torn, "recovered"],
  );
});

test("createConfigMapSource does not complain of a set that is torn for a moment", async (t) => {
  const it = recorded();
  t.after(() => it.source.stop());
  it.write(large("a"));
  await it.source.start();
  const next = large("b");
  it.set(name, { "index.json": next.index });
  it.write(next);
  await it.settle();
  it.pass(tornMsMax);
  assert.deepEqual(it.told, ["replaced", "replaced"]);
});

test("createConfigMapSource refuses shards of two policies under one index", async () => {
  const it = recorded();
  const [first, second] = [large("a"), large("b")];
  const mixed = new Map(
    [...first.shards].map(([shard, text]) => [
      shard,
      shard === 1 ? (second.shards.get(1) ?? "") : text,
    ]),
  );
  it.write({ index: first.index, shards: mixed });
  await it.source.start();
  assert.equal(it.source.current(), undefined);
});

test("createConfigMapSource starts without the API server and goes on when it is there", async () => {
  const it = recorded();
  it.state.isSynced = false;
  it.state.lastError = "connect ECONNREFUSED";
  const starting = it.source.start();
  it.pass(firstListMsMax);
  await starting;
  assert.equal(it.source.current(), undefined);
  assert.match(it.told[0] ?? "", /ECONNREFUSED/);
  it.state.isSynced = true;
  it.write(documentOf([alias("fast", { target: "a" })]));
  assert.equal(target(it), "a");
  assert.equal(it.source.health().healthy, true);
});

test("createConfigMapSource says the controller's revision", async () => {
  const it = recorded();
  const document = documentOf([alias("fast", { target: "a" })]);
  it.write(document);
  await it.source.start();
  assert.equal(
    it.source.current()?.revision,
    (JSON.parse(document.index) as { revision: string }).revision,
  );
});

test("createConfigMapSource is unhealthy once the API server was silent for long while calls fail, and not before", async () => {
  const it = recorded();
  it.write(documentOf([alias("fast", { target: "a" })]));
  await it.source.start();
  it.state.silentMs = silentMsMax;
  assert.equal(it.source.health().healthy, true);
  it.state.lastError = "connect ECONNREFUSED";
  const { healthy, lastError } = it.source.health();
  assert.equal(healthy, false);
  assert.match(lastError ?? "", /120 s: connect ECONNREFUSED/);
  it.state.silentMs = silentMsMax - 1;
  assert.equal(it.source.health().healthy, true);
});

/** A copy that is read when the test says so. */
function copyOf(document: DocumentSet | Error) {
  const outcomes: CopyOutcome[] = [];
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const copy: PolicyCopy = {
    async read() {
      await released;
      if (document instanceof Error) throw document;
      return { index: document.index, shard: (number) => document.shards.get(number) };
    },
    report: (outcome) => outcomes.push(outcome),
  };
  return { copy, outcomes, release };
}

test("createConfigMapSource starts from a copy while the API server is away, and is not healthy until it is there", async () => {
  const { copy, outcomes, release } = copyOf(tiny("a"));
  const it = recorded({ copy });
  it.state.isSynced = false;
  release();
  await it.source.start();
  assert.equal(target(it), "a");
  assert.deepEqual(it.told, ["replaced"]);
  assert.deepEqual(outcomes, [{ kind: "taken", revision: it.source.current()?.revision }]);
  assert.equal(it.source.health().healthy, false);
  assert.match(it.source.health().lastError ?? "", /mounted copy/);
  it.state.lastError = "connect ECONNREFUSED";
  it.pass(firstListMsMax);
  assert.match(it.source.health().lastError ?? "", /ECONNREFUSED/);
  assert.equal(target(it), "a");
  it.state.isSynced = true;
  it.write(tiny("b"));
  assert.equal(target(it), "b");
  assert.equal(it.source.health().healthy, true);
});

test("createConfigMapSource recovers, and replaces nothing, when the watch brings what the copy was", async () => {
  const { copy, release } = copyOf(tiny("a"));
  const it = recorded({ copy });
  it.state.isSynced = false;
  release();
  await it.source.start();
  it.state.isSynced = true;
  it.write(tiny("a"));
  assert.deepEqual(it.told, ["replaced", "recovered"]);
});

test("createConfigMapSource never puts a copy in the place of what the watch brought", async () => {
  const { copy, outcomes, release } = copyOf(tiny("old"));
  const it = recorded({ copy });
  it.write(tiny("new"));
  await it.source.start();
  release();
  await turns();
  assert.equal(target(it), "new");
  assert.deepEqual(outcomes, [{ kind: "late" }]);
  assert.equal(it.source.health().healthy, true);
});

const unusable: readonly (readonly [string, DocumentSet | Error, CopyOutcome["kind"], RegExp])[] = [
  [
    "torn",
    { index: tiny("a").index, shards: tiny("b").shards },
    "refused",
    /^shard 0 of 1 is not the one in the index$/,
  ],
  ["without a shard", { index: tiny("a").index, shards: new Map() }, "refused", /is missing$/],
  ["no policy", { index: "{", shards: new Map() }, "refused", /no JSON/],
  ["unreadable", new Error("EACCES"), "refused", /EACCES/],
];
for (const [what, document, kind, reason] of unusable) {
  test(`createConfigMapSource does without a copy that is ${what}, and says why`, async () => {
    const { copy, outcomes, release } = copyOf(document);
    const it = recorded({ copy });
    it.state.isSynced = false;
    const starting = it.source.start();
    release();
    await turns();
    assert.equal(it.source.current(), undefined);
    const [outcome] = outcomes;
    assert.equal(outcome?.kind, kind);
    assert.match(outcome !== undefined && "reason" in outcome ? outcome.reason : "", reason);
    it.state.isSynced = true;
    it.write(tiny("c"));
    await starting;
    assert.equal(target(it), "c");
  });
}
