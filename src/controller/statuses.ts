// Writes what the statuses of objects should say, beside the job that writes the policy and never in its way. What
// changed for an object comes first; a number that changed for thousands at once trickles.

import { setImmediate as turn } from "node:timers/promises";
import { KubeError } from "../kubernetes/transport.ts";
import { statusToWrite, transitionsOf } from "./conditions.ts";
import { type ObjectStatus, objectKey, type PolicyObject } from "./objects.ts";
import type { StatusObservation, StatusWriter, StatusWriterDeps } from "./status-contract.ts";
import type { Translation } from "./translate.ts";
import { createUsageCounter, type UsageCounter, withUsage } from "./usage.ts";
import { OwnWrites } from "./writing/own-writes.ts";

export type { StatusObservation, StatusWriter, StatusWriterDeps };

/** Statuses written at the same time. */
const writers = 8;
/** Numbers of keys are looked at again after so long if something changed, in ms, and later if only time passed. */
export const usageMsMin = 10_000;
export const usageMsMax = 60_000;
/** Between two writes of a number that alone changed, in ms. */
export const usagePaceMs = 20;
/** Objects that are looked at before others get a turn. */
const objectsPerTurn = 100;
const aliasesPerTurn = 25;
/** Who is not leader, and was, looks again after so long. */
const leaderMs = 1000;
const retryMsMin = 200;
const retryMsMax = 30_000;

export function createStatusWriter(deps: StatusWriterDeps): StatusWriter {
  return new QueuedStatuses(deps);
}

class QueuedStatuses implements StatusWriter {
  readonly #deps: StatusWriterDeps;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #objects: readonly PolicyObject[] = [];
  #byKey = new Map<string, PolicyObject>();
  #translation: Translation | undefined;
  /** Who is to be looked at, by objectKey; the first of them waits longest. */
  #queue = new Map<string, PolicyObject>();
  readonly #busy = new Set<string>();
  readonly #failed = new Map<string, unknown>();
  #isAway = false;
  /** By uid, until the watch has brought it. */
  readonly #own = new OwnWrites<ObjectStatus>();
  #count: { readonly of: Translation; readonly counter: UsageCounter | undefined } | undefined;
  #counted: { readonly of: Translation; readonly atMs: number } | undefined;
  #toCount: string[] = [];
  #retryMs = retryMsMin;
  #written = 0;
  #rest = new AbortController();
  #wakesOnEcho = true;

  constructor(deps: StatusWriterDeps) {
    this.#deps = deps;
    this.#running = this.#loop();
  }

  set(objects: readonly PolicyObject[], translation: Translation): void {
    const isNew = translation !== this.#translation;
    if (isNew) this.#replace(objects);
    else {
      for (const [at, object] of objects.entries()) {
        if (object === this.#objects[at]) continue;
        this.#byKey.set(objectKey(object), object);
        this.#queue.set(objectKey(object), object);
      }
    }
    this.#objects = objects;
    this.#translation = translation;
    if (isNew) this.#retryMs = retryMsMin;
    if (isNew || this.#wakesOnEcho) this.#rest.abort();
  }

  clear(): void {
    this.#objects = [];
    this.#byKey.clear();
    this.#queue.clear();
    this.#own.clear();
    this.#translation = undefined;
    this.#counted = undefined;
    this.#count = undefined;
    this.#toCount = [];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#rest.abort();
    await this.#running;
  }

  #replace(objects: readonly PolicyObject[]): void {
    this.#byKey = new Map(objects.map((object) => [objectKey(object), object]));
    const queue = new Map<string, PolicyObject>();
    for (const key of this.#queue.keys()) {
      const object = this.#byKey.get(key);
      if (object !== undefined) queue.set(key, object);
    }
    for (const [key, object] of this.#byKey) if (!queue.has(key)) queue.set(key, object);
    this.#queue = queue;
    const uids = (): string[] => objects.map(({ metadata }) => metadata.uid);
    this.#own.keepOnly(uids, objects.length);
  }

  async #loop(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#translation === undefined) await this.#wait();
      else if (!this.#deps.isLeader()) await this.#wait(leaderMs);
      else if (this.#queue.size > 0) await this.#drain();
      else if (this.#toCount.length > 0) await this.#writeNumbers(this.#translation);
      else {
        const restMs = this.#untilCountMs(this.#translation);
        if (restMs > 0) await this.#wait(restMs);
        else this.#planCount(this.#translation);
      }
    }
  }

  /** `onEcho`: whether it ends also when only what was written has come back. */
  async #wait(ms?: number, onEcho = true): Promise<void> {
    this.#tell();
    this.#wakesOnEcho = onEcho;
    this.#rest = new AbortController();
    const { signal } = this.#rest;
    if (this.#stopping.signal.aborted) return;
    if (ms !== undefined) await this.#deps.delay(ms, signal);
    else {
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#wakesOnEcho = true;
  }

  async #drain(): Promise<void> {
    const isBusy = this.#deps.isBusy();
    const count = isBusy ? 1 : writers;
    await Promise.all(Array.from({ length: count }, () => this.#work(isBusy)));
    if (this.#failed.size === 0) {
      this.#retryMs = retryMsMin;
      return;
    }
    const [error] = this.#failed.values();
    this.#deps.observe({ kind: "failed", step: "statuses", error });
    const asked = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    await this.#wait(Math.max(this.#retryMs, asked), false);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
    for (const key of this.#failed.keys()) {
      const object = this.#byKey.get(key);
      if (object !== undefined && !this.#queue.has(key)) this.#queue.set(key, object);
    }
    this.#failed.clear();
    this.#isAway = false;
  }

  /** Ends also when it gets busy, or no longer is. */
  async #work(isBusy: boolean): Promise<void> {
    let looked = 0;
    while (this.#deps.isBusy() === isBusy) {
      const found = this.#take();
      if (found === undefined) return;
      looked += 1;
      if (looked % objectsPerTurn === 0) await turn();
      const status = this.#due(found);
      if (status !== undefined) await this.#write(found, status);
    }
  }

  /** undefined: enough for now. When the API server cannot be asked, nobody else needs to be tried. */
  #take(): PolicyObject | undefined {
    if (this.#stopping.signal.aborted || !this.#deps.isLeader()) return undefined;
    if (this.#isAway) return undefined;
    for (const [key, object] of this.#queue) {
      if (this.#busy.has(key)) continue;
      this.#queue.delete(key);
      return object;
    }
    return undefined;
  }

  /** The status to write, if there is more to say than another number of keys. */
  #due(object: PolicyObject): ObjectStatus | undefined {
    const translation = this.#translation;
    if (translation === undefined) return undefined;
    const current = this.#current(object);
    const { usableByKeys } = current ?? {};
    const nowMs = this.#deps.nowMs();
    const wanted = translation.statusOf(object, true, nowMs);
    const status = statusToWrite(current, withUsage(wanted, usableByKeys), nowMs);
    if (status === undefined || object.kind !== "ModelAlias") return status;
    return withUsage(status, this.#counter(translation)?.(object.metadata.name));
  }

  async #write(object: PolicyObject, status: ObjectStatus): Promise<void> {
    const key = objectKey(object);
    const { uid, resourceVersion } = object.metadata;
    const current = this.#current(object);
    const base = this.#own.base(uid, resourceVersion);
    this.#busy.add(key);
    try {
      const version = await this.#deps.writeStatus(object, status, base);
      if (version === undefined) return;
      this.#own.set(uid, base, { version, value: status });
      this.#written += 1;
      if (this.#written >= objectsPerTurn) this.#tell();
      await this.#deps.announce(object, transitionsOf(current, status));
    } catch (error) {
      this.#failed.set(key, error);
      this.#isAway ||= isAway(error);
    } finally {
      this.#busy.delete(key);
    }
  }

  /** What was written last counts until the watch has brought it back; from then on, what is there. */
  #current({ metadata, status }: PolicyObject): ObjectStatus | undefined {
    return this.#own.get(metadata.uid, metadata.resourceVersion) ?? status;
  }

  #counter(translation: Translation): UsageCounter | undefined {
    if (this.#count?.of !== translation) {
      const counter = createUsageCounter(translation.policy, this.#deps.nowMs());
      this.#count = { of: translation, counter };
    }
    return this.#count.counter;
  }

  #untilCountMs(translation: Translation): number {
    if (this.#counted === undefined) return 0;
    const afterMs = this.#counted.of === translation ? usageMsMax : usageMsMin;
    return this.#counted.atMs + afterMs - this.#deps.monotonicMs();
  }

  #planCount(translation: Translation): void {
    this.#counted = { of: translation, atMs: this.#deps.monotonicMs() };
    // Keys expire by themselves.
    this.#count = undefined;
    // So do what their statuses say, and the numbers of their Teams.
    for (const [key, object] of this.#byKey) {
      if (object.kind === "VirtualKey" || object.kind === "Team") this.#queue.set(key, object);
    }
    this.#toCount = [...this.#byKey]
      .filter(([, { kind }]) => kind === "ModelAlias")
      .map(([key]) => key)
      .reverse();
  }

  /** One after the other and not fast; ends early for whatever else is to be written. */
  async #writeNumbers(translation: Translation): Promise<void> {
    const counter = this.#counter(translation);
    for (let looked = 1; this.#toCount.length > 0; looked++) {
      if (looked % aliasesPerTurn === 0) await turn();
      if (this.#queue.size > 0 || translation !== this.#translation) return;
      if (this.#stopping.signal.aborted || !this.#deps.isLeader()) return;
      const object = this.#byKey.get(this.#toCount.pop() ?? "");
      const current = object === undefined ? undefined : this.#current(object);
      if (object === undefined || current === undefined) continue;
      const keys = counter?.(object.metadata.name);
      if (current.usableByKeys === keys) continue;
      await this.#write(object, withUsage(current, keys));
      await this.#wait(usagePaceMs, false);
      if (this.#failed.size > 0) return await this.#drain();
    }
  }

  #tell(): void {
    if (this.#written > 0) this.#deps.observe({ kind: "statuses", written: this.#written });
    this.#written = 0;
  }
}

/** Not about one object: the next one would fail alike. */
function isAway(error: unknown): boolean {
  const status = error instanceof KubeError ? error.status : 0;
  return status === undefined || status >= 500 || status === 429 || status === 401;
}
