// Duplicate keys: the keys of the objects that are open, compared by what they mean. Few keys are compared one by one;
// more go into a table of seeded hashes. The work on collisions is capped, so that nobody can make it quadratic.

import { DecodedText } from "./text.ts";

/** Most keys in one object. */
export const jsonKeysMax = 10_000;

/** Up to here an object's keys are compared one by one. */
const fewKeys = 12;
/** Entries that a table keeps between bodies: enough for 10,000 keys at once; 400 KiB with the slots. */
const entriesKept = 16_384;
const entriesAtFirst = 256;
const slotsAtFirst = 1024;
const empty = new Uint8Array(0);

export type KeyAnswer = "added" | "duplicate" | "full";

/**
 * The keys of all open objects on one stack. Entries of closed objects are gone. Slots of the table are taken in the
 * order of the stack and given back from its top, so that giving back restores what was: no tombstones.
 */
export class KeyTable {
  readonly #seed: number;
  #bytes: Uint8Array = empty;
  /** Where each key's text begins, complemented when it holds escapes, and where it ends. */
  #starts = new Int32Array(entriesAtFirst);
  #ends = new Int32Array(entriesAtFirst);
  #hashes = new Int32Array(entriesAtFirst);
  /** The slot of each entry; -1 while its object has few keys. */
  #taken = new Int32Array(entriesAtFirst);
  #top = 0;
  /** 1 + the entry that has the slot; 0 is free. */
  #slots = new Int32Array(0);
  #slotsTaken = 0;
  /** The first entry of each open object, and 32 bits that say which hashes it may hold; by depth. */
  readonly #bases: Int32Array;
  readonly #filters: Int32Array;
  #depth = 0;
  #base = 0;
  #filter = 0;
  /** Steps past other keys and bytes compared in vain; what the body is worth. */
  #work = 0;
  #workMax = 0;

  constructor(hashSeed: number, depthMax: number) {
    this.#seed = hashSeed | 0;
    this.#bases = new Int32Array(depthMax + 1);
    this.#filters = new Int32Array(depthMax + 1);
  }

  /** What every key's hash begins with. */
  get seed(): number {
    return this.#seed;
  }

  /** Begins on another body. */
  begin(bytes: Uint8Array): void {
    this.#forget();
    this.#bytes = bytes;
    this.#workMax = 4 * bytes.length + 4096;
  }

  /** Lets go of the body, and of what a large one made the table grow to. */
  end(): void {
    this.#forget();
    if (this.#starts.length > entriesKept) this.#resizeEntries(entriesAtFirst);
    if (this.#slots.length > 2 * entriesKept) this.#slots = new Int32Array(0);
  }

  #forget(): void {
    if (this.#slotsTaken > 0) this.#slots.fill(0);
    this.#slotsTaken = 0;
    this.#bytes = empty;
    this.#depth = 0;
    this.#base = 0;
    this.#filter = 0;
    this.#top = 0;
    this.#work = 0;
  }

  open(): void {
    this.#filters[this.#depth] = this.#filter;
    this.#depth++;
    this.#base = this.#top;
    this.#bases[this.#depth] = this.#base;
    this.#filter = 0;
  }

  close(): void {
    if (this.#top - this.#base > fewKeys) this.#giveBack();
    this.#top = this.#base;
    this.#depth--;
    this.#base = this.#bases[this.#depth] ?? 0;
    this.#filter = this.#filters[this.#depth] ?? 0;
  }

  /** Adds the key between two offsets, quotes excluded, to the innermost open object. */
  add(start: number, end: number, hash: number, isEscaped: boolean): KeyAnswer {
    const entry = this.#top;
    const count = entry - this.#base;
    if (count >= jsonKeysMax) return "full";
    if (entry === this.#starts.length) this.#resizeEntries(entry * 2);
    this.#starts[entry] = isEscaped ? ~start : start;
    this.#ends[entry] = end;
    this.#hashes[entry] = hash;
    this.#taken[entry] = -1;
    if (count < fewKeys) {
      const bit = 1 << (hash >>> 27);
      if ((this.#filter & bit) !== 0 && this.#isAmongFew(entry)) return "duplicate";
      this.#filter |= bit;
    } else {
      if (count === fewKeys) {
        for (let each = this.#base; each < entry; each++) this.#takeSlot(each, this.#base);
      }
      if (this.#takeSlot(entry, this.#base)) return "duplicate";
      if (this.#work > this.#workMax) return "full";
    }
    this.#top = entry + 1;
    return "added";
  }

  #isAmongFew(entry: number): boolean {
    const hash = this.#hashes[entry];
    for (let each = this.#base; each < entry; each++) {
      if (this.#hashes[each] === hash && this.#isSame(each, entry)) return true;
    }
    return false;
  }

  /** Puts an entry into the table; true: the same key of the same object has a slot there. */
  #takeSlot(entry: number, base: number): boolean {
    if (2 * (this.#slotsTaken + 1) > this.#slots.length) this.#growSlots();
    const hash = this.#hashes[entry] ?? 0;
    const slots = this.#slots;
    let slot = this.#slotOf(hash, base);
    for (let there = slots[slot] ?? 0; there !== 0; there = slots[slot] ?? 0) {
      this.#work++;
      const other = there - 1;
      if (other >= base && this.#hashes[other] === hash && this.#isSame(other, entry)) return true;
      slot = (slot + 1) & (slots.length - 1);
    }
    slots[slot] = entry + 1;
    this.#taken[entry] = slot;
    this.#slotsTaken++;
    return false;
  }

  /** The base is part of it: one key in objects that are nested in each other takes different slots. */
  #slotOf(hash: number, base: number): number {
    let mixed = Math.imul(hash ^ Math.imul(base + 1, 0x85ebca6b), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    return mixed & (this.#slots.length - 1);
  }

  #giveBack(): void {
    for (let entry = this.#base; entry < this.#top; entry++) {
      this.#slots[this.#taken[entry] ?? 0] = 0;
    }
    this.#slotsTaken -= this.#top - this.#base;
  }

  /** Doubles the table; the entries that had slots take new ones, in the order of the stack. */
  #growSlots(): void {
    this.#slots = new Int32Array(Math.max(slotsAtFirst, this.#slots.length * 2));
    this.#slotsTaken = 0;
    const top = this.#top;
    for (let depth = 1; depth <= this.#depth; depth++) {
      const base = this.#bases[depth] ?? 0;
      const end = depth === this.#depth ? top : (this.#bases[depth + 1] ?? 0);
      for (let entry = base; entry < end; entry++) {
        if ((this.#taken[entry] ?? -1) >= 0) this.#takeSlot(entry, base);
      }
    }
  }

  #isSame(one: number, other: number): boolean {
    const start = this.#starts[one] ?? 0;
    const otherStart = this.#starts[other] ?? 0;
    const end = this.#ends[one] ?? 0;
    const otherEnd = this.#ends[other] ?? 0;
    if (start >= 0 && otherStart >= 0) {
      return end - start === otherEnd - otherStart && this.#isSameRun(start, end, otherStart);
    }
    const text = new DecodedText(this.#bytes, start >= 0 ? start : ~start, end);
    const otherText = new DecodedText(
      this.#bytes,
      otherStart >= 0 ? otherStart : ~otherStart,
      otherEnd,
    );
    for (;;) {
      const byte = text.nextByte();
      if (byte !== otherText.nextByte()) return false;
      if (byte < 0) return true;
      this.#work++;
    }
  }

  #isSameRun(start: number, end: number, otherStart: number): boolean {
    const bytes = this.#bytes;
    const shift = otherStart - start;
    let at = start;
    while (at < end && bytes[at] === bytes[at + shift]) at++;
    this.#work += at - start;
    return at === end;
  }

  #resizeEntries(length: number): void {
    const resized = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const fresh = new Int32Array(length);
      if (length > old.length) fresh.set(old);
      return fresh;
    };
    this.#starts = resized(this.#starts);
    this.#ends = resized(this.#ends);
    this.#hashes = resized(this.#hashes);
    this.#taken = resized(this.#taken);
  }
}
