// The thread that loads policies for a source: reads, parses, decodes and compiles where no check waits for it. It does
// one task after another until it is ended.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type MessagePort, parentPort } from "node:worker_threads";
import type { DecodedShards } from "../policy/document/document.ts";
import { loadDocument } from "./loading/load-document.ts";
import type {
  Crossing,
  DocumentAnswer,
  DocumentRequest,
  LoadAnswer,
  LoadRequest,
  ThreadAnswer,
  ThreadTask,
} from "./loading/load-messages.ts";
import { type ListedSnapshot, type SnapshotPart, sendSnapshot } from "./loading/snapshot-parts.ts";

/** Parts that cross at once: a bundle is copied within about a millisecond. */
const bundleParts = 250;

/** Of the document that was loaded last. */
let known: DecodedShards = new Map();

async function answer(task: ThreadTask): Promise<ThreadAnswer> {
  switch (task.name) {
    case "manifests":
      return await answerManifests(task.request, task.parts);
    case "document":
      return answerDocument(task.request, task.parts);
    default:
      return task satisfies never;
  }
}

async function answerManifests(
  { path, nowMs, catalogue, wantedHash }: LoadRequest,
  parts: MessagePort,
): Promise<Crossing<LoadAnswer>> {
  // Not for documents: what parses YAML is the largest part of this thread.
  const { compileManifests, readManifestFiles } = await import("./files/manifest-files.ts");
  const read = await readManifestFiles(path);
  const { contentHash } = read;
  if (wantedHash !== undefined && contentHash !== wantedHash) {
    return { kind: "changed", contentHash };
  }
  const { policy, problems, problemCounts, found } = compileManifests(read, { nowMs, catalogue });
  send(policy.snapshot, parts);
  const { invalid } = problemCounts;
  return { kind: "loaded", contentHash, counts: policy.counts, problems, invalid, found };
}

function answerDocument(request: DocumentRequest, parts: MessagePort): Crossing<DocumentAnswer> {
  const loaded = loadDocument(request, known);
  if (loaded.kind === "refused") return loaded;
  known = loaded.shards;
  if (loaded.kind === "unchanged") return { kind: "unchanged" };
  send(loaded.snapshot, parts);
  return { kind: "loaded", counts: loaded.counts, leftOut: loaded.leftOut };
}

function send(snapshot: ListedSnapshot, parts: MessagePort): void {
  let bundle: SnapshotPart[] = [];
  const flush = (): void => {
    parts.postMessage(bundle);
    bundle = [];
  };
  sendSnapshot(snapshot, (part) => {
    bundle.push(part);
    if (bundle.length >= bundleParts) flush();
  });
  flush();
}

/**
 * Gives back what loads have left over, once that is as much as what is kept. The runtime alone would let it stand until
 * the heap is as large as policies in files may need: some 80 MiB after ten loads of 10,000 objects.
 */
function createCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  let keptBytes = 0;
  return () => {
    if (typeof collect !== "function" || process.memoryUsage().heapUsed < 2 * keptBytes) return;
    collect();
    keptBytes = process.memoryUsage().heapUsed;
  };
}

const collect = createCollector();

// What is thrown becomes an error of the thread, and ends it.
parentPort?.on("message", async (task: ThreadTask) => {
  parentPort?.postMessage(await answer(task));
  // After a turn, for then the snapshot is gone too. A thread that loads manifests does it once.
  if (task.name === "document") setImmediate(collect);
});
