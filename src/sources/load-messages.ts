// What the file source and the thread that loads for it say to each other. Everything here survives a structured clone:
// values, Maps and Sets, no functions.

import type { MessagePort } from "node:worker_threads";
import type { Snapshot } from "../core/snapshot.ts";
import type { LocatedProblem } from "../policy/problem.ts";
import type { PolicyCounts } from "./source.ts";

export type LoadRequest = {
  readonly path: string;
  readonly nowMs: number;
  /** Content that is wanted: where something else is read, for the file changed once more, it is not compiled. */
  readonly wantedHash: string | undefined;
};

/** What the thread is started with. The parts of the snapshot go through `parts`, in bundles, before the answer. */
export type LoadTask = { readonly request: LoadRequest; readonly parts: MessagePort };

export type LoadedPolicy = {
  readonly kind: "loaded";
  readonly contentHash: string;
  readonly snapshot: Snapshot;
  readonly counts: PolicyCounts;
  readonly problems: readonly LocatedProblem[];
  /** Problems that are `invalid`, counted without a cap, and how many resources could be decoded. */
  readonly invalid: number;
  readonly found: number;
};

/** The content is no longer the wanted one. */
export type ChangedPolicy = { readonly kind: "changed"; readonly contentHash: string };

export type LoadAnswer = LoadedPolicy | ChangedPolicy;

/** The answer as it crosses: the snapshot has gone ahead. */
export type ThreadAnswer = Omit<LoadedPolicy, "snapshot"> | ChangedPolicy;
