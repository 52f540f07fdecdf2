// Tests of the policy document: its bytes, what is refused and as what, and how it is split.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { catalogueWords } from "../../../src/core/permission/snapshot.ts";
import { compilePolicy } from "../../../src/policy/compile/compile.ts";
import { decodeDocument, encodeDocument } from "../../../src/policy/document/document.ts";
import { configMapBytesMax } from "../../../src/policy/document/shards.ts";
import { alias, digest, keyHash, resource } from "../manifest-builder.ts";
import { about, encoded, largePolicy, readerOf, verdict } from "./builder.ts";

const sha256 = (text: string): string => hash("sha256", text, "hex");

/** What becomes of a document with this one shard, its hash being right. */
function verdictOnShard(text: string): string {
  const { index } = encoded([]);
  const pinned = index.replace(/[0-9a-f]{64}/, sha256(text));
  return verdict(decodeDocument({ index: pinned, shard: () => text }));
}

function verdictOnRecord(record: unknown): string {
  return verdictOnShard(`[\n${JSON.stringify(record)}\n]`);
}

function verdictOnIndex(change: (index: Record<string, unknown>) => object): string {
  const document = encoded([alias("a", "m")]);
  const index = JSON.stringify(change(JSON.parse(document.index)));
  return verdict(decodeDocument({ ...readerOf(document), index }));
}

test("encodeDocument writes this format", () => {
  const created = "2026-01-01T00:00:00Z";
  const until = "2026-02-01T00:00:00.5+02:00";
  const team = { grants: { models: ["a/*"] }, aliases: JSON.parse('{"__proto__":"a/b"}') };
  const key = { team: "t", keyHash: keyHash(1), previous: { keyHash: keyHash(2), until } };
  const document = encoded([
    resource("VirtualKey", "k", key),
    resource("Team", "t", team, created),
    resource("Model", "m", { name: "a/b", ownedBy: "\u00e9" }),
  ]);
  const text = `[
{"kind":"Model","name":"m","spec":{"name":"a/b","backend":"router","ownedBy":"\\u00e9"}},
{"kind":"Team","name":"t","createdAt":"2026-01-01T00:00:00Z","spec":{"grants":{"models":["a/*"]},"aliases":[["__proto__","a/b"]]}},
{"kind":"VirtualKey","name":"k","spec":{"team":"t","keyHash":"sha256:${digest(1)}","previous":{"keyHash":"sha256:${digest(2)}","until":"2026-01-31T22:00:00.500Z"}}}
]`;
  assert.deepEqual([...document.shards], [[0, text]]);
  assert.equal(
    document.index,
    `{"formatVersion":1,"revision":"0123456789abcdef","counts":{"aliases":1,"teams":2,"keys":3,"groups":4,"models":5},"modelExists":true,"shards":[
{"shard":0,"sha256":"${sha256(text)}"}
]}`,
  );
});

test("decodeDocument gives revision, counts and catalogue as they were encoded", () => {
  for (const catalogue of catalogueWords) {
    const document = decodeDocument(readerOf(encoded([], { ...about, catalogue })));
    assert.ok(document.ok);
    const { revision, counts, resources } = document;
    assert.deepEqual({ revision, counts, catalogue: document.catalogue }, { ...about, catalogue });
    assert.deepEqual(resources, []);
  }
});

test("decodeDocument says absent where there is no index", () => {
  const { shards } = encoded([]);
  const document = decodeDocument({ index: undefined, shard: (number) => shards.get(number) });
  assert.match(verdict(document), /^absent: /);
});

test("decodeDocument says unsupported for another format version, whatever else there is", () => {
  for (const formatVersion of [0, 3, 99]) {
    assert.equal(
      verdict(
        decodeDocument({ index: JSON.stringify({ formatVersion, new: [] }), shard: () => "" }),
      ),
      `unsupported: the index has format version ${formatVersion}: this reader knows 1 and 2`,
    );
  }
});

test("decodeDocument says invalid and where for an index that no encoder writes", () => {
  const cases: readonly (readonly [(index: Record<string, unknown>) => object, RegExp])[] = [
    [(index) => ({ ...index, formatVersion: "1" }), /formatVersion must be a whole number/],
    [(index) => ({ ...index, formatVersion: undefined }), /formatVersion is required/],
    [(index) => ({ ...index, more: 1 }), /more is not a known field/],
    [(index) => ({ ...index, ["x".repeat(10_000)]: 1 }), /^.{1,520}$/],
    [(index) => ({ ...index, revision: "a b" }), /revision must be/],
    [(index) => ({ ...index, revision: "" }), /revision must be/],
    [(index) => ({ ...index, modelExists: 1 }), /modelExists must be/],
    [(index) => ({ ...index, catalogue: "open" }), /catalogue is not a known field/],
    [(index) => ({ ...index, counts: { aliases: -1 } }), /counts.aliases must be/],
    [(index) => ({ ...index, counts: [] }), /counts must be an object/],
    [(index) => ({ ...index, shards: [] }), /shards must have at least one entry/],
    [(index) => ({ ...index, shards: null }), /shards must be a list/],
    [(index) => ({ ...index, shards: [{ shard: 0, sha256: "AB" }] }), /shards\[0\].sha256 must be/],
    [
      (index) => ({ ...index, shards: [{ shard: 1, sha256: digest(1) }] }),
      /shards must be shard 0/,
    ],
    [(index) => ({ ...index, shards: shardList(0, 1) }), /shards must be shard 0/],
    [(index) => ({ ...index, shards: shardList(2, 1) }), /shards must be shard 0/],
    [(index) => ({ ...index, shards: shardList(1, 1) }), /shards must be shard 0/],
    [(index) => ({ ...index, shards: shardList(1, 2, 3) }), /shards must be shard 0/],
    [(index) => ({ ...index, shards: new Array(2_000).fill({}) }), /2000 entries/],
    [(index) => index, /is not as it is written/],
  ];
  for (const [change, wanted] of cases) {
    const found = verdictOnIndex(change);
    assert.match(found, /^invalid: the index: /);
    assert.match(found, wanted);
  }
});

function shardList(...numbers: readonly number[]): object {
  return numbers.map((shard) => ({ shard, sha256: digest(shard) }));
}

test("decodeDocument refuses texts that are no index or no shard, or larger than any ConfigMap", () => {
  const shard = () => "";
  for (const index of ["", "{", "null", "[]", '"x"', "1", "\ufeff{}", "[".repeat(100_000)]) {
    assert.match(verdict(decodeDocument({ index, shard })), /^invalid: the index: /);
    assert.match(verdictOnShard(index), /^invalid: shard 0: /);
  }
  const large = " ".repeat(configMapBytesMax + 1);
  assert.match(verdict(decodeDocument({ index: large, shard })), /larger than a ConfigMap/);
  assert.match(verdictOnShard(large), /larger than a ConfigMap/);
});

test("decodeDocument refuses records that no encoder writes, and says where", () => {
  const team = { kind: "Team", name: "t", spec: { grants: {} } };
  assert.equal(verdictOnRecord(team), "ok");
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [null, /record 0: must be an object/],
    [{ ...team, kind: "Secret" }, /record 0: kind .*must be ModelAlias/],
    [{ ...team, kind: "__proto__" }, /kind/],
    [{ ...team, more: 1 }, /record 0: more is not a known field/],
    [JSON.parse('{"kind":"Team","name":"t","spec":{},"__proto__":{}}'), /__proto__ is not a known/],
    [{ ...team, name: undefined }, /record 0: name .*is required/],
    [{ ...team, name: "T" }, /record 0: name .*must be an object name/],
    [{ ...team, namespace: "" }, /record 0: namespace .*must be a namespace/],
    [{ ...team, spec: undefined }, /spec/],
    [
      { ...team, spec: { grants: {}, more: 1 } },
      /record 0: spec.more of Team t is not a known field/,
    ],
    [
      { ...team, spec: { grants: { models: ["a,b"] } } },
      /spec.grants.models\[0\] of Team t must be/,
    ],
    [
      { ...team, spec: { grants: {}, aliases: { a: "b" } } },
      /spec.aliases must be a list of pairs/,
    ],
    [{ ...team, spec: { grants: {}, aliases: [["a"]] } }, /spec.aliases\[0\] must be a pair/],
    [
      {
        ...team,
        spec: {
          grants: {},
          aliases: [
            ["a", "b"],
            ["a", "c"],
          ],
        },
      },
      /aliases\[1\] names an alias a/,
    ],
    [{ ...team, spec: { grants: {}, aliases: [["", "b"]] } }, /the name "" is no alias/],
    [{ ...team, spec: { grants: {}, aliases: [["a", "*"]] } }, /not a pattern/],
    [{ ...team, spec: { grants: {}, description: "x" } }, /line 2 is not as it is written/],
    [{ ...team, spec: {} }, /line 2 is not as it is written/],
    [{ name: "t", kind: "Team", spec: { grants: {} } }, /line 2 is not as it is written/],
    [{ ...team, createdAt: null }, /line 2 is not as it is written/],
    [{ ...team, createdAt: "2026-01-01" }, /createdAt|creationTimestamp/],
  ];
  for (const [record, wanted] of cases) {
    const found = verdictOnRecord(record);
    assert.match(found, /^invalid: shard 0: /);
    assert.match(found, wanted);
  }
});

test("decodeDocument refuses a record twice, out of order, in another shard or with a key twice", () => {
  const [t, u] = ["t", "u"].map((name) =>
    JSON.stringify({ kind: "Team", name, spec: { grants: {} } }),
  );
  assert.equal(verdictOnShard(`[\n${t},\n${u}\n]`), "ok");
  assert.match(verdictOnShard(`[\n${t},\n${t}\n]`), /record 1: there is another Team t/);
  assert.match(verdictOnShard(`[\n${u},\n${t}\n]`), /record 1: Team t is out of order/);
  assert.match(verdictOnShard(`[\n${t}, \n${u}\n]`), /line 2 is not/);
  const twice = '{"kind":"Team","kind":"Team","name":"t","spec":{"grants":{}}}';
  assert.match(verdictOnShard(`[\n${twice}\n]`), /line 2 is not/);
  const large = encoded(largePolicy(3_000));
  const moved = new Map(large.shards);
  moved.set(1, large.shards.get(2) ?? "").set(2, large.shards.get(1) ?? "");
  let { index } = large;
  for (const [shard, text] of moved)
    index = index.replace(new RegExp(`("shard":${shard},"sha256":)"\\w+`), `$1"${sha256(text)}`);
  const found = verdict(decodeDocument(readerOf({ index, shards: moved })));
  assert.equal(found, "invalid: shard 1: record 0: belongs to another shard");
});

test("encodeDocument leaves out a second resource of one kind and name, but not of two kinds", () => {
  const { leftOut, ...twin } = encodeDocument(
    [alias("a", "m"), alias("b", "m"), alias("a", "n")],
    about,
  );
  assert.deepEqual(
    leftOut.map(({ why, message }) => [why, message]),
    [["duplicate", "there are two of ModelAlias a"]],
  );
  const read = decodeDocument(readerOf(twin));
  assert.equal(read.ok && read.resources.length, 2);
  assert.deepEqual(encodeDocument([alias("a", "m"), resource("Team", "a", {})], about).leftOut, []);
});

test("encodeDocument drops a previous credential that turned out to be the current one", () => {
  const previous = { secretRef: { name: "s", key: "old" }, until: "2026-02-01T00:00:00Z" };
  const secretRef = { name: "s", key: "new" };
  const found = resource("VirtualKey", "k", { secretRef, previous });
  assert.ok(found.kind === "VirtualKey" && found.previous !== undefined);
  const credential = { kind: "digest", digest: digest(1) } as const;
  const resolved = { ...found, credential, previous: { ...found.previous, credential } };
  const document = decodeDocument(readerOf(encoded([resolved])));
  assert.ok(document.ok);
  assert.deepEqual(document.resources, [{ ...resolved, previous: undefined }]);
});

test("encodeDocument carries a key whose Secret was not resolved, and the compiler leaves it out", () => {
  const key = resource("VirtualKey", "k", { secretRef: { name: "s", key: "key" } });
  const document = decodeDocument(readerOf(encoded([key])));
  assert.ok(document.ok);
  const { snapshot, problems } = compilePolicy(document.resources, { nowMs: 0 });
  assert.equal(snapshot.keys.size, 0);
  assert.deepEqual(
    problems.map(({ cause }) => cause),
    ["secret_not_found"],
  );
});
