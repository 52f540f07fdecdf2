// The tokens of strict JSON (RFC 8259) as bytes: where a string, an escape or a number ends, or where it breaks. Shared by
// the scanner, which judges, and the cursor, which walks what the scanner has admitted.

export const quote = 0x22;
export const backslash = 0x5c;
export const comma = 0x2c;
export const colon = 0x3a;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const letterU = 0x75;

export type JsonKind = "string" | "number" | "object" | "array" | "true" | "false" | "null";

/** The kind of an admitted value, by its first byte. */
export function kindOf(first: number): JsonKind {
  if (first === quote) return "string";
  if (first === openBrace) return "object";
  if (first === openBracket) return "array";
  if (first === 0x74) return "true";
  if (first === 0x66) return "false";
  return first === 0x6e ? "null" : "number";
}

/** A view of the same bytes, for reading four at a time wherever they stand. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * The byte at `at`, and NUL past the end: no token of JSON may hold a NUL, so that it stops every one of them. The bound
 * is checked here because a typed array that was once read past its end is slower for good.
 */
export function byteAt(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? (bytes[at] ?? 0) : 0;
}

/** 1: a quote, a backslash or a control byte, at which the plain part of a string ends. NUL stands for the end too. */
const endsPlain = new Uint8Array(256).fill(1, 0, 0x20);
endsPlain[quote] = 1;
endsPlain[backslash] = 1;

const isSpace = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) isSpace[byte] = 1;

/**
 * Marks the bytes of `word` (four of a string, little-endian) at which its plain part ends, each in its top bit; other
 * bits mean nothing. The lowest mark is always right, one above it may be a borrow. A quote is folded onto the control
 * bytes by its bit 1 (0x22 ^ 0x02 = 0x20), so that one subtraction finds both.
 */
function marksOf(word: number): number {
  return (((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & ~word;
}

/** The marks alone; 0 when the whole word is plain. */
export function plainStops(word: number): number {
  return marksOf(word) & 0x80808080;
}

/** How many whole bytes stand below the lowest bit that is set. */
export function bytesBelow(stops: number): number {
  return (31 - Math.clz32(stops & -stops)) >>> 3;
}

/** Most strings are shorter: only after as many plain bytes is a run looked at in larger steps. */
const shortBytes = 16;

/** Passes plain bytes sixteen at a time; stops before the sixteen that are not all plain, or at the end. */
function pastPlainRun(view: DataView, from: number): number {
  let at = from;
  for (const last = view.byteLength - 16; at <= last; at += 16) {
    const marks =
      marksOf(view.getInt32(at, true)) |
      marksOf(view.getInt32(at + 4, true)) |
      marksOf(view.getInt32(at + 8, true)) |
      marksOf(view.getInt32(at + 12, true));
    if ((marks & 0x80808080) !== 0) break;
  }
  return at;
}

/** Offset of the first quote, backslash or control byte from `from` on, or the end of the bytes. */
export function plainEnd(bytes: Uint8Array, view: DataView, from: number): number {
  const lastWord = view.byteLength - 4;
  let at = from;
  while (at <= lastWord) {
    const stops = plainStops(view.getInt32(at, true));
    if (stops !== 0) return at + bytesBelow(stops);
    at = pastPlainRun(view, at + 4);
  }
  while (endsPlain[byteAt(bytes, at)] === 0) at++;
  return at;
}

/** Offset after the closing quote of the string whose text begins at `from`; where it breaks, the complement of that. */
export function stringEnd(bytes: Uint8Array, view: DataView, from: number): number {
  const lastWord = view.byteLength - 4;
  let at = from;
  let plainFrom = from;
  while (at <= lastWord) {
    const word = view.getInt32(at, true);
    const stops = plainStops(word);
    if (stops === 0) {
      at += 4;
      if (at - plainFrom >= shortBytes) at = pastPlainRun(view, at);
      continue;
    }
    const below = bytesBelow(stops);
    at += below;
    const byte = (word >>> (8 * below)) & 0xff;
    if (byte === quote) return at + 1;
    if (byte !== backslash) return ~at;
    const next = escapeEnd(bytes, at);
    if (next < 0) return ~at;
    at = next;
    plainFrom = next;
  }
  return lastStringEnd(bytes, view, at);
}

/** The same within the last three bytes. */
function lastStringEnd(bytes: Uint8Array, view: DataView, from: number): number {
  let at = plainEnd(bytes, view, from);
  for (let byte = byteAt(bytes, at); byte !== quote; byte = byteAt(bytes, at)) {
    const next = byte === backslash ? escapeEnd(bytes, at) : -1;
    if (next < 0) return ~at;
    at = plainEnd(bytes, view, next);
  }
  return at + 1;
}

/** What each one-letter escape means, 0 for none; `u` is longer. */
const simpleEscapes = new Uint8Array(256);
for (const [letter, byte] of [
  ['"', 0x22],
  ["\\", 0x5c],
  ["/", 0x2f],
  ["b", 0x08],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
] as const) {
  simpleEscapes[letter.charCodeAt(0)] = byte;
}

/** The byte that a one-letter escape stands for; 0 when the letter makes none. */
export function simpleEscape(letter: number): number {
  return simpleEscapes[letter] ?? 0;
}

/** Offset after the escape whose backslash stands at `at`, or -1. Half a surrogate pair is an escape like another. */
export function escapeEnd(bytes: Uint8Array, at: number): number {
  const letter = byteAt(bytes, at + 1);
  if (simpleEscapes[letter] !== 0) return at + 2;
  return letter === letterU && hexUnit(bytes, at + 2) >= 0 ? at + 6 : -1;
}

const hexValues = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) {
  hexValues[value.toString(16).charCodeAt(0)] = value;
  hexValues[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** The UTF-16 unit of the four hexadecimal digits at `at`; negative when they are none. */
export function hexUnit(bytes: Uint8Array, at: number): number {
  return (
    ((hexValues[byteAt(bytes, at)] ?? -1) << 12) |
    ((hexValues[byteAt(bytes, at + 1)] ?? -1) << 8) |
    ((hexValues[byteAt(bytes, at + 2)] ?? -1) << 4) |
    (hexValues[byteAt(bytes, at + 3)] ?? -1)
  );
}

/** Offset after the number, `true`, `false` or `null` at `from`; where it breaks, the complement of that. */
export function scalarEnd(bytes: Uint8Array, view: DataView, from: number): number {
  const byte = byteAt(bytes, from);
  if (byte <= 0x39) return numberEnd(bytes, view, from);
  const word = byte === 0x74 ? "true" : byte === 0x66 ? "false" : "null";
  return isAt(bytes, from, word) ? from + word.length : ~from;
}

/** Whether the ASCII `text` stands at `start`. */
export function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let place = 0; place < text.length; place++) {
    if (byteAt(bytes, start + place) !== text.charCodeAt(place)) return false;
  }
  return true;
}

/** Offset after the number that begins at `from`; where it breaks, the complement of that. */
function numberEnd(bytes: Uint8Array, view: DataView, from: number): number {
  let at = byteAt(bytes, from) === 0x2d ? from + 1 : from;
  const first = byteAt(bytes, at);
  if (!isDigit(first)) return ~at;
  at = first === 0x30 ? at + 1 : digitsEnd(bytes, view, at + 1);
  let byte = byteAt(bytes, at);
  // What follows most numbers: a comma. All that continues one lies above it, but for the point.
  if (byte <= comma) return at;
  if (byte === 0x2e) {
    if (!isDigit(byteAt(bytes, at + 1))) return ~(at + 1);
    at = digitsEnd(bytes, view, at + 2);
    byte = byteAt(bytes, at);
  }
  if ((byte | 0x20) === 0x65) {
    at++;
    byte = byteAt(bytes, at);
    if (byte === 0x2b || byte === 0x2d) at++;
    if (!isDigit(byteAt(bytes, at))) return ~at;
    at = digitsEnd(bytes, view, at + 1);
  }
  return at;
}

/** Marks the bytes of `word` that are no digits, like `plainStops`: a digit is 0 to 9 once 0x30 is taken off. */
function digitStops(word: number): number {
  const digits = word ^ 0x30303030;
  return ((digits + 0x76767676) | digits) & 0x80808080;
}

function digitsEnd(bytes: Uint8Array, view: DataView, from: number): number {
  let at = from;
  for (const lastWord = view.byteLength - 4; at <= lastWord; at += 4) {
    const stops = digitStops(view.getInt32(at, true));
    if (stops !== 0) return at + bytesBelow(stops);
  }
  while (isDigit(byteAt(bytes, at))) at++;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Offset of the first byte from `from` on that is no JSON white space. */
export function skipSpace(bytes: Uint8Array, view: DataView, from: number): number {
  const lastWord = view.byteLength - 4;
  let at = from;
  while (isSpace[byteAt(bytes, at)] === 1) {
    at++;
    // Indentation: the spaces of a word are the zero bytes at its low end, once they are taken off.
    while (at <= lastWord) {
      const others = view.getInt32(at, true) ^ 0x20202020;
      at += others === 0 ? 4 : bytesBelow(others);
      if (others !== 0) break;
    }
  }
  return at;
}

/** Offset of the first byte that makes the bytes no UTF-8; their length when they are. Unicode 15, table 3-7. */
export function utf8End(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = byteAt(bytes, at);
    const more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more < 0 || lead > 0xf4) return at;
    // The second byte rules out overlong forms, surrogates and what lies above U+10FFFF.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    for (let place = 1; place <= more; place++) {
      const byte = byteAt(bytes, at + place);
      if (byte < (place === 1 ? low : 0x80) || byte > (place === 1 ? high : 0xbf)) return at;
    }
    at += more + 1;
  }
  return at;
}
