// Tests of the file source: real files, with polls that the test triggers itself.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createFileSource } from "../../src/sources/file-source.ts";

const aliasTo = (target: string): string =>
  "apiVersion: aliasguard.dev/v1alpha1\nkind: ModelAlias\n" +
  `metadata: { name: fast }\nspec: { target: ${target} }\n`;

/** A source on a directory with one file `p.yaml`; `settle` lets it poll often enough to take an edit. */
async function start(t: TestContext, { text, path = "p.yaml" }: { text?: string; path?: string }) {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-source-"));
  if (text !== undefined) await writeFile(join(directory, "p.yaml"), text);
  const events: string[] = [];
  let next = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<void>();
  const source = createFileSource({
    path: join(directory, path),
    nowMs: () => 1000,
    events: {
      replaced: (snapshot) => events.push(`replaced ${snapshot.revision}`),
      rejected: () => events.push("rejected"),
    },
    wait: async (signal) => {
      waiting.resolve();
      const aborted = new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped")));
        if (signal.aborted) reject(new Error("stopped"));
      });
      await Promise.race([next.promise, aborted]);
    },
  });
  t.after(async () => {
    await source.stop();
    await rm(directory, { recursive: true });
  });
  await source.start();
  const poll = async (): Promise<void> => {
    await waiting.promise;
    const now = next;
    next = Promise.withResolvers<void>();
    waiting = Promise.withResolvers<void>();
    now.resolve();
    await waiting.promise;
  };
  const settle = async (): Promise<void> => {
    await poll();
    await poll();
  };
  const target = (): string | undefined => source.current()?.aliases.get("fast")?.targets[0]?.model;
  return { source, directory, file: join(directory, "p.yaml"), events, poll, settle, target };
}

test("createFileSource loads at the start, and takes an edit", async (t) => {
  const { source, file, settle, target, events } = await start(t, { text: aliasTo("a") });
  assert.equal(target(), "a");
  assert.equal(source.loadedAtMs(), 1000);
  assert.equal(source.counts().aliases, 1);
  await writeFile(`${file}.new`, aliasTo("b"));
  await rename(`${file}.new`, file);
  await settle();
  assert.equal(target(), "b");
  assert.equal(events.length, 2);
});

test("createFileSource takes nothing that it has seen only once", async (t) => {
  const { file, poll, target } = await start(t, { text: aliasTo("a") });
  await writeFile(file, aliasTo("half"));
  await poll();
  assert.equal(target(), "a");
  await writeFile(file, aliasTo("b"));
  await poll();
  assert.equal(target(), "a");
  await poll();
  assert.equal(target(), "b");
});

const bad: readonly (readonly [string, string])[] = [
  ["a broken document", `${aliasTo("b")}---\nkind: [\n`],
  ["an invalid object", aliasTo("..")],
  ["nothing", ""],
];

for (const [what, text] of bad) {
  test(`createFileSource keeps the last good policy on ${what}, says so, and recovers`, async (t) => {
    const { source, file, settle, target, events } = await start(t, { text: aliasTo("a") });
    await writeFile(file, text);
    await settle();
    assert.equal(target(), "a");
    assert.equal(source.health().healthy, false);
    assert.ok((source.health().lastError ?? "").length > 0);
    assert.equal(events.at(-1), "rejected");
    await writeFile(file, aliasTo("a"));
    await settle();
    assert.equal(source.health().healthy, true);
    assert.equal(source.health().lastError, undefined);
  });
}

test("createFileSource keeps the last good policy when the file is deleted", async (t) => {
  const { source, file, settle, target } = await start(t, { text: aliasTo("a") });
  await rm(file);
  await settle();
  assert.equal(target(), "a");
  assert.equal(source.health().healthy, false);
});

test("createFileSource starts without a policy, and takes the first that comes", async (t) => {
  const { source, file, settle, target } = await start(t, {});
  assert.equal(source.current(), undefined);
  assert.equal(source.loadedAtMs(), undefined);
  assert.equal(source.counts().aliases, 0);
  await writeFile(file, aliasTo("a"));
  await settle();
  assert.equal(target(), "a");
});

test("createFileSource takes a policy in which something is disabled", async (t) => {
  const { source, target } = await start(t, { text: aliasTo("fast") });
  assert.equal(target(), "fast");
  assert.equal(source.health().healthy, true);
  assert.deepEqual(
    source.health().problems.map(({ severity }) => severity),
    ["disabled"],
  );
});

test("createFileSource says nothing when an edit means the same", async (t) => {
  const { file, settle, events } = await start(t, { text: aliasTo("a") });
  await writeFile(file, `# a comment\n${aliasTo("a")}`);
  await settle();
  assert.equal(events.length, 1);
});

test("createFileSource follows a swap of ..data", async (t) => {
  const { directory, settle, target } = await start(t, { path: "." });
  for (const version of ["v1", "v2"]) {
    await mkdir(join(directory, `..${version}`));
    await writeFile(join(directory, `..${version}`, "p.yaml"), aliasTo(version));
    await symlink(`..${version}`, join(directory, "..tmp"));
    await rename(join(directory, "..tmp"), join(directory, "..data"));
    await settle();
    assert.equal(target(), version);
  }
});

test("createFileSource stops, twice if asked, and loads nothing afterwards", async (t) => {
  const { source, file, target } = await start(t, { text: aliasTo("a") });
  await source.stop();
  await source.stop();
  await writeFile(file, aliasTo("b"));
  await source.start();
  assert.equal(target(), "a");
});
