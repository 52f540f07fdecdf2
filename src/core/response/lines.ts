// How documents follow one another in a response: one alone, one on each line (NDJSON), or in the `data` lines of
// server-sent events. Bytes come as the network cuts them; no line is ever kept.

import { byteAt, colon } from "../json/token.ts";
import type { ModelScanner } from "./json.ts";

export type Framing = "document" | "lines" | "events";

export type DocumentReader = {
  /** Reads from `from` to the end, or to where a token begins that is cut there: the next bytes must begin with it. */
  read(bytes: Buffer, view: DataView, from: number): number;
};

export function createDocumentReader(framing: Framing, scanner: ModelScanner): DocumentReader {
  if (framing === "events") return new EventReader(scanner);
  if (framing === "lines") return new LineReader(scanner);
  return { read: (bytes, view, from) => scanner.scan(bytes, view, from, bytes.length) };
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Before so many bytes a search of our own is faster than the call of Node's. */
const nearBytes = 16;

/** The offset of `byte`, or the length. */
function placeOf(byte: number, bytes: Buffer, from: number): number {
  const near = Math.min(from + nearBytes, bytes.length);
  for (let at = from; at < near; at++) {
    if (byteAt(bytes, at) === byte) return at;
  }
  const place = bytes.indexOf(byte, near);
  return place < 0 ? bytes.length : place;
}

class LineReader implements DocumentReader {
  readonly #scanner: ModelScanner;

  constructor(scanner: ModelScanner) {
    this.#scanner = scanner;
  }

  read(bytes: Buffer, view: DataView, from: number): number {
    let at = from;
    while (at < bytes.length) {
      const end = placeOf(lineFeed, bytes, at);
      const stop = this.#scanner.scan(bytes, view, at, end);
      if (end === bytes.length) return stop;
      this.#scanner.reset();
      at = end + 1;
    }
    return at;
  }
}

const fieldName = "data";

/**
 * The `data` lines of one event are one text with line feeds between them (HTML, "Server-sent events"), so a token never
 * crosses a line and each line is scanned as it comes. Servers that forget the empty line between events are read too.
 */
class EventReader implements DocumentReader {
  readonly #scanner: ModelScanner;
  #line: "name" | "data" | "other" = "name";
  /** How much of the field's name has come. */
  #nameLength = 0;
  /** The line feed that may come next belongs to the end of the last line. */
  #isAfterReturn = false;

  constructor(scanner: ModelScanner) {
    this.#scanner = scanner;
  }

  read(bytes: Buffer, view: DataView, from: number): number {
    // Most streams have none.
    let nextReturn = placeOf(carriageReturn, bytes, from);
    let at = from;
    while (at < bytes.length) {
      if (this.#isAfterReturn) {
        this.#isAfterReturn = false;
        if (byteAt(bytes, at) === lineFeed) at++;
      }
      if (nextReturn < at) nextReturn = placeOf(carriageReturn, bytes, at);
      const end = Math.min(nextReturn, placeOf(lineFeed, bytes, at));
      at = this.#readName(bytes, at, end);
      if (this.#line === "data") {
        const stop = this.#scanner.scan(bytes, view, at, end);
        if (end === bytes.length) return stop;
        if (stop < end) this.#scanner.lose();
      }
      if (end === bytes.length) return end;
      this.#endLine();
      this.#isAfterReturn = byteAt(bytes, end) === carriageReturn;
      at = end + 1;
    }
    return at;
  }

  /** Where the field's value begins, or `end`. */
  #readName(bytes: Buffer, from: number, end: number): number {
    for (let at = from; at < end && this.#line === "name"; at++) {
      const byte = byteAt(bytes, at);
      if (this.#nameLength < fieldName.length) {
        if (byte === fieldName.charCodeAt(this.#nameLength)) this.#nameLength++;
        else this.#line = "other";
      } else if (byte === colon) {
        this.#line = "data";
        return at + 1;
      } else this.#line = "other";
    }
    return this.#line === "data" ? from : end;
  }

  #endLine(): void {
    // An empty line ends the event.
    if (this.#line === "name" && this.#nameLength === 0) this.#scanner.reset();
    if (this.#line === "data") this.#scanner.endLine();
    this.#line = "name";
    this.#nameLength = 0;
  }
}
