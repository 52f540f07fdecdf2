#!/usr/bin/env node
// What `npx aliasguard` starts, on whatever Node.js is there: runs main.ts where that can, else hands over to the Node.js
// that npm installed beside this package, else says in one line what is needed. Plain JavaScript that old releases read.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

/** The first release that runs .ts files unasked and that every dependency takes. */
const needed = [22, 19];

const [major, minor] = process.versions.node.split(".").map(Number);
const main = new URL("./main.ts", import.meta.url);
const bundled = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));

/** Whether npm could run the script that puts Node.js there; without it the file is an empty or a text one. */
function isProgram(path) {
  return existsSync(path) && readFileSync(path).length > 1024 * 1024;
}

if (major > needed[0] || (major === needed[0] && minor >= needed[1])) {
  await import(main.href);
} else if (isProgram(bundled)) {
  const args = [fileURLToPath(main), ...process.argv.slice(2)];
  const child = spawn(bundled, args, { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("error", (error) => {
    process.stderr.write(`aliasguard: ${bundled} does not start: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
} else {
  process.stderr.write(
    `aliasguard needs Node.js ${needed.join(".")} or newer and found ${process.versions.node}; npm ci brings one along.\n`,
  );
  process.exitCode = 2;
}
