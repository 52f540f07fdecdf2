// Values of headers as both protocols bring them: bytes or text, once or in several copies, read as one value a name.

import { isUtf8 } from "node:buffer";

/** Headers as they came, name by name; the same one may stand in several places. */
export type HeaderList = { readonly names: readonly string[]; readonly values: readonly string[] };

/** One value a name. */
export function joinList({ names, values }: HeaderList): Map<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < names.length; at += 1) join(headers, names[at] ?? "", values[at] ?? "");
  return headers;
}

/** The same of a map, which is given back, or changed, by its names' case alone. */
export function joinMap(map: Map<string, string>): Map<string, string> {
  for (const name of map.keys()) {
    if (!isLower(name)) return joinList({ names: [...map.keys()], values: [...map.values()] });
  }
  return map;
}

/** As Envoy joins copies of a header when it makes the map; cookies by RFC 6265. */
function join(headers: Map<string, string>, rawName: string, value: string): void {
  const name = isLower(rawName) ? rawName : rawName.toLowerCase();
  const before = headers.get(name);
  if (before === undefined) headers.set(name, value);
  else headers.set(name, `${before}${name === "cookie" ? "; " : ","}${value}`);
}

/** ASCII without a capital: `toLowerCase` would change nothing. */
function isLower(name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at);
    if (unit > 127 || (unit >= 65 && unit <= 90)) return false;
  }
  return true;
}

/** What Envoy makes of a value in the map form: every byte that is no part of valid UTF-8 becomes "!". */
export function sanitizeUtf8(bytes: Uint8Array): string {
  if (isUtf8(bytes))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const clean = Buffer.from(bytes);
  let at = 0;
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
