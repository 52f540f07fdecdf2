// Where the outer objects and arrays of a scanned body end: noted while it is scanned, so that the second look at the
// few values that can name models jumps over what is nested in them; and where long strings among them end.

/** Containers are noted down to here: the root is 1, the `function` of a tool 4. */
export const notedDepthMax = 4;
/** Most containers that are noted, the first ones; 32 KiB. Those that are missing are walked through instead. */
export const notedMax = 4096;
/** Strings of more bytes are noted: to pass a shorter one costs less than to look it up. */
export const longTextBytes = 256;

/** Where they are noted: `notedMax` of each, in the order of the body. */
export type NotedContainers = {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly depths: Uint8Array;
  readonly textStarts: Int32Array;
  readonly textEnds: Int32Array;
};

/** In the order in which they open. It belongs to the scanner and holds for its last body. */
export class JsonContainers {
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #depths: Uint8Array;
  /** The open container of each depth, by its place in the list. */
  readonly #open = new Int32Array(notedDepthMax + 1);
  #count = 0;
  readonly #textStarts: Int32Array;
  readonly #textEnds: Int32Array;
  #textCount = 0;

  /** Whoever gives the lists may write them, and says by `begin` how many are there. */
  constructor(noted?: NotedContainers) {
    this.#starts = noted?.starts ?? new Int32Array(notedMax);
    this.#ends = noted?.ends ?? new Int32Array(notedMax);
    this.#depths = noted?.depths ?? new Uint8Array(notedMax);
    this.#textStarts = noted?.textStarts ?? new Int32Array(notedMax);
    this.#textEnds = noted?.textEnds ?? new Int32Array(notedMax);
  }

  begin(count = 0, textCount = 0): void {
    this.#count = count;
    this.#textCount = textCount;
  }

  /** A string of more than `longTextBytes`, quotes included, within a noted container. */
  text(start: number, end: number): void {
    const place = this.#textCount;
    if (place === notedMax) return;
    this.#textStarts[place] = start;
    this.#textEnds[place] = end;
    this.#textCount = place + 1;
  }

  /** Only for a depth up to `notedDepthMax`, like `close`. */
  open(depth: number, at: number): void {
    const place = this.#count;
    this.#open[depth] = place;
    if (place === notedMax) return;
    this.#starts[place] = at;
    this.#ends[place] = -1;
    this.#depths[place] = depth;
    this.#count = place + 1;
  }

  /** `end` is the offset after the closing bracket. */
  close(depth: number, end: number): void {
    const place = this.#open[depth] ?? notedMax;
    if (place < notedMax) this.#ends[place] = end;
  }

  /** Offset after the string that begins at `start`; -1 when it is not noted. */
  textEndOf(start: number): number {
    const place = placeFrom(this.#textStarts, this.#textCount, start);
    const isThere = place < this.#textCount && this.#textStarts[place] === start;
    return isThere ? (this.#textEnds[place] ?? -1) : -1;
  }

  /** Offset after the container that opens at `start`; -1 when it is not noted. */
  endOf(start: number): number {
    const place = placeFrom(this.#starts, this.#count, start);
    return this.#isAt(place, start) ? (this.#ends[place] ?? -1) : -1;
  }

  /** Whether the container that opens at `start` certainly holds no other; false when that was not noted. */
  holdsNone(start: number): boolean {
    const place = placeFrom(this.#starts, this.#count, start);
    if (!this.#isAt(place, start) || (this.#depths[place] ?? notedDepthMax) >= notedDepthMax) {
      return false;
    }
    if (place + 1 === this.#count) return this.#count < notedMax;
    return (this.#starts[place + 1] ?? 0) >= (this.#ends[place] ?? -1);
  }

  #isAt(place: number, start: number): boolean {
    return place < this.#count && this.#starts[place] === start;
  }
}

/** The place of the first of `count` ascending starts that is `start` or later. */
function placeFrom(starts: Int32Array, count: number, start: number): number {
  let low = 0;
  let high = count;
  // Past the last one that is noted, as most of a body with very many is.
  if (high === 0 || (starts[high - 1] ?? 0) < start) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
