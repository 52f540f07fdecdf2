// `lint --envoy`: its lines, its JSON, its exit status, and what it says of files that it cannot read.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { runLint } from "../../src/commands/lint.ts";
import { envoyFolder } from "../support/envoy-config.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { recordOutput } from "./output-recorder.ts";

const folder = createTempFolder("lint-envoy");
after(() => folder.remove());

const good = join(envoyFolder, "envoy.yaml");
const bad = join(folder.path, "bad.yaml");
writeFileSync(
  bad,
  readFileSync(join(envoyFolder, "envoy-ext-proc.yaml"), "utf8").replace(
    "failure_mode_allow: false",
    "failure_mode_allow: true",
  ),
);

const lint = async (...args: string[]) => {
  const output = recordOutput();
  const code = await runLint(["--envoy", ...args], output);
  return { code, ...output.printed() };
};

test("lint --envoy is content with the shipped configurations, its script read from beside it", async () => {
  const { code, stdout } = await lint(good);
  assert.equal(code, 0, stdout);
  assert.equal(stdout, `${good}: listeners main with the check: 0 breaks, 0 weakens, 0 advice\n`);
});

test("lint --envoy names each file of a fleet, the place, why, and the fix", async () => {
  const { code, stdout } = await lint(good, bad);
  assert.equal(code, 1);
  const line = stdout.split("\n").find((each) => each.startsWith(`${bad}: breaks: `)) ?? "";
  assert.match(line, /failures_allowed: listener main, filter envoy\.filters\.http\.ext_proc/);
  assert.match(line, /unchecked; set failure_mode_allow: false/);
});

test("lint --envoy --json is an array of findings", async () => {
  const { code, stdout } = await lint("--json", bad);
  assert.equal(code, 1);
  const findings = JSON.parse(stdout) as readonly Readonly<Record<string, string>>[];
  assert.deepEqual(
    findings.map(({ file, code: what, severity }) => [file, what, severity]),
    [[bad, "failures_allowed", "breaks"]],
  );
  const clean = await lint("--json", good);
  assert.deepEqual([clean.code, JSON.parse(clean.stdout)], [0, []]);
});

test("lint --envoy says what is wrong with a file", async () => {
  const files: readonly (readonly [text: string, message: RegExp])[] = [
    ["a: [", /./],
    ["a: 1", /wanted a bootstrap .* found neither/],
    ["{}", /found neither/],
  ];
  for (const [text, message] of files) {
    const file = join(folder.path, "other.yaml");
    writeFileSync(file, text);
    const { code, stderr } = await lint(file);
    assert.equal(code, 1);
    assert.ok(stderr.startsWith(`aliasguard lint: ${file}: `), stderr);
    assert.match(stderr, message);
  }
  const { code, stderr } = await lint(join(folder.path, "absent"));
  assert.equal(code, 1);
  assert.match(stderr, /ENOENT/);
});

test("lint --envoy refuses wrong usage", async () => {
  for (const args of [
    [],
    [good, "--body-bytes-max", "1k"],
    [good, "--body-edits", "x"],
    [good, "--nothing"],
  ]) {
    assert.equal((await lint(...args)).code, 2);
  }
  const help = await lint("--help");
  assert.deepEqual(
    [help.code, help.stdout.startsWith("Usage: aliasguard lint --envoy")],
    [0, true],
  );
});
