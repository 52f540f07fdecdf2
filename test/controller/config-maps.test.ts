// What is written into the cluster, in which order, and how little.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigMapApi, createConfigMapWriter } from "../../src/controller/config-maps.ts";
import type { DocumentSet } from "../../src/policy/document.ts";

type Data = Readonly<Record<string, string>>;

/** ConfigMaps in memory, and every write in order. */
function cluster(there: Readonly<Record<string, Data>> = {}) {
  const held = new Map(Object.entries(there));
  const writes: string[] = [];
  const state = { failOn: "" };
  const api: ConfigMapApi = {
    read: async (name) => held.get(name),
    apply: async ({ metadata, data }) => {
      if (metadata.name === state.failOn) throw new Error("refused");
      writes.push(`apply ${metadata.name}`);
      held.set(metadata.name, data);
    },
    remove: async (name) => {
      writes.push(`remove ${name}`);
      held.delete(name);
    },
  };
  const writer = createConfigMapWriter({ api, namespace: "default", name: "p" });
  return { held, writes, state, writer };
}

const set = (index: string, shards: readonly (readonly [number, string])[]): DocumentSet => ({
  index,
  shards: new Map(shards),
});
const small = set("i1", [[0, "records"]]);
const large = set("i2", [
  [1, "one"],
  [2, "two"],
]);

test("createConfigMapWriter keeps a small policy beside its index", async () => {
  const { held, writer } = cluster();
  assert.equal(await writer.write(small), 1);
  assert.deepEqual([...held], [["p", { "index.json": "i1", "policy.json": "records" }]]);
});

test("createConfigMapWriter writes shards before the index, and removes what is left over last", async () => {
  const { held, writes, writer } = cluster();
  await writer.write(
    set("i3", [
      [1, "a"],
      [2, "b"],
      [3, "c"],
      [4, "d"],
    ]),
  );
  writes.length = 0;
  await writer.write(large);
  assert.deepEqual(writes, ["apply p-1", "apply p-2", "apply p", "remove p-3", "remove p-4"]);
  assert.deepEqual([...held.keys()].sort(), ["p", "p-1", "p-2"]);
  assert.deepEqual(held.get("p"), { "index.json": "i2" });
});

test("createConfigMapWriter writes only what changed", async () => {
  const { writes, writer } = cluster();
  await writer.write(large);
  writes.length = 0;
  assert.equal(await writer.write(large), 0);
  assert.equal(
    await writer.write(
      set("i4", [
        [1, "one"],
        [2, "changed"],
      ]),
    ),
    2,
  );
  assert.deepEqual(writes, ["apply p-2", "apply p"]);
});

test("createConfigMapWriter writes nothing after a start that finds everything as it should be", async () => {
  const { writes, writer } = cluster({
    p: { "index.json": "i2" },
    "p-1": { "policy.json": "one" },
    "p-2": { "policy.json": "two" },
  });
  assert.equal(await writer.write(large), 0);
  assert.deepEqual(writes, []);
});

test("createConfigMapWriter leaves the index alone when a shard cannot be written, and tries all of it again", async () => {
  const { held, writes, state, writer } = cluster();
  await writer.write(small);
  writes.length = 0;
  state.failOn = "p-2";
  await assert.rejects(writer.write(large), /refused/);
  assert.deepEqual(writes, ["apply p-1"]);
  assert.equal(held.get("p")?.["index.json"], "i1");
  state.failOn = "";
  await writer.write(large);
  assert.equal(held.get("p")?.["index.json"], "i2");
});

test("createConfigMapWriter reads anew what others may have written, once it is told to forget", async () => {
  const { held, writes, writer } = cluster();
  await writer.write(small);
  held.set("p", { "index.json": "of another" });
  writes.length = 0;
  assert.equal(await writer.write(small), 0);
  writer.forget();
  assert.equal(await writer.write(small), 1);
});
