// The policy document in a set of ConfigMaps, as the controller writes it: whether index and shards belong together, and
// which of the ConfigMaps they are.

import {
  type FaultyDocument,
  readDocument,
  sha256,
  type WholeDocument,
} from "../../policy/document/document.ts";

/** Names of the data entries in a ConfigMap. */
const indexEntry = "index.json";
const recordsEntry = "policy.json";

/** Another one in each version of the ConfigMap; never changed. */
export type ConfigMapData = { readonly data?: Readonly<Record<string, string>> };

export type ConfigMaps = ReadonlyMap<string, ConfigMapData>;

export type FoundSet = {
  readonly document: WholeDocument | FaultyDocument;
  /** The ConfigMaps that it was read from, by name: the very same again are nothing new. */
  readonly from: ConfigMaps;
};

/** `name`: of the ConfigMap with the index. Shards that have been seen are not hashed again. */
export function createSetReader(name: string): (items: ConfigMaps) => FoundSet {
  const hashes = new WeakMap<ConfigMapData, string>();
  const nameOf = (shard: number): string => (shard === 0 ? name : `${name}-${shard}`);
  return (items) => {
    const from = new Map([[name, items.get(name) ?? {}]]);
    const shard = (number: number): string | undefined => {
      const item = items.get(nameOf(number));
      if (item !== undefined) from.set(nameOf(number), item);
      return item?.data?.[recordsEntry];
    };
    const sha256Of = (number: number, text: string): string => {
      const item = items.get(nameOf(number));
      const known = item === undefined ? undefined : hashes.get(item);
      const found = known ?? sha256(text);
      if (item !== undefined) hashes.set(item, found);
      return found;
    };
    const index = items.get(name)?.data?.[indexEntry];
    return { document: readDocument({ index, shard }, sha256Of), from };
  };
}

export function isSameSet(set: ConfigMaps, items: ConfigMaps): boolean {
  for (const [name, item] of set) if (items.get(name) !== item) return false;
  return set.size > 0;
}
