// Properties of reading manifests: no text and no bytes make it throw, every problem has a place within its file, and
// what the linear walk calls a repeated key is what the parser's own comparison of all pairs calls one.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAllDocuments } from "yaml";
import { catalogueWords } from "../../../src/core/permission/snapshot.ts";
import type { LocatedProblem } from "../../../src/policy/problem.ts";
import { readManifestText } from "../../../src/sources/files/manifest-documents.ts";
import { compileManifests, toManifestFile } from "../../../src/sources/files/manifest-files.ts";

const whole = `apiVersion: aliasguard.dev/v1alpha1
kind: Team
metadata: { name: team-a, labels: &labels { a: b } }
spec:
  grants: { models: ["vendor/*", m], groups: [g], deny: [] }
  aliases: { fast: vendor/model }
---
apiVersion: aliasguard.dev/v1alpha1
kind: VirtualKey
metadata: { name: key-a }
spec:
  team: team-a
  keyHash: sha256:${"0".repeat(64)}
  previous: { keyHash: "sha256:${"1".repeat(64)}", until: 2026-01-01T00:00:00Z }
---
apiVersion: v1
kind: List
items:
  - apiVersion: aliasguard.dev/v1alpha1
    kind: ModelAlias
    metadata: { name: fast, labels: { c: d } }
    spec: { targets: [{ model: a, weight: 1 }, { model: loop }] }
  - { apiVersion: aliasguard.dev/v1alpha1, kind: Model, metadata: { name: m }, spec: {} }
`;

const pieces = [
  ...["---\n", "...\n", "a: ", "- ", "? ", ": ", "{", "}", "[", "]", ",", "*x", "*x : y\n", "&x "],
  ...[
    "<<: *x\n",
    "<<: ",
    "!!",
    "!!binary ",
    "!!set ",
    "!local ",
    "! ",
    "%YAML 1.1\n",
    "%TAG ! t:\n",
  ],
  ...[
    "\t",
    "\n",
    "\r\n",
    "\r",
    "  ",
    " ".repeat(3_000),
    "|\n",
    ">-\n",
    "|9+\n",
    "'",
    '"',
    "#",
    "@",
  ],
  ...["`", "__proto__: ", "constructor: ", "null", "~: ", "1: ", '"1": ', "1e999", "0x10", ".nan"],
  ...["\0", "\u0085", "\u2028", "\ufeff", "\ud800", "\u202e", "\u{1f600}", "kind: ", "spec:\n"],
  ...["apiVersion: aliasguard.dev/v1alpha1\n", "kind: Model\n", "metadata: { name: a }\n"],
];
const piece = fc.constantFrom(...pieces);
const soup = fc.array(piece, { maxLength: 40 }).map((some) => some.join(""));

/** The valid manifests with up to 6 pieces put over something else. */
const mutated = fc
  .array(fc.tuple(fc.nat({ max: whole.length }), fc.nat({ max: 30 }), piece), { maxLength: 6 })
  .map((edits) =>
    edits.reduce(
      (text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length),
      whole,
    ),
  );

const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  soup,
  mutated,
  mutated.map((text) => text.replaceAll("\n", "\r\n")),
  mutated.map((text) => `\ufeff${text}`),
);

function assertPlaces(text: string, problems: readonly LocatedProblem[]): void {
  const lines = text.split("\n");
  for (const { line, column, message } of problems) {
    assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`);
    const { length = 0 } = lines[line - 1] ?? "";
    assert.ok(column >= 1 && column <= length + 1, `column ${column} of ${length}`);
    assert.match(message, /^[\x20-\x7e]{1,1000}$/);
    assert.doesNotMatch(message, /Error\b|ENOENT|undefined|\bnode_modules\b/);
  }
}

function compileText(text: string) {
  return compileManifests(
    { files: [{ file: "f", text }], problems: [] },
    { nowMs: Date.UTC(2026, 0, 1) },
  );
}

test("compileManifests takes the manifests that the properties mutate", () => {
  const { found, problemCounts, policy } = compileText(whole);
  assert.equal(found, 4);
  assert.equal(problemCounts.invalid, 0);
  assert.equal(policy.counts.keys, 1);
});

test("compileManifests throws on no text, and places every problem within it", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const { problems, problemCounts } = compileText(text);
      assertPlaces(text, problems);
      const { invalid, disabled, advice } = problemCounts;
      assert.equal(invalid + disabled + advice >= problems.length, true);
    }),
    { numRuns: 400 },
  );
});

test("compileManifests reads CRLF and a byte order mark like plain text", () => {
  const plain = compileText(whole);
  for (const text of [whole.replaceAll("\n", "\r\n"), `\ufeff${whole}`]) {
    const other = compileText(text);
    assert.deepEqual(other.policy.snapshot, plain.policy.snapshot);
    assert.deepEqual(
      other.problems.map(({ line, message }) => [line, message]),
      plain.problems.map(({ line, message }) => [line, message]),
    );
  }
});

test("compileManifests closes the catalogue by word alone", () => {
  const model =
    "apiVersion: aliasguard.dev/v1alpha1\nkind: Model\nmetadata: { name: m }\nspec: {}\n";
  const files = { files: [{ file: "f", text: model }], problems: [] };
  for (const catalogue of catalogueWords) {
    const { policy } = compileManifests(files, { nowMs: 0, catalogue });
    assert.equal(policy.snapshot.catalogue.closed, catalogue === "closed");
    assert.deepEqual([...policy.snapshot.catalogue.models.keys()], ["m"]);
  }
  assert.equal(compileText(model).policy.snapshot.catalogue.closed, false);
});

test("toManifestFile takes exactly the bytes that are UTF-8, and places the first that is not", () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.tuple(mutated, fc.nat(), fc.uint8Array({ maxLength: 4 })).map(([text, at, put]) => {
      const before = Buffer.from(text.toWellFormed());
      const start = at % (before.length + 1);
      return Buffer.concat([before.subarray(0, start), put, before.subarray(start)]);
    }),
  );
  let refused = 0;
  fc.assert(
    fc.property(bytes, (content) => {
      const read = toManifestFile("f", content);
      const lossy = new TextDecoder().decode(content);
      const again = new TextEncoder().encode(lossy);
      const hasMark = Buffer.from(content.subarray(0, 3)).equals(Buffer.from("\ufeff"));
      const isUtf8 = Buffer.from(again).equals(content.subarray(hasMark ? 3 : 0));
      assert.equal("text" in read, isUtf8);
      if ("text" in read) return assert.equal(read.text, lossy);
      refused++;
      assertPlaces(lossy, [read]);
      assert.match(read.message, /^cannot be read: it is not UTF-8 here$/);
    }),
    { numRuns: 400 },
  );
  assert.ok(refused > 20);
});

test("readManifestText finds repeated keys exactly where the parser's comparison of all pairs does", () => {
  const key = fc.constantFrom("a", '"a"', "b", "1", '"1"', "true", "__proto__", "? a\n", "&k a");
  const value = fc.constantFrom("x", "{ a: 1, a: 2 }", "[{ b: 1 }, { b: 1, 'b': 2 }]", "{ a: 1 }");
  const maps = fc
    .array(fc.tuple(key, value), { minLength: 1, maxLength: 6 })
    .map((pairs) => pairs.map(([name, content]) => `${name}: ${content}\n`).join(""));
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(maps, (text) => {
      const [document] = parseAllDocuments(text, { uniqueKeys: true, stringKeys: true });
      const codes = (document?.errors ?? []).map(({ code }) => code);
      fc.pre(codes.every((code) => code === "DUPLICATE_KEY"));
      seen.add(codes.length > 0);
      assert.equal(readManifestText(text).mistakes.length, codes.length, text);
    }),
    { numRuns: 300 },
  );
  assert.equal(seen.size, 2);
});

const broken: readonly (readonly [string, string, RegExp])[] = [
  ["an anchor that comes later", "a: *x\nb: &x 1\n", /no &"x" stands before this YAML alias/],
  ["an anchor within itself", "a: &x [*x]\n", /a part within itself/],
  ["an anchor that is set again within itself", "a: &x 1\nb: &x [*x]\n", /a part within itself/],
  [
    "a part that multiplies",
    `a: &x [${"1,".repeat(60)}]\nb: [${"*x,".repeat(101)}]`,
    /more than 100/,
  ],
  [
    "1,001 YAML aliases",
    Array.from({ length: 1_001 }, (_, at) => `k${at}: &a${at} 1\nj${at}: *a${at}\n`).join(""),
    /more than 1000 YAML anchors or aliases/,
  ],
  ["65 lists in one another", "[".repeat(65) + "]".repeat(65), /more than 64 maps and lists/],
  ["5,000 lists in one another", "[".repeat(5_000) + "]".repeat(5_000), /./],
  [
    "a repeated key deep inside",
    "a:\n  - b: 1\n    b: 2\n",
    /the key "b" stands twice: first on line 2/,
  ],
  ["a merge of nothing", "<<: *x\n", /no &"x" stands before/],
  ["a list as a key", "? [a]\n: b\n", /^a key must be plain text$/],
  ["a YAML alias as a key", "&x a: 1\n*x : 2\n", /^a key must be plain text$/],
  ["a custom tag", "a: !secret hunter2\n", /^Unresolved tag$/],
];

for (const [what, text, message] of broken) {
  test(`readManifestText says in its own words what is wrong with ${what}`, () => {
    const { documents, mistakes } = readManifestText(text);
    assert.deepEqual(documents, []);
    assert.match(mistakes[0]?.message ?? "", message);
  });
}

test("readManifestText repeats what an anchor stands for", () => {
  const { documents, mistakes } = readManifestText("a: &x { b: &y 1, c: *y }\nd: *x\n");
  assert.deepEqual(mistakes, []);
  assert.deepEqual(documents[0]?.value, { a: { b: 1, c: 1 }, d: { b: 1, c: 1 } });
});

test("readManifestText never repeats text that the parser could not place", () => {
  const { mistakes } = readManifestText('a: "x" sk-hunter2\nb: |hunter2\n - }hunter2\n');
  assert.ok(mistakes.length > 0);
  assert.doesNotMatch(JSON.stringify(mistakes), /hunter2/);
});
