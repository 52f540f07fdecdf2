// Writes the policy into its ConfigMaps: the shards that changed, then the index, then away with shards that are no
// longer part of it. A reader that looks in between finds shards that are not those of its index, and waits. Each write
// names the version that it replaces, and a new leader begins by changing every version: who led before and wakes up
// late is refused by the API server itself.

import { hash } from "node:crypto";
import { KubeError, messageOf } from "../../kubernetes/transport.ts";
import type { DocumentSet } from "../../policy/document/document.ts";

/** Names of the data entries in a ConfigMap. */
export const indexEntry = "index.json";
export const recordsEntry = "policy.json";

/** Label of every ConfigMap of a policy, with the policy's name: what is watched, and nothing else of the namespace. */
export const policyLabel = "aliasguard.dev/policy";

export type ConfigMapObject = {
  readonly apiVersion: "v1";
  readonly kind: "ConfigMap";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    /** Of the one that is replaced; absent where there is none. */
    readonly resourceVersion?: string;
  };
  readonly data: Readonly<Record<string, string>>;
};

export type StoredConfigMap = {
  readonly name: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, string>>;
};

/** What the writer needs of the API server. Each rejects when it fails, with status 409 for another version. */
export type ConfigMapApi = {
  /** Every ConfigMap with the policy's label. */
  list(): Promise<readonly StoredConfigMap[]>;
  read(name: string): Promise<StoredConfigMap | undefined>;
  /** Server-side apply; gives the new version. */
  apply(object: ConfigMapObject): Promise<string>;
  /** Writes this process's name on it, whatever its version: from now on that is another. */
  claim(name: string): Promise<StoredConfigMap | undefined>;
  remove(name: string, resourceVersion: string): Promise<void>;
  /** Whether this process leads, as the API server has it now. */
  confirm(): Promise<boolean>;
};

export type ConfigMapWriter = {
  /** Makes the cluster hold this policy; the number of ConfigMaps written. Only one call at a time. */
  write(document: DocumentSet): Promise<number>;
  /** Forgets what is known of the cluster: somebody else may have written meanwhile. */
  forget(): void;
};

export type ConfigMapWriterOptions = {
  readonly api: ConfigMapApi;
  readonly namespace: string;
  readonly name: string;
  /** Versions that a watch shows, by name; undefined while it has not seen all. What others wrote is found by it. */
  readonly watched?: () => ReadonlyMap<string, string> | undefined;
};

/** A ConfigMap that is there. `older`: versions that its own writes took the place of, which a watch may still show. */
type Known = {
  readonly version: string;
  readonly digest: string;
  readonly older: readonly string[];
};

/** A watch that is further behind than this has the ConfigMap read again, which does no harm. */
const olderMax = 16;

export function createConfigMapWriter(options: ConfigMapWriterOptions): ConfigMapWriter {
  return new PolicyConfigMaps(options);
}

class PolicyConfigMaps implements ConfigMapWriter {
  readonly #options: ConfigMapWriterOptions;
  readonly #labels: Readonly<Record<string, string>>;
  #known: Map<string, Known> | undefined;
  /** Somebody else wrote at the same time: who leads has to be asked before anything else is written. */
  #isContested = false;
  /** Of the last document: it is written again and again while nothing changes. */
  #digests: { readonly of: DocumentSet; readonly byName: ReadonlyMap<string, string> } | undefined;

  constructor(options: ConfigMapWriterOptions) {
    this.#options = options;
    this.#labels = {
      "app.kubernetes.io/managed-by": "aliasguard",
      [policyLabel]: options.name,
    };
  }

  forget(): void {
    this.#known = undefined;
  }

  async write(document: DocumentSet): Promise<number> {
    if (this.#isContested) await this.#confirm();
    this.#isContested = false;
    try {
      return await this.#write(document);
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) {
        this.#isContested = true;
        this.#known = undefined;
      }
      throw error;
    }
  }

  async #write(document: DocumentSet): Promise<number> {
    const known = this.#known ?? (await this.#claimAll());
    this.#known = known;
    await this.#lookAgain(known);
    const wanted = this.#dataOf(document);
    const [index, ...shards] = wanted;
    const apply = ([name, data]: readonly [string, Record<string, string>]): Promise<number> =>
      this.#applyChanged(known, { name, data, document });
    const counts = await allOf(shards, apply);
    if (index !== undefined) counts.push(await apply(index));
    for (const [name, { version }] of known) {
      if (!wanted.has(name)) await this.#remove(known, name, version);
    }
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The index first, with the one shard that may stand beside it. */
  #dataOf({ index, shards }: DocumentSet): ReadonlyMap<string, Record<string, string>> {
    const small = shards.get(0);
    const beside = small === undefined ? {} : { [recordsEntry]: small };
    const wanted = new Map<string, Record<string, string>>();
    wanted.set(this.#options.name, { [indexEntry]: index, ...beside });
    for (const [shard, text] of shards) {
      if (shard > 0) wanted.set(`${this.#options.name}-${shard}`, { [recordsEntry]: text });
    }
    return wanted;
  }

  async #claimAll(): Promise<Map<string, Known>> {
    const { api } = this.#options;
    const known = new Map<string, Known>();
    for (const { name, resourceVersion } of await api.list()) {
      if (!this.#isOurs(name)) continue;
      const claimed = await orForbidden(api.claim(name));
      if (claimed !== undefined) known.set(name, this.#knownOf(claimed, [resourceVersion]));
    }
    return known;
  }

  /** What somebody else wrote may be the work of the next leader. */
  async #confirm(): Promise<void> {
    if (!(await this.#options.api.confirm())) throw new KubeError("another controller leads");
  }

  /** Asks for what the watch shows in a version that is not of this process's making, or not at all. */
  async #lookAgain(known: Map<string, Known>): Promise<void> {
    const { api, watched } = this.#options;
    const versions = watched?.();
    if (versions === undefined) return;
    const names = new Set([...known.keys(), ...versions.keys()]);
    const strange = [...names].filter((name) => {
      const ours = known.get(name);
      const shown = versions.get(name);
      const isOwn = shown !== undefined && (shown === ours?.version || ours?.older.includes(shown));
      return isOwn !== true && this.#isOurs(name);
    });
    if (strange.length > 0) await this.#confirm();
    for (const name of strange) {
      const ours = known.get(name);
      const shown = versions.get(name);
      const found = await api.read(name);
      const older = shown === undefined || shown === found?.resourceVersion ? [] : [shown];
      if (found === undefined) known.delete(name);
      else known.set(name, this.#knownOf(found, [...(ours?.older ?? []), ...older]));
    }
  }

  async #applyChanged(
    known: Map<string, Known>,
    { name, data, document }: { name: string; data: Record<string, string>; document: DocumentSet },
  ): Promise<number> {
    const { api, namespace } = this.#options;
    const before = known.get(name);
    const digest = this.#digestOf(document, name, data);
    if (before?.digest === digest) return 0;
    // Until it is known to have gone well, nothing is known of it.
    known.delete(name);
    const replaced = before === undefined ? {} : { resourceVersion: before.version };
    const metadata = { name, namespace, labels: this.#labels, ...replaced };
    const version = await tellLimit(
      name,
      api.apply({ apiVersion: "v1", kind: "ConfigMap", metadata, data }),
    );
    const older = before === undefined ? [] : [...before.older, before.version];
    known.set(name, { version, digest, older: older.slice(-olderMax) });
    return 1;
  }

  /** Nobody reads a shard that the index does not name: one that may not be removed is in nobody's way. */
  async #remove(known: Map<string, Known>, name: string, version: string): Promise<void> {
    known.delete(name);
    await orForbidden(this.#options.api.remove(name, version));
  }

  #isOurs(configMap: string): boolean {
    const { name } = this.#options;
    if (configMap === name) return true;
    return configMap.startsWith(`${name}-`) && /^[1-9]\d*$/.test(configMap.slice(name.length + 1));
  }

  #knownOf({ resourceVersion, labels, data }: StoredConfigMap, older: readonly string[]): Known {
    // One without its label is seen by no authorizer.
    const isLabelled = Object.entries(this.#labels).every(
      ([label, text]) => labels[label] === text,
    );
    const others = older.filter((each) => each !== resourceVersion).slice(-olderMax);
    return { version: resourceVersion, digest: isLabelled ? digestOf(data) : "", older: others };
  }

  #digestOf(document: DocumentSet, name: string, data: Record<string, string>): string {
    if (this.#digests?.of !== document) {
      const all = [...this.#dataOf(document)].map(([each, own]) => [each, digestOf(own)] as const);
      this.#digests = { of: document, byName: new Map(all) };
    }
    return this.#digests.byName.get(name) ?? digestOf(data);
  }
}

/** ConfigMaps written at the same time. */
const writers = 4;

/** Rejects with the first failure once nothing is under way any more. */
async function allOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const queue = items.values();
  const results: R[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) results.push(await work(item));
  };
  const ended = await Promise.allSettled(Array.from({ length: writers }, worker));
  const failed = ended.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results;
}

/** Of data whose entries may come in any order. */
function digestOf(data: Readonly<Record<string, string>>): string {
  const entries = Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1));
  return hash("sha256", JSON.stringify(entries), "hex");
}

/** A shard may not be written, as for a quota or by the chart's role: the policy has to do with those before it. */
export class ShardForbidden extends KubeError {
  readonly shard: number;

  constructor(message: string, shard: number, reason: string | undefined) {
    super(message, { status: 403, reason });
    this.shard = shard;
  }
}

/** The chart lists by name what the controller may write. */
async function tellLimit<T>(name: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof KubeError) || error.status !== 403) throw error;
    const { reason } = error;
    const hint = `ConfigMap ${name} may not be written: the chart's value controller.policyShardsMax says up to which number`;
    const shard = Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
    throw new ShardForbidden(`${hint} (${messageOf(error)})`, shard, reason);
  }
}

async function orForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return undefined;
    throw error;
  }
}
