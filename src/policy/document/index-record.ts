// The index of a policy document: what is read first, and what pins the text of every shard by its hash.

import { type CatalogueWord, catalogueWords } from "../../core/permission/snapshot.ts";
import {
  type Field,
  readFields,
  readList,
  readWhole,
  readWord,
  wanted,
} from "../decode/field-reader.ts";
import { formatPath } from "../decode/shown-text.ts";

/** Raised when an older reader would misread the document. */
export const documentFormatVersion = 1;

/** Number of shards at most; the controller looks for shards that were left over up to here. A power of two. */
export const documentShardsMax = 1024;

/** Of what is in force; for people who read the document, not for the reader of it. */
export type DocumentCounts = {
  readonly aliases: number;
  readonly teams: number;
  readonly keys: number;
  readonly groups: number;
  readonly models: number;
};

export type DocumentAbout = {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly revision: string;
  readonly counts: DocumentCounts;
  /** Whether only catalogued models can run: the controller's word for all authorizers. */
  readonly catalogue: CatalogueWord;
};

/** `shard` 0 alone: all records stand beside the index. Otherwise 1 to n, n a power of two. */
export type IndexedShard = {
  readonly shard: number;
  /** Of the shard's text in UTF-8: 64 lower-case hex characters. */
  readonly sha256: string;
};

export type DocumentIndex = DocumentAbout & { readonly shards: readonly IndexedShard[] };

export type DecodedIndex =
  | { readonly ok: true; readonly index: DocumentIndex }
  | { readonly ok: false; readonly kind: "invalid" | "unsupported"; readonly message: string };

/** JSON in ASCII, one shard a line. */
export function encodeIndex({ revision, counts, catalogue, shards }: DocumentIndex): string {
  const { aliases, teams, keys, groups, models } = counts;
  const head = JSON.stringify({
    formatVersion: documentFormatVersion,
    revision,
    counts: { aliases, teams, keys, groups, models },
    catalogue,
  });
  const lines = shards.map(({ shard, sha256 }) => `\n${JSON.stringify({ shard, sha256 })}`);
  return `${head.slice(0, -1)},"shards":[${lines.join(",")}\n]}`;
}

/** Never throws. The format version comes first: the rest of another version is not looked at. */
export function decodeIndex(value: unknown): DecodedIndex {
  const faults: string[] = [];
  const report: Field["report"] = (path, message) => {
    faults.push(path.length === 0 ? message : `${formatPath(path)} ${message}`);
  };
  const version = readVersion(value);
  if (version !== undefined && version !== documentFormatVersion) {
    const message = `the index has format version ${version}: this reader knows ${documentFormatVersion}`;
    return { ok: false, kind: "unsupported", message };
  }
  const index = readIndex({ value, path: [], report });
  if (index !== undefined && faults.length === 0) return { ok: true, index };
  return { ok: false, kind: "invalid", message: `the index: ${faults[0] ?? "cannot be read"}` };
}

function readVersion(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Object.hasOwn(value, "formatVersion")) return undefined;
  const version: unknown = Reflect.get(value, "formatVersion");
  return Number.isSafeInteger(version) ? Number(version) : undefined;
}

function readIndex(field: Field): DocumentIndex | undefined {
  const fields = readFields(field, [
    ...["formatVersion", "revision", "counts", "catalogue", "shards"],
  ]);
  const only = { min: documentFormatVersion, max: documentFormatVersion };
  fields?.required("formatVersion", (version) => readWhole(version, only));
  const revision = fields?.required("revision", readRevision);
  const counts = fields?.required("counts", readCounts);
  const catalogue = fields?.required("catalogue", (word) => readWord(word, catalogueWords));
  const shards = fields?.required("shards", readShards);
  if (revision === undefined || counts === undefined) return undefined;
  if (catalogue === undefined || shards === undefined) return undefined;
  return { revision, counts, catalogue, shards };
}

/** It goes into logs, metrics and headers. */
function readRevision(field: Field): string | undefined {
  const { value } = field;
  if (typeof value === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(value)) return value;
  return wanted(field, "1 to 64 of A-Z a-z 0-9 . _ -");
}

function readCounts(field: Field): DocumentCounts | undefined {
  const fields = readFields(field, ["aliases", "teams", "keys", "groups", "models"]);
  const count = (name: string): number =>
    fields?.required(name, (value) => readWhole(value, { min: 0, max: 1e9 })) ?? 0;
  if (fields === undefined) return undefined;
  return {
    aliases: count("aliases"),
    teams: count("teams"),
    keys: count("keys"),
    groups: count("groups"),
    models: count("models"),
  };
}

function readShards(field: Field): readonly IndexedShard[] | undefined {
  const shards = readList(field, { min: 1, max: documentShardsMax, read: readShard });
  if (shards === undefined) return undefined;
  const isPowerOfTwo = (shards.length & (shards.length - 1)) === 0;
  const first = shards.length === 1 ? 0 : 1;
  const inOrder = shards.every(({ shard }, at) => shard === first + at);
  if (isPowerOfTwo && inOrder) return shards;
  return wanted(field, "shard 0 alone, or shards 1 to n in order, n a power of two");
}

function readShard(field: Field): IndexedShard | undefined {
  const fields = readFields(field, ["shard", "sha256"]);
  const shard = fields?.required("shard", (value) =>
    readWhole(value, { min: 0, max: documentShardsMax }),
  );
  const sha256 = fields?.required("sha256", readSha256);
  return shard === undefined || sha256 === undefined ? undefined : { shard, sha256 };
}

function readSha256(field: Field): string | undefined {
  const { value } = field;
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value;
  return wanted(field, "64 lower-case hex digits");
}
