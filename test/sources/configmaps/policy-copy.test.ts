// A policy's ConfigMaps as a projected volume shows them.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configMapBytesMax } from "../../../src/policy/document/shards.ts";
import { readPolicyCopy } from "../../../src/sources/configmaps/policy-copy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

function folder(files: Readonly<Record<string, string>>): string {
  const { path } = createTempFolder("copy");
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

test("readPolicyCopy reads index and shards by their names, and nothing else", async () => {
  const path = folder({
    ...{ "index.json": "i", "policy.json": "0", "policy-1.json": "1", "policy-1024.json": "1024" },
    ...{ "policy-01.json": "x", "policy-2.json.draft": "x", README: "x" },
  });
  const copy = await readPolicyCopy(path);
  assert.equal(copy.index, "i");
  const numbers = [0, 1, 2, 1024];
  assert.deepEqual(
    numbers.map((number) => copy.shard(number)),
    ["0", "1", undefined, "1024"],
  );
});

test("readPolicyCopy reads all of it from the folder that ..data points at", async () => {
  const path = folder({ "index.json": "stale" });
  mkdirSync(join(path, "..2026"));
  writeFileSync(join(path, "..2026", "index.json"), "current");
  symlinkSync("..2026", join(path, "..data"));
  assert.equal((await readPolicyCopy(path)).index, "current");
});

test("readPolicyCopy finds no index where there is no folder or nothing in it", async () => {
  assert.equal((await readPolicyCopy(folder({}))).index, undefined);
  assert.equal((await readPolicyCopy(join(folder({}), "none"))).index, undefined);
});

test("readPolicyCopy refuses a file that no ConfigMap could hold", async () => {
  const path = folder({ "policy-3.json": "x".repeat(configMapBytesMax + 1) });
  await assert.rejects(readPolicyCopy(path), /policy-3\.json is larger/);
});
