// The thread that loads a policy for the file source: reads, parses, decodes and compiles where no check waits for it.
// One thread does one load and ends.

import { parentPort, workerData } from "node:worker_threads";
import type { LoadTask, ThreadAnswer } from "./load-messages.ts";
import { compileManifests, readManifestFiles } from "./manifest-files.ts";
import { type SnapshotPart, sendSnapshot } from "./snapshot-parts.ts";

/** Parts that cross at once: a bundle is copied within about a millisecond. */
const bundleParts = 250;

async function load({ request, parts }: LoadTask): Promise<ThreadAnswer> {
  const { path, nowMs, wantedHash } = request;
  const read = await readManifestFiles(path);
  const { contentHash } = read;
  if (wantedHash !== undefined && contentHash !== wantedHash) {
    return { kind: "changed", contentHash };
  }
  const { policy, problems, problemCounts, found } = compileManifests(read, nowMs);
  let bundle: SnapshotPart[] = [];
  const flush = (): void => {
    parts.postMessage(bundle);
    bundle = [];
  };
  sendSnapshot(policy.snapshot, (part) => {
    bundle.push(part);
    if (bundle.length >= bundleParts) flush();
  });
  flush();
  const { invalid } = problemCounts;
  return { kind: "loaded", contentHash, counts: policy.counts, problems, invalid, found };
}

parentPort?.postMessage(await load(workerData as LoadTask));
