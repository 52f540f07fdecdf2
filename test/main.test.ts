// Tests of the command line as a process: what each way of calling it prints and its exit code.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "./support/child.ts";
import { createTempFolder } from "./support/temp-folder.ts";

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
    assert.match(stdout, /^ {2}serve .*ext_authz.*ext_proc/m);
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

const launcher = join(root, "src/aliasguard.js");

/** The launcher as a Node.js of that version would run it, were it to read this file. */
function launch(version: string, file: string, ...args: readonly string[]) {
  const versions = `Object.defineProperty(process, "versions", { value: { node: "${version}" } });`;
  const preload = ["--import", `data:text/javascript,${encodeURIComponent(versions)}`];
  return run(
    { name: "node", command: process.execPath, args: [...preload, file, ...args] },
    20_000,
  );
}

test("the launcher runs main, on a new Node.js itself and on an old one by the Node.js npm brought", async () => {
  const wanted = await aliasguard("--version");
  for (const version of ["20.20.2", "22.18.9", "22.19.0", "24.0.0"]) {
    const { code, stdout, stderr } = await launch(version, launcher, "--version");
    assert.deepEqual([code, stdout, stderr], [0, wanted.stdout, ""], version);
    assert.equal((await launch(version, launcher, "frobnicate")).code, 2, version);
  }
});

test("the launcher says in one line what it needs where there is no Node.js to hand over to", async (t) => {
  const folder = createTempFolder("launcher");
  t.after(() => folder.remove());
  mkdirSync(join(folder.path, "src"));
  writeFileSync(join(folder.path, "package.json"), '{"type":"module"}');
  const copy = join(folder.path, "src/aliasguard.js");
  copyFileSync(launcher, copy);
  const { code, stdout, stderr } = await launch("20.20.2", copy, "--version");
  assert.deepEqual([code, stdout], [2, ""]);
  const line =
    "aliasguard needs Node.js 22.19 or newer and found 20.20.2; npm ci brings one along.";
  assert.equal(stderr, line);
});

test("the launcher is the package's command, and asks for what every dependency takes", () => {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"));
  const manifest = read("package.json") as {
    readonly bin: unknown;
    readonly dependencies: Readonly<Record<string, string>>;
  };
  assert.deepEqual(manifest.bin, { aliasguard: "src/aliasguard.js" });
  const [, major, minor] = /needed = \[(\d+), (\d+)\]/.exec(readFileSync(launcher, "utf8")) ?? [];
  for (const name of Object.keys(manifest.dependencies)) {
    const { engines } = read(`node_modules/${name}/package.json`) as {
      readonly engines?: { readonly node?: string };
    };
    const found = />=\s*(\d+)(?:\.(\d+))?/.exec(engines?.node ?? ">=0");
    assert.ok(found !== null, `${name} wants ${engines?.node}`);
    const [wantedMajor, wantedMinor] = [Number(found[1]), Number(found[2] ?? 0)];
    const isEnough =
      wantedMajor === Number(major) ? wantedMinor <= Number(minor) : wantedMajor < Number(major);
    assert.ok(isEnough, `${name} wants ${engines?.node}`);
  }
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
