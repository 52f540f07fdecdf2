// Writes the policy into its ConfigMaps: the shards that changed, then the index, then away with shards that are no
// longer part of it. A reader that looks in between finds shards that are not those of its index, and waits.

import type { DocumentSet } from "../policy/document.ts";
import { documentShardsMax } from "../policy/document-index.ts";

/** Names of the data entries in a ConfigMap. */
export const indexEntry = "index.json";
export const recordsEntry = "policy.json";

export type ConfigMapObject = {
  readonly apiVersion: "v1";
  readonly kind: "ConfigMap";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly data: Readonly<Record<string, string>>;
};

/** What the writer needs of the API server. Each rejects when it fails. */
export type ConfigMapApi = {
  /** The data of a ConfigMap, or undefined where there is none. */
  read(name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** Server-side apply. */
  apply(object: ConfigMapObject): Promise<void>;
  remove(name: string): Promise<void>;
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
};

export function createConfigMapWriter(options: ConfigMapWriterOptions): ConfigMapWriter {
  const { api, namespace, name } = options;
  /** Data by ConfigMap, as far as it is known; undefined value: it is not there. */
  let known: Map<string, string | undefined> | undefined;

  const nameOf = (shard: number): string => (shard === 0 ? name : `${name}-${shard}`);

  async function read(configMap: string): Promise<string | undefined> {
    const data = await api.read(configMap);
    return data === undefined ? undefined : textOf(data);
  }

  async function readAll(): Promise<Map<string, string | undefined>> {
    const found = new Map<string, string | undefined>([[name, await read(name)]]);
    for (let shard = 1; shard <= documentShardsMax; shard++) {
      const text = await read(nameOf(shard));
      if (text === undefined) break;
      found.set(nameOf(shard), text);
    }
    return found;
  }

  async function applyChanged(configMap: string, data: Record<string, string>): Promise<number> {
    if (known?.get(configMap) === textOf(data)) return 0;
    // Until it is known to have gone well, nothing is known of it.
    known?.delete(configMap);
    const labels = { "app.kubernetes.io/managed-by": "aliasguard", "aliasguard.dev/policy": name };
    const metadata = { name: configMap, namespace, labels };
    await api.apply({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
    known?.set(configMap, textOf(data));
    return 1;
  }

  return {
    forget() {
      known = undefined;
    },
    async write({ index, shards }) {
      known ??= await readAll();
      let written = 0;
      for (const [shard, text] of shards) {
        if (shard > 0) written += await applyChanged(nameOf(shard), { [recordsEntry]: text });
      }
      const small = shards.get(0);
      const data = small === undefined ? {} : { [recordsEntry]: small };
      written += await applyChanged(name, { [indexEntry]: index, ...data });
      const wanted = new Set([name, ...[...shards.keys()].map(nameOf)]);
      for (const configMap of [...known.keys()]) {
        if (wanted.has(configMap)) continue;
        await api.remove(configMap);
        known.delete(configMap);
      }
      return written;
    },
  };
}

/** One text for data whose entries may come in any order. */
function textOf(data: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));
}
