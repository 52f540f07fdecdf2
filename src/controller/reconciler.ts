// Level-triggered: whatever changed, one debounced job compiles everything that is there, writes the policy when it is
// another, and then the statuses that say something else than before. Missed and doubled events are harmless.

import type { DocumentSet } from "../policy/document.ts";
import { encodeDocument } from "../policy/document.ts";
import { isSameStatus, statusToWrite, type Transition, transitionsOf } from "./conditions.ts";
import type { ConfigMapWriter } from "./config-maps.ts";
import type { ObjectStatus, PolicyObject } from "./objects.ts";
import { type SecretDigest, secretsNamedBy, type Translation, translate } from "./translate.ts";

export type ReconcilerDeps = {
  /** Every object of the five kinds, or undefined while a kind has not been listed yet. */
  readonly objects: () => readonly PolicyObject[] | undefined;
  /** Digests of the entries of Secrets, each named `name/entry`. Rejects when the API server cannot be asked. */
  readonly readSecrets: (
    entries: ReadonlySet<string>,
  ) => Promise<ReadonlyMap<string, SecretDigest>>;
  readonly writer: ConfigMapWriter;
  /** Writes one status; rejects when it fails. */
  readonly writeStatus: (object: PolicyObject, status: ObjectStatus) => Promise<void>;
  /** Tells of conditions that turned. Never rejects. */
  readonly announce: (object: PolicyObject, transitions: readonly Transition[]) => Promise<void>;
  /** Only the leader writes. */
  readonly isLeader: () => boolean;
  readonly nowMs: () => number;
  /** Waits; resolves early, and only then, when `signal` aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly observe: (observation: ReconcileObservation) => void;
};

export type ReconcileObservation =
  | { readonly kind: "policy"; readonly revision: string; readonly configMapsWritten: number }
  | { readonly kind: "statuses"; readonly written: number }
  | { readonly kind: "failed"; readonly step: "policy" | "statuses"; readonly error: unknown }
  /** After each run that had something to do, the failed ones too. */
  | { readonly kind: "ran"; readonly isDone: boolean; readonly seconds: number };

export type Reconciler = {
  /** Whether a run is asked for that has not begun. */
  isQueued(): boolean;
  /** Something may have changed. Cheap, and may be called any number of times. */
  request(): void;
  /** This process leads from now on, or no longer: nothing is known of what others wrote. */
  leadershipChanged(): void;
  stop(): Promise<void>;
};

/** Changes that come together are compiled together; the first waits so long, in milliseconds. */
export const debounceMs = 25;
const retryMsMin = 200;
const retryMsMax = 30_000;
/** Statuses written at the same time. */
const statusWriters = 8;

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  return new LevelReconciler(deps);
}

class LevelReconciler implements Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** What has been written to each object, by uid: the watch may not have brought it back yet. */
  readonly #written = new Map<string, ObjectStatus>();
  #isRequested = false;
  #wake: () => void = () => {};
  #retryMs = retryMsMin;

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#running = this.#loop();
  }

  isQueued(): boolean {
    return this.#isRequested;
  }

  request(): void {
    this.#isRequested = true;
    this.#wake();
  }

  leadershipChanged(): void {
    this.#deps.writer.forget();
    this.#written.clear();
    this.request();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#requested();
      if (signal.aborted) return;
      await this.#deps.delay(debounceMs, signal);
      this.#isRequested = false;
      const isDone = await this.#timedRun();
      if (isDone) {
        this.#retryMs = retryMsMin;
        continue;
      }
      await this.#deps.delay(this.#retryMs, signal);
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
      this.#isRequested = true;
    }
  }

  #requested(): Promise<void> {
    if (this.#isRequested || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #timedRun(): Promise<boolean> {
    const { objects, isLeader, nowMs, observe } = this.#deps;
    const all = objects();
    if (all === undefined || !isLeader()) return true;
    const startMs = nowMs();
    const isDone = await this.#run(all);
    observe({ kind: "ran", isDone, seconds: (nowMs() - startMs) / 1000 });
    return isDone;
  }

  /** Whether it need not be tried again. */
  async #run(objects: readonly PolicyObject[]): Promise<boolean> {
    let translation: Translation;
    try {
      const entries = secretsNamedBy(objects);
      const secrets = await this.#deps.readSecrets(entries);
      translation = translate(objects, { nowMs: this.#deps.nowMs(), secrets });
      await this.#writePolicy(translation);
    } catch (error) {
      this.#deps.observe({ kind: "failed", step: "policy", error });
      return false;
    }
    try {
      await this.#writeStatuses(objects, translation);
      return true;
    } catch (error) {
      this.#deps.observe({ kind: "failed", step: "statuses", error });
      return false;
    }
  }

  async #writePolicy({ resources, modelExists, policy }: Translation): Promise<void> {
    const { revision } = policy.snapshot;
    const document = encodeDocument(resources, { revision, counts: policy.counts, modelExists });
    if ("message" in document) throw new Error(document.message);
    if (!this.#deps.isLeader()) return;
    const configMapsWritten = await this.#deps.writer.write(document satisfies DocumentSet);
    this.#deps.observe({ kind: "policy", revision, configMapsWritten });
  }

  /** Ends early when something has changed meanwhile: the policy comes before the statuses. */
  async #writeStatuses(objects: readonly PolicyObject[], { statusOf }: Translation): Promise<void> {
    let written = 0;
    const queue = objects[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const object of queue) {
        if (this.#isRequested || !this.#deps.isLeader() || this.#stopping.signal.aborted) return;
        const current = this.#statusOf(object);
        const status = statusToWrite(current, statusOf(object, true), this.#deps.nowMs());
        if (status === undefined) continue;
        await this.#deps.writeStatus(object, status);
        this.#written.set(object.metadata.uid, status);
        written += 1;
        await this.#deps.announce(object, transitionsOf(current, status));
      }
    };
    await Promise.all(Array.from({ length: statusWriters }, work));
    this.#forgetGone(objects);
    if (written > 0) this.#deps.observe({ kind: "statuses", written });
  }

  /** What was written last counts until the watch has brought it back; from then on, what is there. */
  #statusOf({ metadata, status }: PolicyObject): ObjectStatus | undefined {
    const written = this.#written.get(metadata.uid);
    if (written === undefined) return status;
    if (!isSameStatus(status, written)) return written;
    this.#written.delete(metadata.uid);
    return status;
  }

  #forgetGone(objects: readonly PolicyObject[]): void {
    if (this.#written.size <= objects.length) return;
    const there = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const uid of this.#written.keys()) if (!there.has(uid)) this.#written.delete(uid);
  }
}
