// Values of headers as both protocols bring them: bytes or text, once or in several copies, read as one value a name.

import { isUtf8 } from "node:buffer";
import type { WireHeader } from "./wire.ts";

/** One value a name, whichever way each came: as bytes or as text, once or in several copies. */
export function joinHeaders(list: readonly WireHeader[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const { key = "", value = "", raw_value } of list) {
    const isRaw = raw_value !== undefined && raw_value.length > 0;
    join(headers, key, isRaw ? sanitizeUtf8(raw_value) : value);
  }
  return headers;
}

/** As Envoy joins copies of a header when it makes the map; cookies by RFC 6265. */
function join(headers: Map<string, string>, rawName: string, value: string): void {
  const name = rawName.toLowerCase();
  const before = headers.get(name);
  const separator = name === "cookie" ? "; " : ",";
  headers.set(name, before === undefined ? value : `${before}${separator}${value}`);
}

/** What Envoy makes of a value in the map form: every byte that is no part of valid UTF-8 becomes "!". */
export function sanitizeUtf8(bytes: Uint8Array): string {
  const clean = Buffer.from(bytes);
  let at = isUtf8(clean) ? clean.length : 0;
  while (at < clean.length) {
    const length = sequenceLength(clean, at);
    if (length === 0) clean[at] = 0x21;
    at += Math.max(length, 1);
  }
  return clean.toString("utf8");
}

/** Bytes of the UTF-8 sequence at `at`, 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}
