// Tests of `aliasguard lint`: every problem with its place, and the exit status.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runLint } from "../../src/commands/lint.ts";
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

test("runLint exits 1 when there is no file, and when there is nothing in it", async (t) => {
  const missing = await lint(join(policies, "no-such-file.yaml"));
  assert.equal(missing.status, 1);
  assert.match(missing.stdout, /no-such-file\.yaml:1:1: invalid: cannot be read/);
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
