// Tests of loading in a thread: the same result as on the loop, and every way in which it can end.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { compileManifests, readManifestFiles } from "../../../src/sources/files/manifest-files.ts";
import { hashManifestFiles } from "../../../src/sources/files/manifest-hash.ts";
import { listManifestFiles } from "../../../src/sources/files/manifest-listing.ts";
import { loadPolicy } from "../../../src/sources/loading/load-policy.ts";
import { defaultLoadLimits } from "../../../src/sources/loading/policy-thread.ts";

const never = new AbortController().signal;

async function policyFile(t: TestContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-load-"));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, "p.yaml"), text);
  return directory;
}

const aliases = (count: number): string =>
  Array.from(
    { length: count },
    (_, at) =>
      "apiVersion: aliasguard.dev/v1alpha1\nkind: ModelAlias\n" +
      `metadata: { name: a${at} }\nspec: { target: ${at === 0 ? "a0" : "m"} }\n`,
  ).join("---\n");

test("loadPolicy gives what the same work on the loop gives", async (t) => {
  const path = await policyFile(t, aliases(600));
  const loaded = await loadPolicy(
    { path, nowMs: 0, catalogue: "open" as const, wantedHash: undefined },
    never,
  );
  assert.ok(loaded.kind === "loaded");
  const { policy, problems, found } = compileManifests(await readManifestFiles(path), { nowMs: 0 });
  assert.deepEqual(loaded.snapshot, policy.snapshot);
  assert.deepEqual(loaded.counts, policy.counts);
  assert.deepEqual(loaded.problems, problems);
  assert.equal(problems.length, 1);
  assert.equal(loaded.found, found);
  assert.equal(loaded.contentHash, await hashManifestFiles(await listManifestFiles(path)));
});

test("loadPolicy compiles nothing but the wanted content", async (t) => {
  const path = await policyFile(t, aliases(1));
  const wantedHash = await hashManifestFiles(await listManifestFiles(path));
  const wanted = await loadPolicy(
    { path, nowMs: 0, catalogue: "open" as const, wantedHash },
    never,
  );
  assert.equal(wanted.kind, "loaded");
  const other = await loadPolicy(
    { path, nowMs: 0, catalogue: "open" as const, wantedHash: "another" },
    never,
  );
  assert.deepEqual(other, { kind: "changed", contentHash: wantedHash });
});

test("loadPolicy rejects when it is stopped, before and while it loads", async (t) => {
  const path = await policyFile(t, aliases(1));
  const request = { path, nowMs: 0, catalogue: "open" as const, wantedHash: undefined };
  await assert.rejects(loadPolicy(request, AbortSignal.abort()), /^Error: loading was stopped$/);
  const controller = new AbortController();
  const loading = loadPolicy(request, controller.signal);
  controller.abort();
  await assert.rejects(loading, /^Error: loading was stopped$/);
});

test("loadPolicy rejects a policy that needs more memory or time than a load may have", async (t) => {
  const request = {
    path: await policyFile(t, aliases(600)),
    nowMs: 0,
    catalogue: "open" as const,
    wantedHash: undefined,
  };
  await assert.rejects(
    loadPolicy(request, never, { ...defaultLoadLimits, heapMibMax: 8 }),
    /^Error: loading needed more than 8 MiB of memory$/,
  );
  await assert.rejects(
    loadPolicy(request, never, { ...defaultLoadLimits, msMax: 1 }),
    /^Error: loading took over 0\.001 s$/,
  );
});

test("loadPolicy loads a path that is not there as a problem, in our words", async (t) => {
  const path = join(await policyFile(t, ""), "gone");
  const loaded = await loadPolicy(
    { path, nowMs: 0, catalogue: "open" as const, wantedHash: undefined },
    never,
  );
  assert.ok(loaded.kind === "loaded");
  assert.equal(loaded.invalid, 1);
  assert.deepEqual(
    loaded.problems.map(({ message }) => message),
    ["cannot be read: there is no such file or directory"],
  );
});

test("hashManifestFiles changes with names and bytes, and not with anything else", async (t) => {
  const path = await policyFile(t, "a");
  const hashNow = async () => hashManifestFiles(await listManifestFiles(path));
  const first = await hashNow();
  await writeFile(join(path, "p.yaml"), "b");
  assert.notEqual(await hashNow(), first);
  await writeFile(join(path, "p.yaml"), "a");
  await writeFile(join(path, "p.txt"), "none of ours");
  assert.equal(await hashNow(), first);
  await writeFile(join(path, "q.yaml"), "");
  assert.notEqual(await hashNow(), first);
});
