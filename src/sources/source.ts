// One interface for every place a policy comes from, and the last good snapshot that the decisions read.

import type { Snapshot } from "../core/permission/snapshot.ts";
import type { LocatedProblem } from "../policy/problem.ts";

/** A source keeps a holder current until it is stopped. */
export type PolicySource = {
  /** Resolves when the first attempt to load has ended, well or badly. Rejects never. */
  start(): Promise<void>;
  /** Stops watching; resolves when nothing of the source runs any more. Safe to call twice. */
  stop(): Promise<void>;
};

export type SourceHealth = {
  /** Whether the last attempt to load gave a usable policy. */
  readonly healthy: boolean;
  /** What was wrong with it, one line; undefined while healthy. */
  readonly lastError: string | undefined;
  /** Of the last attempt: everything that lint would say. */
  readonly problems: readonly LocatedProblem[];
};

/** Gives the last good snapshot. A bad policy never replaces a good one. */
export type SnapshotHolder = {
  /** undefined until the first good policy. */
  current(): Snapshot | undefined;
  /** When the current snapshot was put in place, in milliseconds since the epoch; undefined before. */
  loadedAtMs(): number | undefined;
  /**
   * When a controller last said that the policy in force is what its objects say, in milliseconds since the epoch;
   * undefined: none has, or nobody can.
   */
  confirmedAtMs?(): number | undefined;
  health(): SourceHealth;
  /** How many aliases, keys, teams and models the current snapshot was made of; zeros before the first. */
  counts(): PolicyCounts;
};

export type PolicyCounts = {
  readonly aliases: number;
  readonly teams: number;
  readonly keys: number;
  readonly groups: number;
  readonly models: number;
};

/** What a source tells the outside, for logs and metrics. Called after the holder has changed. */
export type SourceEvents = {
  /** A policy with a new revision is in force. */
  replaced(snapshot: Snapshot, problems: readonly LocatedProblem[]): void;
  /** There is no policy yet, and nothing is wrong. Default: as `rejected`. */
  absent?(message: string, problems: readonly LocatedProblem[]): void;
  /** An attempt to load failed; the last good policy, if any, stays. */
  rejected(message: string, problems: readonly LocatedProblem[]): void;
  /** After `rejected`: the source holds the policy in force once more, under the same revision. */
  recovered?(snapshot: Snapshot, problems: readonly LocatedProblem[]): void;
};
