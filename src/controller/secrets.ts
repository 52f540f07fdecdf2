// Reads the Secrets that keys name and keeps their digests only. They are read one by one and again after a while, not
// watched: so the controller need not be allowed to list the Secrets of its namespace.

import { hash } from "node:crypto";
import { presentedKeyLengthMax, presentedKeyLengthMin } from "../core/http/credential.ts";
import type { SecretDigest } from "./translate.ts";

/** Milliseconds after which a Secret is read again: how long a changed one may go unseen. */
export const secretAgeMsMax = 15_000;

/** Secrets read at the same time. */
const readers = 8;

export type SecretReaderDeps = {
  /** The `data` of a Secret, base64 as the API gives it; undefined where there is none. Rejects when it cannot tell. */
  readonly read: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly nowMs: () => number;
};

type Cached = { readonly readAtMs: number; readonly digests: ReadonlyMap<string, SecretDigest> };

/** The digests of entries named `secret/entry`. Fails as a whole when one Secret cannot be asked for. */
export function createSecretReader({
  read,
  nowMs,
}: SecretReaderDeps): (entries: ReadonlySet<string>) => Promise<ReadonlyMap<string, SecretDigest>> {
  const cache = new Map<string, Cached>();

  async function digestsOf(name: string): Promise<ReadonlyMap<string, SecretDigest>> {
    const known = cache.get(name);
    if (known !== undefined && nowMs() - known.readAtMs < secretAgeMsMax) return known.digests;
    const readAtMs = nowMs();
    const data = (await read(name)) ?? {};
    const digests = new Map(Object.entries(data).map(([entry, text]) => [entry, digestOf(text)]));
    cache.set(name, { readAtMs, digests });
    return digests;
  }

  return async (entries) => {
    const found = new Map<string, SecretDigest>();
    const queue = entries[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const each of queue) {
        // Names of Secrets hold no slash, and neither do their entries.
        const [name = "", entry = ""] = each.split("/");
        found.set(each, (await digestsOf(name)).get(entry) ?? { kind: "missing" });
      }
    };
    await Promise.all(Array.from({ length: readers }, work));
    const named = new Set([...entries].map((each) => each.split("/", 1)[0]));
    for (const name of cache.keys()) if (!named.has(name)) cache.delete(name);
    return found;
  };
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
  return isKey ? { kind: "digest", digest: hash("sha256", key, "hex") } : { kind: "weak" };
}
