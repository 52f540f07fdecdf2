// The policy document: how the controller hands the resources in force to the authorizers, in one ConfigMap or several.
// Deterministic, strict and total: what is decoded is what was encoded, as a whole, or nothing.

import { hash } from "node:crypto";
import { objectName, type Resource, type ResourceIdentity } from "../resources.ts";
import {
  type DocumentAbout,
  type DocumentFormat,
  type DocumentIndex,
  decodeIndex,
  encodeIndex,
  type IndexedShard,
  skippableFields,
} from "./index-record.ts";
import { type LeftOut, type PlacementOptions, placeRecords } from "./placement.ts";
import {
  configMapBytesMax,
  decodeShard,
  type EncodedRecord,
  encodeRecords,
  parseJson,
  type ReadShard,
  shardText,
} from "./shards.ts";

/** The texts to be written. */
export type DocumentSet = {
  readonly index: string;
  /** Shard 0 alone stands beside the index; otherwise there are shards 1 to n, each in a ConfigMap of its own. */
  readonly shards: ReadonlyMap<number, string>;
};

/** A document of all resources but these, each for its own reason. */
export type EncodedDocument = DocumentSet & { readonly leftOut: readonly LeftOutResource[] };

export type LeftOutResource = {
  readonly resource: ResourceIdentity;
  /** `duplicate`: there is another of its kind and name, which no cluster has. */
  readonly why: LeftOut["why"] | "duplicate";
  readonly message: string;
};

/** The texts as found; undefined: there is none. */
export type DocumentReader = {
  readonly index: string | undefined;
  shard(number: number): string | undefined;
};

/**
 * `absent`: there is no index. `torn`: a shard is missing or is not the one that the index names, as while a new policy is
 * being written. `unsupported`: a format version that this reader does not know. `invalid`: nothing that an encoder wrote.
 */
export type DocumentFault = "absent" | "torn" | "invalid" | "unsupported";

/** Shards as they were decoded, by the hash of their text and what else their meaning follows from. */
export type DecodedShards = ReadonlyMap<string, ReadShard>;

/** One shard as its index names it. */
export type WholeShard = {
  /** The hash of its text, and what else its meaning follows from: what `DecodedShards` know it by. */
  readonly place: string;
  readonly shard: number;
  readonly text: string;
};

/** Index and shards belong together. What the shards say has not been looked at. */
export type WholeDocument = DocumentAbout &
  Pick<DocumentIndex, "formatVersion" | "skippable"> & {
    readonly ok: true;
    readonly shards: readonly WholeShard[];
  };

export type FaultyDocument = {
  readonly ok: false;
  readonly kind: DocumentFault;
  readonly message: string;
};

export type DecodedDocument =
  | (DocumentAbout &
      Pick<DocumentIndex, "formatVersion" | "skippable"> &
      ReadShard & {
        readonly ok: true;
        /** For the next decoding: what has not changed is not decoded again. */
        readonly shards: DecodedShards;
      })
  | FaultyDocument;

/** Characters of a message about a document that is wrong. */
const messageLengthMax = 500;

/** `shardsMax`: ConfigMaps that may be written beside the first. */
export type EncodeOptions = Pick<PlacementOptions, "shardsMax">;

/**
 * In the oldest format that can say it. Secrets must have been resolved: a key that still refers to one is carried as it
 * is, and off for whoever compiles it. Never throws and never fails: what does not fit is left out, and the rest is written.
 */
export function encodeDocument(
  resources: readonly Resource[],
  about: DocumentAbout,
  { shardsMax }: EncodeOptions = {},
): EncodedDocument {
  const all = encodeRecords(resources);
  const isTwin = ({ resource }: EncodedRecord, at: number): boolean => {
    const before = all[at - 1]?.resource;
    return before?.kind === resource.kind && before.name === resource.name;
  };
  const records = all.filter((record, at) => !isTwin(record, at));
  const one = [{ shard: 0, sha256: sha256("") }];
  const indexBytes = (format: DocumentFormat): number =>
    encodeIndex(indexOf(about, format, one)).length;
  // Format 1 has no word for it: there the first Model closes the catalogue.
  const hasModel = records.some(({ resource }) => resource.kind === "Model");
  const placed = placeRecords(records, {
    indexBytes,
    isFormat1: hasModel === (about.catalogue === "closed"),
    ...(shardsMax !== undefined && { shardsMax }),
  });
  const texts = new Map([...placed.shards].map(([shard, each]) => [shard, shardText(each)]));
  const indexed = [...texts].map(([shard, text]) => ({ shard, sha256: sha256(text) }));
  const twins = all.filter(isTwin).map(({ resource }): LeftOutResource => {
    const message = `there are two of ${objectName(resource)}`;
    return { resource, why: "duplicate", message };
  });
  return {
    index: encodeIndex(indexOf(about, placed.formatVersion, indexed)),
    shards: texts,
    leftOut: [...twins, ...placed.leftOut.map(toLeftOutResource)],
  };
}

function indexOf(
  { revision, counts, catalogue }: DocumentAbout,
  formatVersion: DocumentFormat,
  shards: readonly IndexedShard[],
): DocumentIndex {
  const skippable = formatVersion === 1 ? [] : skippableFields;
  return { formatVersion, revision, counts, catalogue, skippable, shards };
}

function toLeftOutResource({ record: { resource, text }, why }: LeftOut): LeftOutResource {
  const message =
    why === "record_too_large"
      ? `it takes ${text.length} bytes in the policy, more than fit into a ConfigMap beside others`
      : "the policy is full: the objects made last are left out; see controller.policyShardsMax of the chart";
  return { resource, why, message };
}

/** Never throws. `known`: the shards of a document decoded before. */
export function decodeDocument(read: DocumentReader, known?: DecodedShards): DecodedDocument {
  const document = readDocument(read);
  if (!document.ok) return document;
  const decoded = decodeShards(document, known);
  return decoded.ok ? { ...document, ...decoded } : decoded;
}

/**
 * Cheap beside the decoding, for a torn document is usual. Never throws. `sha256Of`: the hash of a shard's text, from who
 * may know it already.
 */
export function readDocument(
  read: DocumentReader,
  sha256Of: (shard: number, text: string) => string = (_, text) => sha256(text),
): WholeDocument | FaultyDocument {
  if (read.index === undefined) return refused("absent", "there is no index");
  if (read.index.length > configMapBytesMax) {
    return refused("invalid", "the index: is larger than a ConfigMap can be");
  }
  const parsed = parseJson(read.index);
  if (!parsed.ok) return refused("invalid", "the index: is no JSON");
  const decoded = decodeIndex(parsed.value);
  if (!decoded.ok) return refused(decoded.kind, decoded.message);
  if (decoded.index.formatVersion === 1 && encodeIndex(decoded.index) !== read.index) {
    return refused("invalid", "the index: is not as it is written");
  }
  const { shards: indexed, ...about } = decoded.index;
  const shards: WholeShard[] = [];
  for (const each of indexed) {
    const { shard } = each;
    const text = read.shard(shard);
    if (text === undefined)
      return refused("torn", `shard ${shard} of ${indexed.length} is missing`);
    if (sha256Of(shard, text) !== each.sha256) {
      return refused("torn", `shard ${shard} of ${indexed.length} is not the one in the index`);
    }
    shards.push({ place: placeOf(each, decoded.index), shard, text });
  }
  return { ok: true, ...about, shards };
}

/**
 * All shards of a whole document. Never throws. `known`: the shards of a document decoded before; a shard that is in there
 * needs no text.
 */
export function decodeShards(
  {
    shards: whole,
    formatVersion,
    skippable,
  }: Pick<WholeDocument, "formatVersion" | "skippable"> & {
    readonly shards: readonly (Omit<WholeShard, "text"> & { readonly text?: string })[];
  },
  known?: DecodedShards,
): (ReadShard & { readonly ok: true; readonly shards: DecodedShards }) | FaultyDocument {
  const resources: Resource[] = [];
  const leftOut: ReadShard["leftOut"][number][] = [];
  const shards = new Map<string, ReadShard>();
  for (const { place, shard, text } of whole) {
    let found = known?.get(place);
    if (found === undefined) {
      const about = { shard, shards: whole.length, formatVersion, skippable };
      const fresh = decodeShard(text ?? "", about);
      if (!fresh.ok) return refused("invalid", fresh.message);
      found = { resources: fresh.resources, leftOut: fresh.leftOut };
    }
    shards.set(place, found);
    for (const resource of found.resources) resources.push(resource);
    leftOut.push(...found.leftOut);
  }
  return { ok: true, resources, leftOut, shards };
}

/** In format 1 a shard is right for one place among so many only. */
function placeOf({ shard, sha256: digest }: IndexedShard, index: DocumentIndex): string {
  const { formatVersion, skippable, shards } = index;
  return formatVersion === 1
    ? `1 ${shard}/${shards.length} ${digest}`
    : `2 ${digest} ${sha256(skippable.join(" "))}`;
}

function refused(kind: DocumentFault, message: string): FaultyDocument {
  return { ok: false, kind, message: message.slice(0, messageLengthMax) };
}

/** In lower-case hex. */
export function sha256(text: string): string {
  return hash("sha256", text, "hex");
}
