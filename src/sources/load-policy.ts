// Loads a policy in a thread of its own, bounded in time and memory: neither a large policy nor a hostile one delays a
// check, and the worst that a load can do is fail.

import { setImmediate as nextTurn } from "node:timers/promises";
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import type { Snapshot } from "../core/snapshot.ts";
import type { LoadAnswer, LoadRequest, LoadTask, ThreadAnswer } from "./load-messages.ts";
import { createSnapshotBuilder, type SnapshotPart } from "./snapshot-parts.ts";

export type LoadLimits = {
  /** Longest load, in milliseconds. */
  readonly msMax: number;
  /** Heap of the loading thread. */
  readonly heapMibMax: number;
};

/** A policy of 10,000 keys and 10,000 aliases takes about 2 seconds and 300 MiB. */
export const defaultLoadLimits: LoadLimits = { msMax: 60_000, heapMibMax: 2048 };

/** Rejects with a sentence for the log when the load takes too long, needs too much, or `signal` aborts. */
export async function loadPolicy(
  request: LoadRequest,
  signal: AbortSignal,
  limits: LoadLimits = defaultLoadLimits,
): Promise<LoadAnswer> {
  const { port1: parts, port2 } = new MessageChannel();
  const task: LoadTask = { request, parts: port2 };
  const worker = new Worker(new URL("./load-thread.ts", import.meta.url), {
    workerData: task,
    transferList: [port2],
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMibMax },
    execArgv: [],
  });
  try {
    const answer = await answerOf(worker, signal, limits);
    if (answer.kind === "changed") return answer;
    return { ...answer, snapshot: await receiveSnapshot(parts, signal) };
  } finally {
    parts.close();
    await worker.terminate();
  }
}

async function answerOf(
  worker: Worker,
  signal: AbortSignal,
  { msMax, heapMibMax }: LoadLimits,
): Promise<ThreadAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>();
  const fail = (message: string, cause?: unknown): void => reject(new Error(message, { cause }));
  const timer = setTimeout(() => fail(`loading took over ${msMax / 1000} s`), msMax);
  const stop = (): void => fail(stopped);
  worker.once("message", (answer: ThreadAnswer) => resolve(answer));
  worker.once("messageerror", (error) => fail("the loading thread could not answer", error));
  worker.once("error", (error) => fail(failureOf(error, heapMibMax), error));
  worker.once("exit", () => fail("the loading thread ended without an answer"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

const stopped = "loading was stopped";

/** One bundle in each turn of the event loop; all of them have arrived before the answer. */
async function receiveSnapshot(parts: MessagePort, signal: AbortSignal): Promise<Snapshot> {
  const builder = createSnapshotBuilder();
  for (;;) {
    const received: { message: readonly SnapshotPart[] } | undefined = receiveMessageOnPort(parts);
    if (received === undefined) throw new Error("the loading thread left out a part of the policy");
    for (const part of received.message) {
      const snapshot = builder.add(part);
      if (snapshot !== undefined) return snapshot;
    }
    await nextTurn();
    if (signal.aborted) throw new Error(stopped);
  }
}

function failureOf(error: unknown, heapMibMax: number): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ERR_WORKER_OUT_OF_MEMORY"
    ? `loading needed more than ${heapMibMax} MiB of memory`
    : "the loading thread failed";
}
