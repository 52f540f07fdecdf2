// What a reflector is given and what it gives.

import type { CollectionTransport, Delay, KubeObject } from "./transport.ts";

export type ReflectorLimits = {
  /** Objects in one page of a list. */
  readonly pageSize: number;
  /** Pages of one list; a server that never ends a list must not fill the memory. */
  readonly pagesMax: number;
  /** One page has to come within, in ms. */
  readonly listMsMax: number;
  /** A watch with no event for so long is begun anew, in ms; servers send a bookmark each minute or so. */
  readonly idleMsMax: number;
  /** A watch that lived for so long, in ms, was healthy: waits begin from the shortest again. */
  readonly healthyMs: number;
  /** The whole list is read again after this, in ms, plus up to a tenth. */
  readonly relistMs: number;
};

export type ReflectorOptions<T extends KubeObject> = {
  readonly transport: CollectionTransport<T>;
  /** After each change, and after the first list. What it throws is reported and stops nothing. */
  readonly onChange: () => void;
  /** Each failure, once. */
  readonly onProblem?: (message: string) => void;
  readonly nowMs: () => number;
  /** In 0..1. */
  readonly random: () => number;
  readonly delay: Delay;
  readonly limits?: Partial<ReflectorLimits>;
};

export type ReflectorHealth = {
  readonly synced: boolean;
  /** When the server last showed that the set is its own: by a list, an event or the end of a watch. */
  readonly confirmedAtMs: number | undefined;
  /** Of the newest attempt; goes once one succeeds. */
  readonly lastError: string | undefined;
};

export type Reflector<T extends KubeObject> = {
  /** Starting twice does no harm. A stopped reflector stays stopped. */
  start(): void;
  /** Fulfils when no request is under way; nothing is called back from the call on. */
  stop(): Promise<void>;
  /** Whether a complete list has been seen; stays true through reconnects. */
  synced(): boolean;
  /** By metadata.name; never changes once given out. */
  items(): ReadonlyMap<string, T>;
  health(): ReflectorHealth;
};
