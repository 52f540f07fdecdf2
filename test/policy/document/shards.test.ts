// Tests of the shards of a policy document: how many there are, what is torn, and what a change leaves alone.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import {
  type DocumentReader,
  type DocumentSet,
  decodeDocument,
  decodeShards,
  readDocument,
} from "../../../src/policy/document/document.ts";
import { encodeIndex } from "../../../src/policy/document/index-record.ts";
import { shardBytesWanted } from "../../../src/policy/document/placement.ts";
import { alias, resource } from "../manifest-builder.ts";
import { about, encoded, largeKey, largePolicy, readerOf, verdict } from "./builder.ts";

test("decodeDocument says torn for a shard that is missing, another, or of another revision", () => {
  const older = encoded(largePolicy(3_000));
  const newer = encoded([...largePolicy(3_000), largeKey(3_000, {})]);
  assert.equal(verdict(decodeDocument(readerOf(older))), "ok");
  for (const shard of older.shards.keys()) {
    const without = new Map(older.shards);
    without.delete(shard);
    const missing = verdict(decodeDocument(readerOf({ ...older, shards: without })));
    assert.equal(missing, `torn: shard ${shard} of ${older.shards.size} is missing`);
  }
  assert.match(
    verdict(decodeDocument(readerOf({ ...older, index: newer.index }))),
    /^torn: .* not the one/,
  );
  assert.match(verdict(decodeDocument(readerOf({ ...older, shards: newer.shards }))), /^torn: /);
  const swapped = new Map([...older.shards]);
  swapped.set(1, older.shards.get(2) ?? "").set(2, older.shards.get(1) ?? "");
  assert.match(verdict(decodeDocument(readerOf({ ...older, shards: swapped }))), /^torn: /);
});

test("decodeDocument ignores shards that its index does not name", () => {
  const small = encoded([alias("a", "m")]);
  const left = new Map([...encoded(largePolicy(3_000)).shards, ...small.shards]);
  assert.equal(verdict(decodeDocument(readerOf({ index: small.index, shards: left }))), "ok");
});

function sizes({ index, shards }: DocumentSet): readonly number[] {
  return [Buffer.byteLength(index), ...[...shards.values()].map((text) => Buffer.byteLength(text))];
}

test("encodeDocument keeps everything in one ConfigMap while it is small, else takes the fewest that do", () => {
  const isSmall = (sum: number) => sum < shardBytesWanted;
  for (const [count, wanted] of [
    [1_000, 1],
    [2_000, 2],
    [5_000, 4],
  ] as const) {
    const document = encoded(largePolicy(count));
    assert.equal(document.shards.size, wanted);
    assert.deepEqual(
      [...document.shards.keys()],
      wanted === 1 ? [0] : Array.from({ length: wanted }, (_, at) => at + 1),
    );
    const found = sizes(document);
    assert.ok(found.every(isSmall), `${found}`);
    const sum = found.reduce((a, b) => a + b);
    // Half as many could not have held it.
    assert.equal(isSmall(sum / Math.max(1, wanted / 2)), wanted === 1);
    assert.equal(verdict(decodeDocument(readerOf(document))), "ok");
  }
});

test("decodeDocument decodes again only the shards that are not known, and never trusts a torn one", () => {
  const resources = largePolicy(3_000);
  const before = decodeDocument(readerOf(encoded(resources)));
  assert.ok(before.ok);
  const changed = encoded(
    resources.map((each) => (each.name === "key-7" ? largeKey(7, { disabled: true }) : each)),
  );
  const after = decodeDocument(readerOf(changed), before.shards);
  assert.ok(after.ok);
  const known = new Set(before.shards.values());
  assert.equal(
    [...after.shards.values()].filter((each) => known.has(each)).length,
    after.shards.size - 1,
  );
  const fresh = decodeDocument(readerOf(changed));
  assert.ok(fresh.ok);
  assert.deepEqual(after, fresh);
  const torn = new Map([...changed.shards, [1, ""] as const]);
  assert.match(
    verdict(decodeDocument(readerOf({ ...changed, shards: torn }), after.shards)),
    /^torn/,
  );
});

test("decodeDocument knows a shard again only where it stood, among as many", () => {
  const small = encoded(largePolicy(5)).shards.get(0) ?? "";
  const half = encoded(largePolicy(3_000)).shards.get(1) ?? "";
  const cases = [
    [[small], [small, "[\n]"]],
    [encoded(largePolicy(3_000)).shards.values(), [half, "[\n]", "[\n]", "[\n]"]],
  ] as const;
  for (const [first, second] of cases) {
    const before = decodeDocument(pinned([...first]));
    assert.ok(before.ok);
    const after = decodeDocument(pinned(second), before.shards);
    assert.match(verdict(after), /belongs to another shard/);
  }
});

test("readDocument takes the hash of a shard from who knows it, and believes it", () => {
  const document = encoded(largePolicy(3_000));
  const asked: number[] = [];
  const hashes = new Map([...document.shards].map(([at, text]) => [at, hash("sha256", text)]));
  const read = readDocument({ ...readerOf(document), shard: () => "" }, (shard, text) => {
    asked.push(shard);
    assert.equal(text, "");
    return hashes.get(shard) ?? "";
  });
  assert.ok(read.ok);
  assert.deepEqual(asked, [...document.shards.keys()]);
  const another = readDocument(
    readerOf(document),
    (shard) => hashes.get(shard === 2 ? 1 : shard) ?? "",
  );
  assert.ok(!another.ok);
  assert.equal(another.kind, "torn");
});

test("decodeShards needs the text of a shard only where it is not known", () => {
  const whole = readDocument(readerOf(encoded(largePolicy(3_000))));
  assert.ok(whole.ok);
  const decoded = decodeShards(whole);
  assert.ok(decoded.ok);
  const shards = whole.shards.map(({ place, shard }) => ({ place, shard }));
  const bare = { ...whole, shards };
  assert.deepEqual(decodeShards(bare, decoded.shards), decoded);
  const [first, ...others] = decoded.shards;
  assert.ok(first !== undefined);
  const lost = decodeShards(bare, new Map(others));
  assert.deepEqual(lost, { ok: false, kind: "invalid", message: "shard 1: is no JSON" });
});

/** A document of these texts whose index has the right hashes. */
function pinned(texts: readonly string[]): DocumentReader {
  const first = texts.length === 1 ? 0 : 1;
  const shards = texts.map((text, at) => ({
    shard: first + at,
    sha256: hash("sha256", text, "hex"),
  }));
  return {
    index: encodeIndex({ formatVersion: 1, skippable: [], ...about, shards }),
    shard: (number) => texts[number - first],
  };
}

test("encodeDocument counts the index where it shares the ConfigMap with the records", () => {
  const base = largePolicy(1_500);
  const padded = (characters: number): DocumentSet => {
    const names = Array.from({ length: Math.floor(characters / 200) }, () => "p".repeat(197));
    const models = [...names, "q".repeat(1 + (characters % 200))];
    return encoded([...base, resource("AccessGroup", "pad", { models })]);
  };
  const room = shardBytesWanted - sizes(padded(0)).reduce((a, b) => a + b);
  assert.ok(room > 10_000 && room < 200_000, `${room}`);
  const full = padded(room - 2);
  assert.equal(full.shards.size, 1);
  assert.equal(
    sizes(full).reduce((a, b) => a + b),
    shardBytesWanted - 2,
  );
  assert.equal(padded(room).shards.size, 2);
});
