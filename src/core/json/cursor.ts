// Walks one level of JSON that the scanner has admitted: the members of an object, the elements of an array. What is
// nested inside is skipped by counting brackets, without recursion and without memory of its own. For other bytes the
// results mean nothing, but every walk ends.

import {
  backslash,
  byteAt,
  closeBrace,
  closeBracket,
  comma,
  openBrace,
  openBracket,
  quote,
  skipSpace,
  stringEnd,
} from "./token.ts";

/** 1: a byte that opens or closes something, or ends a scalar. */
const isMark = new Uint8Array(256);
for (const byte of [quote, openBrace, openBracket, closeBrace, closeBracket]) isMark[byte] = 1;

/** The first key or element of the object or array whose opening bracket stands at `start`; -1 when it is empty. */
export function firstEntry(bytes: Uint8Array, view: DataView, start: number): number {
  const at = skipSpace(bytes, view, start + 1);
  const byte = byteAt(bytes, at);
  return byte === closeBrace || byte === closeBracket || at >= bytes.length ? -1 : at;
}

/** The key or element that follows the value that ends at `end`; -1 after the last. */
export function nextEntry(bytes: Uint8Array, view: DataView, end: number): number {
  const at = skipSpace(bytes, view, end);
  if (byteAt(bytes, at) !== comma) return -1;
  return skipSpace(bytes, view, at + 1);
}

/** Where the value of the key that ends at `keyEnd`, quote included, begins. */
export function memberValue(bytes: Uint8Array, view: DataView, keyEnd: number): number {
  return skipSpace(bytes, view, skipSpace(bytes, view, keyEnd) + 1);
}

/** Offset after the value that begins at `start`. */
export function valueEnd(bytes: Uint8Array, view: DataView, start: number): number {
  const first = byteAt(bytes, start);
  if (first === quote) return pastString(bytes, view, start);
  if (first === openBrace || first === openBracket) return pastContainer(bytes, view, start);
  let at = start;
  for (let byte = first; byte > 0x20 && byte !== comma; byte = byteAt(bytes, at)) {
    if (byte === closeBrace || byte === closeBracket) break;
    at++;
  }
  return at;
}

function pastString(bytes: Uint8Array, view: DataView, start: number): number {
  const end = stringEnd(bytes, view, start + 1);
  return end < 0 ? bytes.length : end;
}

function pastContainer(bytes: Uint8Array, view: DataView, start: number): number {
  const { length } = bytes;
  let depth = 0;
  let at = start;
  while (at < length) {
    const byte = bytes[at] ?? 0;
    if (isMark[byte] === 0) {
      at++;
    } else if (byte === quote) {
      at = pastString(bytes, view, at);
    } else {
      at++;
      depth += byte === openBrace || byte === openBracket ? 1 : -1;
      if (depth === 0) return at;
    }
  }
  return length;
}

/** The text of the string token between two offsets, quotes included. Half a surrogate pair stays half of one. */
export function stringOf(bytes: Uint8Array, start: number, end: number): string {
  const token = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
  return token.includes("\\") ? (JSON.parse(token) as string) : token.slice(1, -1);
}

export type KeyMatch = "exact" | "folded" | "none";

/**
 * How the key token between two offsets, quotes included, compares with a name: the same once decoded, the same when
 * folded (lower case, without "_" and "-"), or another. `fold` is only asked about keys that are not plain ASCII.
 */
export function matchKey(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  name: { readonly key: string; readonly folded: string },
  fold: (key: string) => string,
): KeyMatch {
  const { key, folded } = name;
  let place = 0;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = byteAt(bytes, at);
    if (byte === backslash || byte >= 0x80) {
      const text = stringOf(bytes, start, end);
      return text === key ? "exact" : fold(text) === folded ? "folded" : "none";
    }
    if (byte === 0x5f || byte === 0x2d) continue;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== folded.charCodeAt(place)) return "none";
    place++;
  }
  if (place !== folded.length) return "none";
  return end - start - 2 === key.length && startsWith(bytes, start, key) ? "exact" : "folded";
}

/** Whether the key token that begins at `start` has a text that begins with the ASCII `prefix`, escapes decoded. */
export function keyStartsWith(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  prefix: string,
): boolean {
  for (let place = 0; place < prefix.length; place++) {
    const byte = byteAt(bytes, start + 1 + place);
    if (byte === backslash) return stringOf(bytes, start, end).startsWith(prefix);
    if (byte !== prefix.charCodeAt(place)) return false;
  }
  return true;
}

function startsWith(bytes: Uint8Array, start: number, text: string): boolean {
  for (let place = 0; place < text.length; place++) {
    if (byteAt(bytes, start + 1 + place) !== text.charCodeAt(place)) return false;
  }
  return true;
}
