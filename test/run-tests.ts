// Runs every test file, prints what node:test prints, and fails when fewer tests ran than package.json's floor: a
// pattern that matches nothing would otherwise pass.

import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as {
  readonly aliasguard: { readonly testCountFloor: number };
};
const floor = manifest.aliasguard.testCountFloor;
const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : globSync("test/**/*.test.ts", { cwd: root }).sort();

// Files that drive real components wait more than they work: two at a time even where there are two cores.
const atATime = `--test-concurrency=${Math.max(2, availableParallelism() - 1)}`;

const child = spawn(process.execPath, ["--test", atATime, "--test-reporter=spec", ...files], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
});
let tail = "";
child.stdout.on("data", (chunk: Buffer) => {
  process.stdout.write(chunk);
  tail = (tail + chunk.toString("utf8")).slice(-4096);
});
child.on("close", (code) => {
  const ran = Number(/tests (\d+)/.exec(tail)?.[1] ?? 0);
  const skipped = Number(/skipped (\d+)/.exec(tail)?.[1] ?? 0);
  const enough = wanted.length > 0 || ran - skipped >= floor;
  if (!enough) process.stdout.write(`only ${ran - skipped} tests ran, at least ${floor} must\n`);
  process.exitCode = code === 0 && enough ? 0 : 1;
});
