// A CheckRequest from its bytes: the HTTP request in it, each field as the last of its kind says.

import type { HeaderList } from "../header-values.ts";
import { entry, fields } from "./fields.ts";
import { readHeaderMap } from "./headers.ts";
import { WireReader } from "./reader.ts";

export type WireHttp = {
  method: string;
  path: string;
  /** -1 is "unknown", 0 or absent is "not stated". */
  size: number;
  body: string;
  /** A view of the message. */
  rawBody: Buffer | undefined;
  /** By name, as it is written: the map of the message, of which the last entry counts. */
  readonly headers: Map<string, string>;
  list: HeaderList | undefined;
};

/** undefined: there is none in it. Throws on bytes that are not the message. */
export function readHttp(bytes: Buffer): WireHttp | undefined {
  const reader = new WireReader(bytes);
  let http: WireHttp | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag >>> 3 === fields.CheckRequest.attributes) http = readAttributes(reader);
    else reader.skip(tag, 0);
  }
  return http;
}

function readAttributes(reader: WireReader): WireHttp | undefined {
  const outer = reader.enter();
  let http: WireHttp | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag >>> 3 === fields.AttributeContext.request) http = readRequest(reader);
    else reader.skip(tag, 1);
  }
  reader.leave(outer);
  return http;
}

function readRequest(reader: WireReader): WireHttp | undefined {
  const outer = reader.enter();
  let http: WireHttp | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag >>> 3 === fields.Request.http) http = readHttpRequest(reader);
    else reader.skip(tag, 2);
  }
  reader.leave(outer);
  return http;
}

const depth = 3;

function readHttpRequest(reader: WireReader): WireHttp {
  const outer = reader.enter();
  const headers = new Map<string, string>();
  const http: WireHttp = {
    ...{ method: "", path: "", size: 0, body: "", rawBody: undefined, headers, list: undefined },
  };
  while (reader.at < reader.end) {
    const tag = reader.varint();
    switch (tag >>> 3) {
      case fields.HttpRequest.headers:
        readEntry(reader, headers);
        break;
      case fields.HttpRequest.method:
        http.method = reader.string();
        break;
      case fields.HttpRequest.path:
        http.path = reader.string();
        break;
      case fields.HttpRequest.size:
        http.size = reader.int64();
        break;
      case fields.HttpRequest.body:
        http.body = reader.string();
        break;
      case fields.HttpRequest.raw_body:
        http.rawBody = reader.view();
        break;
      case fields.HttpRequest.header_map:
        http.list = readHeaderMap(reader, depth + 1);
        break;
      default:
        reader.skip(tag, depth);
    }
  }
  reader.leave(outer);
  return http;
}

function readEntry(reader: WireReader, headers: Map<string, string>): void {
  const outer = reader.enter();
  let name = "";
  let value = "";
  while (reader.at < reader.end) {
    const tag = reader.varint();
    switch (tag >>> 3) {
      case entry.key:
        name = reader.name();
        break;
      case entry.value:
        value = reader.string();
        break;
      default:
        reader.skip(tag, depth);
    }
  }
  reader.leave(outer);
  headers.set(name, value);
}
