// What is written into the cluster, in which order, and how little.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConfigMapApi,
  createConfigMapWriter,
  type StoredConfigMap,
} from "../../src/controller/writing/config-maps.ts";
import { KubeError } from "../../src/kubernetes/transport.ts";
import type { DocumentSet } from "../../src/policy/document/document.ts";

type Data = Readonly<Record<string, string>>;
const labels = { "app.kubernetes.io/managed-by": "aliasguard", "aliasguard.dev/policy": "p" };

/** ConfigMaps in memory with their versions, every write in order, and what a watch would show. */
function cluster(there: Readonly<Record<string, Data>> = {}) {
  let version = 100;
  const held = new Map<string, StoredConfigMap>();
  const put = (name: string, data: Data, own: Data = labels): StoredConfigMap => {
    version += 1;
    const stored = { name, data, labels: own, resourceVersion: String(version) };
    held.set(name, stored);
    return stored;
  };
  for (const [name, data] of Object.entries(there)) put(name, data);
  const writes: string[] = [];
  const state = { failOn: "", failStatus: 500, isWatching: false, isHolder: true };
  const failing = (name: string): void => {
    if (name === state.failOn) throw new KubeError("refused", { status: state.failStatus });
  };
  const checked = (name: string, wanted: string | undefined): void => {
    const found = held.get(name);
    if (wanted !== undefined && found?.resourceVersion !== wanted) {
      throw new KubeError("the object has been modified", { status: 409 });
    }
  };
  const api: ConfigMapApi = {
    list: async () => [...held.values()].filter((each) => each.labels === labels),
    read: async (name) => {
      writes.push(`read ${name}`);
      return held.get(name);
    },
    apply: async ({ metadata: { name, resourceVersion }, data }) => {
      failing(name);
      checked(name, resourceVersion);
      writes.push(`apply ${name}`);
      return put(name, data).resourceVersion;
    },
    claim: async (name) => {
      failing(name);
      writes.push(`claim ${name}`);
      return put(name, held.get(name)?.data ?? {});
    },
    remove: async (name, resourceVersion) => {
      failing(name);
      checked(name, resourceVersion);
      writes.push(`remove ${name}`);
      held.delete(name);
    },
    confirm: async () => {
      writes.push("confirm");
      return state.isHolder;
    },
  };
  const watched = (): ReadonlyMap<string, string> | undefined => {
    const seen = [...held].filter(([, each]) => each.labels === labels);
    return state.isWatching
      ? new Map(seen.map(([name, { resourceVersion }]) => [name, resourceVersion]))
      : undefined;
  };
  const create = () => createConfigMapWriter({ api, namespace: "default", name: "p", watched });
  const data = (name: string): Data | undefined => held.get(name)?.data;
  return { held, put, data, writes, state, create, writer: create() };
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
  const { held, data, writer } = cluster();
  assert.equal(await writer.write(small), 1);
  assert.deepEqual([...held.keys()], ["p"]);
  assert.deepEqual(data("p"), { "index.json": "i1", "policy.json": "records" });
});

test("createConfigMapWriter writes shards before the index, and removes what is left over last", async () => {
  const { held, data, writes, writer } = cluster();
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
  assert.deepEqual(data("p"), { "index.json": "i2" });
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

test("createConfigMapWriter only puts its name on what it finds as it should be after a start", async () => {
  const { writes, writer } = cluster({
    p: { "index.json": "i2" },
    "p-1": { "policy.json": "one" },
    "p-2": { "policy.json": "two" },
  });
  assert.equal(await writer.write(large), 0);
  assert.deepEqual(writes, ["claim p", "claim p-1", "claim p-2"]);
});

test("createConfigMapWriter leaves the index alone when a shard cannot be written, and tries all of it again", async () => {
  const { data, writes, state, writer } = cluster();
  await writer.write(small);
  writes.length = 0;
  state.failOn = "p-2";
  await assert.rejects(writer.write(large), /refused/);
  assert.deepEqual(writes, ["apply p-1"]);
  assert.equal(data("p")?.["index.json"], "i1");
  state.failOn = "";
  await writer.write(large);
  assert.equal(data("p")?.["index.json"], "i2");
});

test("createConfigMapWriter reads anew what others may have written, once it is told to forget", async () => {
  const { put, writer } = cluster();
  await writer.write(small);
  put("p", { "index.json": "of another" });
  assert.equal(await writer.write(small), 0);
  writer.forget();
  assert.equal(await writer.write(small), 1);
});

test("createConfigMapWriter repairs what a watch shows changed, deleted or without its label by somebody else, and asks for nothing else", async () => {
  const { held, put, data, state, writes, writer } = cluster();
  state.isWatching = true;
  await writer.write(large);
  writes.length = 0;
  assert.equal(await writer.write(large), 0);
  assert.deepEqual(writes, []);
  put("p-1", { "policy.json": "older" });
  assert.equal(await writer.write(large), 1);
  assert.deepEqual(data("p-1"), { "policy.json": "one" });
  held.delete("p-2");
  assert.equal(await writer.write(large), 1);
  assert.deepEqual(data("p-2"), { "policy.json": "two" });
  put("p", { "index.json": "i2" }, {});
  assert.equal(await writer.write(large), 1);
  assert.equal(held.get("p")?.labels, labels);
  assert.deepEqual(
    writes,
    ["p-1", "p-2", "p"].flatMap((name) => ["confirm", `read ${name}`, `apply ${name}`]),
  );
});

test("createConfigMapWriter removes a shard that no index names, and leaves alone what only looks like one", async () => {
  const { held, put, state, writer } = cluster();
  state.isWatching = true;
  await writer.write(large);
  for (const name of ["p-7", "p-x", "p-07", "pp-1"]) put(name, {});
  assert.equal(await writer.write(large), 0);
  assert.deepEqual([...held.keys()].sort(), ["p", "p-07", "p-1", "p-2", "p-x", "pp-1"]);
});

test("createConfigMapWriter of a former leader is refused every write once another has taken over, and asks who leads", async () => {
  const { writes, data, state, create, writer } = cluster();
  state.isWatching = true;
  await writer.write(large);
  const next = create();
  assert.equal(await next.write(large), 0);
  writes.length = 0;
  // It has seen nothing yet: a watch that shows the new versions would have it read them first.
  state.isWatching = false;
  const late = set("late", [
    [1, "late"],
    [2, "late"],
  ]);
  await assert.rejects(writer.write(late), { status: 409 });
  state.isHolder = false;
  state.isWatching = true;
  await assert.rejects(writer.write(late), /another controller leads/);
  assert.deepEqual(writes, ["confirm"]);
  assert.deepEqual(data("p"), { "index.json": "i2" });
});

test("createConfigMapWriter of a former leader takes what the next one wrote for no damage to be repaired", async () => {
  const { writes, data, state, create, writer } = cluster();
  state.isWatching = true;
  await writer.write(large);
  await create().write(small);
  writes.length = 0;
  state.isHolder = false;
  await assert.rejects(writer.write(large), /another controller leads/);
  assert.deepEqual(writes, ["confirm"]);
  assert.equal(data("p")?.["index.json"], "i1");
});

test("createConfigMapWriter begins anew after a conflict while it still leads", async () => {
  const { put, data, writes, writer } = cluster();
  await writer.write(small);
  put("p", { "index.json": "by hand" });
  writes.length = 0;
  await assert.rejects(writer.write(set("i5", [[0, "x"]])), { status: 409 });
  assert.equal(await writer.write(set("i5", [[0, "x"]])), 1);
  assert.deepEqual(writes, ["confirm", "claim p", "apply p"]);
  assert.equal(data("p")?.["index.json"], "i5");
});

test("createConfigMapWriter names the chart's value when it may not write a shard", async () => {
  const { state, writer } = cluster();
  state.failOn = "p-2";
  state.failStatus = 403;
  await assert.rejects(writer.write(large), {
    status: 403,
    message: /^ConfigMap p-2 .*controller\.policyShardsMax.*refused/,
  });
});

test("createConfigMapWriter goes on when it may not remove a shard that nobody reads", async () => {
  const { data, state, writer } = cluster({ "p-9": { "policy.json": "left over" } });
  state.failOn = "p-9";
  state.failStatus = 403;
  assert.equal(await writer.write(small), 1);
  assert.equal(data("p")?.["index.json"], "i1");
  state.isWatching = true;
  assert.equal(await writer.write(small), 0);
});
