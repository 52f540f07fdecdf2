// Tests of the command line as a process: what each way of calling it prints and its exit code.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "./support/child.ts";

const root = join(import.meta.dirname, "..");

function aliasguard(...args: readonly string[]) {
  const command = process.execPath;
  return run({ name: "aliasguard", command, args: [join(root, "src/main.ts"), ...args] }, 20_000);
}

test("main prints how it is used on standard output for --help, -h and help", async () => {
  const all = await Promise.all([aliasguard("--help"), aliasguard("-h"), aliasguard("help")]);
  for (const { code, stdout, stderr } of all) {
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^Usage: aliasguard COMMAND/);
    for (const command of ["serve", "check", "lint", "probe", "key new"]) {
      assert.match(stdout, new RegExp(`^  ${command} `, "m"));
    }
  }
});

test("main prints the version of the package", async () => {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  const { code, stdout } = await aliasguard("--version");
  assert.deepEqual([code, stdout], [0, manifest.version]);
});

test("main takes it that a reader has seen enough", async () => {
  const args = ["-c", '"$0" "$1" --help | true', process.execPath, join(root, "src/main.ts")];
  const { code, stderr } = await run({ name: "sh", command: "sh", args }, 20_000);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("main exits 2 and says what it found when there is no such command", async () => {
  const unknown = await aliasguard("frobnicate");
  assert.deepEqual([unknown.code, unknown.stdout], [2, ""]);
  assert.match(unknown.stderr, /there is no command "frobnicate"\n\nUsage:/);
  const [none, half] = await Promise.all([aliasguard(), aliasguard("key", "old")]);
  assert.deepEqual([none.code, half.code], [2, 2]);
  assert.match(none.stderr, /there is no command\n/);
  assert.match(half.stderr, /no command "key old"/);
});

for (const command of ["serve", "check", "lint", "probe", "key new"]) {
  test(`main exits 2 for ${command} without what it needs, and 0 for its --help`, async () => {
    const args = command.split(" ");
    const [wrong, help] = await Promise.all([aliasguard(...args), aliasguard(...args, "--help")]);
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /is required|wants/);
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    assert.match(help.stdout, new RegExp(`^Usage: aliasguard ${command}`));
  });
}
