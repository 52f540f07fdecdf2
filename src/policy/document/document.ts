// The policy document: how the controller hands the resources in force to the authorizers, in one ConfigMap or several.
// Deterministic, strict and total: what is decoded is what was encoded, as a whole, or nothing.

import { hash } from "node:crypto";
import { objectName, type Resource, type ResourceIdentity } from "../resources.ts";
import { type DocumentAbout, decodeIndex, encodeIndex, type IndexedShard } from "./index-record.ts";
import {
  configMapBytesMax,
  decodeShard,
  type EncodedRecord,
  encodeRecords,
  parseJson,
  shardBytesWanted,
  shardsNeeded,
  splitRecords,
} from "./shards.ts";

/** The texts to be written. */
export type DocumentSet = {
  readonly index: string;
  /** Shard 0 alone stands beside the index; otherwise there are shards 1 to n, each in a ConfigMap of its own. */
  readonly shards: ReadonlyMap<number, string>;
};

/** `duplicate`: two resources of one kind and name. `too_large`: no number of shards keeps within a ConfigMap each. */
export type EncodeFailure = {
  readonly kind: "duplicate" | "too_large";
  readonly message: string;
  /** The second of the two, or the largest of all; undefined where there is none. */
  readonly resource: ResourceIdentity | undefined;
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

/** Shards as they were decoded, by the hash of their text and where they stood. */
export type DecodedShards = ReadonlyMap<string, readonly Resource[]>;

/** One shard as its index names it. */
export type WholeShard = {
  /** Its number, among how many, and the hash of its text: what `DecodedShards` know it by. */
  readonly place: string;
  readonly shard: number;
  readonly text: string;
};

/** Index and shards belong together. What the shards say has not been looked at. */
export type WholeDocument = DocumentAbout & {
  readonly ok: true;
  readonly shards: readonly WholeShard[];
};

export type FaultyDocument = {
  readonly ok: false;
  readonly kind: DocumentFault;
  readonly message: string;
};

export type DecodedDocument =
  | (DocumentAbout & {
      readonly ok: true;
      readonly resources: readonly Resource[];
      /** For the next decoding: what has not changed is not decoded again. */
      readonly shards: DecodedShards;
    })
  | FaultyDocument;

/** Characters of a message about a document that is wrong. */
const messageLengthMax = 500;

/** Secrets must have been resolved: a key that still refers to one is carried as it is, and off for whoever compiles it. */
export function encodeDocument(
  resources: readonly Resource[],
  about: DocumentAbout,
): DocumentSet | EncodeFailure {
  const records = encodeRecords(resources);
  const duplicate = findDuplicate(records);
  if (duplicate !== undefined) {
    const message = `there are two of ${objectName(duplicate)}`;
    return { kind: "duplicate", message, resource: duplicate };
  }
  const indexBytes = encodeIndex({ ...about, shards: [{ shard: 0, sha256: sha256("") }] }).length;
  const shards =
    shardsNeeded(records, { bytes: shardBytesWanted, indexBytes }) ??
    shardsNeeded(records, { bytes: configMapBytesMax, indexBytes });
  if (shards === undefined) return tooLarge(records);
  const texts = splitRecords(records, shards);
  const indexed = [...texts].map(([shard, text]) => ({ shard, sha256: sha256(text) }));
  return { index: encodeIndex({ ...about, shards: indexed }), shards: texts };
}

function findDuplicate(records: readonly EncodedRecord[]): ResourceIdentity | undefined {
  const twin = records.find(({ resource }, at) => {
    const before = records[at - 1]?.resource;
    return before?.kind === resource.kind && before.name === resource.name;
  });
  return twin?.resource;
}

function tooLarge(records: readonly EncodedRecord[]): EncodeFailure {
  const [largest] = records.toSorted((a, b) => b.text.length - a.text.length);
  const total = records.reduce((sum, { text }) => sum + text.length, 0);
  const named =
    largest === undefined
      ? ""
      : `; the largest object is ${objectName(largest.resource)} with ${largest.text.length} bytes`;
  const message = `the policy of ${total} bytes cannot be split into ConfigMaps of ${configMapBytesMax} bytes${named}`;
  return { kind: "too_large", message, resource: largest?.resource };
}

/** Never throws. `known`: the shards of a document decoded before. */
export function decodeDocument(read: DocumentReader, known?: DecodedShards): DecodedDocument {
  const document = readDocument(read);
  if (!document.ok) return document;
  const { shards: whole, ...about } = document;
  const decoded = decodeShards(whole, known);
  return decoded.ok ? { ...about, ...decoded } : decoded;
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
  if (encodeIndex(decoded.index) !== read.index) {
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
    shards.push({ place: placeOf(each, indexed.length), shard, text });
  }
  return { ok: true, ...about, shards };
}

/**
 * All shards of a whole document. Never throws. `known`: the shards of a document decoded before; a shard that is in there
 * needs no text.
 */
export function decodeShards(
  whole: readonly (Omit<WholeShard, "text"> & { readonly text?: string })[],
  known?: DecodedShards,
): Pick<Extract<DecodedDocument, { ok: true }>, "ok" | "resources" | "shards"> | FaultyDocument {
  const resources: Resource[] = [];
  const shards = new Map<string, readonly Resource[]>();
  for (const { place, shard, text } of whole) {
    let found = known?.get(place);
    if (found === undefined) {
      const fresh = decodeShard(text ?? "", { shard, shards: whole.length });
      if (!fresh.ok) return refused("invalid", fresh.message);
      found = fresh.resources;
    }
    shards.set(place, found);
    for (const resource of found) resources.push(resource);
  }
  return { ok: true, resources, shards };
}

/** A shard is right for one place among so many only. */
function placeOf({ shard, sha256: digest }: IndexedShard, shards: number): string {
  return `${shard}/${shards} ${digest}`;
}

function refused(kind: DocumentFault, message: string): FaultyDocument {
  return { ok: false, kind, message: message.slice(0, messageLengthMax) };
}

/** In lower-case hex. */
export function sha256(text: string): string {
  return hash("sha256", text, "hex");
}
