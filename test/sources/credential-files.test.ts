// A folder of credentials: read, rotated, broken, and never shown.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { type CredentialFiles, createCredentialFiles } from "../../src/sources/credential-files.ts";

const folders: string[] = [];
const stores: CredentialFiles[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function opened(files: Readonly<Record<string, string>>, folderName?: string) {
  const root = await mkdtemp(join(tmpdir(), "aliasguard-credentials-"));
  folders.push(root);
  const folder = folderName === undefined ? root : join(root, folderName);
  if (folderName === undefined) {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  }
  const problems: string[] = [];
  const changes: (readonly string[])[] = [];
  let look: () => void = () => {};
  let looked: () => void = () => {};
  const store = createCredentialFiles({
    folder,
    reportProblem: (problem) => problems.push(problem),
    reportChange: (names) => changes.push(names),
    wait: (signal) =>
      new Promise((resolve, reject) => {
        looked();
        look = resolve;
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      }),
  });
  stores.push(store);
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      looked = resolve;
      look();
    });
  await store.start();
  return { folder, store, problems, changes, next };
}

test("createCredentialFiles reads one credential from each file", async () => {
  const { store, problems, changes } = await opened({
    openrouter: "sk-or-1\n",
    crlf: "sk-2\r\n",
    basic: "Basic dXNlcg==",
    ".hidden": "sk-hidden",
  });
  assert.equal(store.lookup("openrouter"), "sk-or-1");
  assert.equal(store.lookup("crlf"), "sk-2");
  assert.equal(store.lookup("basic"), "Basic dXNlcg==");
  assert.equal(store.lookup(".hidden"), undefined);
  for (const name of ["", "__proto__", "constructor", "../openrouter"]) {
    assert.equal(store.lookup(name), undefined, name);
  }
  assert.deepEqual(problems, []);
  assert.deepEqual(changes, [["basic", "crlf", "openrouter"]]);
});

test("createCredentialFiles takes a rotated one, and drops one that is gone", async () => {
  const { folder, store, changes, next } = await opened({ a: "sk-1", b: "sk-2" });
  await next();
  assert.equal(changes.length, 1);
  await writeFile(join(folder, "a"), "sk-9");
  await unlink(join(folder, "b"));
  await next();
  assert.equal(store.lookup("a"), "sk-9");
  assert.equal(store.lookup("b"), undefined);
  assert.deepEqual(changes.at(-1), ["a"]);
});

test("createCredentialFiles follows the swap of a mounted Secret", async () => {
  const { folder, store, next } = await opened({});
  await mkdir(join(folder, "..1"));
  await writeFile(join(folder, "..1", "key"), "sk-1");
  await symlink("..1", join(folder, "..data"));
  await symlink("..data/key", join(folder, "key"));
  await next();
  assert.equal(store.lookup("key"), "sk-1");
  await mkdir(join(folder, "..2"));
  await writeFile(join(folder, "..2", "key"), "sk-2");
  await symlink("..2", join(folder, "..new"));
  await rename(join(folder, "..new"), join(folder, "..data"));
  await next();
  assert.equal(store.lookup("key"), "sk-2");
});

test("createCredentialFiles names what holds no credential, once and without its content", async () => {
  const { folder, store, problems, next } = await opened({
    empty: "",
    lines: "sk-secret-1\nsk-secret-2\n",
    long: "k".repeat(20_000),
    umlaut: "sk-schl\u00fcssel",
  });
  await next();
  assert.deepEqual(problems, [
    `${join(folder, "empty")}: wanted one line of printable ASCII`,
    `${join(folder, "lines")}: wanted one line of printable ASCII`,
    `${join(folder, "long")}: longer than 16384 bytes`,
    `${join(folder, "umlaut")}: wanted one line of printable ASCII`,
  ]);
  for (const name of ["empty", "lines", "long", "umlaut"]) {
    assert.equal(store.lookup(name), undefined, name);
  }
  await writeFile(join(folder, "empty"), "sk-1");
  await next();
  assert.equal(store.lookup("empty"), "sk-1");
  assert.equal(problems.length, 4);
});

test("createCredentialFiles starts without its folder, and takes nothing away while it cannot be read", async () => {
  const { folder, store, problems, changes, next } = await opened({}, "later");
  assert.deepEqual(problems, [`${folder}: ENOENT`]);
  assert.deepEqual(changes, []);
  await mkdir(folder);
  await writeFile(join(folder, "a"), "sk-1");
  await next();
  assert.equal(store.lookup("a"), "sk-1");
  await rename(folder, `${folder}.moved`);
  await next();
  assert.equal(store.lookup("a"), "sk-1");
  assert.equal(problems.length, 2);
});
