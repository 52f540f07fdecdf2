// Duplicate keys: the keys of the objects that are open, compared as decoded bytes. A seeded hash finds candidates;
// the work on collisions is capped, so that nobody can make it quadratic.

/** Most keys in one object. */
export const jsonKeysMax = 10_000;

export type KeyTable = {
  /** Forgets everything and reads from this body. */
  reset(bytes: Uint8Array): void;
  open(): void;
  close(): void;
  /** Adds the key between two offsets (quotes excluded) to the innermost open object. */
  add(start: number, end: number, escaped: boolean): "added" | "duplicate" | "full";
};

/** Comparing pairs is cheaper than a table up to here. */
const fewKeys = 8;
/** Steps past other keys, per key on average, before a body is taken for an attack on the hash. */
const stepsPerKeyMax = 32;

type Key = { readonly bytes: Uint8Array; readonly hash: number };

type OpenObject = { keys: Key[]; slots: Map<number, Key[]> | undefined };

export function createKeyTable(hashSeed: number): KeyTable {
  let bytes: Uint8Array = new Uint8Array(0);
  let objects: OpenObject[] = [];
  let depth = 0;
  let total = 0;
  let steps = 0;

  function isThere(object: OpenObject, key: Key): boolean {
    const candidates =
      object.slots === undefined ? object.keys : (object.slots.get(key.hash) ?? []);
    for (const candidate of candidates) {
      if (object.slots !== undefined) steps++;
      if (candidate.hash === key.hash && Buffer.compare(candidate.bytes, key.bytes) === 0)
        return true;
    }
    return false;
  }

  return {
    reset(body) {
      bytes = body;
      objects = [];
      depth = 0;
      total = 0;
      steps = 0;
    },
    open() {
      depth++;
      const reused = objects[depth];
      if (reused === undefined) objects[depth] = { keys: [], slots: undefined };
      else {
        reused.keys.length = 0;
        reused.slots = undefined;
      }
    },
    close() {
      depth--;
    },
    add(start, end, escaped) {
      const object = objects[depth];
      if (object === undefined || object.keys.length >= jsonKeysMax) return "full";
      const span = bytes.subarray(start, end);
      const decoded = escaped ? decodeKey(span) : span;
      const key = { bytes: decoded, hash: hashOf(decoded, hashSeed) };
      if (isThere(object, key)) return "duplicate";
      total++;
      if (steps > total * stepsPerKeyMax + 1024) return "full";
      object.keys.push(key);
      if (object.slots !== undefined) addToSlots(object.slots, key);
      else if (object.keys.length > fewKeys) {
        object.slots = new Map();
        for (const each of object.keys) addToSlots(object.slots, each);
      }
      return "added";
    },
  };
}

function addToSlots(slots: Map<number, Key[]>, key: Key): void {
  const slot = slots.get(key.hash);
  if (slot === undefined) slots.set(key.hash, [key]);
  else slot.push(key);
}

/** Multiply and fold, a byte at a time, from a secret start: 32 bits. */
function hashOf(bytes: Uint8Array, seed: number): number {
  let hash = seed ^ bytes.length;
  for (let at = 0; at < bytes.length; at++) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

const simpleEscapes = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/** The bytes that an escaped key means. The scanner has checked its escapes; it holds no half of a surrogate pair. */
function decodeKey(span: Uint8Array): Uint8Array {
  const units: number[] = [];
  const out: Buffer[] = [];
  let plainFrom = 0;
  let at = 0;
  const flush = (): void => {
    if (units.length === 0) return;
    out.push(Buffer.from(String.fromCharCode(...units), "utf8"));
    units.length = 0;
  };
  while (at < span.length) {
    if (span[at] !== 0x5c) {
      at++;
      continue;
    }
    if (at > plainFrom) {
      flush();
      out.push(Buffer.from(span.subarray(plainFrom, at)));
    }
    const letter = span[at + 1] ?? 0;
    units.push(simpleEscapes.get(letter) ?? hexUnit(span, at + 2));
    at += letter === 0x75 ? 6 : 2;
    plainFrom = at;
    if (units.length >= 4096 && !isHighSurrogate(units[units.length - 1])) flush();
  }
  flush();
  if (plainFrom < span.length) out.push(Buffer.from(span.subarray(plainFrom)));
  return Buffer.concat(out);
}

function isHighSurrogate(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 0xd800 && unit <= 0xdbff;
}

/** The UTF-16 unit of four hexadecimal digits, or -1. */
export function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let place = 0; place < 4; place++) {
    const byte = bytes[at + place] ?? 0;
    const lower = byte | 0x20;
    if (byte >= 0x30 && byte <= 0x39) unit = unit * 16 + byte - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) unit = unit * 16 + lower - 0x57;
    else return -1;
  }
  return unit;
}
