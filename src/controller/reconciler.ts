// Level-triggered: whatever changed, one debounced job compiles everything that is there and writes the policy when it
// is another; the statuses follow on their own. Missed and doubled events are harmless.

import type { CatalogueWord } from "../core/permission/snapshot.ts";
import { KubeError } from "../kubernetes/transport.ts";
import {
  type DocumentSet,
  type EncodedDocument,
  encodeDocument,
  type LeftOutResource,
} from "../policy/document/document.ts";
import { documentShardsMax } from "../policy/document/index-record.ts";
import { areSameObjects, createDecoder } from "./decoder.ts";
import type { PolicyObject } from "./objects.ts";
import { createStatusWriter, type StatusObservation, type StatusWriterDeps } from "./statuses.ts";
import {
  type LeftOutObjects,
  type SecretDigest,
  secretsNamedBy,
  type Translation,
  translate,
} from "./translate.ts";
import { type ConfigMapWriter, ShardForbidden } from "./writing/config-maps.ts";
import type { Confirmer } from "./writing/confirmation.ts";

export type ReconcilerDeps = Omit<StatusWriterDeps, "observe" | "isBusy"> & {
  /**
   * Every object of the five kinds, or undefined while a kind has not been listed yet. An object that has not changed is
   * the same one as before.
   */
  readonly objects: () => readonly PolicyObject[] | undefined;
  /** Digests of the entries of Secrets, each named `name/entry`. Never rejects. */
  readonly readSecrets: (
    entries: ReadonlySet<string>,
  ) => Promise<ReadonlyMap<string, SecretDigest>>;
  readonly writer: ConfigMapWriter;
  /** Default: open. */
  readonly catalogue?: CatalogueWord;
  readonly confirmer?: Confirmer;
  /** ConfigMaps that the policy may take beside its first one. */
  readonly shardsMax?: number;
  readonly observe: (observation: ReconcileObservation) => void;
};

export type ReconcileObservation =
  | { readonly kind: "policy"; readonly revision: string; readonly configMapsWritten: number }
  | { readonly kind: "failed"; readonly step: "policy"; readonly error: unknown }
  | StatusObservation
  /** After each run, the failed ones too. */
  | { readonly kind: "ran"; readonly isDone: boolean; readonly seconds: number };

export type Reconciler = {
  /** Whether a run is asked for that has not begun. */
  isQueued(): boolean;
  /** Something may have changed. Cheap, and may be called any number of times. */
  request(): void;
  /** This process leads from now on, or no longer: nothing is known of what others wrote. */
  leadershipChanged(): void;
  stop(): Promise<void>;
};

/** Changes that come together are compiled together; the first waits so long, in milliseconds. */
export const debounceMs = 25;
/** While runs follow each other, the next waits for this share of the time that the last one took. */
const restShare = 0.5;
const restMsMax = 1000;
/** After a change the API server is the policy's for so long: the next may follow at once. */
const busyMs = 1000;
const retryMsMin = 200;
/** A request each 5 s burdens no server, and one that is back is not kept waiting. */
const retryMsMax = 5000;
/** A server that asks for more is asked again after this, in ms. */
const retryAfterMsMax = 60_000;

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  return new LevelReconciler(deps);
}

/** What a run compiled, and from what: the next one may have the same before it. */
type Compiled = {
  readonly objects: readonly PolicyObject[];
  readonly secrets: ReadonlyMap<string, SecretDigest>;
  readonly translation: Translation;
  readonly document: DocumentSet;
  readonly shardsMax: number;
};

/** A shard that was refused is tried again after this, in ms: quotas and roles change. */
const shardRefusedMs = 600_000;

/** So often what is left out may change what else fits. */
const fitTurnsMax = 3;

class LevelReconciler implements Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #statuses: ReturnType<typeof createStatusWriter>;
  readonly #decoder = createDecoder();
  #compiled: Compiled | undefined;
  #entries: ReadonlySet<string> = new Set();
  #entriesOf: readonly PolicyObject[] = [];
  #isRequested = false;
  #wake: () => void = () => {};
  #retryMs = retryMsMin;
  #retryAfterMs = 0;
  #ranAtMs = Number.NEGATIVE_INFINITY;
  #ranMs = 0;
  /** When a policy was compiled last that is another than the one before. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #refused: { readonly shard: number; readonly atMs: number } | undefined;

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#statuses = createStatusWriter({ ...deps, isBusy: () => this.#isBusy() });
    this.#running = this.#loop();
  }

  isQueued(): boolean {
    return this.#isRequested;
  }

  request(): void {
    this.#isRequested = true;
    this.#wake();
  }

  leadershipChanged(): void {
    this.#deps.writer.forget();
    this.#statuses.clear();
    this.request();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await Promise.all([this.#running, this.#statuses.stop()]);
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#requested();
      if (signal.aborted) return;
      await this.#deps.delay(this.#restMs(), signal);
      this.#isRequested = false;
      const isDone = await this.#timedRun();
      if (isDone) {
        this.#retryMs = retryMsMin;
        continue;
      }
      await this.#deps.delay(Math.max(this.#retryMs, this.#retryAfterMs), signal);
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
      this.#isRequested = true;
    }
  }

  #isBusy(): boolean {
    return this.#deps.monotonicMs() - this.#changedAtMs < busyMs;
  }

  #restMs(): number {
    const restMs = Math.min(this.#ranMs * restShare, restMsMax);
    return Math.max(debounceMs, this.#ranAtMs + restMs - this.#deps.monotonicMs());
  }

  #requested(): Promise<void> {
    if (this.#isRequested || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #timedRun(): Promise<boolean> {
    const { objects, isLeader, monotonicMs, observe } = this.#deps;
    const all = objects();
    if (all === undefined || !isLeader()) return true;
    const startMs = monotonicMs();
    const isDone = await this.#run(all);
    this.#ranAtMs = monotonicMs();
    this.#ranMs = this.#ranAtMs - startMs;
    observe({ kind: "ran", isDone, seconds: this.#ranMs / 1000 });
    return isDone;
  }

  /** Whether it need not be tried again. */
  async #run(objects: readonly PolicyObject[]): Promise<boolean> {
    try {
      const { translation, document } = await this.#compile(objects);
      if (!this.#deps.isLeader()) return true;
      const configMapsWritten = await this.#deps.writer.write(document);
      const { revision } = translation.policy.snapshot;
      this.#deps.observe({ kind: "policy", revision, configMapsWritten });
      // Nobody waits for it: a slow server must not hold up the next policy.
      void this.#deps.confirmer?.confirm(revision);
      if (this.#deps.isLeader()) this.#statuses.set(objects, translation);
      return true;
    } catch (error) {
      if (error instanceof ShardForbidden && error.shard > 0) {
        this.#refused = { shard: error.shard, atMs: this.#deps.monotonicMs() };
      }
      const asked = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
      this.#retryAfterMs = Math.min(asked, retryAfterMsMax);
      this.#deps.observe({ kind: "failed", step: "policy", error });
      return false;
    }
  }

  /** What was written to a status comes back as a change, and is none. */
  async #compile(objects: readonly PolicyObject[]): Promise<Compiled> {
    const { decode } = this.#decoder;
    if (!areSameObjects(this.#entriesOf, objects)) {
      this.#entries = secretsNamedBy(objects, decode);
    }
    this.#entriesOf = objects;
    const secrets = await this.#deps.readSecrets(this.#entries);
    const before = this.#compiled;
    const shardsMax = this.#shardsMax();
    if (
      before !== undefined &&
      before.shardsMax === shardsMax &&
      areSameObjects(before.objects, objects) &&
      areSameDigests(before.secrets, secrets)
    ) {
      this.#compiled = { ...before, objects };
      return this.#compiled;
    }
    const { nowMs, catalogue = "open" } = this.#deps;
    const fitted = fit(objects, { nowMs: nowMs(), catalogue, secrets, decode }, shardsMax);
    this.#decoder.keepOnly(objects);
    this.#changedAtMs = this.#deps.monotonicMs();
    this.#compiled = { objects, secrets, ...fitted, shardsMax };
    return this.#compiled;
  }

  #shardsMax(): number {
    const { shardsMax = documentShardsMax, monotonicMs } = this.#deps;
    const refused = this.#refused;
    if (refused === undefined || monotonicMs() - refused.atMs >= shardRefusedMs) return shardsMax;
    return Math.min(shardsMax, refused.shard - 1);
  }
}

type Fitted = Pick<Compiled, "translation" | "document">;

/** What has no room in the policy is left out of it as a whole: what names it is told that it is not there. */
function fit(
  objects: readonly PolicyObject[],
  options: Parameters<typeof translate>[1],
  shardsMax: number,
): Fitted {
  const leftOut = new Map<
    string,
    LeftOutObjects extends ReadonlyMap<string, infer V> ? V : never
  >();
  for (let turn = 1; ; turn++) {
    const translation = translate(objects, { ...options, leftOut });
    const document = documentOf(translation, shardsMax);
    if (document.leftOut.length === 0 || turn >= fitTurnsMax) return { translation, document };
    for (const { resource, why, message } of document.leftOut) {
      leftOut.set(`${resource.kind}/${resource.name}`, { reason: reasonOf[why], message });
    }
  }
}

const reasonOf = {
  record_too_large: "TooLarge",
  policy_full: "PolicyFull",
  duplicate: "Conflicted",
} as const satisfies Record<LeftOutResource["why"], string>;

function documentOf({ resources, policy }: Translation, shardsMax: number): EncodedDocument {
  const { revision, catalogue } = policy.snapshot;
  const word: CatalogueWord = catalogue.closed ? "closed" : "open";
  const about = { revision, counts: policy.counts, catalogue: word };
  return encodeDocument(resources, about, { shardsMax });
}

function areSameDigests(
  a: ReadonlyMap<string, SecretDigest>,
  b: ReadonlyMap<string, SecretDigest>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [entry, digest] of a) {
    const other = b.get(entry);
    if (other?.kind !== digest.kind) return false;
    if (digest.kind === "digest" && other.kind === "digest" && other.digest !== digest.digest) {
      return false;
    }
  }
  return true;
}
