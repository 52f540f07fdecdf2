// Tests of listing manifests: which files, under which names, what the stamp notices, and what cannot be looked at.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { listManifestFiles, stampOf } from "../../../src/sources/files/manifest-listing.ts";

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-listing-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function messagesOf(path: string): Promise<readonly string[]> {
  const { problems } = await listManifestFiles(path);
  return problems.map(({ message, line, column }) => `${line}:${column} ${message}`);
}

test("listManifestFiles shows a mounted file by its own name, and opens the version behind it", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "..v1"));
  await writeFile(join(directory, "..v1", "p.yaml"), "");
  await symlink("..v1", join(directory, "..data"));
  await symlink("..data/p.yaml", join(directory, "p.yaml"));
  const { entries, problems } = await listManifestFiles(directory);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    entries.map(({ file, path }) => [file, path]),
    [[join(directory, "p.yaml"), join(directory, "..v1", "p.yaml")]],
  );
});

test("stampOf changes with every way of changing a file, and with nothing else", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "p.yaml");
  await writeFile(file, "aaaa");
  const then = new Date(1_000_000);
  await utimes(file, then, then);
  const stampNow = async (): Promise<string> => stampOf(await listManifestFiles(directory));
  const stamps = [await stampNow()];
  assert.equal(await stampNow(), stamps[0]);
  await writeFile(join(directory, "p.txt"), "none of ours");
  assert.equal(await stampNow(), stamps[0]);
  // The clock of a file system ticks every few milliseconds.
  await setTimeout(20);
  await writeFile(file, "bbbb");
  stamps.push(await stampNow());
  // Its own times put back, as rsync does: the time of the change itself cannot be put back.
  await utimes(file, then, then);
  stamps.push(await stampNow());
  await writeFile(join(directory, "new"), "bbbb");
  await utimes(join(directory, "new"), then, then);
  await rename(join(directory, "new"), file);
  stamps.push(await stampNow());
  await rename(file, join(directory, "q.yaml"));
  stamps.push(await stampNow());
  await rm(join(directory, "q.yaml"));
  stamps.push(await stampNow());
  assert.equal(new Set(stamps).size, stamps.length);
});

test("listManifestFiles says in its own words what it cannot look at", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "p.yaml");
  await writeFile(file, "");
  const gone = ["1:1 cannot be read: there is no such file or directory"];
  assert.deepEqual(await messagesOf(join(directory, "gone.yaml")), gone);
  await symlink("gone.yaml", join(directory, "broken.yaml"));
  assert.deepEqual(await messagesOf(directory), gone);
  const inFile = ["1:1 cannot be read: a part of the path is no directory"];
  assert.deepEqual(await messagesOf(join(file, "p.yaml")), inFile);
  const device = ["1:1 cannot be read: neither a file nor a directory"];
  assert.deepEqual(await messagesOf("/dev/null"), device);
  await symlink("self.yaml", join(directory, "self.yaml"));
  const circle = ["1:1 cannot be read: symbolic links that lead in a circle"];
  assert.deepEqual(await messagesOf(join(directory, "self.yaml")), circle);
  const long = ["1:1 cannot be read: the name is too long"];
  assert.deepEqual(await messagesOf(join(directory, "x".repeat(10_000))), long);
});

test("listManifestFiles ends in directories that lead into themselves", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "p.yaml"), "");
  await symlink(".", join(directory, "a"));
  await symlink(".", join(directory, "b"));
  await symlink(".", join(directory, "c"));
  const { entries, problems } = await listManifestFiles(directory);
  assert.ok(entries.length <= 5_000);
  assert.ok(problems.some(({ message }) => message.endsWith("nested too deeply")));
  assert.ok(problems.some(({ message }) => message.endsWith("more than 1000 folders")));
});
