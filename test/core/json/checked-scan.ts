// A scanner that holds the scanners against each other: what the SIMD walk admits, through windows of either length, the
// plain scanner must admit with the same members and containers; and the scanner of a process answers as the plain one.

import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { createPlainScanner } from "../../../src/core/json/plain.ts";
import { createJsonScanner, type JsonScan, type JsonScanner } from "../../../src/core/json/scan.ts";
import { createSimdWalk, type SimdWalk } from "../../../src/core/json/simd.ts";

/** The walk, which every machine that runs the tests must have. */
export function walkOf(options: Parameters<typeof createSimdWalk>[0]): SimdWalk {
  const walk = createSimdWalk(options);
  assert.ok(walk !== undefined, "no WebAssembly with SIMD");
  return walk;
}

/** What a result says of its body, the containers asked at every bracket and quote. */
function saidOf(bytes: Uint8Array, result: JsonScan): string {
  if (!result.ok) return `${result.reason} at ${result.offset}`;
  const { members, containers } = result;
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22 && containers.textEndOf(at) >= 0) ends.push(at, containers.textEndOf(at));
    if (byte !== 0x7b && byte !== 0x5b) continue;
    ends.push(at, containers.endOf(at), containers.holdsNone(at) ? 1 : 0);
  }
  return JSON.stringify([members, ends]);
}

export type CheckedScanner = JsonScanner & {
  /** How many of the bodies the walk admitted, and how many the plain scanner did. */
  readonly counts: { walked: number; admitted: number };
};

export function createCheckedScanner({ hashSeed }: { readonly hashSeed: number }): CheckedScanner {
  const plain = createPlainScanner({ hashSeed });
  const walks = [64, 65_536].map((windowLength) => walkOf({ hashSeed, windowLength }));
  const whole = createJsonScanner({ hashSeed });
  const counts = { walked: 0, admitted: 0 };
  const scan: JsonScanner = (bytes, options) => {
    const wanted = plain(bytes, options);
    if (wanted.ok) counts.admitted++;
    const results = isUtf8(bytes) ? walks.map((walk) => walk(bytes, options)) : [];
    const isWalked = results[0] !== undefined;
    if (isWalked) counts.walked++;
    const said = wanted.ok || isWalked ? saidOf(bytes, wanted) : undefined;
    for (const result of results) {
      assert.equal(result !== undefined, isWalked, "windows of two lengths differ");
      if (result !== undefined) assert.equal(saidOf(bytes, result), said);
    }
    const answer = whole(bytes, options);
    if (!answer.ok || !wanted.ok) assert.equal(saidOf(bytes, answer), saidOf(bytes, wanted));
    return answer;
  };
  return Object.assign(scan, { counts });
}

/** The same body moved on by spaces, so that each of its bytes stands at each place of a block. */
export function scanShifted(scan: JsonScanner, bytes: Uint8Array, shifts: number): void {
  for (let shift = 1; shift <= shifts; shift++) {
    scan(Buffer.concat([Buffer.alloc(shift, 0x20), bytes]));
  }
}
