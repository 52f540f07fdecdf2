// Protobuf's wire format, read field by field from the bytes of one message. What it takes and what it refuses is what the
// protobuf library takes and refuses, to the last odd case: `test/envoy/wire/reader.test.ts` holds the two side by side.

import { headerName } from "./header-name.ts";

/** Groups within groups; deeper ones are refused. */
const depthMax = 100;

export class WireReader {
  readonly bytes: Buffer;
  /** Where the next byte is read, and where the innermost message ends. */
  at = 0;
  end: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** Goes into the message that begins here with its length, and gives the end of the outer one for `leave`. */
  enter(): number {
    const length = this.varint();
    const outer = this.end;
    const end = this.at + length;
    if (end > outer) throw outOfRange();
    this.end = end;
    return outer;
  }

  leave(outer: number): void {
    if (this.at !== this.end) throw outOfRange();
    this.end = outer;
  }

  /** The low 32 bits of a varint: a tag, a length, a bool or an enum. One of more than five bytes is taken as ten. */
  varint(): number {
    const { bytes, end } = this;
    if (this.at >= end) throw outOfRange();
    let byte = bytes[this.at++] ?? 0;
    if (byte < 128) return byte;
    let value = byte & 127;
    const available = end - this.at;
    const most = available < 4 ? 3 : 4;
    for (let shift = 7; shift <= 7 * most; shift += 7) {
      if (this.at >= end) throw outOfRange();
      byte = bytes[this.at++] ?? 0;
      value = (value | ((byte & 127) << shift)) >>> 0;
      if (byte < 128) return value;
    }
    if (most === 3) throw outOfRange();
    this.at += 5;
    if (this.at > end) throw outOfRange();
    return value;
  }

  /** An int64 as a number, exact up to 2^53. */
  int64(): number {
    const { bytes } = this;
    let low = 0;
    let high = 0;
    if (this.end - this.at <= 4) {
      // Four bytes are all there can be; that the last says more is overlooked.
      for (let shift = 0; shift < 28; shift += 7) {
        if (this.at >= this.end) throw outOfRange();
        const byte = bytes[this.at++] ?? 0;
        low |= (byte & 127) << shift;
        if (byte < 128) break;
      }
      return low;
    }
    for (let count = 0; count < 10; count += 1) {
      if (this.at >= this.end) throw outOfRange();
      const byte = bytes[this.at++] ?? 0;
      const bits = byte & 127;
      if (count < 5) low |= bits << (7 * count);
      if (count === 4) high = bits >> 4;
      if (count > 4) high |= bits << (7 * count - 32);
      if (byte < 128) return high * 2 ** 32 + (low >>> 0);
    }
    throw new Error("a varint of more than ten bytes");
  }

  /** Text as UTF-8; bytes that are none become U+FFFD. A text that is cut ends where its message does. */
  string(): string {
    const length = this.varint();
    const start = this.at;
    this.at = Math.min(start + length, this.end);
    return this.bytes.toString("utf8", start, this.at);
  }

  /** The same of a header's name: few names come again and again, and are made once. */
  name(): string {
    const length = this.varint();
    const start = this.at;
    this.at = Math.min(start + length, this.end);
    return headerName(this.bytes, start, this.at);
  }

  /** A view, not a copy. */
  view(): Buffer {
    const length = this.varint();
    const start = this.at;
    if (start + length > this.end) throw outOfRange();
    this.at = start + length;
    return this.bytes.subarray(start, this.at);
  }

  /** Passes over the value behind a tag that means nothing here; `depth` is that of the message it stands in. */
  skip(tag: number, depth: number): void {
    if (depth > depthMax) throw new Error("groups too deep");
    switch (tag & 7) {
      case 0:
        do {
          if (this.at >= this.end) throw outOfRange();
        } while ((this.bytes[this.at++] ?? 0) > 127);
        return;
      case 1:
        this.#pass(8);
        return;
      case 2:
        this.#pass(this.varint());
        return;
      case 3:
        for (let inner = this.varint(); (inner & 7) !== 4; inner = this.varint()) {
          this.skip(inner, depth + 1);
        }
        return;
      case 5:
        this.#pass(4);
        return;
      default:
        throw new Error("no such wire type");
    }
  }

  #pass(length: number): void {
    if (this.at + length > this.end) throw outOfRange();
    this.at += length;
  }
}

function outOfRange(): RangeError {
  return new RangeError("a field beyond the end of its message");
}
