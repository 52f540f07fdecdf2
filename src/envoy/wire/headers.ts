// Headers as both protocols bring them, read into one value a name.

import { type HeaderList, sanitizeUtf8 } from "../header-values.ts";
import { fields } from "./fields.ts";
import type { WireReader } from "./reader.ts";

/** A HeaderMap that begins here with its length, in a message of that depth. */
export function readHeaderMap(reader: WireReader, depth: number): HeaderList {
  const names: string[] = [];
  const values: string[] = [];
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag >>> 3 === fields.HeaderMap.headers) readHeader(reader, depth + 1, names, values);
    else reader.skip(tag, depth);
  }
  reader.leave(outer);
  return { names, values };
}

function readHeader(reader: WireReader, depth: number, names: string[], values: string[]): void {
  const outer = reader.enter();
  let name = "";
  let value = "";
  let raw: Buffer | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    switch (tag >>> 3) {
      case fields.HeaderValue.key:
        name = reader.name();
        break;
      case fields.HeaderValue.value:
        value = reader.string();
        break;
      case fields.HeaderValue.raw_value:
        raw = reader.view();
        break;
      default:
        reader.skip(tag, depth);
    }
  }
  reader.leave(outer);
  names.push(name);
  values.push(raw !== undefined && raw.length > 0 ? sanitizeUtf8(raw) : value);
}
