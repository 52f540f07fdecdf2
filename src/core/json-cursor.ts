// Walks one level of JSON that the scanner has already admitted: the members of an object, the elements of an array.
// It skips what is nested inside without looking at it, and without recursion.

export type JsonSpan = { readonly start: number; readonly end: number };
export type JsonEntry = JsonSpan & { readonly key: string };

const quote = 0x22;
const backslash = 0x5c;

/** The members of the object whose token is `span`. Only for admitted bytes: the result of others is meaningless. */
export function membersOf(bytes: Uint8Array, span: JsonSpan): readonly JsonEntry[] {
  const members: JsonEntry[] = [];
  let at = skipSpace(bytes, span.start + 1);
  while (at < span.end - 1) {
    const keyEnd = valueEnd(bytes, at, span.end);
    const key = stringOf(bytes, { start: at, end: keyEnd });
    const start = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = valueEnd(bytes, start, span.end);
    members.push({ key, start, end });
    at = nextEntry(bytes, end);
  }
  return members;
}

/** The elements of the array whose token is `span`; the same restriction. */
export function elementsOf(bytes: Uint8Array, span: JsonSpan): readonly JsonSpan[] {
  const elements: JsonSpan[] = [];
  let at = skipSpace(bytes, span.start + 1);
  while (at < span.end - 1) {
    const end = valueEnd(bytes, at, span.end);
    elements.push({ start: at, end });
    at = nextEntry(bytes, end);
  }
  return elements;
}

/** The text of a string token. Half a surrogate pair stays half of one. */
export function stringOf(bytes: Uint8Array, { start, end }: JsonSpan): string {
  const token = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
  return token.includes("\\") ? (JSON.parse(token) as string) : token.slice(1, -1);
}

/** Past a comma, or past the closing bracket. */
function nextEntry(bytes: Uint8Array, end: number): number {
  return skipSpace(bytes, skipSpace(bytes, end) + 1);
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
    byte = bytes[++at];
  }
  return at;
}

function valueEnd(bytes: Uint8Array, start: number, limit: number): number {
  const first = bytes[start];
  if (first === quote) return stringEnd(bytes, start, limit);
  if (first === 0x7b || first === 0x5b) return containerEnd(bytes, start, limit);
  let at = start;
  while (at < limit && !isDelimiter(bytes[at])) at++;
  return at;
}

function isDelimiter(byte: number | undefined): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === undefined || byte <= 0x20;
}

function stringEnd(bytes: Uint8Array, start: number, limit: number): number {
  let at = start + 1;
  while (at < limit && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

function containerEnd(bytes: Uint8Array, start: number, limit: number): number {
  let depth = 0;
  let at = start;
  while (at < limit) {
    const byte = bytes[at];
    if (byte === quote) {
      at = stringEnd(bytes, at, limit);
      continue;
    }
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    at++;
    if (depth === 0) return at;
  }
  return limit;
}
