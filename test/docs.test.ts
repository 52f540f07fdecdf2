// The README is true: its tables are the code's closed lists, its policy is a policy, and its transcripts are what the
// commands print.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { runCheck } from "../src/commands/check/check.ts";
import { runLint } from "../src/commands/lint.ts";
import { decisionLogFields, responseLogFields } from "../src/telemetry/decision-log.ts";
import { readmeTables, tableUnder } from "./readme/tables.ts";
import { createTempFolder } from "./support/temp-folder.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const folder = createTempFolder("readme");
after(() => rmSync(folder.path, { recursive: true, force: true }));

for (const [heading, rows] of readmeTables) {
  test(`README lists under "${heading}" what the code does (npm run docs)`, () => {
    assert.ok(rows.length > 0);
    assert.deepEqual(tableUnder(readme, heading), rows);
  });
}

test("README lists every field of the decision log, and of the lines about responses", () => {
  const lists = [decisionLogFields, responseLogFields];
  const [decision, response] = lists.map((each) => each.map((field) => `\`${field}\``).join(", "));
  assert.ok(readme.includes(`those that are known: ${decision}.`));
  assert.ok(readme.includes(`"response" and of these: ${response}.`));
});

/** The README's policy in a folder of its own, as a reader would save it. */
function savePolicy(): string {
  const [, policy] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? [];
  const file = `${folder.path}/policy.yaml`;
  writeFileSync(file, policy ?? "");
  return file;
}

async function ran(
  run: (args: readonly string[], io: never) => Promise<number>,
  args: readonly string[],
): Promise<{ readonly code: number; readonly output: string }> {
  let output = "";
  const write = (text: string): void => {
    output += text;
  };
  const io = { stdout: write, stderr: write, env: {} };
  return { code: await run(args, io as never), output };
}

test("README's policy has nothing to complain of", async () => {
  const { code, output } = await ran(runLint, [savePolicy()]);
  assert.equal(code, 0, output);
  assert.match(output, /3 resources .* 0 invalid, 0 disabled, 0 advice/);
});

test("README's checks print what the README says", async () => {
  const policy = savePolicy();
  const blocks = [...readme.matchAll(/```\n\$ aliasguard check ([^\n]*)\n([\s\S]*?)```/g)];
  assert.equal(blocks.length, 2);
  const codes: number[] = [];
  for (const [, command = "", printed] of blocks) {
    const args = command.split(" ").map((word) => (word === "policy.yaml" ? policy : word));
    const { code, output } = await ran(runCheck, args);
    assert.equal(output, printed);
    codes.push(code);
  }
  assert.deepEqual(codes, [0, 1]);
});
