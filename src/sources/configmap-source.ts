// The policy from the ConfigMaps that the controller writes, as a watch brings them: taken only when index and shards are
// of one policy. While they are not, or the API server is away, the last good policy stays; at the start that may be a
// copy that was mounted.

import type { Snapshot } from "../core/snapshot.ts";
import { compilePolicy } from "../policy/compile.ts";
import {
  type DecodedDocument,
  type DecodedShards,
  type DocumentReader,
  decodeDocument,
} from "../policy/document.ts";
import type { LocatedProblem } from "../policy/problem.ts";
import type {
  PolicyCounts,
  PolicySource,
  SnapshotHolder,
  SourceEvents,
  SourceHealth,
} from "./source.ts";

/** Names of the data entries in a ConfigMap. */
const indexEntry = "index.json";
const recordsEntry = "policy.json";

export type ConfigMapData = { readonly data?: Readonly<Record<string, string>> };

/** What the source needs of a reflector. */
export type ConfigMapWatch = {
  start(): void;
  stop(): Promise<void>;
  /** Whether a complete list has been seen; stays true through reconnects. */
  synced(): boolean;
  /** By metadata.name; always a complete set. */
  items(): ReadonlyMap<string, ConfigMapData>;
  health(): { readonly confirmedAtMs: number | undefined; readonly lastError: string | undefined };
};

export type ConfigMapSourceOptions = {
  /** Of the ConfigMap with the index. */
  readonly name: string;
  /** Begins to watch once started, and calls back after each change. */
  readonly watch: (onChange: () => void) => ConfigMapWatch;
  /** To start from until the watch has brought a policy; absent: there is none. */
  readonly copy?: PolicyCopy;
  readonly nowMs: () => number;
  /** The clock of the watch. */
  readonly monotonicMs: () => number;
  readonly events: SourceEvents;
  /** Calls back once, after some time; returns what takes it back. For tests. */
  readonly schedule?: (work: () => void, ms: number) => () => void;
};

export type PolicyCopy = {
  /** Rejects when it cannot be read. */
  read(): Promise<DocumentReader>;
  /** The revision that was taken, or why none was: `absent` where there is no copy at all. */
  report(outcome: CopyOutcome): void;
};

export type CopyOutcome =
  | { readonly kind: "taken"; readonly revision: string }
  /** The watch was faster. */
  | { readonly kind: "late" }
  | { readonly kind: "absent" | "refused"; readonly reason: string };

/** A set that is being written is torn for a moment; after so long it is reported. */
export const tornMsMax = 10_000;
/** The API server gets so long for the first list before the start goes on without a policy. */
export const firstListMsMax = 10_000;

/** Without a word of the API server for so long, while calls fail, a source is not healthy; it goes on. */
export const silentMsMax = 120_000;

const notLoaded = "not loaded yet";
const copyOnly = "the policy is a mounted copy: the ConfigMaps have not been listed yet";

const noCounts: PolicyCounts = { aliases: 0, teams: 0, keys: 0, groups: 0, models: 0 };

export function createConfigMapSource(
  options: ConfigMapSourceOptions,
): PolicySource & SnapshotHolder {
  return new ConfigMapSource(options);
}

class ConfigMapSource implements PolicySource, SnapshotHolder {
  readonly #options: ConfigMapSourceOptions;
  readonly #watch: ConfigMapWatch;
  #snapshot: Snapshot | undefined;
  #loadedAtMs: number | undefined;
  #counts = noCounts;
  #health: SourceHealth = { healthy: false, lastError: notLoaded, problems: [] };
  #shards: DecodedShards | undefined;
  /** What the policy in force was read from, as the watch gave it: the very same again is nothing new. */
  #accepted: ReadonlyMap<string, ConfigMapData> = new Map();
  #cancelTorn: (() => void) | undefined;
  #cancelFirstList: () => void = () => {};
  #firstRead: () => void = () => {};
  #isStarted = false;
  #isStopped = false;

  constructor(options: ConfigMapSourceOptions) {
    this.#options = options;
    this.#watch = options.watch(() => this.#changed());
  }

  async start(): Promise<void> {
    if (this.#isStarted || this.#isStopped) return;
    this.#isStarted = true;
    const first = new Promise<void>((resolve) => {
      this.#firstRead = resolve;
    });
    this.#cancelFirstList = this.#schedule(() => {
      const { lastError } = this.#watch.health();
      this.#reject(`the ConfigMaps could not be listed: ${lastError ?? "no answer yet"}`);
      this.#firstRead();
    }, firstListMsMax);
    this.#watch.start();
    void this.#takeCopy();
    await first;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTorn?.();
    this.#cancelFirstList();
    this.#firstRead();
    await this.#watch.stop();
  }

  current(): Snapshot | undefined {
    return this.#snapshot;
  }

  loadedAtMs(): number | undefined {
    return this.#loadedAtMs;
  }

  health(): SourceHealth {
    const { confirmedAtMs, lastError } = this.#watch.health();
    if (!this.#health.healthy || confirmedAtMs === undefined || lastError === undefined) {
      return this.#health;
    }
    const silentMs = this.#options.monotonicMs() - confirmedAtMs;
    if (silentMs < silentMsMax) return this.#health;
    const since = `the API server has not been heard for ${Math.floor(silentMs / 1000)} s`;
    return { healthy: false, lastError: `${since}: ${lastError}`, problems: [] };
  }

  counts(): PolicyCounts {
    return this.#counts;
  }

  #changed(): void {
    if (this.#isStopped || !this.#watch.synced()) return;
    this.#cancelFirstList();
    this.#read();
    this.#firstRead();
  }

  /** Never in place of what the watch has brought: that is as new, or newer. Rejects never. */
  async #takeCopy(): Promise<void> {
    const { copy } = this.#options;
    if (copy === undefined) return;
    let document: DecodedDocument;
    try {
      document = decodeDocument(await copy.read());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      copy.report({ kind: "refused", reason });
      return;
    }
    if (this.#isStopped) return;
    if (!document.ok) {
      const { kind, message } = document;
      copy.report({ kind: kind === "absent" ? "absent" : "refused", reason: message });
      return;
    }
    if (this.#snapshot !== undefined) {
      copy.report({ kind: "late" });
      return;
    }
    copy.report({ kind: "taken", revision: document.revision });
    this.#put(document);
    // The watch has still to say that it is in force: healthy is who has seen the cluster.
    const known = this.#health.lastError;
    const lastError = known === undefined || known === notLoaded ? copyOnly : known;
    this.#health = { healthy: false, lastError, problems: [] };
    this.#firstRead();
  }

  #read(): void {
    const items = this.#watch.items();
    const { name } = this.#options;
    const main = items.get(name)?.data;
    const used = new Map([[name, items.get(name) ?? {}]]);
    const read = {
      index: main?.[indexEntry],
      shard: (number: number) => {
        if (number === 0) return main?.[recordsEntry];
        const shard = items.get(`${name}-${number}`);
        if (shard !== undefined) used.set(`${name}-${number}`, shard);
        return shard?.data?.[recordsEntry];
      },
    };
    if (this.#health.healthy && this.#isAccepted(items)) {
      this.#cancelTornTimer();
      return;
    }
    const document = decodeDocument(read, this.#shards);
    if (document.ok) {
      this.#cancelTornTimer();
      this.#accepted = used;
      this.#accept(document);
    } else if (document.kind === "torn") this.#waitForRest(document.message);
    else {
      this.#cancelTornTimer();
      this.#reject(`ConfigMap ${name}: ${document.message}`);
    }
  }

  #isAccepted(items: ReadonlyMap<string, ConfigMapData>): boolean {
    if (this.#accepted.size === 0) return false;
    for (const [name, item] of this.#accepted) if (items.get(name) !== item) return false;
    return true;
  }

  #accept(document: Extract<DecodedDocument, { ok: true }>): void {
    const wasHealthy = this.#health.healthy;
    this.#health = { healthy: true, lastError: undefined, problems: [] };
    this.#shards = document.shards;
    if (document.revision !== this.#snapshot?.revision) this.#put(document);
    else if (!wasHealthy) this.#options.events.recovered?.(this.#snapshot, []);
  }

  #put(document: Extract<DecodedDocument, { ok: true }>): void {
    const { nowMs, events } = this.#options;
    const { resources, modelExists, revision, shards } = document;
    const { snapshot, counts } = compilePolicy(resources, { nowMs: nowMs(), modelExists });
    this.#shards = shards;
    // The controller's own word for it, so that both speak of one revision.
    this.#snapshot = { ...snapshot, revision };
    this.#counts = counts;
    this.#loadedAtMs = nowMs();
    events.replaced(this.#snapshot, []);
  }

  #waitForRest(message: string): void {
    this.#cancelTorn ??= this.#schedule(() => {
      this.#cancelTorn = undefined;
      this.#reject(`ConfigMap ${this.#options.name}: ${message}`);
    }, tornMsMax);
  }

  #cancelTornTimer(): void {
    this.#cancelTorn?.();
    this.#cancelTorn = undefined;
  }

  /** Once for each message: a watch may bring what is wrong again and again. */
  #reject(message: string, problems: readonly LocatedProblem[] = []): void {
    if (this.#isStopped || this.#health.lastError === message) return;
    this.#health = { healthy: false, lastError: message, problems };
    this.#options.events.rejected(message, problems);
  }

  #schedule(work: () => void, ms: number): () => void {
    return (this.#options.schedule ?? later)(work, ms);
  }
}

function later(work: () => void, ms: number): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}
