// Which record stands in which shard. A record's shard is drawn by a hash of kind and name, so that a change moves no
// other record; what does not fit there (large objects, or names that were ground until they fell together) goes to
// shards of its own after those. So neither sizes nor names can keep a policy from being written, and the number of
// shards follows from the number of bytes alone. Deterministic: same records, same shards.

import { identityKey } from "../resources.ts";
import { type DocumentFormat, documentShardsMax } from "./index-record.ts";
import { type EncodedRecord, emptyBytes, lineBytes, shardAt } from "./shards.ts";

/** Bytes of a ConfigMap of ours: room enough below the API server's limit. A larger record is left out of the policy. */
export const shardBytesWanted = 700 * 1024;

/** Share of the wanted bytes that shards are filled to on the average, so that few records have to go elsewhere. */
const filledShare = 0.75;

/** Format 1 has no other shards to go to, and takes more of them instead; so many times as many at most. */
const format1Times = 4;

export type LeftOut = {
  readonly record: EncodedRecord;
  /** `record_too_large`: it fits into no ConfigMap. `policy_full`: all together are too many; the youngest are left out. */
  readonly why: "record_too_large" | "policy_full";
};

export type Placement = {
  readonly formatVersion: DocumentFormat;
  /** By number: 0 alone, or 1 to n without a gap; each in order of kind and name. */
  readonly shards: ReadonlyMap<number, readonly EncodedRecord[]>;
  readonly leftOut: readonly LeftOut[];
};

export type PlacementOptions = {
  /** Bytes of the index when all stands beside it. */
  readonly indexBytes: (format: DocumentFormat) => number;
  /** Shards that may be written beside the index. */
  readonly shardsMax?: number;
  /** Whether format 1 can say what the document says beside its records. */
  readonly isFormat1?: boolean;
};

/** `records` in order of kind and name. */
export function placeRecords(
  records: readonly EncodedRecord[],
  { indexBytes, shardsMax = documentShardsMax, isFormat1 = true }: PlacementOptions,
): Placement {
  const isSmallEnough = (record: EncodedRecord): boolean =>
    bytesOf(record) + emptyBytes <= shardBytesWanted;
  const leftOut: LeftOut[] = records
    .filter((record) => !isSmallEnough(record))
    .map((record) => ({ record, why: "record_too_large" }));
  let kept = leftOut.length === 0 ? records : records.filter(isSmallEnough);
  for (;;) {
    const formatVersion = isFormat1 && kept.every((record) => record.isFormat1) ? 1 : 2;
    const shards = shardsOf(kept, { indexBytes, shardsMax, formatVersion });
    const count = shards.records.size;
    if (shards.records.has(0) || count <= shardsMax) {
      return { formatVersion: shards.formatVersion, shards: shards.records, leftOut };
    }
    const out = new Set(youngest(kept, ((count - shardsMax) * shardBytesWanted) / 4));
    for (const record of out) leftOut.push({ record, why: "policy_full" });
    kept = kept.filter((record) => !out.has(record));
  }
}

type Shards = {
  readonly formatVersion: DocumentFormat;
  readonly records: ReadonlyMap<number, readonly EncodedRecord[]>;
};

function shardsOf(
  records: readonly EncodedRecord[],
  options: {
    readonly indexBytes: PlacementOptions["indexBytes"];
    readonly shardsMax: number;
    readonly formatVersion: DocumentFormat;
  },
): Shards {
  const { indexBytes, shardsMax, formatVersion } = options;
  const total = records.reduce((sum, record) => sum + bytesOf(record), 0);
  if (emptyBytes + indexBytes(formatVersion) + total < shardBytesWanted) {
    return { formatVersion, records: new Map([[0, records]]) };
  }
  const fewest = powerOfTwo(total / (shardBytesWanted * filledShare), shardsMax);
  if (formatVersion === 1) {
    const most = Math.min(fewest * format1Times, shardsMax);
    for (let count = 2; count <= most; count *= 2) {
      const { shards, spilled } = draw(records, count);
      if (spilled.length === 0) return { formatVersion, records: shards };
    }
  }
  return { formatVersion: 2, records: drawAndFill(records, fewest, shardsMax) };
}

/** Where the room is scarce, fewer shards are drawn and more are filled to the brim. */
function drawAndFill(records: readonly EncodedRecord[], fewest: number, shardsMax: number) {
  for (let count = fewest; ; count = Math.floor(count / 2)) {
    const { shards, spilled } = count > 0 ? draw(records, count) : { shards: [], spilled: records };
    const all = new Map([...shards, ...fill(spilled, count + 1)]);
    if (all.size <= shardsMax || count === 0) return all;
  }
}

/** The smallest power of two that is not below `wanted`, from 2 on; at most `max`. */
function powerOfTwo(wanted: number, max: number): number {
  let count = 2;
  while (count < wanted && count * 2 <= max) count *= 2;
  return count;
}

/** Each record into the shard that its name has drawn; of a shard that is too full, the largest are spilled. */
function draw(records: readonly EncodedRecord[], count: number) {
  const all = Array.from({ length: count }, (): EncodedRecord[] => []);
  for (const record of records) all[shardAt(record.place, count) - 1]?.push(record);
  const spilled: EncodedRecord[] = [];
  const shards = new Map<number, readonly EncodedRecord[]>();
  for (const [at, drawn] of all.entries()) {
    let bytes = drawn.reduce((sum, record) => sum + bytesOf(record), emptyBytes);
    const out = new Set<EncodedRecord>();
    if (bytes >= shardBytesWanted) {
      for (const record of drawn.toSorted(largestFirst)) {
        if (bytes < shardBytesWanted) break;
        out.add(record);
        bytes -= bytesOf(record);
      }
    }
    spilled.push(...out);
    shards.set(at + 1, out.size === 0 ? drawn : drawn.filter((record) => !out.has(record)));
  }
  return { shards, spilled };
}

/** The largest first, each into the first shard that has room. */
function fill(spilled: readonly EncodedRecord[], firstShard: number) {
  const shards: { bytes: number; readonly records: EncodedRecord[] }[] = [];
  /** Shards before it have no room even for the smallest. */
  let open = 0;
  const smallest = spilled.reduce((least, record) => Math.min(least, bytesOf(record)), Infinity);
  for (const record of spilled.toSorted(largestFirst)) {
    const bytes = bytesOf(record);
    const roomy = shards.findIndex(
      (shard, at) => at >= open && shard.bytes + bytes <= shardBytesWanted,
    );
    const found = shards[roomy];
    if (found === undefined) shards.push({ bytes: emptyBytes + bytes, records: [record] });
    else {
      found.records.push(record);
      found.bytes += bytes;
    }
    while ((shards[open]?.bytes ?? Infinity) + smallest > shardBytesWanted && open < shards.length)
      open += 1;
  }
  return shards.map(({ records }, at) => [firstShard + at, records.toSorted(inOrder)] as const);
}

/** Those that were made last, of so many bytes together; at least one. */
function youngest(records: readonly EncodedRecord[], bytes: number): readonly EncodedRecord[] {
  const age = ({ resource }: EncodedRecord): number => resource.createdAtMs ?? Infinity;
  const sorted = records.toSorted((a, b) =>
    age(a) === age(b) ? inOrder(a, b) : age(a) > age(b) ? -1 : 1,
  );
  let sum = 0;
  const end = sorted.findIndex((record) => {
    sum += bytesOf(record);
    return sum >= bytes;
  });
  return end < 0 ? sorted : sorted.slice(0, end + 1);
}

function bytesOf({ text }: EncodedRecord): number {
  return text.length + lineBytes;
}

function largestFirst(a: EncodedRecord, b: EncodedRecord): number {
  return b.text.length - a.text.length || inOrder(a, b);
}

function inOrder(a: EncodedRecord, b: EncodedRecord): number {
  const [ours, theirs] = [identityKey(a.resource), identityKey(b.resource)];
  if (ours === theirs) return 0;
  return ours < theirs ? -1 : 1;
}
