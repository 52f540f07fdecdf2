// Where the parts of a form stand, and what their headers say. Forms that some parser divides or names otherwise are not
// divided at all: everything is allowed that real clients write, and nothing that a parser is free in.

import { type PartHeaders, readPartHeaders } from "./headers.ts";

/** Most parts of one form: Go and Starlette take no more than 1,000. */
export const formPartsMax = 1000;
/** Most bytes of the headers of one part; Python's and Node's parsers take at least as many. */
export const partHeaderBytesMax = 8192;
/** Longest name: busboy cuts longer ones off. */
export const partNameLengthMax = 100;

/** Offsets count bytes from the start of the body; the value lies between `start` and `end`. */
export type FormPart = PartHeaders & { readonly start: number; readonly end: number };

export type PartSplit =
  | { readonly ok: true; readonly parts: readonly FormPart[] }
  | { readonly ok: false; readonly offset: number };

const blankLine = "\r\n\r\n";
const headersEnd = Buffer.from(blankLine);
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const dash = 0x2d;

/**
 * The parts between the delimiters `--boundary`. Refused, for parsers differ on it: anything before the first delimiter;
 * a delimiter's text anywhere but at the start of a line that ends in CR LF and holds nothing else (Django takes it in
 * the middle of a line, PHP takes the start of a longer line and a line that began with LF alone, the RFC allows white
 * space after it); a missing close delimiter; a form without parts; and anything after the close delimiter but the one
 * or two CR LF that clients write. No random boundary stands in a file by chance.
 */
export function splitParts(bytes: Uint8Array, boundary: string): PartSplit {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const delimiter = Buffer.from(`--${boundary}`, "latin1");
  const { length } = delimiter;
  if (!buffer.subarray(0, length).equals(delimiter)) return { ok: false, offset: 0 };
  const parts: FormPart[] = [];
  let at = length;
  while (!isPair(buffer, at, dash, dash)) {
    if (!isPair(buffer, at, carriageReturn, lineFeed) || parts.length === formPartsMax) {
      return { ok: false, offset: at };
    }
    const from = at + 2;
    const next = buffer.indexOf(delimiter, from);
    if (next < 0) return { ok: false, offset: buffer.length };
    if (!isPair(buffer, next - 2, carriageReturn, lineFeed)) return { ok: false, offset: next };
    const part = readPart(buffer, from, next - 2);
    if (part === undefined) return { ok: false, offset: from };
    parts.push(part);
    at = next + length;
  }
  const rest = buffer.subarray(at + 2);
  const isClosed = rest.length === 0 || headersEnd.subarray(0, rest.length).equals(rest);
  return isClosed && rest.length % 2 === 0 && parts.length > 0
    ? { ok: true, parts }
    : { ok: false, offset: at };
}

function isPair(buffer: Buffer, at: number, first: number, second: number): boolean {
  return at >= 0 && at + 1 < buffer.length && buffer[at] === first && buffer[at + 1] === second;
}

/** The part between a delimiter's line and the CR LF of the next one, which must not be that of the blank line too. */
function readPart(buffer: Buffer, from: number, end: number): FormPart | undefined {
  const headersMax = Math.min(end, from + partHeaderBytesMax + headersEnd.length);
  const length = buffer.subarray(from, headersMax).indexOf(headersEnd);
  if (length < 0) return undefined;
  const start = from + length + headersEnd.length;
  const headers = readPartHeaders(buffer.toString("latin1", from, from + length));
  if (headers === undefined || headers.name.length > partNameLengthMax) return undefined;
  // aiohttp and Python's cgi read as many bytes as the part says.
  const { partLength } = headers;
  if (partLength === undefined) return { ...headers, start, end };
  if (partLength.bytes !== end - start) return undefined;
  const { offset, bytes } = partLength;
  return { ...headers, partLength: { offset: from + offset, bytes }, start, end };
}
