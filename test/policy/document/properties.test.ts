// Properties of the policy document: it says the same as the resources, it does not depend on their order, a change
// moves no other record, and nothing that is read makes the decoder throw.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { catalogueWords } from "../../../src/core/permission/snapshot.ts";
import { compilePolicy } from "../../../src/policy/compile/compile.ts";
import { type DocumentReader, decodeDocument } from "../../../src/policy/document/document.ts";
import type { Resource } from "../../../src/policy/resources.ts";
import { about, encoded, largeKey, largePolicy, policies, readerOf } from "./builder.ts";

const nowMs = Date.UTC(2026, 2, 1);

function decoded(resources: readonly Resource[]): readonly Resource[] {
  const document = decodeDocument(readerOf(encoded(resources)));
  assert.ok(document.ok, document.ok ? "" : document.message);
  return document.resources;
}

test("decodeDocument gives resources that compile to the very same policy", () => {
  fc.assert(
    fc.property(policies, fc.constantFrom(...catalogueWords), (resources, catalogue) => {
      const back = decoded(resources);
      const options = { nowMs, catalogue };
      assert.deepEqual(compilePolicy(back, options), compilePolicy(resources, options));
      const sorted = (list: readonly Resource[]) =>
        list.toSorted((a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1));
      assert.deepEqual(sorted(back), sorted(resources));
    }),
    { numRuns: 500 },
  );
});

test("encodeDocument gives the same bytes for the same resources in any order", () => {
  const shuffled = policies.chain((resources) =>
    fc.tuple(
      fc.constant(resources),
      fc.shuffledSubarray([...resources], { minLength: resources.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([resources, others]) => {
      assert.deepEqual(encoded(others), encoded(resources));
      assert.deepEqual(encoded(decoded(others)), encoded(resources));
    }),
    { numRuns: 200 },
  );
});

test("encodeDocument changes exactly one shard and the index when one of 5,000 keys changes", () => {
  const base = largePolicy(5_000);
  const before = encoded(base);
  assert.ok(before.shards.size >= 2);
  const changes = fc.constantFrom<object>(
    { disabled: true },
    { team: "other" },
    { aliases: { a: "b" } },
  );
  fc.assert(
    fc.property(fc.nat({ max: 4_999 }), changes, (at, change) => {
      const changed = base.map((each) => (each.name === `key-${at}` ? largeKey(at, change) : each));
      const after = encoded(changed);
      assert.equal(after.shards.size, before.shards.size);
      const differing = [...after.shards].filter(
        ([shard, text]) => before.shards.get(shard) !== text,
      );
      assert.equal(differing.length, 1);
      assert.notEqual(after.index, before.index);
    }),
    { numRuns: 5 },
  );
});

const jsonText = fc.oneof(
  fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value)),
  fc.string({ unit: "binary" }),
);

/** A reader whose index rightly pins whatever the shard holds. */
function pinning(text: string): DocumentReader {
  const { revision, counts } = about;
  const shards = [{ shard: 0, sha256: hash("sha256", text, "hex") }];
  const { index } = encoded([]);
  const pinned = index.replace(/[0-9a-f]{64}/, shards[0]?.sha256 ?? "");
  const head = { formatVersion: 1, revision, counts, modelExists: false };
  assert.deepEqual(JSON.parse(pinned), { ...head, shards });
  return { index: pinned, shard: () => text };
}

test("decodeDocument never throws and refuses any text as an index", () => {
  fc.assert(
    fc.property(jsonText, jsonText, (index, text) => {
      const document = decodeDocument({ index, shard: () => text });
      assert.equal(document.ok, false);
      assert.match(document.ok ? "" : document.message, /^[\x20-\x7e]{1,500}$/);
    }),
    { numRuns: 500 },
  );
});

test("decodeDocument never throws and refuses any text as a shard, though its hash is right", () => {
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.constantFrom<unknown>("a", "__proto__", ["a", "b"], [["a", "b"]], { a: 1 }, null),
  );
  const names = fc.constantFrom(
    ...["kind", "name", "namespace", "createdAt", "spec", "alias", "target", "aliases", "grants"],
    ...["keyHash", "team", "__proto__", "constructor", ""],
  );
  const object = fc.array(fc.tuple(names, values)).map((pairs) => Object.fromEntries(pairs));
  const record = fc
    .tuple(fc.constantFrom("Team", "VirtualKey", "ModelAlias", "Model", "x"), object, object)
    .map(([kind, spec, more]) => ({ kind, name: "n", spec: { ...spec, no: 1 }, ...more }));
  const texts = fc.oneof(
    jsonText,
    fc.array(record, { minLength: 1, maxLength: 3 }).map((records) => JSON.stringify(records)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const document = decodeDocument(pinning(text));
      assert.equal(document.ok ? "" : document.kind, "invalid");
      assert.match(document.ok ? "" : document.message, /^shard 0: [\x20-\x7e]{1,490}$/);
    }),
    { numRuns: 1000 },
  );
});

const replacements = fc.constantFrom(...'\u0000 x1"{');

test("decodeDocument refuses as torn a shard of which any one character has changed", () => {
  const { index, shards } = encoded(largePolicy(5));
  const text = shards.get(0) ?? "";
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), replacements, (at, put) => {
      fc.pre(text[at] !== put);
      const changed = `${text.slice(0, at)}${put}${text.slice(at + 1)}`;
      const document = decodeDocument({ index, shard: () => changed });
      assert.equal(document.ok ? "" : document.kind, "torn");
    }),
    { numRuns: 300 },
  );
});

test("decodeDocument takes an index with a changed character only where an encoder would write it so", () => {
  const document = encoded(largePolicy(5));
  fc.assert(
    fc.property(fc.nat({ max: document.index.length - 1 }), replacements, (at, put) => {
      fc.pre(document.index[at] !== put);
      const index = `${document.index.slice(0, at)}${put}${document.index.slice(at + 1)}`;
      const found = decodeDocument({ ...readerOf(document), index });
      // The index holds no hash of itself: another revision, or another count, is as good as the first.
      assert.ok(!found.ok || encoded(found.resources, found).index === index);
    }),
    { numRuns: 500 },
  );
});
