// What a writer of statuses is given and what it gives.

import type { Transition } from "./conditions.ts";
import type { ObjectStatus, PolicyObject } from "./objects.ts";
import type { Translation } from "./translate.ts";

export type StatusWriterDeps = {
  /**
   * Writes over this resourceVersion of the object and gives the new one; undefined where the object is gone or has
   * another one meanwhile, which the watch will tell. Rejects when it fails.
   */
  readonly writeStatus: (
    object: PolicyObject,
    status: ObjectStatus,
    resourceVersion: string,
  ) => Promise<string | undefined>;
  /** Tells of conditions that turned. Never rejects. */
  readonly announce: (object: PolicyObject, transitions: readonly Transition[]) => Promise<void>;
  readonly isLeader: () => boolean;
  /** Whether the policy changes just now: then one status at a time is enough. */
  readonly isBusy: () => boolean;
  /** The wall clock, which statuses show. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Waits; resolves early, and only then, when `signal` aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly observe: (observation: StatusObservation) => void;
};

export type StatusObservation =
  | { readonly kind: "statuses"; readonly written: number }
  | { readonly kind: "failed"; readonly step: "statuses"; readonly error: unknown };

export type StatusWriter = {
  /** The policy of this translation is in the cluster: statuses are to say so. */
  set(objects: readonly PolicyObject[], translation: Translation): void;
  /** Nothing is known any more: of what others wrote, nor what is in force. */
  clear(): void;
  stop(): Promise<void>;
};
