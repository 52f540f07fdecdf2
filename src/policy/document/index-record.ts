// The index of a policy document: what is read first, and what pins the text of every shard by its hash.

import { type CatalogueWord, catalogueWords } from "../../core/permission/snapshot.ts";
import {
  type Field,
  type Fields,
  readBoolean,
  readFields,
  readList,
  readOpenFields,
  readWhole,
  readWord,
  wanted,
} from "../decode/field-reader.ts";
import { formatPath, toAscii } from "../decode/shown-text.ts";

/**
 * Formats. 1: everything strict, to the byte; the record of an object stands in the shard that its name has drawn. 2: open
 * to what newer writers say (see `skippable`), and any record may stand in any shard. A reader takes the newest and the
 * one before; a writer writes the older one for as long as it can say everything (format-1.ts), so that authorizers of the
 * release before go on through an upgrade. Raised when an older reader would misread a document.
 */
export const documentFormatVersion = 2;
export const documentFormatVersionOldest = 1;
export type DocumentFormat = 1 | 2;

/**
 * Fields that a reader which does not know them may pass by, written into each document of format 2: `Kind.spec.field` in
 * records, `index.field` in the index. Only what cannot widen a permission belongs here: what is shown, counted or noted.
 * Whatever else a reader does not know costs it the one record, or for the index the document.
 */
export const skippableFields: readonly string[] = [];

/** Entries of `skippable` in a document. */
const skippableMax = 256;

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

/** `shard` 0 alone: all records stand beside the index. Otherwise 1 to n; in format 1, n is a power of two. */
export type IndexedShard = {
  readonly shard: number;
  /** Of the shard's text in UTF-8: 64 lower-case hex characters. */
  readonly sha256: string;
};

export type DocumentIndex = DocumentAbout & {
  readonly formatVersion: DocumentFormat;
  /** Of the writer; none in format 1. */
  readonly skippable: readonly string[];
  readonly shards: readonly IndexedShard[];
};

export type DecodedIndex =
  | { readonly ok: true; readonly index: DocumentIndex }
  | { readonly ok: false; readonly kind: "invalid" | "unsupported"; readonly message: string };

/** JSON in ASCII, one shard a line. */
export function encodeIndex(index: DocumentIndex): string {
  const { formatVersion, revision, counts, catalogue, skippable, shards } = index;
  const { aliases, teams, keys, groups, models } = counts;
  const head = JSON.stringify({
    formatVersion,
    revision,
    counts: { aliases, teams, keys, groups, models },
    ...(formatVersion === 1 ? { modelExists: catalogue === "closed" } : { catalogue, skippable }),
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
  if (version !== undefined && version !== 1 && version !== 2) {
    const known = `${documentFormatVersionOldest} and ${documentFormatVersion}`;
    const message = `the index has format version ${version}: this reader knows ${known}`;
    return { ok: false, kind: "unsupported", message };
  }
  const strange = version === 2 ? strangeFields(value) : [];
  if (strange.length > 0) {
    const message = `the index has a field that this reader must know and does not: ${strange.join(", ")}`;
    return { ok: false, kind: "unsupported", message };
  }
  const index = readIndex({ value, path: [], report }, version ?? 1);
  if (index !== undefined && faults.length === 0) return { ok: true, index };
  return { ok: false, kind: "invalid", message: `the index: ${faults[0] ?? "cannot be read"}` };
}

const fieldsOfFormat1 = ["formatVersion", "revision", "counts", "modelExists", "shards"];
const fieldsOfFormat2 = ["formatVersion", "revision", "counts", "catalogue", "skippable", "shards"];

/** What a newer writer says about the document, and does not allow to be passed by. */
function strangeFields(value: unknown): readonly string[] {
  const { names, skippable } = openFieldsOf(value);
  const strange = names.filter(
    (name) => !fieldsOfFormat2.includes(name) && !skippable.includes(`index.${name}`),
  );
  return strange.slice(0, 5).map((name) => toAscii(name.slice(0, 64)));
}

function openFieldsOf(value: unknown) {
  const names = typeof value === "object" && value !== null ? Object.keys(value) : [];
  const list: unknown = names.includes("skippable") ? Reflect.get(Object(value), "skippable") : [];
  return { names, skippable: Array.isArray(list) ? (list as readonly unknown[]) : [] };
}

function readVersion(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Object.hasOwn(value, "formatVersion")) return undefined;
  const version: unknown = Reflect.get(value, "formatVersion");
  return Number.isSafeInteger(version) ? Number(version) : undefined;
}

function readIndex(field: Field, formatVersion: DocumentFormat): DocumentIndex | undefined {
  const fields = formatVersion === 1 ? readFields(field, fieldsOfFormat1) : readOpenFields(field);
  const only = { min: formatVersion, max: formatVersion };
  fields?.required("formatVersion", (version) => readWhole(version, only));
  const revision = fields?.required("revision", readRevision);
  const counts = fields?.required("counts", (value) => readCounts(value, formatVersion));
  const catalogue = formatVersion === 1 ? readClosed(fields) : readWordOf(fields);
  const skippable = formatVersion === 1 ? [] : fields?.required("skippable", readSkippable);
  const shards = fields?.required("shards", (list) => readShards(list, formatVersion));
  if (revision === undefined || counts === undefined || skippable === undefined) return undefined;
  if (catalogue === undefined || shards === undefined) return undefined;
  return { formatVersion, revision, counts, catalogue, skippable, shards };
}

/** Format 1 knows no word: the first Model closes the catalogue. */
function readClosed(fields: Fields | undefined): CatalogueWord | undefined {
  const exists = fields?.required("modelExists", readBoolean);
  if (exists === undefined) return undefined;
  return exists ? "closed" : "open";
}

function readWordOf(fields: Fields | undefined): CatalogueWord | undefined {
  return fields?.required("catalogue", (word) => readWord(word, catalogueWords));
}

function readSkippable(field: Field): readonly string[] | undefined {
  const read = ({ value, ...rest }: Field): string | undefined =>
    typeof value === "string" && /^[A-Za-z]{1,32}(\.[A-Za-z0-9]{1,64}){1,8}$/.test(value)
      ? value
      : wanted({ value, ...rest }, "a path such as Model.spec.ownedBy");
  return readList(field, { min: 0, max: skippableMax, read });
}

/** It goes into logs, metrics and headers. */
function readRevision(field: Field): string | undefined {
  const { value } = field;
  if (typeof value === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(value)) return value;
  return wanted(field, "1 to 64 of A-Z a-z 0-9 . _ -");
}

function readCounts(field: Field, format: DocumentFormat): DocumentCounts | undefined {
  const names = ["aliases", "teams", "keys", "groups", "models"];
  // Nobody decides by them: a newer writer may count more.
  const fields = format === 1 ? readFields(field, names) : readOpenFields(field);
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

function readShards(field: Field, format: DocumentFormat): readonly IndexedShard[] | undefined {
  const shards = readList(field, { min: 1, max: documentShardsMax, read: readShard });
  if (shards === undefined) return undefined;
  const isCount = format === 2 || (shards.length & (shards.length - 1)) === 0;
  const first = shards.length === 1 ? 0 : 1;
  const inOrder = shards.every(({ shard }, at) => shard === first + at);
  if (isCount && inOrder) return shards;
  const power = format === 2 ? "" : ", n a power of two";
  return wanted(field, `shard 0 alone, or shards 1 to n in order${power}`);
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
