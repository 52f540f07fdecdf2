// Which record stands in which shard, and how a shard looks: a JSON list in ASCII, one record a line, ordered by kind
// and name. A changed record changes the text of its own shard only.

import { hash } from "node:crypto";
import { compareText } from "../compile/context.ts";
import { identityKey, type Resource, type ResourceIdentity } from "../resources.ts";
import { documentShardsMax } from "./index-record.ts";
import { decodeRecord, encodeRecord } from "./record.ts";

/** Bytes of the data of a ConfigMap that the API server takes. */
export const configMapBytesMax = 1_048_576;

/** Bytes of a ConfigMap of ours, if it can be done: room to grow before everything moves to other shards. */
export const shardBytesWanted = 700 * 1024;

export type EncodedRecord = {
  readonly resource: ResourceIdentity;
  /** ASCII: its length is its bytes. */
  readonly text: string;
  /** 32 bits of a hash of kind and name. */
  readonly place: number;
};

/** In order of kind and name. */
export function encodeRecords(resources: readonly Resource[]): readonly EncodedRecord[] {
  return resources
    .map((resource) => ({ resource, identity: identityKey(resource) }))
    .sort((a, b) => compareText(a.identity, b.identity))
    .map(({ resource, identity }) => ({
      ...{ resource, text: encodeRecord(resource), place: placeOf(identity) },
    }));
}

function placeOf(identity: string): number {
  return Number.parseInt(hash("sha256", identity, "hex").slice(0, 8), 16);
}

/** `shards`: how many there are, a power of two. */
function shardAt(place: number, shards: number): number {
  return 1 + (place % shards);
}

/** The number of shards, 1 meaning that all stands beside the index; undefined: there is no way to keep within `bytes`. */
export function shardsNeeded(
  records: readonly EncodedRecord[],
  { bytes, indexBytes }: { readonly bytes: number; readonly indexBytes: number },
): number | undefined {
  for (let shards = 1; shards <= documentShardsMax; shards *= 2) {
    const sizes = new Array<number>(shards).fill(emptyBytes);
    if (shards === 1) sizes[0] = emptyBytes + indexBytes;
    for (const { place, text } of records) {
      const at = place % shards;
      sizes[at] = (sizes[at] ?? 0) + text.length + lineBytes;
    }
    if (sizes.every((size) => size < bytes)) return shards;
  }
  return undefined;
}

const emptyBytes = "[\n]".length;
const lineBytes = "\n,".length;

export function shardText(records: readonly EncodedRecord[]): string {
  return `[${records.map(({ text }) => `\n${text}`).join(",")}\n]`;
}

/** By number: 0 alone, or 1 to `shards`. */
export function splitRecords(
  records: readonly EncodedRecord[],
  shards: number,
): ReadonlyMap<number, string> {
  if (shards === 1) return new Map([[0, shardText(records)]]);
  const split = Array.from({ length: shards }, (): EncodedRecord[] => []);
  for (const record of records) split[shardAt(record.place, shards) - 1]?.push(record);
  return new Map(split.map((each, at) => [at + 1, shardText(each)]));
}

export type DecodedShard =
  | { readonly ok: true; readonly resources: readonly Resource[] }
  | { readonly ok: false; readonly message: string };

/** Takes what the encoder writes, to the byte, and nothing else. Never throws. */
export function decodeShard(
  text: string,
  { shard, shards }: { readonly shard: number; readonly shards: number },
): DecodedShard {
  const refused = (message: string): DecodedShard => ({
    ok: false,
    message: `shard ${shard}: ${message}`,
  });
  if (text.length > configMapBytesMax) return refused("is larger than a ConfigMap can be");
  const parsed = parseJson(text);
  if (!parsed.ok) return refused("is no JSON");
  if (!Array.isArray(parsed.value)) return refused("must be a list of records");
  const resources: Resource[] = [];
  const values: readonly unknown[] = parsed.value;
  for (const [at, value] of values.entries()) {
    const decoded = decodeRecord(value);
    if (!decoded.ok) return refused(`record ${at}: ${decoded.fault}`);
    const { resource } = decoded;
    const before = resources.at(-1);
    const order =
      before === undefined ? -1 : compareText(identityKey(before), identityKey(resource));
    if (order === 0) return refused(`record ${at}: there is another ${identityKey(resource)}`);
    if (order > 0) return refused(`record ${at}: ${identityKey(resource)} is out of order`);
    resources.push(resource);
  }
  const records = encodeRecords(resources);
  const strayAt = records.findIndex(({ place }) => shards > 1 && shardAt(place, shards) !== shard);
  if (strayAt >= 0) return refused(`record ${strayAt}: belongs to another shard`);
  const wanted = shardText(records);
  if (wanted !== text)
    return refused(`line ${differingLine(wanted, text)} is not as it is written`);
  return { ok: true, resources };
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
