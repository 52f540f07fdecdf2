// The demo, run as its command is: it ends well, leaves nothing behind, and prints what the README shows of it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { run } from "../support/child.ts";
import { skip } from "../support/start-stack.ts";

const demo = join(import.meta.dirname, "../../deploy/demo/demo.ts");
const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

describe("the demo", { skip }, () => {
  it("ends with all as expected and prints what the README shows", async () => {
    const before = new Set(readdirSync(tmpdir()));
    const ran = await run({ name: "demo", command: process.execPath, args: [demo] }, 60_000);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    const left = readdirSync(tmpdir()).filter(
      (each) => !before.has(each) && each.startsWith("aliasguard-demo"),
    );
    assert.deepEqual(left, []);
    const [, shown = ""] = /\$ npm ci && npm run demo\n([\s\S]*?)```/.exec(readme) ?? [];
    const wanted = shown.split("\n").filter((line) => line !== "" && line !== "...");
    assert.ok(wanted.length > 8);
    let from = 0;
    for (const line of wanted) {
      const [text = ""] = line.split(" ...");
      const at = ran.stdout.indexOf(text, from);
      assert.ok(at >= 0, `the demo does not print, after what came before: ${line}`);
      from = at + text.length;
    }
  });
});
