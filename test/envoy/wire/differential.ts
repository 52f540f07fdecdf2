// The hand-written readers beside the protobuf library, on messages that are changed at random: the same reading or the same
// refusal. Run: node test/envoy/wire/differential.ts [count] [seed]

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { readHttp } from "../../../src/envoy/wire/check-request.ts";
import { readProcessing } from "../../../src/envoy/wire/process-request.ts";
import {
  attributes,
  clean,
  cleanStream,
  field,
  headFields,
  http,
  mutate,
  seeded,
  varint,
} from "../mutated-messages.ts";
import { libraryHttp, libraryProcessing, reading } from "./library.ts";

/** Values that no Envoy sends and that a reader must pass over or read as the library does. */
const oddFields: readonly Buffer[] = [
  field(99, "unknown"),
  Buffer.from([0x0b, 0x08, 0x01, 0x0c]), // a group
  Buffer.from([0x0b, 0x13, 0x14, 0x0c]), // a group in a group
  Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8]), // fixed64
  Buffer.from([0x0d, 1, 2, 3, 4]), // fixed32
  Buffer.concat([Buffer.from([0x48]), varint(2 ** 40)]), // size
  Buffer.from([0x48, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), // size -1
  Buffer.from([0x48, 0x80, 0x80, 0x80, 0x80, 0x00]), // a long zero
  Buffer.from([0xc8, 0x80, 0x80, 0x80, 0x00, 0x07]), // a long tag
  Buffer.from([0x0e]), // no wire type
  Buffer.from([0x0c]), // the end of no group
  field(2, "\u00e9\ud800"),
  field(4, Buffer.from([0xff, 0xc3, 0x28])),
  field(3, Buffer.concat([field(2, "only a value")])),
  field(3, Buffer.concat([field(1, "X-Upper"), field(2, "a"), field(1, "x-later")])),
  field(13, Buffer.concat([field(1, Buffer.concat([field(1, "raw"), field(3, "\u00e9")]))])),
  field(13, field(1, Buffer.concat([field(1, "both"), field(2, "text"), field(3, "raw")]))),
];

const checks: readonly Buffer[] = [
  attributes(http(...clean)),
  ...oddFields.map((odd) => attributes(http(odd, ...clean))),
  ...oddFields.map((odd) => attributes(http(...headFields, odd))),
  ...oddFields.map((odd) => Buffer.concat([odd, attributes(http(...clean)), odd])),
];

const streams: readonly Buffer[] = [
  ...cleanStream,
  ...cleanStream.flatMap((message) => oddFields.map((odd) => Buffer.concat([message, odd]))),
  ...cleanStream.flatMap((message) => oddFields.map((odd) => Buffer.concat([odd, message]))),
];

export type Differential = {
  readonly count: number;
  /** How many both read. */
  readonly read: number;
};

/** Fails at the first message that is not read alike. Unchanged ones are among them, first. */
export function compareReaders(count: number, seed: number): Differential {
  const random = seeded(seed);
  let read = 0;
  for (let done = 0; done < count; done += 1) {
    const isCheck = done % 2 === 0;
    const samples = isCheck ? checks : streams;
    const at = done >> 1;
    const sample = samples[at] ?? samples[Math.floor(random() * samples.length)];
    assert.ok(sample !== undefined);
    const bytes = at < samples.length ? sample : mutate(sample, random);
    const found = isCheck ? compareCheck(bytes) : compareStream(bytes);
    if (found) read += 1;
  }
  return { count, read };
}

export function compareCheck(bytes: Buffer): boolean {
  const ours = reading(readHttp, bytes);
  assertAlike(ours, reading(libraryHttp, bytes), bytes);
  return ours !== undefined;
}

export function compareStream(bytes: Buffer): boolean {
  const ours = reading(readProcessing, bytes);
  if (ours?.message.kind === "unreadable") {
    ours.message.headers = undefined;
    ours.message.body = undefined;
  }
  assertAlike(ours, reading(libraryProcessing, bytes), bytes);
  return ours !== undefined;
}

/** The bytes are shown only where they are needed. */
function assertAlike(ours: object | undefined, library: object | undefined, bytes: Buffer): void {
  if (!isDeepStrictEqual(ours, library)) assert.deepEqual(ours, library, bytes.toString("hex"));
}

if (process.argv[1] === import.meta.filename) {
  const [count, seed] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1)];
  const startMs = performance.now();
  const { read } = compareReaders(count, seed);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  process.stdout.write(`${count} messages read alike in ${seconds} s, ${read} of them as good\n`);
}
