// The ConfigMap source on a scripted watch: the contract of every source, and what only it can meet: torn sets, shards,
// and an API server that is away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePolicy } from "../../src/policy/compile.ts";
import { decodeResource } from "../../src/policy/decode.ts";
import { type DocumentSet, encodeDocument } from "../../src/policy/document.ts";
import type { Resource } from "../../src/policy/resources.ts";
import {
  type ConfigMapData,
  createConfigMapSource,
  firstListMsMax,
  tornMsMax,
} from "../../src/sources/configmap-source.ts";
import type { SourceEvents } from "../../src/sources/source.ts";
import { contractNowMs, testSourceContract } from "./source-contract.ts";

const name = "policy";

function alias(objectName: string, spec: object): Resource {
  const { resource } = decodeResource({
    apiVersion: "aliasguard.dev/v1alpha1",
    kind: "ModelAlias",
    metadata: { name: objectName, namespace: "default" },
    spec,
  });
  assert.ok(resource);
  return resource;
}

function documentOf(resources: readonly Resource[]): DocumentSet {
  const { snapshot, counts } = compilePolicy(resources, { nowMs: 0 });
  const about = { revision: snapshot.revision, counts, modelExists: false };
  const document = encodeDocument(resources, about);
  assert.ok("index" in document);
  return document;
}

/** A policy of thousands of aliases, so that it needs shards. */
const large = (target: string): DocumentSet =>
  documentOf(
    Array.from({ length: 6000 }, (_, at) =>
      alias(`a${at}`, { alias: at === 0 ? "fast" : `${"x".repeat(200)}-${at}`, target }),
    ),
  );

/** A watch, a clock for its waits, and what it has told. */
function script(events: SourceEvents) {
  const items = new Map<string, ConfigMapData>();
  const waits: { work: () => void; ms: number }[] = [];
  const state = { isSynced: true, isStarted: false, lastError: undefined as string | undefined };
  let onChange = (): void => {};
  const source = createConfigMapSource({
    name,
    nowMs: () => contractNowMs,
    events,
    schedule: (work, ms) => {
      const wait = { work, ms };
      waits.push(wait);
      return () => {
        if (waits.includes(wait)) waits.splice(waits.indexOf(wait), 1);
      };
    },
    watch: (changed) => {
      onChange = () => {
        if (state.isStarted) changed();
      };
      return {
        start: () => {
          state.isStarted = true;
          setImmediate(() => onChange());
        },
        stop: async () => {
          state.isStarted = false;
        },
        synced: () => state.isSynced,
        items: () => items,
        health: () => ({ confirmedAtMs: undefined, lastError: state.lastError }),
      };
    },
  });
  const set = (configMap: string, data: Readonly<Record<string, string>>): void => {
    items.set(configMap, { data });
    onChange();
  };
  return {
    source,
    items,
    state,
    set,
    changed: () => onChange(),
    /** As the controller writes it: the shards first. */
    write: ({ index, shards }: DocumentSet): void => {
      for (const [shard, text] of shards) {
        if (shard > 0) set(`${name}-${shard}`, { "policy.json": text });
      }
      const small = shards.get(0);
      set(name, { "index.json": index, ...(small === undefined ? {} : { "policy.json": small }) });
    },
    /** Lets the waits of this length end. */
    pass: (ms: number): void => {
      for (const wait of [...waits].filter((each) => each.ms === ms)) {
        waits.splice(waits.indexOf(wait), 1);
        wait.work();
      }
    },
  };
}

const broken: readonly Readonly<Record<string, string>>[] = [
  { "index.json": "{" },
  { "index.json": "{}" },
  { "index.json": documentOf([]).index.replace('"formatVersion":1', '"formatVersion":2') },
  { "other.json": "{}" },
];

testSourceContract({
  name: "createConfigMapSource",
  badVariants: broken.length,
  setUp: async (_t, events) => {
    const { source, items, set, write, changed } = script(events);
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
      settle: async () => {},
    };
  },
});

function recorded() {
  const told: string[] = [];
  const events: SourceEvents = {
    replaced: () => told.push("replaced"),
    rejected: (message) => told.push(`rejected: ${message}`),
    recovered: () => told.push("recovered"),
  };
  return { told, ...script(events) };
}

const target = ({ source }: Pick<ReturnType<typeof script>, "source">): string | undefined =>
  source.current()?.aliases.get("fast")?.targets[0]?.model;

test("createConfigMapSource never serves a torn set: shards of the new policy under the old index", async () => {
  const it = recorded();
  it.write(large("a"));
  await it.source.start();
  assert.equal(target(it), "a");
  const next = large("b");
  assert.ok(next.shards.size > 1);
  for (const [shard, text] of next.shards) {
    it.set(`${name}-${shard}`, { "policy.json": text });
    assert.equal(target(it), "a");
  }
  it.set(name, { "index.json": next.index });
  assert.equal(target(it), "b");
  assert.deepEqual(it.told, ["replaced", "replaced"]);
});

test("createConfigMapSource keeps the last good policy when a shard is deleted, and says so after a while", async () => {
  const it = recorded();
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
  assert.equal(target(it), "b");
  assert.equal(it.source.health().healthy, true);
});

test("createConfigMapSource does not complain of a set that is torn for a moment", async () => {
  const it = recorded();
  it.write(large("a"));
  await it.source.start();
  const next = large("b");
  it.set(name, { "index.json": next.index });
  it.write(next);
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
