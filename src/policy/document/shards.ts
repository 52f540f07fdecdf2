// How a shard looks: a JSON list in ASCII, one record a line, ordered by kind and name. Which record stands in which is
// decided by placement.ts; a changed record changes the text of its own shard only.

import { hash } from "node:crypto";
import { compareText } from "../compile/context.ts";
import { identityKey, type Resource, type ResourceIdentity } from "../resources.ts";
import { toToday } from "./format-1.ts";
import type { DocumentFormat } from "./index-record.ts";
import { decodeRecord, encodeRecord } from "./record.ts";

/** Bytes of the data of a ConfigMap that the API server takes. */
export const configMapBytesMax = 1_048_576;

export type EncodedRecord = {
  readonly resource: ResourceIdentity & { readonly createdAtMs: number | undefined };
  /** ASCII: its length is its bytes. */
  readonly text: string;
  readonly isFormat1: boolean;
  /** 32 bits of a hash of kind and name. */
  readonly place: number;
};

/** Of resources that are the very same as before: among thousands of objects most have not changed. */
const encodedBefore = new WeakMap<Resource, EncodedRecord>();

/** In order of kind and name. */
export function encodeRecords(resources: readonly Resource[]): readonly EncodedRecord[] {
  return resources
    .map((resource) => ({ resource, identity: identityKey(resource) }))
    .sort((a, b) => compareText(a.identity, b.identity))
    .map(({ resource, identity }) => {
      const known = encodedBefore.get(resource);
      if (known !== undefined) return known;
      const record = { resource, ...encodeRecord(resource), place: placeOf(identity) };
      encodedBefore.set(resource, record);
      return record;
    });
}

function placeOf(identity: string): number {
  return Number.parseInt(hash("sha256", identity, "hex").slice(0, 8), 16);
}

/** Where format 1 wants it. `shards`: how many there are, a power of two. */
export function shardAt(place: number, shards: number): number {
  return 1 + (place % shards);
}

/** Bytes of a shard beside its records, and of each record beside its text. */
export const emptyBytes = "[\n]".length;
export const lineBytes = "\n,".length;

/** The records in order of kind and name. */
export function shardText(records: readonly EncodedRecord[]): string {
  return `[${records.map(({ text }) => `\n${text}`).join(",")}\n]`;
}

/** A record that this reader cannot read: its object is not in force, the others are. */
export type LeftOutRecord = {
  /** `Kind name` as far as it can be told, in printable ASCII. */
  readonly object: string;
  readonly kind: string;
  readonly fault: string;
};

export type ReadShard = {
  readonly resources: readonly Resource[];
  /** None in format 1. */
  readonly leftOut: readonly LeftOutRecord[];
};

export type DecodedShard =
  | (ReadShard & { readonly ok: true })
  | { readonly ok: false; readonly message: string };

export type ShardAbout = {
  readonly shard: number;
  readonly shards: number;
  readonly formatVersion: DocumentFormat;
  readonly skippable: readonly string[];
};

/** Format 1: takes what the encoder writes, to the byte, and nothing else. Never throws. */
export function decodeShard(text: string, about: ShardAbout): DecodedShard {
  const refused = (message: string): DecodedShard => ({
    ok: false,
    message: `shard ${about.shard}: ${message}`,
  });
  if (text.length > configMapBytesMax) return refused("is larger than a ConfigMap can be");
  const parsed = parseJson(text);
  if (!parsed.ok) return refused("is no JSON");
  if (!Array.isArray(parsed.value)) return refused("must be a list of records");
  const values: readonly unknown[] = parsed.value;
  const read = readRecords(values, about);
  if (typeof read === "string") return refused(read);
  const { resources, leftOut, isOfToday } = read;
  const isStrict = about.formatVersion === 1 && isOfToday;
  const fault = isStrict ? strictFault(text, resources, about) : undefined;
  return fault === undefined ? { ok: true, resources, leftOut } : refused(fault);
}

/** A text says what is wrong with all of them. */
function readRecords(
  values: readonly unknown[],
  about: ShardAbout,
): (ReadShard & { readonly isOfToday: boolean }) | string {
  const { formatVersion, skippable } = about;
  let isOfToday = true;
  const resources: Resource[] = [];
  const leftOut: LeftOutRecord[] = [];
  for (const [at, value] of values.entries()) {
    const current = formatVersion === 1 ? toToday(value) : value;
    isOfToday &&= current === value;
    const decoded = decodeRecord(current, skippable);
    if (!decoded.ok) {
      const { fault } = decoded;
      if (formatVersion === 1) return `record ${at}: ${fault}`;
      leftOut.push({ ...shownObject(value), fault });
      continue;
    }
    const { resource } = decoded;
    const before = resources.at(-1);
    const order =
      before === undefined ? -1 : compareText(identityKey(before), identityKey(resource));
    if (order === 0) return `record ${at}: there is another ${identityKey(resource)}`;
    if (order > 0) return `record ${at}: ${identityKey(resource)} is out of order`;
    resources.push(resource);
  }
  return { resources, leftOut, isOfToday };
}

function shownObject(value: unknown): { readonly object: string; readonly kind: string } {
  const word = (field: string): string => {
    const found: unknown =
      typeof value === "object" && value !== null && Object.hasOwn(value, field)
        ? Reflect.get(value, field)
        : undefined;
    const isShown = typeof found === "string" && /^[A-Za-z0-9.-]{1,253}$/.test(found);
    return isShown ? found : "?";
  };
  return { object: `${word("kind")} ${word("name")}`, kind: word("kind") };
}

function strictFault(
  text: string,
  resources: readonly Resource[],
  { shard, shards }: ShardAbout,
): string | undefined {
  const records = encodeRecords(resources);
  const strayAt = records.findIndex(({ place }) => shards > 1 && shardAt(place, shards) !== shard);
  if (strayAt >= 0) return `record ${strayAt}: belongs to another shard`;
  const wanted = shardText(records);
  return wanted === text
    ? undefined
    : `line ${differingLine(wanted, text)} is not as it is written`;
}

/** Counts from 1. */
function differingLine(a: string, b: string): number {
  const [ours, theirs] = [a.split("\n"), b.split("\n")];
  const at = ours.findIndex((line, index) => line !== theirs[index]);
  return (at < 0 ? ours.length : at) + 1;
}

export type ParsedJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false };

export function parseJson(text: string): ParsedJson {
  try {
    const value: unknown = JSON.parse(text);
    return { ok: true, value };
  } catch {
    return { ok: false };
  }
}
