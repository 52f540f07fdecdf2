// Two versions side by side: which format is written, what a reader takes of its own, of the one before and of a later
// writer, and what a field that it does not know costs.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { decodeDocument } from "../../../src/policy/document/document.ts";
import {
  type DocumentIndex,
  encodeIndex,
  skippableFields,
} from "../../../src/policy/document/index-record.ts";
import type { Resource } from "../../../src/policy/resources.ts";
import { alias, keyHash, resource } from "../manifest-builder.ts";
import { about, encoded, largePolicy, readerOf, verdict } from "./builder.ts";

type Json = Readonly<Record<string, unknown>>;

/** A document of format 2 as another version might write it. */
function written(
  records: readonly Json[],
  { skippable = [], more = {} }: { skippable?: readonly string[]; more?: Json } = {},
) {
  const text = `[${records.map((each) => `\n${JSON.stringify(each)}`).join(",")}\n]`;
  const shards = [{ shard: 0, sha256: hash("sha256", text, "hex") }];
  const index: DocumentIndex = { ...about, formatVersion: 2, skippable, shards };
  const whole = { ...(JSON.parse(encodeIndex(index)) as Json), ...more };
  return decodeDocument({ index: JSON.stringify(whole), shard: () => text });
}

const team = (name: string, more: Json = {}): Json => ({
  kind: "Team",
  name,
  spec: { grants: { models: ["a"] }, ...more },
});

/** Names in force, and what was left out. */
function outcome(document: ReturnType<typeof written>): readonly unknown[] {
  assert.ok(document.ok, document.ok ? "" : document.message);
  const left = document.leftOut.map(({ object, fault }) => `${object}: ${fault}`);
  return [document.resources.map(({ name }) => name), left];
}

test("encodeDocument writes the format of the release before while that can say everything, first, last and between", () => {
  const plain = largePolicy(20);
  const versionOf = (resources: readonly Resource[]): unknown =>
    (JSON.parse(encoded(resources).index) as Json)["formatVersion"];
  assert.equal(versionOf(plain), 1);
  const key = resource("VirtualKey", "k", { keyHash: keyHash(9) });
  assert.ok(key.kind === "VirtualKey");
  const newer: readonly Resource[] = [
    { ...(alias("n", "m") as Extract<Resource, { kind: "ModelAlias" }>), alias: "claude[1m]" },
    { ...key, aliases: new Map([["fast-*", "m"]]) },
    { ...key, grants: { models: ["a#b"], aliases: [], groups: [], deny: [] } },
  ];
  for (const each of newer) {
    for (const at of [0, 10, plain.length]) {
      assert.equal(versionOf(plain.toSpliced(at, 0, each)), 2);
    }
  }
});

test("decodeDocument takes format 2 with the same meaning as format 1", () => {
  const resources = largePolicy(50);
  const first = encoded(resources);
  const { modelExists: _, ...said } = JSON.parse(first.index) as Json;
  const index = { ...said, formatVersion: 2, catalogue: "open", skippable: [] };
  const second = decodeDocument({ ...readerOf(first), index: JSON.stringify(index) });
  const original = decodeDocument(readerOf(first));
  assert.ok(second.ok && original.ok);
  assert.deepEqual(second.resources, original.resources);
  assert.deepEqual(second.leftOut, []);
});

test("encodeDocument says an open catalogue with Models in format 2, whose readers do not close it", () => {
  const model = resource("Model", "m", {});
  const plainTeam = [resource("Team", "t", {})];
  const versionOf = (resources: readonly Resource[], catalogue: "open" | "closed"): unknown =>
    (JSON.parse(encoded(resources, { ...about, catalogue }).index) as Json)["formatVersion"];
  assert.equal(versionOf(plainTeam, "open"), 1);
  assert.equal(versionOf([...plainTeam, model], "closed"), 1);
  assert.equal(versionOf([...plainTeam, model], "open"), 2);
  assert.equal(versionOf([resource("Model", "m", { fallbacks: ["n"] })], "closed"), 2);
  for (const catalogue of ["open", "closed"] as const) {
    for (const resources of [[], [model]]) {
      const read = decodeDocument(readerOf(encoded(resources, { ...about, catalogue })));
      assert.equal(read.ok && read.catalogue, catalogue);
    }
  }
});

test("decodeDocument passes by a field that its writer marks as skippable, wherever it stands", () => {
  const records = [
    { ...team("a"), colour: "red" },
    team("b", { contact: "x" }),
    team("c", { grants: { models: ["a"], note: { deep: [1] } } }),
    team("d"),
  ];
  const skippable = ["Team.colour", "Team.spec.contact", "Team.spec.grants.note"];
  assert.deepEqual(outcome(written(records, { skippable })), [["a", "b", "c", "d"], []]);
  const targets = [
    { model: "m", zone: "eu" },
    { model: "n", zone: "us", weight: 3 },
    { model: "o" },
  ];
  const weighted = { kind: "ModelAlias", name: "w", spec: { targets } };
  const read = written([weighted], { skippable: ["ModelAlias.spec.targets.zone"] });
  assert.ok(read.ok);
  assert.deepEqual(read.resources[0]?.kind === "ModelAlias" && read.resources[0].targets, [
    { model: "m", weight: 1 },
    { model: "n", weight: 3 },
    { model: "o", weight: 1 },
  ]);
});

test("decodeDocument leaves out the one record that says more than it may pass by, first, last and between", () => {
  for (const at of [0, 1, 3]) {
    const others = [team("a"), team("b"), team("d")];
    const records = others.toSpliced(at, 0, team("c", { denyExtra: ["x"] }));
    const sorted = records.toSorted((x, y) => (String(x["name"]) < String(y["name"]) ? -1 : 1));
    for (const given of [sorted, records]) {
      const [names, left] = outcome(written(given, { skippable: ["Team.spec.contact"] }));
      assert.deepEqual(names, ["a", "b", "d"]);
      assert.match(String(left), /^Team c: spec\.denyExtra of Team c is not a known field/);
    }
  }
});

test("decodeDocument leaves out a record of a kind, or with a value, that only a later writer knows", () => {
  const strange = [
    { kind: "Budget", name: "b", spec: { monthly: 5 } },
    { kind: "Model", name: "m", spec: { backend: "mesh" } },
    { kind: "VirtualKey", name: "k", spec: { keyHash: "sha512:ab" } },
    { kind: "ModelAlias", name: "__proto__", spec: {} },
    null as unknown as Json,
  ];
  for (const each of strange) {
    const [names, left] = outcome(written([team("a"), each, team("b")]));
    assert.deepEqual(names, ["a", "b"]);
    assert.equal((left as readonly string[]).length, 1);
    assert.match(String(left), /^[\x20-\x7e]+$/);
  }
});

test("decodeDocument is not led by a skippable list to pass by what it knows", () => {
  const skippable = ["Team.spec.grants", "VirtualKey.spec.disabled", "Team.name"];
  const key = { kind: "VirtualKey", name: "k", spec: { keyHash: keyHash(1), disabled: true } };
  const read = written([team("a"), key], { skippable });
  assert.ok(read.ok);
  const [, found] = read.resources;
  assert.equal(found?.kind === "VirtualKey" && found.disabled, true);
});

test("decodeDocument refuses a document whose index says what it must know, and passes by what it may", () => {
  const records = [team("a")];
  const more = { zones: ["eu"] };
  assert.match(
    verdict(written(records, { more })),
    /^unsupported: the index has a field that this reader must know and does not: zones/,
  );
  assert.equal(verdict(written(records, { more, skippable: ["index.zones"] })), "ok");
  const counts = { ...about.counts, budgets: 3 };
  assert.equal(verdict(written(records, { more: { counts } })), "ok");
  for (const skippable of [["a b"], [1], "x", ["x".repeat(100)], [""]]) {
    assert.match(
      verdict(written(records, { more: { skippable } })),
      /^invalid: the index: skippable/,
    );
  }
});

test("decodeDocument knows a shard again only under the same list of what may be passed by", () => {
  const records = [team("a", { contact: "x" })];
  const strict = written(records);
  assert.ok(strict.ok);
  assert.equal(strict.leftOut.length, 1);
  const places = [...strict.shards.keys()];
  const open = written(records, { skippable: ["Team.spec.contact"] });
  assert.ok(open.ok);
  assert.equal(open.leftOut.length, 0);
  assert.notDeepEqual([...open.shards.keys()], places);
});

test("skippableFields name kinds and the index only", () => {
  for (const each of skippableFields) {
    assert.match(each, /^(index|Model|ModelAlias|Team|VirtualKey|AccessGroup)\.[A-Za-z.]+$/);
  }
});

test("decodeDocument takes strictFields of the release before for what refuses as much today", () => {
  const text = `[
{"kind":"Model","name":"m","spec":{"name":"m","backend":"leaf","strictFields":true}},
{"kind":"Team","name":"t","spec":{"grants":{"models":["m"]}}}
]`;
  const shards = [{ shard: 0, sha256: hash("sha256", text, "hex") }];
  const index = encodeIndex({ ...about, formatVersion: 1, skippable: [], shards });
  const read = decodeDocument({ index, shard: () => text });
  assert.ok(read.ok, read.ok ? "" : read.message);
  assert.deepEqual(
    read.resources.map(({ name }) => name),
    ["m", "t"],
  );
  const [model] = read.resources;
  assert.ok(model?.kind === "Model");
  assert.deepEqual(
    [model.backend, model.refusedFields],
    ["router", ["mcp_servers", "container", "tools[].type=mcp"]],
  );
});
