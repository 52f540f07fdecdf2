// Protobuf's wire format, written backwards: the length of a message is known once its fields stand behind it, so each byte
// is written once. Fields are therefore written last to first.

const firstBytes = 4096;

/** What the writer keeps between messages at most. */
const keptBytesMax = 64 * 1024;

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  /** Where what is written begins. */
  #at = firstBytes;

  /** Bytes written so far, for the length of what is written next. */
  mark(): number {
    return this.#bytes.length - this.#at;
  }

  /** What is written, in memory of its own; the writer is empty again. */
  take(): Buffer {
    const message = Buffer.from(this.#bytes.subarray(this.#at));
    this.reset();
    return message;
  }

  reset(): void {
    if (this.#bytes.length > keptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(firstBytes);
    this.#at = this.#bytes.length;
  }

  varint(value: number): void {
    this.#room(10);
    if (value >= 0 && value < 2 ** 31) this.#small(value);
    else this.#long(value);
  }

  #small(value: number): void {
    const bytes = this.#bytes;
    if (value < 128) {
      bytes[--this.#at] = value;
      return;
    }
    let size = 2;
    for (let rest = value >>> 14; rest > 0; rest >>>= 7) size += 1;
    this.#at -= size;
    let [at, rest] = [this.#at, value];
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
    bytes[at] = rest;
  }

  /** The tag of a length-delimited field and the length of what stands behind since `mark`. */
  head(field: number, mark: number): void {
    this.varint(this.mark() - mark);
    this.varint(field * 8 + 2);
  }

  /** A varint field, present whatever its value. */
  number(field: number, value: number): void {
    this.varint(value);
    this.varint(field * 8);
  }

  double(field: number, value: number): void {
    this.#room(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
    this.varint(field * 8 + 1);
  }

  string(field: number, value: string): void {
    const { length } = value;
    // A unit of UTF-16 is at most three bytes.
    this.#room(3 * length);
    const mark = this.mark();
    if (!this.#ascii(value)) this.#utf8(value);
    this.head(field, mark);
  }

  raw(field: number, value: Uint8Array): void {
    this.#room(value.length);
    const mark = this.mark();
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.head(field, mark);
  }

  /** Short ones character by character, and none that is not ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    if (length > 64) return false;
    const bytes = this.#bytes;
    const start = this.#at - length;
    for (let at = 0; at < length; at += 1) {
      const unit = value.charCodeAt(at);
      if (unit > 127) return false;
      bytes[start + at] = unit;
    }
    this.#at = start;
    return true;
  }

  #utf8(value: string): void {
    const length = Buffer.byteLength(value);
    this.#at -= length;
    this.#bytes.write(value, this.#at, length, "utf8");
  }

  /** Negative ones take ten bytes, as an int32 or int64 does. */
  #long(value: number): void {
    const groups: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) groups.push(Number(rest & 127n) | 128);
    groups.push(Number(rest));
    this.#at -= groups.length;
    this.#bytes.set(groups, this.#at);
  }

  #room(length: number): void {
    if (this.#at >= length) return;
    const written = this.mark();
    const larger = Buffer.allocUnsafeSlow(2 * (this.#bytes.length + length));
    larger.set(this.#bytes.subarray(this.#at), larger.length - written);
    this.#bytes = larger;
    this.#at = larger.length - written;
  }
}
