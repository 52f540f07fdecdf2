// Tests of `aliasguard lint`: every problem with its place, and the exit status.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runLint } from "../../src/commands/lint.ts";
import { problemsPerFileMax } from "../../src/sources/problem-list.ts";
import { recordOutput } from "./output-recorder.ts";

const policies = join(import.meta.dirname, "..", "policies");

async function lint(...args: readonly string[]) {
  const io = recordOutput();
  const status = await runLint(args, io, 0);
  return { status, ...io.printed() };
}

test("runLint exits 0 on a good policy", async () => {
  const { status, stdout, stderr } = await lint(join(policies, "whole.good.yaml"));
  assert.equal(status, 0);
  assert.equal(stdout, "4 resources in 1 files: 0 invalid, 0 disabled, 0 advice\n");
  assert.equal(stderr, "");
});

test("runLint prints every mistake of a bad policy with file, line and column, and exits 1", async () => {
  const { status, stdout } = await lint(join(policies, "mistakes.bad.yaml"));
  const golden = await readFile(join(policies, "mistakes.bad.issues.json"), "utf8");
  const expected: unknown = JSON.parse(golden);
  assert.equal(status, 1);
  assert.deepEqual(stdout.replaceAll(`${policies}/`, "").trimEnd().split("\n"), expected);
});

test("runLint names the first problems of a file, and counts all", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  const document =
    "apiVersion: aliasguard.dev/v1alpha1\nkind: Team\nmetadata: { name: X }\nspec: {}\n";
  await writeFile(join(directory, "p.yaml"), Array(500).fill(document).join("---\n"));
  const { status, stdout } = await lint(directory);
  assert.equal(status, 1);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, problemsPerFileMax + 2);
  assert.match(lines[0] ?? "", /p\.yaml:1:1: invalid: 300 more problems in this file$/);
  assert.equal(lines.at(-1), "0 resources in 1 files: 500 invalid, 0 disabled, 0 advice");
});

test("runLint refuses a file that is not UTF-8, with the place of the first wrong byte", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, "p.yaml"), Buffer.from("# \xe9\n# ab\xff\n", "latin1"));
  await writeFile(join(directory, "q.yaml"), "# \u00e9\u{1f600}\n");
  const { status, stdout } = await lint(directory);
  assert.equal(status, 1);
  assert.match(stdout, /p\.yaml:1:3: invalid: cannot be read: it is not UTF-8 here\n/);
  assert.doesNotMatch(stdout, /q\.yaml/);
});

test("runLint exits 1 when there is no file, and when there is nothing in it", async (t) => {
  const missing = await lint(join(policies, "no-such-file.yaml"));
  assert.equal(missing.status, 1);
  assert.match(
    missing.stdout,
    /no-such-file\.yaml:1:1: invalid: cannot be read: there is no such file or directory\n/,
  );
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-lint-"));
  t.after(() => rm(directory, { recursive: true }));
  const empty = await lint(directory);
  assert.equal(empty.status, 1);
  assert.match(empty.stderr, /no resource of a policy found/);
});

test("runLint exits 2 without a path and with an unknown flag, and 0 for --help", async () => {
  const none = await lint();
  assert.equal(none.status, 2);
  assert.match(none.stderr, /wants at least one PATH/);
  const unknown = await lint("--fix", "x");
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /--fix/);
  const help = await lint("--help");
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: aliasguard lint/);
});
