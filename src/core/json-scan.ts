// The strict one-pass scanner: body bytes -> the top-level members with their byte offsets, or why not. It admits only
// what no sane JSON parser can read differently (design, "Body admission"). No recursion; time and memory are linear in
// the body whatever it holds.

import { isUtf8 } from "node:buffer";
import type { DenyReason } from "./decision.ts";
import { createKeyTable, hexUnit, type KeyTable } from "./json-keys.ts";

/** Deepest nesting; the root object is 1. */
export const jsonDepthMax = 64;
/** Longest number, in characters. */
export const jsonNumberLengthMax = 512;

export type JsonKind = "string" | "number" | "object" | "array" | "true" | "false" | "null";

/** A member of the top-level object. `start` and `end` delimit the value's token, quotes or brackets included. */
export type JsonMember = {
  /** Plain ASCII: other top-level keys are refused. */
  readonly key: string;
  readonly kind: JsonKind;
  readonly start: number;
  readonly end: number;
};

export type JsonScan =
  | { readonly ok: true; readonly members: readonly JsonMember[] }
  | { readonly ok: false; readonly reason: DenyReason; readonly offset: number };

export type JsonScanOptions = {
  /**
   * The body is Envoy's sanitised text, in which every byte that was not UTF-8 has become "!": a key that holds one may
   * have been another key, so it is refused. Default false.
   */
  readonly isText?: boolean;
};

export type JsonScanner = (bytes: Uint8Array, options?: JsonScanOptions) => JsonScan;

/** Not reentrant, for it reuses its tables; a scan is synchronous, so that one per process serves. */
export function createJsonScanner({ hashSeed }: { readonly hashSeed: number }): JsonScanner {
  const keys = createKeyTable(hashSeed);
  return (bytes, { isText = false } = {}) => {
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
      return fault("body_not_utf8", 0);
    if (!isUtf8(bytes)) return fault("body_not_utf8", 0);
    keys.reset(bytes);
    const scan = new Scan(bytes, keys, isText);
    const reason = scan.run();
    return reason === undefined ? { ok: true, members: scan.members } : fault(reason, scan.faultAt);
  };
}

function fault(reason: DenyReason, offset: number): JsonScan {
  return { ok: false, reason, offset };
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const colon = 0x3a;

/** 1: goes on inside a string without a second look. 0: quote, backslash or a control byte. */
const plainInString = new Uint8Array(256).fill(1);
plainInString.fill(0, 0, 0x20);
plainInString[quote] = 0;
plainInString[backslash] = 0;

const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39;

type StringToken = {
  /** Offset after the closing quote, or -1: `faultAt` says where it broke. */
  end: number;
  escaped: boolean;
  loneSurrogate: boolean;
};

/** One pass over one body. A class, for its place in the body is state that every step moves. */
class Scan {
  readonly members: JsonMember[] = [];
  faultAt = 0;
  readonly #bytes: Uint8Array;
  readonly #keys: KeyTable;
  readonly #isText: boolean;
  /** 1 where the open container at that depth is an object. */
  readonly #isObject = new Uint8Array(jsonDepthMax + 1);
  readonly #token: StringToken = { end: 0, escaped: false, loneSurrogate: false };
  #at = 0;
  #depth = 0;
  /** The top-level member whose value is being read. */
  #key = "";
  #start = 0;

  constructor(bytes: Uint8Array, keys: KeyTable, isText: boolean) {
    this.#bytes = bytes;
    this.#keys = keys;
    this.#isText = isText;
  }

  /** Reads the whole document; undefined when it is admitted. */
  run(): DenyReason | undefined {
    this.#skipSpace();
    const first = this.#bytes[this.#at];
    const isObject = first === openBrace;
    // A top level of another kind must still be JSON to deserve that answer.
    const reason = this.#values();
    if (reason !== undefined) return reason;
    this.#skipSpace();
    if (this.#at < this.#bytes.length) return this.#broken();
    return isObject ? undefined : this.#refuse("body_not_object", 0);
  }

  /** Reads a value and, while containers are open, what follows it. */
  #values(): DenyReason | undefined {
    const bytes = this.#bytes;
    for (;;) {
      this.#skipSpace();
      const start = this.#at;
      const byte = bytes[start];
      if (this.#depth === 1) this.#start = start;
      let opened = false;
      let reason: DenyReason | undefined;
      if (byte === quote) reason = this.#string(start);
      else if (byte === openBrace || byte === openBracket) {
        reason = this.#open(byte === openBrace);
        opened = true;
      } else reason = this.#scalar(byte);
      if (reason !== undefined) return reason;
      if (opened) {
        this.#skipSpace();
        const isObject = this.#isObject[this.#depth] === 1;
        if (bytes[this.#at] !== (isObject ? closeBrace : closeBracket)) {
          if (!isObject) continue;
          const keyFault = this.#memberKey();
          if (keyFault !== undefined) return keyFault;
          continue;
        }
      } else this.#ended(kindOf(byte));
      const next = this.#afterValue();
      if (next === "end") return undefined;
      if (next !== "value") return next;
    }
  }

  /** After a value: closes what closes here, then expects a comma and, in an object, the next key. */
  #afterValue(): "value" | "end" | DenyReason {
    for (;;) {
      if (this.#depth === 0) return "end";
      this.#skipSpace();
      const byte = this.#bytes[this.#at];
      const isObject = this.#isObject[this.#depth] === 1;
      if (byte === (isObject ? closeBrace : closeBracket)) {
        this.#at++;
        if (isObject) this.#keys.close();
        this.#depth--;
        this.#ended(isObject ? "object" : "array");
        continue;
      }
      if (byte !== comma) return this.#broken();
      this.#at++;
      if (!isObject) return "value";
      this.#skipSpace();
      return this.#memberKey() ?? "value";
    }
  }

  #open(isObject: boolean): DenyReason | undefined {
    if (this.#depth >= jsonDepthMax) return this.#refuse("body_too_deep", this.#at);
    this.#depth++;
    this.#isObject[this.#depth] = isObject ? 1 : 0;
    if (isObject) this.#keys.open();
    this.#at++;
    return undefined;
  }

  #memberKey(): DenyReason | undefined {
    const start = this.#at;
    if (this.#bytes[start] !== quote) return this.#broken();
    const reason = this.#string(start);
    if (reason !== undefined) return reason;
    const { escaped, loneSurrogate } = this.#token;
    const end = this.#at - 1;
    if (loneSurrogate) return this.#refuse("body_lone_surrogate", start);
    if (this.#isText && this.#bytes.subarray(start, end).includes(0x21)) {
      return this.#refuse("body_key_not_allowed", start);
    }
    // The root array of a document that will be refused anyway has no members of its own.
    if (this.#depth === 1) {
      const key = escaped ? undefined : asciiOf(this.#bytes, start + 1, end);
      if (key === undefined || key === "__proto__") {
        return this.#refuse("body_key_not_allowed", start);
      }
      this.#key = key;
    }
    const added = this.#keys.add(start + 1, end, escaped);
    if (added === "duplicate") return this.#refuse("body_duplicate_key", start);
    if (added === "full") return this.#refuse("body_too_many_keys", start);
    this.#skipSpace();
    if (this.#bytes[this.#at] !== colon) return this.#broken();
    this.#at++;
    return undefined;
  }

  /** A value has ended: notes it when it is a member of the root. */
  #ended(kind: JsonKind): void {
    if (this.#depth !== 1 || this.#isObject[1] !== 1) return;
    this.members.push({ key: this.#key, kind, start: this.#start, end: this.#at });
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
      byte = bytes[++at];
    }
    this.#at = at;
  }

  #string(start: number): DenyReason | undefined {
    const bytes = this.#bytes;
    const token = this.#token;
    token.escaped = false;
    token.loneSurrogate = false;
    const { length } = bytes;
    let at = start + 1;
    for (;;) {
      // The hot loop: staying inside the bounds keeps it free of checks for undefined.
      while (at < length && plainInString[bytes[at] as number] === 1) at++;
      const byte = bytes[at];
      if (byte === quote) break;
      if (byte !== backslash) return this.#broken(at);
      token.escaped = true;
      const next = this.#escape(at);
      if (next < 0) return this.#broken(at);
      at = next;
    }
    this.#at = at + 1;
    return undefined;
  }

  /** The offset after the escape at `at`, both halves of a surrogate pair included; -1 when it is none. */
  #escape(at: number): number {
    const letter = this.#bytes[at + 1];
    if (letter !== 0x75)
      return letter !== undefined && '"\\/bfnrt'.includes(String.fromCharCode(letter))
        ? at + 2
        : -1;
    const unit = hexUnit(this.#bytes, at + 2);
    if (unit < 0) return -1;
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    if (unit < 0xdc00 && this.#bytes[at + 6] === backslash && this.#bytes[at + 7] === 0x75) {
      const low = hexUnit(this.#bytes, at + 8);
      if (low >= 0xdc00 && low <= 0xdfff) return at + 12;
    }
    this.#token.loneSurrogate = true;
    return at + 6;
  }

  #scalar(byte: number | undefined): DenyReason | undefined {
    if (byte === 0x74) return this.#word("true");
    if (byte === 0x66) return this.#word("false");
    if (byte === 0x6e) return this.#word("null");
    return this.#number();
  }

  #word(word: string): DenyReason | undefined {
    for (let at = 0; at < word.length; at++) {
      if (this.#bytes[this.#at + at] !== word.charCodeAt(at)) return this.#broken();
    }
    this.#at += word.length;
    return undefined;
  }

  #number(): DenyReason | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    if (bytes[at] === 0x2d) at++;
    if (!isDigit(bytes[at])) return this.#broken(at);
    if (bytes[at] === 0x30) at++;
    else while (isDigit(bytes[at])) at++;
    if (bytes[at] === 0x2e) {
      at++;
      if (!isDigit(bytes[at])) return this.#broken(at);
      while (isDigit(bytes[at])) at++;
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      if (!isDigit(bytes[at])) return this.#broken(at);
      while (isDigit(bytes[at])) at++;
    }
    if (at - start > jsonNumberLengthMax) return this.#refuse("body_number_too_long", start);
    this.#at = at;
    return undefined;
  }

  #broken(at = this.#at): DenyReason {
    return this.#refuse("body_not_json", at);
  }

  #refuse(reason: DenyReason, at: number): DenyReason {
    this.faultAt = at;
    return reason;
  }
}

function kindOf(byte: number | undefined): JsonKind {
  if (byte === quote) return "string";
  if (byte === 0x74) return "true";
  if (byte === 0x66) return "false";
  return byte === 0x6e ? "null" : "number";
}

function asciiOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (let at = start; at < end; at++) if ((bytes[at] ?? 0) > 0x7e) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
