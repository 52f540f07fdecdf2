// Tests of reading manifests: places of problems, Lists, broken documents among good ones, mounted ConfigMaps.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { readManifestText } from "../../../src/sources/files/manifest-documents.ts";
import {
  compileManifests,
  decodeManifests,
  readManifestFiles,
} from "../../../src/sources/files/manifest-files.ts";
import { createProblemList } from "../../../src/sources/files/problem-list.ts";

const head = "apiVersion: aliasguard.dev/v1alpha1\nkind: ModelAlias\n";

function decode(...texts: readonly string[]) {
  const files = texts.map((text, index) => ({ file: `${index}.yaml`, text }));
  const problems = createProblemList();
  const { resources } = decodeManifests({ files, problems: [] }, problems);
  return {
    names: resources.map(({ resource }) => resource.name),
    places: problems
      .shown()
      .map(({ severity, file, line, column }) => `${severity} ${file}:${line}:${column}`),
  };
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-manifests-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test("decodeManifests points at the field, and at the parent of what is missing", () => {
  const text = `${head}metadata: { name: a }\nspec:\n  targets:\n    - { weight: 1 }\n    - model: 7\n`;
  assert.deepEqual(decode(text).places, ["invalid 0.yaml:6:7", "invalid 0.yaml:7:7"]);
});

test("decodeManifests checks the documents around a broken one", () => {
  const good = (name: string) => `${head}metadata: { name: ${name} }\nspec: { target: m }\n`;
  const { names, places } = decode(`${good("a")}---\nkind: [\n---\n${good("b")}`);
  assert.deepEqual(names, ["a", "b"]);
  assert.deepEqual(places, ["invalid 0.yaml:7:1"]);
});

const broken: readonly (readonly [string, string])[] = [
  ["a duplicate key", "a: 1\na: 2\n"],
  ["a key that is a duplicate once it is text", '1: a\n"1": b\n'],
  ["a custom tag", "a: !secret x\n"],
  ["a tab as indentation", "a:\n\tb: 1\n"],
  ["an unknown YAML alias", "a: *b\n"],
  [
    "YAML aliases that multiply",
    `a: &a [x, x]\n${Array.from("bcdefghij", (name, index) => `${name}: &${name} [${`*${"abcdefghi"[index]}, `.repeat(9)}]\n`).join("")}`,
  ],
  ["nesting without end", "[".repeat(20_000)],
];

for (const [what, text] of broken) {
  test(`readManifestText calls ${what} a mistake`, () => {
    const { documents, mistakes } = readManifestText(text);
    assert.equal(documents.length, 0);
    assert.ok(mistakes.length > 0);
  });
}

test("readManifestText never throws on any text", () => {
  const piece = fc.constantFrom(
    head,
    "---\n",
    "a: ",
    "- ",
    "{",
    "[",
    "*x",
    "&x ",
    "!!",
    "\t",
    "\n",
    "? ",
    "__proto__: ",
    "'",
  );
  const text = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.array(piece).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const { problems } = compileManifests(
        { files: [{ file: "f", text: candidate }], problems: [] },
        { nowMs: 0 },
      );
      assert.ok(problems.every(({ line, column }) => line >= 1 && column >= 1));
    }),
    { numRuns: 300 },
  );
});

test("decodeManifests reads JSON, and the objects of a List with their places", () => {
  const item = (name: string, target: string) =>
    `{"apiVersion":"aliasguard.dev/v1alpha1","kind":"ModelAlias","metadata":{"name":"${name}"},\n"spec":{"target":"${target}"}}`;
  const list = `{"apiVersion":"v1","kind":"List","items":[\n${item("a", "m")},\n${item("b", ",")}]}`;
  assert.deepEqual(decode(list), { names: ["a"], places: ["invalid 0.yaml:5:9"] });
});

test("decodeManifests refuses a second namespace, not a missing one", () => {
  const inside = (name: string, namespace: string) =>
    `${head}metadata: { name: ${name}${namespace} }\nspec: { target: m }\n`;
  assert.deepEqual(decode(inside("a", ", namespace: x"), inside("b", "")).places, []);
  const two = decode(inside("a", ", namespace: x"), inside("b", ", namespace: y"));
  assert.deepEqual(two.places, ["invalid 1.yaml:3:22"]);
});

test("compileManifests gives the problems of the compiler a place", () => {
  const text = `${head}metadata: { name: a }\nspec:\n  target: a\n`;
  const { problems, found } = compileManifests(
    { files: [{ file: "f", text }], problems: [] },
    { nowMs: 0 },
  );
  assert.equal(found, 1);
  assert.deepEqual(
    problems.map(({ severity, line }) => [severity, line]),
    [["disabled", 4]],
  );
});

test("readManifestFiles reads a mounted ConfigMap through ..data only", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "..v1"));
  await writeFile(join(directory, "..v1", "a.yaml"), "new");
  await symlink("..v1", join(directory, "..data"));
  await writeFile(join(directory, "a.yaml"), "old");
  const { files, problems } = await readManifestFiles(directory);
  assert.deepEqual(
    files.map(({ text }) => text),
    ["new"],
  );
  assert.deepEqual(problems, []);
});

test("readManifestFiles reads directories in directories, not hidden or other files", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "more"));
  await mkdir(join(directory, ".git"));
  for (const name of ["b.yml", "more/c.json", ".hidden.yaml", ".git/d.yaml", "notes.md"]) {
    await writeFile(join(directory, name), name);
  }
  const { files } = await readManifestFiles(directory);
  assert.deepEqual(
    files.map(({ text }) => text),
    ["b.yml", "more/c.json"],
  );
});

test("readManifestFiles reports text that is not UTF-8, and a path that is not there", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "a.yaml"), Buffer.from([0xff, 0xfe]));
  const bad = await readManifestFiles(directory);
  assert.deepEqual(
    bad.problems.map(({ severity }) => severity),
    ["invalid"],
  );
  const gone = await readManifestFiles(join(directory, "gone"));
  assert.deepEqual(
    gone.problems.map(({ severity }) => severity),
    ["invalid"],
  );
});
