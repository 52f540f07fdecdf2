// The policy from files, kept current: polls the content, because that works on every file system and through every way
// of replacing a file (rename, symlink swap, mount). An edit with anything invalid in it changes nothing.

import { hash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Snapshot } from "../core/snapshot.ts";
import type { LocatedProblem } from "../policy/problem.ts";
import { compileManifests, readManifestFiles } from "./manifest-files.ts";
import type {
  PolicyCounts,
  PolicySource,
  SnapshotHolder,
  SourceEvents,
  SourceHealth,
} from "./source.ts";

export const pollIntervalMs = 250;

export type FileSourceOptions = {
  /** A file, or a directory of manifests. */
  readonly path: string;
  /** The clock, in milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly events: SourceEvents;
  /** Waits until the next poll; for tests. Rejects when `signal` aborts. */
  readonly wait?: (signal: AbortSignal) => Promise<void>;
};

const noCounts: PolicyCounts = { aliases: 0, teams: 0, keys: 0, groups: 0, models: 0 };

export function createFileSource(options: FileSourceOptions): PolicySource & SnapshotHolder {
  return new FileSource(options);
}

class FileSource implements PolicySource, SnapshotHolder {
  readonly #options: FileSourceOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
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
    const first = this.#load();
    this.#running = first.then(() => this.#poll());
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

  async #poll(): Promise<void> {
    const { signal } = this.#stopping;
    const wait = this.#options.wait ?? waitForPoll;
    while (!signal.aborted) {
      try {
        await wait(signal);
      } catch {
        return;
      }
      if (!signal.aborted) await this.#load();
    }
  }

  /** Rejects never: what goes wrong becomes the health of the source. */
  async #load(): Promise<void> {
    try {
      const read = await readManifestFiles(this.#options.path);
      const content = JSON.stringify([read.files.map(({ text }) => text), read.problems]);
      const contentHash = hash("sha256", content, "hex");
      const settled = this.#contentHash === undefined || contentHash === this.#pendingHash;
      this.#pendingHash = contentHash;
      if (!settled || contentHash === this.#contentHash || this.#stopping.signal.aborted) return;
      this.#contentHash = contentHash;
      const nowMs = this.#options.nowMs();
      const { policy, problems, found } = compileManifests(read, nowMs);
      const invalid = problems.filter(({ severity }) => severity === "invalid");
      const [first] = invalid;
      if (first !== undefined) this.#reject(rejection(first, invalid.length), problems);
      else if (found === 0) this.#reject("no resource of a policy found", problems);
      else {
        const replaced = policy.snapshot.revision !== this.#snapshot?.revision;
        this.#health = { healthy: true, lastError: undefined, problems };
        if (!replaced) return;
        this.#snapshot = policy.snapshot;
        this.#counts = policy.counts;
        this.#loadedAtMs = nowMs;
        this.#options.events.replaced(policy.snapshot, problems);
      }
    } catch (error) {
      this.#reject(error instanceof Error ? error.message : String(error), []);
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

async function waitForPoll(signal: AbortSignal): Promise<void> {
  await delay(pollIntervalMs, undefined, { signal, ref: false });
}
