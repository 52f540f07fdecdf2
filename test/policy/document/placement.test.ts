// Where records go: no name and no size keeps the others from being written (attacks.md A3), and the number of shards
// follows from the bytes alone.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { decodeDocument, encodeDocument } from "../../../src/policy/document/document.ts";
import { placeRecords, shardBytesWanted } from "../../../src/policy/document/placement.ts";
import { configMapBytesMax, encodeRecords } from "../../../src/policy/document/shards.ts";
import type { Resource } from "../../../src/policy/resources.ts";
import { keyHash, resource } from "../manifest-builder.ts";
import { about, largeKey, largePolicy, readerOf } from "./builder.ts";

const created = (minute: number): string =>
  new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();

/** An AccessGroup of some 260 kB. */
function largeGroup(name: string, minute = 0): Resource {
  const models = Array.from({ length: 1024 }, (_, at) => `m${at}`.padEnd(253, "x"));
  return resource("AccessGroup", name, { models }, created(minute));
}

/** What no decoder gives: a Team whose record is larger than any ConfigMap. */
function hugeTeam(name: string): Resource {
  const team = resource("Team", name, { grants: { models: ["a"] } });
  assert.ok(team.kind === "Team");
  const deny = Array.from({ length: 5000 }, (_, at) => `d${at}`.padEnd(256, "x"));
  return { ...team, grants: { ...team.grants, deny } };
}

/** Names that fall into one shard, among however many. */
function groundNames(kind: string, count: number, bits = 1024): readonly string[] {
  const names: string[] = [];
  for (let at = 0; names.length < count; at++) {
    const digest = hash("sha256", `${kind} g${at}`, "hex");
    if (Number.parseInt(digest.slice(0, 8), 16) % bits === 7) names.push(`g${at}`);
  }
  return names;
}

function readBack(resources: readonly Resource[], options = {}) {
  const encoded = encodeDocument(resources, about, options);
  const { index, shards, leftOut } = encoded;
  for (const text of shards.values()) assert.ok(text.length <= shardBytesWanted);
  assert.ok(index.length + (shards.get(0)?.length ?? 0) <= configMapBytesMax);
  const decoded = decodeDocument(readerOf(encoded));
  assert.ok(decoded.ok, decoded.ok ? "" : decoded.message);
  assert.deepEqual(decoded.leftOut, []);
  const names = decoded.resources.map(({ kind, name }) => `${kind} ${name}`).sort();
  return { shards, leftOut, names, version: decoded.formatVersion };
}

test("encodeDocument leaves out a record that is larger than a ConfigMap, first, last and between, and writes the rest", () => {
  for (const at of [0, 2, 4]) {
    const others = [1, 2, 3, 4].map((number) => largeKey(number, {}));
    const found = readBack(others.toSpliced(at, 0, hugeTeam("big")));
    assert.deepEqual(
      found.leftOut.map(({ resource: { kind, name }, why }) => `${kind} ${name} ${why}`),
      ["Team big record_too_large"],
    );
    assert.match(found.leftOut[0]?.message ?? "", /^it takes 1\d{6} bytes/);
    assert.deepEqual(
      found.names,
      others.map(({ name }) => `VirtualKey ${name}`),
    );
  }
});

test("encodeDocument places large objects whose names were ground until they fall into one shard", () => {
  const ground = groundNames("AccessGroup", 6).map((name) => largeGroup(name));
  const found = readBack([...ground, ...largePolicy(100)]);
  assert.deepEqual(found.leftOut, []);
  assert.equal(found.names.length, 6 + 201);
  assert.ok(found.shards.size <= 8, `${found.shards.size} shards`);
});

test("encodeDocument places thousands of small objects whose names were ground", () => {
  const ground = groundNames("VirtualKey", 4000, 64).map((name, at) => {
    const grants = { models: ["x".repeat(200), "y".repeat(200)] };
    return resource("VirtualKey", name, { keyHash: keyHash(at), grants }, created(0));
  });
  const found = readBack(ground);
  assert.equal(found.names.length, 4000);
  assert.ok(found.shards.size <= 12, `${found.shards.size} shards`);
});

test("encodeDocument rewrites one shard when a key changes beside objects that went elsewhere", () => {
  const ground = groundNames("AccessGroup", 6).map((name) => largeGroup(name));
  const base = [...ground, ...largePolicy(3_000)];
  const before = readBack(base).shards;
  for (const number of [0, 1234, 2999]) {
    const changed = base.map((each) =>
      each.name === `key-${number}` ? largeKey(number, { disabled: true }) : each,
    );
    const after = readBack(changed).shards;
    assert.deepEqual([...after.keys()], [...before.keys()]);
    const differing = [...after].filter(([shard, text]) => before.get(shard) !== text);
    assert.equal(differing.length, 1);
  }
});

test("encodeDocument leaves out the youngest where all together are too many, and never what was there before", () => {
  const groups = Array.from({ length: 20 }, (_, at) => largeGroup(`g${at}`, at));
  const keys = [1, 2, 3].map((number) => largeKey(number, {}));
  for (const given of [
    [...keys, ...groups],
    [...groups.toReversed(), ...keys],
  ]) {
    const found = readBack(given, { shardsMax: 4 });
    const out = found.leftOut.map(({ resource: { name } }) => name);
    assert.ok(out.length >= 12 && out.length <= 14, `${out.length} left out`);
    assert.deepEqual(new Set(found.leftOut.map(({ why }) => why)), new Set(["policy_full"]));
    const youngest = groups.slice(20 - out.length).map(({ name }) => name);
    assert.deepEqual(out.toSorted(), youngest.toSorted());
    for (const { name } of keys) assert.ok(found.names.includes(`VirtualKey ${name}`));
    assert.ok(found.shards.size <= 4);
  }
});

test("placeRecords ends for any number of shards that may be written", () => {
  const groups = Array.from({ length: 12 }, (_, at) => largeGroup(`g${at}`, at));
  const records = encodeRecords([...groups, hugeTeam("t")]);
  for (const shardsMax of [0, 1, 2, 3, 5, 1024]) {
    const { shards, leftOut } = placeRecords(records, { indexBytes: () => 300, shardsMax });
    assert.ok(shards.has(0) || shards.size <= shardsMax);
    const placed = [...shards.values()].reduce((sum, { length }) => sum + length, 0);
    assert.equal(placed + leftOut.length, 13);
  }
  const none = placeRecords([], { indexBytes: () => 300, shardsMax: 0 });
  assert.deepEqual([...none.shards], [[0, []]]);
});
