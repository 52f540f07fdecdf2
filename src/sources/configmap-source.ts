// The policy from the ConfigMaps that the controller writes, as a watch brings them: taken only when index and shards are
// of one policy. While they are not, or the API server is away, the last good policy stays.

import type { Snapshot } from "../core/snapshot.ts";
import { compilePolicy } from "../policy/compile.ts";
import { type DecodedDocument, type DecodedShards, decodeDocument } from "../policy/document.ts";
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
  readonly nowMs: () => number;
  readonly events: SourceEvents;
  /** Calls back once, after some time; returns what takes it back. For tests. */
  readonly schedule?: (work: () => void, ms: number) => () => void;
};

/** A set that is being written is torn for a moment; after so long it is reported. */
export const tornMsMax = 10_000;
/** The API server gets so long for the first list before the start goes on without a policy. */
export const firstListMsMax = 10_000;

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
  #health: SourceHealth = { healthy: false, lastError: "not loaded yet", problems: [] };
  #shards: DecodedShards | undefined;
  /** Of the policy in force: its shards are named in it by their hashes, so the same again is nothing new. */
  #acceptedIndex: string | undefined;
  #cancelTorn: (() => void) | undefined;
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
    const cancel = this.#schedule(() => {
      const { lastError } = this.#watch.health();
      this.#reject(`the ConfigMaps could not be listed: ${lastError ?? "no answer yet"}`);
      this.#firstRead();
    }, firstListMsMax);
    this.#watch.start();
    await first;
    cancel();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTorn?.();
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
    return this.#health;
  }

  counts(): PolicyCounts {
    return this.#counts;
  }

  #changed(): void {
    if (this.#isStopped || !this.#watch.synced()) return;
    this.#read();
    this.#firstRead();
  }

  #read(): void {
    const items = this.#watch.items();
    const { name } = this.#options;
    const main = items.get(name)?.data;
    const index = main?.[indexEntry];
    const read = {
      index,
      shard: (number: number) =>
        number === 0 ? main?.[recordsEntry] : items.get(`${name}-${number}`)?.data?.[recordsEntry],
    };
    if (index !== undefined && index === this.#acceptedIndex && this.#health.healthy) {
      this.#cancelTornTimer();
      return;
    }
    const document = decodeDocument(read, this.#shards);
    if (document.ok) {
      this.#cancelTornTimer();
      this.#acceptedIndex = index;
      this.#accept(document);
    } else if (document.kind === "torn") this.#waitForRest(document.message);
    else {
      this.#cancelTornTimer();
      this.#reject(`ConfigMap ${name}: ${document.message}`);
    }
  }

  #accept(document: Extract<DecodedDocument, { ok: true }>): void {
    const { nowMs, events } = this.#options;
    const { resources, modelExists, shards } = document;
    const { snapshot, counts } = compilePolicy(resources, { nowMs: nowMs(), modelExists });
    this.#shards = shards;
    const wasHealthy = this.#health.healthy;
    this.#health = { healthy: true, lastError: undefined, problems: [] };
    if (document.revision === this.#snapshot?.revision) {
      if (!wasHealthy) events.recovered?.(this.#snapshot, []);
      return;
    }
    // The controller's own word for it, so that both speak of one revision.
    this.#snapshot = { ...snapshot, revision: document.revision };
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
