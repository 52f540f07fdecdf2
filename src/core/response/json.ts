// Finds the model in a response's JSON while its bytes arrive: a tokenizer that knows the place it stands in to depth 2,
// and passes everything below by counting brackets. It keeps no bytes. It is strict where it walks and blind where it
// skips; a document that breaks is left alone from there.

import {
  backslash,
  byteAt,
  closeBrace,
  closeBracket,
  colon,
  comma,
  isAt,
  openBrace,
  openBracket,
  plainEnd,
  quote,
  stringEnd,
} from "../json/token.ts";
import { modelNameBytesMax } from "../request.ts";

/** Where documents of one kind say their model. */
export type ModelPlaces = {
  /** The top-level key whose string value is the model. */
  readonly key: string;
  /** A top-level key whose object may hold `key` as well. */
  readonly holder: string | undefined;
  /** Whether a document may also be an array of such objects. */
  readonly allowsArray: boolean;
};

/** One string that stands where the model does: its token from `start` to `end`, quotes included. */
export type FoundModel = {
  readonly name: string;
  readonly start: number;
  /** undefined: the token is too long for a model, and `name` is how it begins, as it is spelled. */
  readonly end: number | undefined;
};

/** Most bytes of a model's token that are looked at: a name of the longest length, every character of it escaped. */
export const modelTokenBytesMax = 6 * modelNameBytesMax + 2;

/** The same for a key. Every key that matters is shorter, however it is escaped. */
const keyTokenBytesMax = 80;

type Wanted = "value" | "scalar" | "firstKey" | "key" | "colon" | "next" | "nothing" | "lost";

/** What the value that comes next is. */
type Role = "model" | "holder" | "other";

/** 1 for each byte of `text`. */
const tableOf = (text: string): Uint8Array =>
  new Uint8Array(256).map((_, byte) => (text.includes(String.fromCharCode(byte)) ? 1 : 0));

const isSpace = tableOf(" \t\n\r");
/** What numbers and words consist of. They are not judged. */
const isScalar = tableOf("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** What matters in a value that is skipped. */
const isMark = tableOf('"{}[]');

type Range = { readonly at: number; readonly to: number };

/** After the bytes of `table` at `at`. */
function runEnd(table: Uint8Array, bytes: Buffer, { at, to }: Range): number {
  for (let end = at; end < to; end++) if (table[byteAt(bytes, end)] === 0) return end;
  return to;
}

/** The token may be short, but does not end before `to`. */
const cut = -1;
/** The token has more than `bytesMax` bytes. */
const notShort = -2;
/** The token holds a control byte. */
const broken = -3;

/** After the closing quote of the string token at `at`, whose escapes are not judged; or why there is none. */
function shortTokenEnd(bytes: Buffer, view: DataView, range: Range, bytesMax: number): number {
  const { at, to } = range;
  const limit = Math.min(to, at + bytesMax);
  let place = at + 1;
  for (;;) {
    place = plainEnd(bytes, view, place);
    if (place >= limit) return at + bytesMax <= to ? notShort : cut;
    const byte = byteAt(bytes, place);
    if (byte === quote) return place + 1;
    if (byte !== backslash) return broken;
    place += 2;
  }
}

/** What the string token from `start` to `end` means; undefined where an escape is none. */
function meaningOf(bytes: Buffer, view: DataView, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start + 1, end - 1);
  if (!text.includes("\\")) return text;
  if (stringEnd(bytes, view, start + 1) !== end) return undefined;
  return JSON.parse(`"${text}"`) as string;
}

/** Whether the token of a key means `key`. Only escapes make it longer. */
function isKey(bytes: Buffer, view: DataView, { at, to }: Range, key: string): boolean {
  const extra = to - at - 2 - key.length;
  if (extra <= 0) return extra === 0 && isAt(bytes, at + 1, key);
  return plainEnd(bytes, view, at + 1) < to - 1 && meaningOf(bytes, view, at, to) === key;
}

/** Reads one document after the other. Whoever calls it says where each begins. */
export class ModelScanner {
  readonly #places: ModelPlaces;
  readonly #onModel: (found: FoundModel) => void;
  /** Objects that are open and walked: 1 is the document's own, 2 the holder. */
  #level = 0;
  #wanted: Wanted = "value";
  #role: Role = "other";
  /** Inside the array that the document is. */
  #isInArray = false;
  /** Brackets that are open in a value that is skipped. */
  #skippedDepth = 0;
  /** Inside a string that is skipped; `#wanted` is what follows it, or its skipped value. */
  #isInString = false;
  #isEscaped = false;

  /** `onModel` is called while the bytes are scanned in which the model stands. */
  constructor(places: ModelPlaces, onModel: (found: FoundModel) => void) {
    this.#places = places;
    this.#onModel = onModel;
  }

  /** A new document begins with the next byte. */
  reset(): void {
    this.lose();
    this.#wanted = "value";
    this.#level = 0;
    this.#isInArray = false;
  }

  /** What comes up to the next reset is no document. Gives `to`: up to there all is read. */
  lose(to = 0): number {
    this.#wanted = "lost";
    this.#skippedDepth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    return to;
  }

  /** A line of an event ends: white space between tokens, and where the document is complete, maybe before another. */
  endLine(): void {
    if (this.#isInString) this.lose();
    if (this.#wanted === "nothing") this.reset();
  }

  /** Reads from `from` to `to`, or to where a key or model begins that is cut there: it must come again, and whole. */
  scan(bytes: Buffer, view: DataView, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#wanted === "lost") return to;
      if (this.#isInString) at = this.#pastString(bytes, view, at, to);
      else if (this.#skippedDepth > 0) at = this.#pastNested(bytes, view, at, to);
      else if (isSpace[byteAt(bytes, at)] === 1) at = runEnd(isSpace, bytes, { at, to });
      else {
        const next = this.#step(bytes, view, { at, to });
        if (next === cut) return at;
        at = next;
      }
    }
    return at;
  }

  #pastString(bytes: Buffer, view: DataView, from: number, to: number): number {
    let at = this.#isEscaped ? from + 1 : from;
    this.#isEscaped = false;
    this.#isInString = true;
    for (;;) {
      at = plainEnd(bytes, view, at);
      if (at >= to) return to;
      const byte = byteAt(bytes, at);
      if (byte === quote) {
        this.#isInString = false;
        return at + 1;
      }
      if (byte !== backslash) return this.lose(to);
      at += 2;
      this.#isEscaped = at > to;
      if (this.#isEscaped) return to;
    }
  }

  #pastNested(bytes: Buffer, view: DataView, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const byte = byteAt(bytes, at++);
      if (isMark[byte] === 0) continue;
      if (byte === quote) at = this.#pastString(bytes, view, at, to);
      else if (byte === openBrace || byte === openBracket) this.#skippedDepth++;
      else if (--this.#skippedDepth === 0) return at;
    }
    return to;
  }

  /** One token that begins at `at`: the place after it, or `cut`. */
  #step(bytes: Buffer, view: DataView, range: Range): number {
    const { at, to } = range;
    const byte = byteAt(bytes, at);
    switch (this.#wanted) {
      case "value":
        return this.#value(bytes, view, range);
      case "scalar":
        return isScalar[byte] === 1 ? runEnd(isScalar, bytes, range) : this.#next(byte, range);
      case "firstKey":
        return byte === closeBrace ? this.#close(at) : this.#key(bytes, view, range);
      case "key":
        return this.#key(bytes, view, range);
      case "colon":
        this.#wanted = "value";
        return byte === colon ? at + 1 : this.lose(to);
      case "next":
        return this.#next(byte, range);
      default:
        return this.lose(to);
    }
  }

  #key(bytes: Buffer, view: DataView, range: Range): number {
    const { at, to } = range;
    if (byteAt(bytes, at) !== quote) return this.lose(to);
    const end = shortTokenEnd(bytes, view, range, keyTokenBytesMax);
    if (end === cut) return cut;
    if (end === broken) return this.lose(to);
    this.#wanted = "colon";
    this.#role = end === notShort ? "other" : this.#roleOf(bytes, view, { at, to: end });
    return end === notShort ? this.#pastString(bytes, view, at + 1, to) : end;
  }

  #roleOf(bytes: Buffer, view: DataView, token: Range): Role {
    if (isKey(bytes, view, token, this.#places.key)) return "model";
    const holder = this.#level === 1 ? this.#places.holder : undefined;
    return holder !== undefined && isKey(bytes, view, token, holder) ? "holder" : "other";
  }

  #value(bytes: Buffer, view: DataView, range: Range): number {
    const { at } = range;
    const byte = byteAt(bytes, at);
    const isTop = this.#level === 0;
    if (byte === openBrace && (isTop || this.#role === "holder")) {
      this.#level++;
      this.#wanted = "firstKey";
      return at + 1;
    }
    if (isTop && byte === openBracket && this.#places.allowsArray && !this.#isInArray) {
      this.#isInArray = true;
      return at + 1;
    }
    if (isTop && byte === closeBracket && this.#isInArray) return this.#next(byte, range);
    const isModel = !isTop && this.#role === "model" && byte === quote;
    return isModel ? this.#model(bytes, view, range) : this.#skip(bytes, view, range);
  }

  #skip(bytes: Buffer, view: DataView, { at, to }: Range): number {
    const byte = byteAt(bytes, at);
    this.#wanted = isScalar[byte] === 1 ? "scalar" : "next";
    if (byte === quote) return this.#pastString(bytes, view, at + 1, to);
    if (byte === openBrace || byte === openBracket) this.#skippedDepth = 1;
    else if (isScalar[byte] === 0) return this.lose(to);
    return at + 1;
  }

  #model(bytes: Buffer, view: DataView, range: Range): number {
    const { at, to } = range;
    const end = shortTokenEnd(bytes, view, range, modelTokenBytesMax);
    if (end === cut) return cut;
    if (end === broken) return this.lose(to);
    this.#wanted = "next";
    if (end === notShort) {
      const name = bytes.toString("utf8", at + 1, at + 1 + modelNameBytesMax);
      this.#onModel({ name, start: at, end: undefined });
      return this.#pastString(bytes, view, at + 1, to);
    }
    const name = meaningOf(bytes, view, at, end);
    if (name === undefined) return this.lose(to);
    this.#onModel({ name, start: at, end });
    return end;
  }

  /** What stands between values, or closes what holds them. */
  #next(byte: number, { at, to }: Range): number {
    if (this.#level === 0) {
      if (!this.#isInArray || (byte !== comma && byte !== closeBracket)) return this.lose(to);
      if (byte === closeBracket) this.#isInArray = false;
      this.#wanted = byte === comma ? "value" : "nothing";
      return at + 1;
    }
    if (byte === closeBrace) return this.#close(at);
    this.#wanted = "key";
    return byte === comma ? at + 1 : this.lose(to);
  }

  #close(at: number): number {
    this.#level--;
    this.#wanted = this.#level > 0 || this.#isInArray ? "next" : "nothing";
    return at + 1;
  }
}
