// Tests of the set of ConfigMaps that a policy document stands in: which of them it is, and what is a new one.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConfigMapData,
  createSetReader,
  isSameSet,
} from "../../../src/sources/configmaps/configmap-set.ts";
import { large, tiny } from "./configmap-script.ts";

function itemsOf({ index, shards }: ReturnType<typeof tiny>): Map<string, ConfigMapData> {
  const items = new Map<string, ConfigMapData>();
  for (const [at, text] of shards)
    if (at > 0) items.set(`p-${at}`, { data: { "policy.json": text } });
  const alone = shards.get(0);
  const data = { "index.json": index, ...(alone !== undefined && { "policy.json": alone }) };
  return items.set("p", { data });
}

test("createSetReader reads from the ConfigMaps that the index names, and from no others", () => {
  const items = itemsOf(large("a"));
  const names = [...items.keys()].sort();
  for (const other of ["p-999", "p-", "q", "__proto__"]) items.set(other, { data: {} });
  const { document, from } = createSetReader("p")(items);
  assert.ok(document.ok);
  assert.deepEqual([...from.keys()].sort(), names);
  const alone = createSetReader("p")(itemsOf(tiny("a")));
  assert.ok(alone.document.ok);
  assert.deepEqual([...alone.from.keys()], ["p"]);
});

test("createSetReader sees another version of a ConfigMap under the same name, and the first one again", () => {
  const read = createSetReader("p");
  const items = itemsOf(large("a"));
  const first = items.get("p-1");
  assert.ok(first !== undefined && read(items).document.ok);
  items.set("p-1", { data: { "policy.json": large("b").shards.get(1) ?? "" } });
  const torn = read(items).document;
  assert.ok(!torn.ok);
  assert.equal(torn.kind, "torn");
  items.set("p-1", first);
  assert.equal(read(items).document.ok, true);
});

test("createSetReader says absent without the ConfigMap of the index, and without an index in it", () => {
  for (const items of [new Map(), new Map([["p", {}]]), new Map([["p", { data: {} }]])]) {
    const { document } = createSetReader("p")(items);
    assert.ok(!document.ok);
    assert.equal(document.kind, "absent");
  }
});

test("isSameSet compares the very objects, of the set alone; an empty set is never the same", () => {
  const set = itemsOf(large("a"));
  assert.equal(isSameSet(set, new Map([...set, ["other", {}]])), true);
  assert.equal(isSameSet(set, itemsOf(large("a"))), false);
  const [first] = set.keys();
  assert.equal(isSameSet(set, new Map([...set].filter(([name]) => name !== first))), false);
  assert.equal(isSameSet(new Map(), set), false);
});
