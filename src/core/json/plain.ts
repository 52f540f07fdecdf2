// The strict one-pass scanner: body bytes -> the top-level members with their byte offsets, or why not. It admits only
// what no sane JSON parser can read differently (design, "Body admission"). No recursion; time and memory are linear in
// the body whatever it holds. Every refusal is its word: simd.ts, which is faster, asks it where it does not admit.

import { isUtf8 } from "node:buffer";
import type { DenyReason } from "../denials.ts";
import { JsonContainers, longTextBytes, notedDepthMax } from "./containers.ts";
import { KeptKeys } from "./kept-keys.ts";
import { KeyTable } from "./keys.ts";
import {
  type JsonMember,
  type JsonScan,
  type JsonScanner,
  jsonDepthMax,
  jsonNumberLengthMax,
} from "./result.ts";
import { DecodedText, hashLastWord, hashOf, hashWord } from "./text.ts";
import {
  backslash,
  byteAt,
  bytesBelow,
  closeBrace,
  closeBracket,
  colon,
  comma,
  kindOf,
  openBrace,
  openBracket,
  plainEnd,
  plainStops,
  quote,
  scalarEnd,
  skipSpace,
  stringEnd,
  utf8End,
  viewOf,
} from "./token.ts";

const empty = new Uint8Array(0);
const emptyView = viewOf(empty);
const failed = -1;

/** It keeps less than 640 KiB between bodies, whatever they held. `hashSeed`: a 32-bit integer, kept secret. */
export function createPlainScanner({ hashSeed }: { readonly hashSeed: number }): JsonScanner {
  const scan = new Scan(hashSeed);
  return (bytes, options) => scan.read(bytes, options?.isText === true);
}

/** A class, for a body is read by moving state. Methods return the offset they got to, or `failed`. */
class Scan {
  readonly #keys: KeyTable;
  readonly #containers = new JsonContainers();
  readonly #keptKeys = new KeptKeys();
  /** 1 where the open container at that depth is an object. */
  readonly #isObject = new Uint8Array(jsonDepthMax + 1);
  #bytes: Uint8Array = empty;
  #view = emptyView;
  #isText: boolean;
  #members: JsonMember[] = [];
  /** The top-level member whose value is being read. */
  #key = "";
  #keyStart = 0;
  #valueStart = 0;
  #reason: DenyReason = "body_not_json";
  #faultAt = 0;

  constructor(hashSeed: number) {
    this.#keys = new KeyTable(hashSeed, jsonDepthMax);
    this.#isText = false;
  }

  read(bytes: Uint8Array, isText: boolean): JsonScan {
    if (byteAt(bytes, 0) === 0xef && byteAt(bytes, 1) === 0xbb && byteAt(bytes, 2) === 0xbf) {
      return { ok: false, reason: "body_not_utf8", offset: 0 };
    }
    if (!isUtf8(bytes)) return { ok: false, reason: "body_not_utf8", offset: utf8End(bytes) };
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#isText = isText;
    this.#members = [];
    this.#keys.begin(bytes);
    this.#containers.begin();
    const isAdmitted = this.#document();
    const members = this.#members;
    this.#bytes = empty;
    this.#view = emptyView;
    this.#members = [];
    this.#keys.end();
    return isAdmitted
      ? { ok: true, members, containers: this.#containers }
      : { ok: false, reason: this.#reason, offset: this.#faultAt };
  }

  #document(): boolean {
    const bytes = this.#bytes;
    const view = this.#view;
    const start = skipSpace(bytes, view, 0);
    const valueEnd = this.#values(start);
    if (valueEnd < 0) return false;
    const end = skipSpace(bytes, view, valueEnd);
    if (end !== bytes.length) return this.#fail("body_not_json", end) >= 0;
    // A top level of another kind must be JSON to deserve that answer.
    return byteAt(bytes, start) === openBrace || this.#fail("body_not_object", start) >= 0;
  }

  /**
   * Reads the value at `start` and all that is nested in it. One turn of the outer loop for each value; the inner loop
   * closes what closes after it and passes the comma and, in an object, the next key.
   */
  #values(start: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const isObject = this.#isObject;
    let depth = 0;
    let inObject = false;
    let at = start;
    for (;;) {
      let byte = byteAt(bytes, at);
      if (byte === quote) {
        const textStart = at;
        at = stringEnd(bytes, view, at + 1);
        if (at < 0) return this.#fail("body_not_json", ~at);
        if (at - textStart > longTextBytes && depth <= notedDepthMax) {
          this.#containers.text(textStart, at);
        }
      } else if (byte === openBrace || byte === openBracket) {
        if (depth === jsonDepthMax) return this.#fail("body_too_deep", at);
        depth++;
        inObject = byte === openBrace;
        isObject[depth] = inObject ? 1 : 0;
        if (inObject) this.#keys.open();
        if (depth <= notedDepthMax) this.#containers.open(depth, at);
        at = skipSpace(bytes, view, at + 1);
        if (byteAt(bytes, at) !== (inObject ? closeBrace : closeBracket)) {
          if (inObject) at = this.#member(at, depth);
          if (at < 0) return at;
          continue;
        }
        at++;
        this.#close(depth, at, inObject);
        depth--;
        inObject = isObject[depth] === 1;
      } else {
        const end = scalarEnd(bytes, view, at);
        if (end < 0) return this.#fail("body_not_json", ~end);
        if (end - at > jsonNumberLengthMax) return this.#fail("body_number_too_long", at);
        at = end;
      }
      for (;;) {
        if (depth <= 1) {
          if (depth === 0) return at;
          this.#keepMember(at);
        }
        byte = byteAt(bytes, at);
        if (byte <= 0x20) {
          at = skipSpace(bytes, view, at);
          byte = byteAt(bytes, at);
        }
        if (byte === comma) break;
        if (byte !== (inObject ? closeBrace : closeBracket)) return this.#fail("body_not_json", at);
        at++;
        this.#close(depth, at, inObject);
        depth--;
        inObject = isObject[depth] === 1;
      }
      at++;
      if (byteAt(bytes, at) <= 0x20) at = skipSpace(bytes, view, at);
      if (inObject) at = this.#member(at, depth);
      if (at < 0) return at;
    }
  }

  #close(depth: number, end: number, isObject: boolean): void {
    if (isObject) this.#keys.close();
    if (depth <= notedDepthMax) this.#containers.close(depth, end);
  }

  /** Reads a key and its colon; the offset of the value. The key is hashed while its end is sought. */
  #member(at: number, depth: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    if (byteAt(bytes, at) !== quote) return this.#fail("body_not_json", at);
    const start = at + 1;
    let end = start;
    let hash = this.#keys.seed;
    let bits = 0;
    for (;;) {
      // Whatever follows a key in a whole document, `":0}`, makes up the word that its last bytes stand in.
      if (end + 4 > bytes.length) return this.#cutKey(start);
      const word = view.getInt32(end, true);
      const stops = plainStops(word);
      if (stops === 0) {
        hash = hashWord(hash, word);
        bits |= word;
        end += 4;
        continue;
      }
      const count = bytesBelow(stops);
      const rest = word & ((1 << (8 * count)) - 1);
      hash = hashLastWord(hash, rest, count);
      bits |= rest;
      end += count;
      break;
    }
    let isEscaped = false;
    if (byteAt(bytes, end) !== quote) {
      end = stringEnd(bytes, view, end) - 1;
      if (end < 0) return this.#fail("body_not_json", ~(end + 1));
      const text = new DecodedText(bytes, start, end);
      hash = hashOf(text, this.#keys.seed);
      if (text.holdsLoneSurrogate) return this.#fail("body_lone_surrogate", at);
      isEscaped = true;
    }
    if (depth === 1) {
      if (isEscaped || (bits & 0x80808080) !== 0) return this.#fail("body_key_not_allowed", at);
      this.#key = this.#keptKeys.textOf(bytes, start, end, hash);
      if (this.#key === "__proto__") return this.#fail("body_key_not_allowed", at);
    }
    if (this.#isText && bytes.subarray(start, end).includes(0x21)) {
      return this.#fail("body_key_not_allowed", at);
    }
    const answer = this.#keys.add(start, end, hash, isEscaped);
    if (answer !== "added") {
      return this.#fail(answer === "full" ? "body_too_many_keys" : "body_duplicate_key", at);
    }
    let value = end + 1;
    if (byteAt(bytes, value) !== colon) value = skipSpace(bytes, view, value);
    if (byteAt(bytes, value) !== colon) return this.#fail("body_not_json", value);
    value++;
    if (byteAt(bytes, value) <= 0x20) value = skipSpace(bytes, view, value);
    if (depth === 1) {
      this.#keyStart = at;
      this.#valueStart = value;
    }
    return value;
  }

  /** A key so near the end of the bytes that the document cannot be whole. */
  #cutKey(start: number): number {
    const bytes = this.#bytes;
    const at = plainEnd(bytes, this.#view, start);
    const isBroken = byteAt(bytes, at) !== quote && byteAt(bytes, at) !== backslash;
    return this.#fail("body_not_json", isBroken ? at : bytes.length);
  }

  #keepMember(end: number): void {
    if (this.#isObject[1] !== 1) return;
    const start = this.#valueStart;
    const kind = kindOf(byteAt(this.#bytes, start));
    this.#members.push({ key: this.#key, keyStart: this.#keyStart, kind, start, end });
  }

  #fail(reason: DenyReason, at: number): number {
    this.#reason = reason;
    this.#faultAt = at;
    return failed;
  }
}
