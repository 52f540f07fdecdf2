// Loading policy documents in a thread that stays: the same result as on the loop, what it remembers, and its end.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type TestContext, test } from "node:test";
import {
  type DocumentSet,
  readDocument,
  type WholeDocument,
} from "../../../src/policy/document/document.ts";
import {
  createDocumentLoader,
  smallLengthMax,
} from "../../../src/sources/configmaps/document-loader.ts";
import { loadDocument } from "../../../src/sources/loading/load-document.ts";
import { defaultLoadLimits } from "../../../src/sources/loading/policy-thread.ts";
import { large, tiny } from "./configmap-script.ts";

const about = { nowMs: 0, inForce: undefined };

function whole({ index, shards }: DocumentSet): WholeDocument {
  const document = readDocument({ index, shard: (number) => shards.get(number) });
  assert.ok(document.ok);
  return document;
}

function threadLoader(t: TestContext, limits = defaultLoadLimits) {
  const loader = createDocumentLoader({ lengthMax: 0, limits });
  t.after(() => loader.end());
  return loader;
}

/** Every text but those of shards that are named is nothing that can be decoded. */
const spoiled = (document: WholeDocument, without: readonly number[] = []): WholeDocument => ({
  ...document,
  shards: document.shards.map((each) =>
    without.includes(each.shard) ? each : { ...each, text: "spoiled" },
  ),
});

test("createDocumentLoader gives what the same work on the loop gives", async (t) => {
  const loader = threadLoader(t);
  for (const document of [whole(large("a")), whole(tiny("b"))]) {
    const loaded = await loader.load(document, about);
    const onLoop = loadDocument({ ...document, ...about });
    assert.ok(loaded.kind === "loaded" && onLoop.kind === "loaded");
    assert.deepEqual(loaded.snapshot, onLoop.snapshot);
    assert.deepEqual(loaded.counts, onLoop.counts);
    assert.equal(loaded.snapshot.revision, document.revision);
  }
});

test("createDocumentLoader loads a small document on the loop, and one character more in a thread", async (t) => {
  const document = whole(tiny("a"));
  const length = document.shards[0]?.text.length ?? 0;
  const here = createDocumentLoader({ lengthMax: length }).load(document, about);
  assert.ok(!(here instanceof Promise));
  assert.equal(here.kind, "loaded");
  const loader = createDocumentLoader({ lengthMax: length - 1 });
  t.after(() => loader.end());
  const there = loader.load(document, about);
  assert.ok(there instanceof Promise);
  assert.equal((await there).kind, "loaded");
  assert.ok(length < smallLengthMax);
});

test("createDocumentLoader sends only the shards that the thread does not know", async (t) => {
  const loader = threadLoader(t);
  const [first, second] = [whole(large("a")), whole(large("b"))];
  assert.equal((await loader.load(first, about)).kind, "loaded");
  assert.equal((await loader.load(spoiled(first), about)).kind, "loaded");
  const [, other] = second.shards;
  assert.ok(other !== undefined);
  // Of the second policy one shard alone: it has to be read, and no other has.
  const changed: WholeDocument = { ...first, shards: first.shards.with(1, other) };
  const refused = await loader.load(spoiled(changed), about);
  assert.deepEqual(refused, { kind: "refused", message: "shard 2: is no JSON" });
  assert.equal((await loader.load(spoiled(changed, [2]), about)).kind, "loaded");
  // The one that it replaced is forgotten.
  assert.equal((await loader.load(spoiled(first), about)).kind, "refused");
});

test("createDocumentLoader decodes the policy in force again, and does not compile it", async (t) => {
  const loader = threadLoader(t);
  const document = whole(tiny("a"));
  const inForce = document.revision;
  assert.deepEqual(await loader.load(document, { nowMs: 0, inForce }), { kind: "unchanged" });
  const another = { ...spoiled(document), shards: [{ place: "x", shard: 0, text: "{" }] };
  assert.equal((await loader.load(another, { nowMs: 0, inForce })).kind, "refused");
});

test("createDocumentLoader answers in the order of the calls", async (t) => {
  const loader = threadLoader(t);
  const order: string[] = [];
  await Promise.all(
    [large("a"), tiny("b"), tiny("c")].map(async (document, at) => {
      await loader.load(whole(document), about);
      order.push(`load ${at}`);
    }),
  );
  assert.deepEqual(order, ["load 0", "load 1", "load 2"]);
});

test("createDocumentLoader ends the loads before its end, and none after it", async (t) => {
  const loader = threadLoader(t);
  const document = whole(tiny("a"));
  const stopped = [document, document].map((each) =>
    assert.rejects(async () => loader.load(each, about), /^Error: loading was stopped$/),
  );
  const ending = loader.end();
  const later = loader.load(document, about);
  await Promise.all([...stopped, ending]);
  assert.equal((await later).kind, "loaded");
  await loader.end();
  assert.equal((await loader.load(document, about)).kind, "loaded");
});

test("createDocumentLoader rejects what takes too long or too much, each time anew", async (t) => {
  const slow = threadLoader(t, { ...defaultLoadLimits, msMax: 1 });
  const greedy = threadLoader(t, { ...defaultLoadLimits, heapMibMax: 8 });
  const document = whole(large("a"));
  for (let time = 0; time < 2; time++) {
    await assert.rejects(async () => slow.load(document, about), /loading took over 0\.001 s$/);
    await assert.rejects(async () => greedy.load(document, about), /more than 8 MiB of memory$/);
  }
});

test("createDocumentLoader keeps the process alive while it loads, and not after", () => {
  const { index, shards } = tiny("a");
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { readDocument } from ${url("../../../src/policy/document/document.ts")};
    import { createDocumentLoader } from ${url("../../../src/sources/configmaps/document-loader.ts")};
    const shards = new Map(${JSON.stringify([...shards])});
    const document = readDocument({ index: ${JSON.stringify(index)}, shard: (at) => shards.get(at) });
    const loader = createDocumentLoader({ lengthMax: 0 });
    console.log((await loader.load(document, { nowMs: 0, inForce: undefined })).kind);`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.deepEqual([child.status, child.stdout], [0, "loaded\n"]);
});
