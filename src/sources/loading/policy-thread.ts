// A thread that loads policies, bounded in time and memory: neither a large policy nor a hostile one delays a check, and
// the worst that a load can do is fail. What failed once is ended, and another thread has to be opened.

import { setImmediate as nextTurn } from "node:timers/promises";
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import type { Snapshot } from "../../core/permission/snapshot.ts";
import type { Exchanges, ThreadAnswer, ThreadTask } from "./load-messages.ts";
import { createSnapshotBuilder, type SnapshotPart } from "./snapshot-parts.ts";

export type LoadLimits = {
  /** Longest load, in milliseconds. */
  readonly msMax: number;
  /** Heap of the loading thread. */
  readonly heapMibMax: number;
};

/** A policy of 10,000 keys and 10,000 aliases takes about 2 seconds and 300 MiB. */
export const defaultLoadLimits: LoadLimits = { msMax: 60_000, heapMibMax: 2048 };

/** With the runtime's own limit the thread is no faster and takes 80 MiB more. */
const youngMibMax = 16;

/** Opens the thread; `end` has to be called. */
export class PolicyThread {
  readonly #worker: Worker;
  readonly #limits: LoadLimits;
  #waiting: PromiseWithResolvers<unknown> | undefined;
  /** Why it is of no more use. */
  #failure: Error | undefined;

  constructor(limits: LoadLimits = defaultLoadLimits) {
    this.#limits = limits;
    this.#worker = new Worker(new URL("../load-thread.ts", import.meta.url), {
      resourceLimits: {
        maxOldGenerationSizeMb: limits.heapMibMax,
        maxYoungGenerationSizeMb: youngMibMax,
      },
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on("message", (answer: unknown) => this.#waiting?.resolve(answer));
    this.#worker.on("messageerror", (error) => {
      this.#fail("the loading thread could not answer", error);
    });
    this.#worker.on("error", (error) => this.#fail(failureOf(error, limits.heapMibMax), error));
    this.#worker.on("exit", () => this.#fail("the loading thread ended without an answer"));
  }

  /** Whether it can be asked. A load that fails is the last one of its thread. */
  isUsable(): boolean {
    return this.#failure === undefined;
  }

  /**
   * One load at a time. Rejects with a sentence for the log when it takes too long, needs too much, or `signal` aborts.
   * Only while it loads does the thread keep the process alive.
   */
  async ask<Name extends keyof Exchanges>(
    name: Name,
    request: Exchanges[Name]["request"],
    signal: AbortSignal,
  ): Promise<Exchanges[Name]["answer"]> {
    const { port1: parts, port2 } = new MessageChannel();
    this.#worker.ref();
    try {
      const answer = await this.#answerTo({ name, request, parts: port2 } as ThreadTask, signal);
      // Of all answers the loaded ones alone have a snapshot: it has gone ahead of them.
      if (answer.kind !== "loaded") return answer;
      return { ...answer, snapshot: await receiveSnapshot(parts, signal) };
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      this.#worker.unref();
      parts.close();
    }
  }

  /** Resolves when nothing of it runs any more. Safe to call twice. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #answerTo(task: ThreadTask, signal: AbortSignal): Promise<ThreadAnswer> {
    if (this.#failure !== undefined) throw this.#failure;
    const { msMax } = this.#limits;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting = waiting;
    const timer = setTimeout(() => this.#fail(`loading took over ${msMax / 1000} s`), msMax);
    const stop = (): void => this.#fail(stopped);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      this.#worker.postMessage(task, [task.parts]);
      return (await waiting.promise) as ThreadAnswer;
    } finally {
      this.#waiting = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new Error(message, { cause });
    this.#waiting?.reject(this.#failure);
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
