// Feeds bodies to walk.c, which is SIMD in WebAssembly, through a window of fixed size, and reads what it noted. The memory
// it takes never grows and belongs to the walk: 256 KiB, of which at most 65 KiB are of the last body.

import { JsonContainers, notedMax } from "./containers.ts";
import { memberValue } from "./cursor.ts";
import { KeptKeys } from "./kept-keys.ts";
import type { JsonMember, JsonScan, JsonScanOptions } from "./result.ts";
import { byteAt, kindOf, viewOf } from "./token.ts";
import { walkBytes } from "./walk-bytes.ts";

/** As in walk.c. */
const windowLengthMax = 65_536;
const aheadLength = 1024;
const membersMax = 256;
/** Numbers of one member as they are noted: where its key begins, how long it is, its hash, what ends its value. */
const memberNumbers = 4;

/** What walk.c exports; data by address. */
type WalkExports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly begin: (hashSeed: number, isText: number) => void;
  readonly walk: (length: number, offset: number) => number;
  readonly is_whole: () => number;
} & Readonly<
  Record<
    | "window"
    | "noted_starts"
    | "noted_ends"
    | "noted_depths"
    | "text_starts"
    | "text_ends"
    | "members"
    | "counts",
    { readonly value: number }
  >
>;

/** No part of the language's own types, and missing where Node runs without a compiler. */
type WebAssemblyApi = {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Admits a body of well-formed UTF-8, or leaves it to the plain scanner. It never refuses one. */
export type SimdWalk = (bytes: Uint8Array, options?: JsonScanOptions) => JsonScan | undefined;

export type SimdWalkOptions = {
  /** A 32-bit integer. */
  readonly hashSeed: number;
  /** Bytes that are walked at once, 64 to 65,536 in steps of 64: tests make every block the last of a window. */
  readonly windowLength?: number;
};

/** Undefined where the machine has no WebAssembly with SIMD, no room for it, or the other order of bytes. */
export function createSimdWalk(options: SimdWalkOptions): SimdWalk | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyApi };
  const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  if (WebAssembly === undefined || !isLittleEndian) return undefined;
  let exports: WalkExports;
  try {
    const module = new WebAssembly.Module(walkBytes());
    exports = new WebAssembly.Instance(module).exports as WalkExports;
  } catch {
    return undefined;
  }
  const reader = new WalkReader(exports, options);
  return (bytes, scanOptions) => reader.read(bytes, scanOptions?.isText === true);
}

class WalkReader {
  readonly #exports: WalkExports;
  readonly #hashSeed: number;
  readonly #windowLength: number;
  readonly #window: Uint8Array;
  readonly #members: Int32Array;
  readonly #counts: Int32Array;
  readonly #containers: JsonContainers;
  readonly #keptKeys = new KeptKeys();

  constructor(exports: WalkExports, options: SimdWalkOptions) {
    const { hashSeed, windowLength = windowLengthMax } = options;
    const { buffer } = exports.memory;
    this.#exports = exports;
    this.#hashSeed = hashSeed | 0;
    this.#windowLength = windowLength;
    this.#window = new Uint8Array(buffer, exports.window.value, windowLength + aheadLength);
    this.#members = new Int32Array(buffer, exports.members.value, membersMax * memberNumbers);
    this.#counts = new Int32Array(buffer, exports.counts.value, 3);
    const noted = (list: { readonly value: number }): Int32Array =>
      new Int32Array(buffer, list.value, notedMax);
    this.#containers = new JsonContainers({
      starts: noted(exports.noted_starts),
      ends: noted(exports.noted_ends),
      textStarts: noted(exports.text_starts),
      textEnds: noted(exports.text_ends),
      depths: new Uint8Array(buffer, exports.noted_depths.value, notedMax),
    });
  }

  read(bytes: Uint8Array, isText: boolean): JsonScan | undefined {
    this.#exports.begin(this.#hashSeed, isText ? 1 : 0);
    const windowLength = this.#windowLength;
    for (let offset = 0; offset < bytes.length; offset += windowLength) {
      this.#fill(bytes, offset);
      const length = Math.min(bytes.length - offset, windowLength);
      if (this.#exports.walk(length, offset) === 0) return undefined;
    }
    if (this.#exports.is_whole() === 0) return undefined;
    const members = this.#membersOf(bytes);
    if (members === undefined) return undefined;
    this.#containers.begin(this.#counts[1], this.#counts[2]);
    return { ok: true, members, containers: this.#containers };
  }

  /** Past the body's end stand spaces, which mean nothing after a whole body and complete none that is not. */
  #fill(bytes: Uint8Array, offset: number): void {
    const window = this.#window;
    const length = Math.min(bytes.length - offset, window.length);
    const isAll = offset === 0 && length === bytes.length;
    window.set(isAll ? bytes : bytes.subarray(offset, offset + length));
    window.fill(0x20, length, length + aheadLength);
  }

  #membersOf(bytes: Uint8Array): JsonMember[] | undefined {
    const view = viewOf(bytes);
    const noted = this.#members;
    const members: JsonMember[] = [];
    const count = this.#counts[0] ?? 0;
    for (let at = 0; at < count * memberNumbers; at += memberNumbers) {
      const keyStart = noted[at] ?? 0;
      const keyEnd = keyStart + 1 + (noted[at + 1] ?? 0);
      const key = this.#keptKeys.textOf(bytes, keyStart + 1, keyEnd, noted[at + 2] ?? 0);
      if (key === "__proto__") return undefined;
      const start = memberValue(bytes, view, keyEnd + 1);
      let end = noted[at + 3] ?? 0;
      while (byteAt(bytes, end - 1) <= 0x20) end--;
      members.push({ key, keyStart, kind: kindOf(byteAt(bytes, start)), start, end });
    }
    return members;
  }
}
