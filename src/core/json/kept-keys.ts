// The strings of short top-level keys, which come again and again: one is kept for each value of a hash's low bits.

import { isAt } from "./token.ts";

const keysKept = 256;
const keptKeyLengthMax = 32;

export class KeptKeys {
  readonly #texts: string[] = Array.from({ length: keysKept }, () => "");

  /** The text of the plain ASCII key between two offsets, quotes excluded. Any hash will do, if it is one of the text. */
  textOf(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const length = end - start;
    const place = hash & (keysKept - 1);
    const kept = this.#texts[place] ?? "";
    if (kept.length === length && isAt(bytes, start, kept)) return kept;
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1");
    if (length <= keptKeyLengthMax) this.#texts[place] = key;
    return key;
  }
}
