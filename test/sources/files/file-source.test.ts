// Tests of the file source: the contract on each kind of path, and what files have of their own. Polls come when the
// test asks for them.

import assert from "node:assert/strict";
import {
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  createFileSource,
  type FileSourceOptions,
  pollIntervalMs,
  pollsBetweenReads,
} from "../../../src/sources/files/file-source.ts";
import type { ManifestListing } from "../../../src/sources/files/manifest-listing.ts";
import { loadPolicy } from "../../../src/sources/loading/load-policy.ts";
import type { SourceEvents } from "../../../src/sources/source.ts";
import { type ContractPolicy, contractNowMs, testSourceContract } from "../source-contract.ts";

const aliasTo = (target: string): string =>
  "apiVersion: aliasguard.dev/v1alpha1\nkind: ModelAlias\n" +
  `metadata: { name: fast }\nspec: { target: ${target} }\n`;

const badTexts: readonly (string | Uint8Array)[] = [
  `${aliasTo("b")}---\nkind: [\n`,
  aliasTo("a%b"),
  "",
  Buffer.concat([Buffer.from(aliasTo("b")), Buffer.from([0xff])]),
];

const contentOf = (policy: ContractPolicy): string | Uint8Array =>
  policy.kind === "good" ? aliasTo(policy.target) : (badTexts[policy.variant] ?? "");

const noEvents: SourceEvents = { replaced: () => {}, rejected: () => {} };

/** A source whose polls the test triggers: `poll` resolves when one is over. */
function createPolledSource(options: Omit<FileSourceOptions, "nowMs" | "wait">) {
  let next = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<void>();
  const delays: number[] = [];
  const source = createFileSource({
    ...options,
    nowMs: () => contractNowMs,
    wait: async (signal, delayMs) => {
      delays.push(delayMs);
      waiting.resolve();
      const aborted = new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("stopped")));
        if (signal.aborted) reject(new Error("stopped"));
      });
      await Promise.race([next.promise, aborted]);
    },
  });
  const poll = async (): Promise<void> => {
    await waiting.promise;
    const now = next;
    next = Promise.withResolvers<void>();
    waiting = Promise.withResolvers<void>();
    now.resolve();
    await waiting.promise;
  };
  /** Content is taken when two polls have seen it. */
  const settle = async (): Promise<void> => {
    await poll();
    await poll();
  };
  return { source, poll, settle, delays };
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "aliasguard-source-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

/** As editors do: readers see the old file or the new one. */
async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

/** As the kubelet does: a new directory, and `..data` moved to it in one step. */
async function swapMount(directory: string, content: string | Uint8Array | undefined) {
  const version = `..${(await readdir(directory)).length}-${Math.random().toString(36).slice(2)}`;
  await mkdir(join(directory, version));
  if (content !== undefined) await writeFile(join(directory, version, "p.yaml"), content);
  const before = await readlink(join(directory, "..data")).catch(() => undefined);
  await symlink(version, join(directory, "..tmp"));
  await rename(join(directory, "..tmp"), join(directory, "..data"));
  if (before !== undefined) await rm(join(directory, before), { recursive: true });
  await rm(join(directory, "p.yaml"), { force: true });
  if (content !== undefined) await symlink("..data/p.yaml", join(directory, "p.yaml"));
}

/** `badVariants`: how many of `badTexts` are put; what is in a file does not depend on where it is. */
function testFileSource(
  place: string,
  { path, badVariants }: { readonly path: string; readonly badVariants: number },
  put: (directory: string, content: string | Uint8Array | undefined) => Promise<void>,
): void {
  testSourceContract({
    name: `createFileSource on ${place}`,
    badVariants,
    async setUp(t, events) {
      const directory = await temporaryDirectory(t);
      const { source, settle } = createPolledSource({ path: join(directory, path), events });
      t.after(() => source.stop());
      return {
        source,
        settle,
        put: (policy) => put(directory, contentOf(policy)),
        remove: () => put(directory, undefined),
      };
    },
  });
}

const putFile = (directory: string, content: string | Uint8Array | undefined): Promise<void> =>
  content === undefined
    ? rm(join(directory, "p.yaml"))
    : replaceFile(join(directory, "p.yaml"), content);

testFileSource("one file", { path: "p.yaml", badVariants: badTexts.length }, putFile);
testFileSource("a directory", { path: ".", badVariants: 1 }, putFile);
testFileSource("a mounted ConfigMap", { path: ".", badVariants: 1 }, swapMount);

async function start(t: TestContext, text: string, more: Partial<FileSourceOptions> = {}) {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "p.yaml");
  await writeFile(file, text);
  const polled = createPolledSource({ path: file, events: noEvents, ...more });
  t.after(() => polled.source.stop());
  await polled.source.start();
  const target = () => polled.source.current()?.aliases.exact.get("fast")?.targets[0]?.model;
  return { ...polled, file, target };
}

test("createFileSource takes nothing that it has seen only once", async (t) => {
  const { file, poll, target } = await start(t, aliasTo("a"));
  await writeFile(file, aliasTo("half"));
  await poll();
  assert.equal(target(), "a");
  await writeFile(file, aliasTo("b"));
  await poll();
  assert.equal(target(), "a");
  await poll();
  assert.equal(target(), "b");
});

test("createFileSource takes a policy in which something is disabled", async (t) => {
  const { source, target } = await start(t, aliasTo("fast"));
  assert.equal(target(), "fast");
  assert.equal(source.health().healthy, true);
  assert.deepEqual(
    source.health().problems.map(({ severity }) => severity),
    ["disabled"],
  );
});

test("createFileSource keeps the snapshot when an edit means the same", async (t) => {
  const { source, file, settle } = await start(t, aliasTo("a"));
  const before = source.current();
  await writeFile(file, `# a comment\n${aliasTo("a")}`);
  await settle();
  assert.equal(source.current(), before);
});

test("createFileSource names place and count of what is wrong", async (t) => {
  const { source, file } = await start(t, `${aliasTo("a%b")}---\n${aliasTo("a%b*")}`);
  const { lastError = "", problems } = source.health();
  assert.ok(lastError.startsWith(`${file}:4:9: ModelAlias fast: `), lastError);
  assert.ok(lastError.endsWith("(and 1 more)"), lastError);
  assert.equal(problems.length, 2);
});

test("createFileSource reads content only when attributes changed, and once in a while", async (t) => {
  const listing = { entries: [] as ManifestListing["entries"], problems: [] };
  const list = () => Promise.resolve(listing);
  const { file, poll, target } = await start(t, aliasTo("a"), { list });
  listing.entries = [{ file, path: file, stamp: "always the same" }];
  await poll();
  await writeFile(file, aliasTo("b"));
  for (let polls = 1; polls < pollsBetweenReads; polls++) await poll();
  assert.equal(target(), "a");
  await poll();
  await poll();
  assert.equal(target(), "b");
});

test("createFileSource says once that it cannot load, and tries again in a while", async (t) => {
  const events: string[] = [];
  let fails = false;
  let loads = 0;
  const { source, file, poll, settle, target } = await start(t, aliasTo("a"), {
    events: { replaced: () => events.push("replaced"), rejected: (why) => events.push(why) },
    load: (request, signal) => {
      loads++;
      return fails ? Promise.reject(new Error("no memory")) : loadPolicy(request, signal);
    },
  });
  fails = true;
  await writeFile(file, aliasTo("b"));
  await settle();
  assert.equal(target(), "a");
  assert.equal(source.health().lastError, "no memory");
  for (let polls = 0; polls < 2 * pollsBetweenReads; polls++) await poll();
  assert.deepEqual(events, ["replaced", "no memory"]);
  assert.equal(loads, 4);
  fails = false;
  for (let polls = 0; polls < pollsBetweenReads; polls++) await poll();
  assert.equal(target(), "b");
  assert.deepEqual(events, ["replaced", "no memory", "replaced"]);
});

test("createFileSource loads again when the file changed while it was loaded", async (t) => {
  let changed = false;
  const { file, settle, target } = await start(t, aliasTo("a"), {
    load: async (request, signal) => {
      // Between the look at the file and the reading of it.
      if (request.wantedHash !== undefined && !changed) {
        changed = true;
        await writeFile(file, aliasTo("c"));
      }
      return loadPolicy(request, signal);
    },
  });
  await writeFile(file, aliasTo("b"));
  await settle();
  assert.equal(target(), "a");
  await settle();
  assert.equal(target(), "c");
});

test("createFileSource waits longer where looking at the files takes long, never shorter", async (t) => {
  const { poll, delays } = await start(t, aliasTo("a"), {
    list: async () => {
      await new Promise((resolve) => setTimeout(resolve, pollIntervalMs / 2));
      return { entries: [], problems: [] };
    },
  });
  await poll();
  assert.equal(delays[0], pollIntervalMs);
  assert.ok((delays[1] ?? 0) > pollIntervalMs);
});
