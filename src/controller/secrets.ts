// Reads the Secrets that keys name and keeps their digests only. They are read one by one and again after a while, not
// watched: so the controller need not be allowed to list the Secrets of its namespace. What goes wrong with one Secret is
// the affair of its keys alone, and nobody waits for one that was read before.

import { hash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import {
  presentedKeyLengthMax,
  presentedKeyLengthMin,
  publicKeyId,
} from "../core/http/credential.ts";
import { KubeError } from "../kubernetes/transport.ts";
import type { SecretDigest } from "./translate.ts";

/** Milliseconds after which a Secret is read again: how long a changed one may go unseen. */
export const secretAgeMsMax = 15_000;

/**
 * Milliseconds for which a Secret that cannot be read, though it might be (the API server fails or is silent), counts as
 * it was read last. Then its keys are off. One that may not be read, or is gone, is off at once.
 */
export const secretKeptMsMax = 300_000;

/** Milliseconds that one read may take. */
export const secretReadMsMax = 3000;

/** Milliseconds that a run waits for Secrets that were never read; what comes later is another run's. */
export const secretWaitMsMax = 250;

/**
 * The same for the first run, which must not turn off the keys of Secrets that it only has not come to: as long as reads
 * go well, and for so long without one.
 */
export const secretFirstWaitMsMax = 5000;

/** Secrets read at the same time. */
const readers = 16;

export type SecretReaderDeps = {
  /** The `data` of a Secret, base64 as the API gives it; undefined where there is none. Rejects when it cannot tell. */
  readonly read: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly nowMs: () => number;
  /** What was read later than a run could wait for is another than that run was given. */
  readonly onChange?: () => void;
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type SecretReader = (
  entries: ReadonlySet<string>,
) => Promise<ReadonlyMap<string, SecretDigest>>;

/** The digests of entries named `secret/entry`. Never rejects. */
export function createSecretReader(deps: SecretReaderDeps): SecretReader {
  const secrets = new KeptSecrets(deps);
  return (entries) => secrets.read(entries);
}

type Kept = {
  /** Of the last read that told something; undefined: there was none. */
  known: Known | undefined;
  /** Since when reads fail. */
  failingSinceMs: number | undefined;
  /** When the last read began. */
  askedAtMs: number;
  /** While it is read, or waits to be. */
  isAsked: boolean;
};

type Known =
  | { readonly kind: "read"; readonly digests: ReadonlyMap<string, SecretDigest> }
  | { readonly kind: "forbidden" };

class KeptSecrets {
  readonly #deps: SecretReaderDeps;
  readonly #kept = new Map<string, Kept>();
  readonly #queue: string[] = [];
  #reading = 0;
  #goodReads = 0;
  #isFirst = true;
  #waiting: (() => void) | undefined;

  constructor(deps: SecretReaderDeps) {
    this.#deps = deps;
  }

  async read(entries: ReadonlySet<string>): Promise<ReadonlyMap<string, SecretDigest>> {
    // Names of Secrets hold no slash, and neither do their entries.
    const names = new Set([...entries].map((each) => each.split("/", 1)[0] ?? ""));
    for (const name of this.#kept.keys()) if (!names.has(name)) this.#kept.delete(name);
    for (const name of names) this.#askFor(name);
    await this.#waitForNew(names);
    this.#isFirst = false;
    const found = new Map<string, SecretDigest>();
    for (const each of entries) {
      const [name = "", entry = ""] = each.split("/");
      found.set(each, this.#digestOf(name, entry));
    }
    return found;
  }

  #digestOf(name: string, entry: string): SecretDigest {
    const kept = this.#kept.get(name);
    if (kept === undefined) return { kind: "unread" };
    const { known, failingSinceMs } = kept;
    const failedMs = failingSinceMs === undefined ? 0 : this.#deps.nowMs() - failingSinceMs;
    if (failedMs >= secretKeptMsMax) return { kind: "unavailable" };
    if (known === undefined) {
      return { kind: failingSinceMs === undefined ? "unread" : "unavailable" };
    }
    if (known.kind === "forbidden") return { kind: "forbidden" };
    return known.digests.get(entry) ?? { kind: "missing" };
  }

  /** Unless it is being asked for, or was so a short while ago. */
  #askFor(name: string): void {
    const nowMs = this.#deps.nowMs();
    const kept = this.#kept.get(name);
    if (kept !== undefined && (kept.isAsked || nowMs - kept.askedAtMs < secretAgeMsMax)) return;
    const fresh = { known: undefined, failingSinceMs: undefined, askedAtMs: nowMs };
    this.#kept.set(name, { ...(kept ?? fresh), isAsked: true });
    this.#queue.push(name);
    if (this.#reading < readers) void this.#work();
  }

  /** Rejects never. */
  async #work(): Promise<void> {
    this.#reading += 1;
    for (let name = this.#queue.shift(); name !== undefined; name = this.#queue.shift()) {
      const kept = this.#kept.get(name);
      // Nobody names it any more.
      if (kept === undefined) continue;
      kept.askedAtMs = this.#deps.nowMs();
      const told = await this.#tell(name);
      kept.isAsked = false;
      if (told === undefined) kept.failingSinceMs ??= this.#deps.nowMs();
      else {
        this.#goodReads += 1;
        const isNew = !isSame(kept.known, told) || kept.failingSinceMs !== undefined;
        kept.known = told;
        kept.failingSinceMs = undefined;
        if (isNew) this.#changed();
      }
      if (told === undefined && kept.known === undefined) this.#changed();
    }
    this.#reading -= 1;
  }

  /** Who waits looks for himself. */
  #changed(): void {
    if (this.#waiting === undefined) this.#deps.onChange?.();
    else this.#waiting();
  }

  /** undefined: it cannot be told. */
  async #tell(name: string): Promise<Known | undefined> {
    const done = new AbortController();
    const late = this.#delay(secretReadMsMax, done.signal).then(() => "late" as const);
    try {
      const data = await Promise.race([this.#deps.read(name), late]);
      if (data === "late") return undefined;
      const texts = Object.entries(data ?? {});
      const digests = new Map(texts.map(([entry, text]) => [entry, digestOf(text)]));
      return { kind: "read", digests };
    } catch (error) {
      return error instanceof KubeError && error.status === 403 ? { kind: "forbidden" } : undefined;
    } finally {
      done.abort();
    }
  }

  async #waitForNew(names: ReadonlySet<string>): Promise<void> {
    const isMissing = (): boolean =>
      [...names].some((name) => {
        const kept = this.#kept.get(name);
        return kept !== undefined && kept.known === undefined && kept.failingSinceMs === undefined;
      });
    const ms = this.#isFirst ? secretFirstWaitMsMax : secretWaitMsMax;
    for (let before = -1; isMissing() && before < this.#goodReads; ) {
      before = this.#isFirst ? this.#goodReads : Number.MAX_SAFE_INTEGER;
      await this.#waitUntil(() => !isMissing(), ms);
    }
  }

  async #waitUntil(isOver: () => boolean, ms: number): Promise<void> {
    const timer = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    let looks = 0;
    this.#waiting = () => {
      // Of thousands that come one after another not each is worth a look at all of them.
      looks += 1;
      if ((this.#queue.length + this.#reading <= readers || looks % 100 === 0) && isOver()) {
        resolve();
      }
    };
    await Promise.race([promise, this.#delay(ms, timer.signal)]);
    timer.abort();
    this.#waiting = undefined;
  }

  async #delay(ms: number, signal: AbortSignal): Promise<void> {
    const { delay = timerDelay } = this.#deps;
    await delay(ms, signal).catch(() => undefined);
  }
}

async function timerDelay(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal, ref: false });
}

function isSame(a: Known | undefined, b: Known): boolean {
  if (a?.kind !== "read" || b.kind !== "read") return a?.kind === b.kind;
  if (a.digests.size !== b.digests.size) return false;
  return [...a.digests].every(([entry, digest]) => {
    const other = b.digests.get(entry);
    return JSON.stringify(other) === JSON.stringify(digest);
  });
}

/** A newline at the end is no part of a key: `kubectl create secret --from-file` keeps the one that editors add. */
function digestOf(base64: string): SecretDigest {
  const key = Buffer.from(base64, "base64")
    .toString("latin1")
    .replace(/\r?\n$/, "");
  const isKey =
    key.length >= presentedKeyLengthMin &&
    key.length <= presentedKeyLengthMax &&
    /^[\x21-\x7e]+$/.test(key) &&
    !key.includes(",");
  if (!isKey) return { kind: "weak" };
  return { kind: "digest", digest: hash("sha256", key, "hex"), keyId: publicKeyId(key) };
}
