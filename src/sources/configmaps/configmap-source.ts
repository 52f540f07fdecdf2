// The policy from the ConfigMaps that the controller writes, as a watch brings them: taken only when index and shards are
// of one policy. While they are not, or the API server is away, the last good policy stays; at the start that may be a
// copy that was mounted. A large policy is loaded in a thread: what the watch brings meanwhile is looked at after it.

import type { Snapshot } from "../../core/permission/snapshot.ts";
import {
  type DocumentReader,
  readDocument,
  type WholeDocument,
} from "../../policy/document/document.ts";
import type { LocatedProblem } from "../../policy/problem.ts";
import type { DocumentAnswer } from "../loading/load-messages.ts";
import type {
  PolicyCounts,
  PolicySource,
  SnapshotHolder,
  SourceEvents,
  SourceHealth,
} from "../source.ts";
import { type ConfigMaps, createSetReader, type FoundSet, isSameSet } from "./configmap-set.ts";
import { createConfirmations } from "./confirmations.ts";
import { createDocumentLoader, type DocumentLoader } from "./document-loader.ts";

/** What the source needs of a reflector. */
export type ConfigMapWatch = {
  start(): void;
  stop(): Promise<void>;
  /** Whether a complete list has been seen; stays true through reconnects. */
  synced(): boolean;
  /** By metadata.name; always a complete set. */
  items(): ConfigMaps;
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
  /** For tests. */
  readonly loader?: DocumentLoader;
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

/** A load that failed, as for want of memory, is tried again after so long. */
export const retryMs = 15_000;

type WholeSet = FoundSet & { readonly document: WholeDocument };
type LoadedDocument = Extract<DocumentAnswer, { kind: "loaded" }>;

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
  readonly #loader: DocumentLoader;
  readonly #findSet: ReturnType<typeof createSetReader>;
  readonly #confirmations: ReturnType<typeof createConfirmations>;
  #snapshot: Snapshot | undefined;
  #loadedAtMs: number | undefined;
  #counts = noCounts;
  #health: SourceHealth = { healthy: false, lastError: notLoaded, problems: [] };
  /** What the policy in force was read from. */
  #accepted: ConfigMaps = new Map();
  /** While a set is loaded, none is looked at. */
  #isLoading = false;
  #cancelTorn: (() => void) | undefined;
  #cancelRetry: () => void = () => {};
  #cancelFirstList: () => void = () => {};
  #firstRead: () => void = () => {};
  #isStarted = false;
  #isStopped = false;

  constructor(options: ConfigMapSourceOptions) {
    this.#options = options;
    this.#loader = options.loader ?? createDocumentLoader();
    this.#findSet = createSetReader(options.name);
    this.#confirmations = createConfirmations(options.name, options.nowMs);
    this.#watch = options.watch(() => this.#look());
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
    this.#cancelRetry();
    this.#cancelFirstList();
    this.#firstRead();
    await Promise.all([this.#watch.stop(), this.#loader.end()]);
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

  confirmedAtMs(): number | undefined {
    return this.#confirmations.confirmedAtMs();
  }

  counts(): PolicyCounts {
    return this.#counts;
  }

  /** At what there is: a set that is whole, and new, is loaded. */
  #look(): void {
    if (this.#isStopped || this.#isLoading || !this.#watch.synced()) return;
    this.#cancelFirstList();
    this.#cancelRetry();
    const items = this.#watch.items();
    this.#confirmations.look(items);
    if (this.#health.healthy && isSameSet(this.#accepted, items)) {
      this.#cancelTornTimer();
      return;
    }
    const { document, from } = this.#findSet(items);
    if (!document.ok && document.kind === "torn") this.#waitForRest(document.message);
    else this.#cancelTornTimer();
    if (document.ok) {
      const answer = this.#load(document);
      if (answer instanceof Promise) {
        void this.#takeLater(answer, { document, from });
        return;
      }
      // Nothing of the thread is needed any more: its next load would begin with all shards.
      if (this.#take(answer, { document, from })) void this.#loader.end();
    } else if (document.kind === "absent" && this.#snapshot === undefined) {
      this.#tellAbsent(this.#about("there is no policy yet"));
    } else if (document.kind !== "torn") this.#reject(this.#about(document.message));
    this.#firstRead();
  }

  #load(document: WholeDocument): DocumentAnswer | Promise<DocumentAnswer> {
    const inForce = this.#snapshot?.revision;
    return this.#loader.load(document, { nowMs: this.#options.nowMs(), inForce });
  }

  /** Rejects never. Ends with a look at what has come meanwhile. */
  async #takeLater(loading: Promise<DocumentAnswer>, set: WholeSet): Promise<void> {
    this.#isLoading = true;
    const answer = await loading.catch(failed);
    if (this.#isStopped) return;
    this.#isLoading = false;
    if (answer.kind !== "failed") this.#take(answer, set);
    else {
      this.#reject(this.#about(answer.message));
      this.#cancelRetry = this.#schedule(() => this.#look(), retryMs);
    }
    if (!isSameSet(set.from, this.#watch.items())) this.#look();
    this.#firstRead();
  }

  /** Whether it is in force. */
  #take(answer: DocumentAnswer, { document, from }: WholeSet): boolean {
    if (answer.kind === "refused") {
      this.#reject(this.#about(answer.message));
      return false;
    }
    const wasHealthy = this.#health.healthy;
    this.#health = { healthy: true, lastError: undefined, problems: [] };
    this.#accepted = from;
    const current = this.#snapshot;
    if (answer.kind === "loaded" && document.revision !== current?.revision) this.#put(answer);
    else if (!wasHealthy && current !== undefined) this.#options.events.recovered?.(current, []);
    return true;
  }

  #put({ snapshot, counts, leftOut }: LoadedDocument): void {
    this.#snapshot = snapshot;
    this.#confirmations.put(snapshot.revision);
    this.#counts = counts;
    this.#loadedAtMs = this.#options.nowMs();
    this.#options.events.replaced(snapshot, leftOutProblems(this.#options.name, leftOut));
  }

  /** Never in place of what the watch has brought: that is as new, or newer. Rejects never. */
  async #takeCopy(): Promise<void> {
    const { copy } = this.#options;
    if (copy === undefined) return;
    const loaded = await this.#loadCopy(copy);
    if (this.#isStopped) return;
    if (loaded.kind !== "loaded" || this.#snapshot !== undefined) {
      copy.report(loaded.kind === "loaded" ? { kind: "late" } : loaded);
      return;
    }
    copy.report({ kind: "taken", revision: loaded.snapshot.revision });
    this.#put(loaded);
    // The watch has still to say that it is in force: healthy is who has seen the cluster.
    const known = this.#health.lastError;
    const lastError = known === undefined || known === notLoaded ? copyOnly : known;
    this.#health = { healthy: false, lastError, problems: [] };
    this.#firstRead();
  }

  /** Rejects never. */
  async #loadCopy(copy: PolicyCopy): Promise<CopyOutcome | LoadedDocument> {
    try {
      const document = readDocument(await copy.read());
      if (!document.ok) {
        const { kind, message } = document;
        return { kind: kind === "absent" ? "absent" : "refused", reason: message };
      }
      const answer = await this.#load(document);
      if (answer.kind === "refused") return { kind: "refused", reason: answer.message };
      return answer.kind === "unchanged" ? { kind: "late" } : answer;
    } catch (error) {
      // What was loaded on the loop meanwhile has ended the thread.
      if (this.#snapshot !== undefined) return { kind: "late" };
      return { kind: "refused", reason: failed(error).message };
    }
  }

  #waitForRest(message: string): void {
    this.#cancelTorn ??= this.#schedule(() => {
      this.#cancelTorn = undefined;
      this.#reject(this.#about(message));
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

  /** An authorizer that starts before its controller has written: no fault, but nothing to decide by. */
  #tellAbsent(message: string): void {
    if (this.#health.lastError === message) return;
    this.#health = { healthy: false, lastError: message, problems: [] };
    (this.#options.events.absent ?? this.#options.events.rejected)(message, []);
  }

  #about(message: string): string {
    return `ConfigMap ${this.#options.name}: ${message}`;
  }

  #schedule(work: () => void, ms: number): () => void {
    return (this.#options.schedule ?? later)(work, ms);
  }
}

/** Of a newer controller, what this authorizer cannot read. */
function leftOutProblems(
  file: string,
  leftOut: LoadedDocument["leftOut"],
): readonly LocatedProblem[] {
  return leftOut.map(({ object, fault }) => ({
    ...{ severity: "disabled", object, path: [], file, line: 1, column: 1 },
    message: `left out, for this version cannot read it: ${fault}`,
  }));
}

function failed(error: unknown): { readonly kind: "failed"; readonly message: string } {
  return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
}

function later(work: () => void, ms: number): () => void {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
}
