// What a key means: its text with the escapes decoded, byte by byte and without memory of its own, and its hash. A key
// spelled with escapes and the same key without have one hash.

import { backslash, byteAt, hexUnit, letterU, simpleEscape } from "./token.ts";

/** One word of a key, four bytes little-endian, into its hash: multiply, and fold the high bits down. */
export function hashWord(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** The last word of a key, of the `count` bytes (0 to 3) that are left, into its hash. */
export function hashLastWord(hash: number, word: number, count: number): number {
  const product = Math.imul(hashWord(hash, word) ^ count, 0x85ebca6b);
  return product ^ (product >>> 13);
}

/** Reads the text of a string token as the UTF-8 bytes it means. Its escapes must be well-formed. */
export class DecodedText {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** Bytes of a code point that are still to come, the next one lowest. None of them is 0. */
  #pending = 0;
  /** Half a surrogate pair was met. */
  holdsLoneSurrogate: boolean;

  /** From `start` to `end`, quotes excluded. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.holdsLoneSurrogate = false;
  }

  /** The next byte, or -1 after the last. */
  nextByte(): number {
    if (this.#pending !== 0) {
      const byte = this.#pending & 0xff;
      this.#pending >>>= 8;
      return byte;
    }
    if (this.#at >= this.#end) return -1;
    const byte = byteAt(this.#bytes, this.#at);
    if (byte !== backslash) {
      this.#at++;
      return byte;
    }
    const letter = byteAt(this.#bytes, this.#at + 1);
    if (letter === letterU) return this.#firstByteOf(this.#codePoint());
    this.#at += 2;
    return simpleEscape(letter);
  }

  #codePoint(): number {
    const bytes = this.#bytes;
    const unit = hexUnit(bytes, this.#at + 2);
    this.#at += 6;
    if (unit < 0xd800 || unit > 0xdfff) return unit;
    if (
      unit < 0xdc00 &&
      byteAt(bytes, this.#at) === backslash &&
      byteAt(bytes, this.#at + 1) === letterU
    ) {
      const low = hexUnit(bytes, this.#at + 2);
      if (low >= 0xdc00 && low <= 0xdfff) {
        this.#at += 6;
        return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      }
    }
    this.holdsLoneSurrogate = true;
    return unit;
  }

  #firstByteOf(point: number): number {
    if (point < 0x80) return point;
    const last = 0x80 | (point & 0x3f);
    if (point < 0x800) {
      this.#pending = last;
      return 0xc0 | (point >>> 6);
    }
    const third = 0x80 | ((point >>> 6) & 0x3f);
    if (point < 0x10000) {
      this.#pending = third | (last << 8);
      return 0xe0 | (point >>> 12);
    }
    this.#pending = 0x80 | ((point >>> 12) & 0x3f) | (third << 8) | (last << 16);
    return 0xf0 | (point >>> 18);
  }
}

/** The hash of the text that `text` reads to its end. */
export function hashOf(text: DecodedText, seed: number): number {
  let hash = seed;
  let word = 0;
  let count = 0;
  for (let byte = text.nextByte(); byte >= 0; byte = text.nextByte()) {
    word |= byte << (8 * count);
    count++;
    if (count < 4) continue;
    hash = hashWord(hash, word);
    word = 0;
    count = 0;
  }
  return hashLastWord(hash, word, count);
}
