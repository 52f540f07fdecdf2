// The policy from files, kept current. Polls the attributes of the files, which works on every file system and through
// every way of replacing a file (rename, symlink swap, mount). An edit with anything invalid in it changes nothing.

import { setTimeout as delay } from "node:timers/promises";
import type { CatalogueWord, Snapshot } from "../../core/permission/snapshot.ts";
import type { LocatedProblem } from "../../policy/problem.ts";
import type { LoadAnswer, LoadedPolicy, LoadRequest } from "../loading/load-messages.ts";
import { loadPolicy } from "../loading/load-policy.ts";
import type {
  PolicyCounts,
  PolicySource,
  SnapshotHolder,
  SourceEvents,
  SourceHealth,
} from "../source.ts";
import { hashManifestFiles } from "./manifest-hash.ts";
import { listManifestFiles, type ManifestListing, stampOf } from "./manifest-listing.ts";

export const pollIntervalMs = 250;

/** Polls after which the content is read although no attribute changed: not every file system keeps its times. */
export const pollsBetweenReads = 20;

/** Of the time, at most one part in this many goes into looking at the files: thousands of them are polled less often. */
const pollShare = 5;

export type FileSourceOptions = {
  /** A file, or a directory of manifests. */
  readonly path: string;
  /** Whether only catalogued models can run. Default: open. */
  readonly catalogue?: CatalogueWord;
  /** The clock, in milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly events: SourceEvents;
  /** Waits until the next poll; for tests. Rejects when `signal` aborts. */
  readonly wait?: (signal: AbortSignal, delayMs: number) => Promise<void>;
  /** Looks at the files; for tests. Rejects never. */
  readonly list?: (path: string) => Promise<ManifestListing>;
  /** Loads what is there; for tests. */
  readonly load?: (request: LoadRequest, signal: AbortSignal) => Promise<LoadAnswer>;
};

const noCounts: PolicyCounts = { aliases: 0, teams: 0, keys: 0, groups: 0, models: 0 };

export function createFileSource(options: FileSourceOptions): PolicySource & SnapshotHolder {
  return new FileSource(options);
}

class FileSource implements PolicySource, SnapshotHolder {
  readonly #options: FileSourceOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Of the files when their content was last read and found to be the loaded one. */
  #stamp: string | undefined;
  #pollsSinceRead = 0;
  /** How long it took to look at the files. */
  #lookMs = 0;
  /** Of the content that was last taken or rejected. */
  #contentHash: string | undefined;
  /** Content seen once: it is used when the next poll sees it again, for half of a file may be a policy too. */
  #pendingHash: string | undefined;
  #snapshot: Snapshot | undefined;
  #loadedAtMs: number | undefined;
  #counts = noCounts;
  #health: SourceHealth = { healthy: false, lastError: "not loaded yet", problems: [] };

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined || this.#stopping.signal.aborted) return;
    const first = this.#attempt(() => this.#load(undefined));
    this.#running = first.then(() => this.#pollUntilStopped());
    await first;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
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

  async #pollUntilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    const wait = this.#options.wait ?? waitForPoll;
    while (!signal.aborted) {
      try {
        await wait(signal, Math.max(pollIntervalMs, this.#lookMs * (pollShare - 1)));
      } catch {
        return;
      }
      if (!signal.aborted) await this.#attempt(() => this.#poll());
    }
  }

  async #poll(): Promise<void> {
    const startMs = performance.now();
    const listing = await (this.#options.list ?? listManifestFiles)(this.#options.path);
    this.#lookMs = performance.now() - startMs;
    const stamp = stampOf(listing);
    this.#pollsSinceRead++;
    if (stamp === this.#stamp && this.#pollsSinceRead < pollsBetweenReads) return;
    this.#pollsSinceRead = 0;
    const contentHash = await hashManifestFiles(listing);
    const settled = contentHash === this.#pendingHash;
    this.#pendingHash = contentHash;
    // What is not yet settled is read again by the next poll; what could not be loaded is tried again in a while.
    this.#stamp = settled || contentHash === this.#contentHash ? stamp : undefined;
    if (settled && contentHash !== this.#contentHash) await this.#load(contentHash);
  }

  /** `wantedHash`: undefined takes whatever is there. */
  async #load(wantedHash: string | undefined): Promise<void> {
    const { path, nowMs, catalogue = "open" } = this.#options;
    const { signal } = this.#stopping;
    const load = this.#options.load ?? loadPolicy;
    const answer = await load({ path, nowMs: nowMs(), catalogue, wantedHash }, signal);
    if (signal.aborted) return;
    this.#pendingHash = answer.contentHash;
    if (answer.kind === "changed") {
      this.#stamp = undefined;
      return;
    }
    this.#contentHash = answer.contentHash;
    const { invalid, found, problems } = answer;
    const first = problems.find(({ severity }) => severity === "invalid");
    if (first !== undefined) this.#reject(rejection(first, invalid), problems);
    else if (found === 0) this.#reject("no resource of a policy found", problems);
    else this.#accept(answer);
  }

  #accept({ snapshot, counts, problems }: LoadedPolicy): void {
    const { events, nowMs } = this.#options;
    const recovered = !this.#health.healthy;
    this.#health = { healthy: true, lastError: undefined, problems };
    if (snapshot.revision === this.#snapshot?.revision) {
      if (recovered) events.recovered?.(this.#snapshot, problems);
      return;
    }
    this.#snapshot = snapshot;
    this.#counts = counts;
    this.#loadedAtMs = nowMs();
    events.replaced(snapshot, problems);
  }

  /** Rejects never: what goes wrong becomes the health of the source, once, and the next read tries again. */
  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#contentHash = undefined;
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#health.lastError) this.#reject(message, []);
    }
  }

  #reject(message: string, problems: readonly LocatedProblem[]): void {
    this.#health = { healthy: false, lastError: message, problems };
    this.#options.events.rejected(message, problems);
  }
}

function rejection({ file, line, column, object, message }: LocatedProblem, count: number): string {
  const subject = object === undefined ? "" : `${object}: `;
  const more = count === 1 ? "" : ` (and ${count - 1} more)`;
  return `${file}:${line}:${column}: ${subject}${message}${more}`;
}

async function waitForPoll(signal: AbortSignal, delayMs: number): Promise<void> {
  await delay(delayMs, undefined, { signal, ref: false });
}
