// A ProcessingRequest from its bytes: which message it is, and the fields of it that are looked at.

import type { HeaderList } from "../header-values.ts";
import { fields } from "./fields.ts";
import { readHeaderMap } from "./headers.ts";
import { WireReader } from "./reader.ts";

export type MessageKind =
  | "request_headers"
  | "response_headers"
  | "request_body"
  | "response_body"
  | "request_trailers"
  | "response_trailers";

export type WireHeaders = {
  readonly list: HeaderList;
  /** No body follows. */
  readonly isEnd: boolean;
};

/** `isEnd` is false on a whole body too, when trailers follow. The bytes are a view of the message. */
export type WireBody = { readonly bytes: Buffer; readonly isEnd: boolean };

export type WireProcessing = {
  /** "unreadable": none, or several. */
  kind: MessageKind | "unreadable";
  /** Of the kind's own; what another kind has brought is left out. */
  headers: WireHeaders | undefined;
  body: WireBody | undefined;
  /** Envoy does not wait for answers. */
  isObserving: boolean;
  /** In the first message, since Envoy 1.34. */
  requestBodyMode: number;
};

const numbers = fields.ProcessingRequest;
const kinds: readonly (MessageKind | undefined)[] = Array.from({ length: 8 }, (_, number) => {
  const [name] = Object.entries(numbers).find(([, each]) => each === number) ?? [];
  return name as MessageKind | undefined;
});

/** Throws on bytes that are not the message. */
export function readProcessing(bytes: Buffer): WireProcessing {
  const reader = new WireReader(bytes);
  const message: WireProcessing = {
    ...{ kind: "unreadable", headers: undefined, body: undefined },
    ...{ isObserving: false, requestBodyMode: 0 },
  };
  let first: number | undefined;
  let isOne = true;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    switch (number) {
      case numbers.request_headers:
      case numbers.response_headers:
        message.headers = readHeaders(reader);
        break;
      case numbers.request_body:
      case numbers.response_body:
        message.body = readBody(reader);
        break;
      case numbers.request_trailers:
      case numbers.response_trailers:
        readTrailers(reader);
        break;
      case numbers.observability_mode:
        message.isObserving = reader.varint() !== 0;
        continue;
      case numbers.protocol_config:
        message.requestBodyMode = readBodyMode(reader);
        continue;
      default:
        reader.skip(tag, 0);
        continue;
    }
    if (first !== undefined && first !== number) isOne = false;
    first = number;
  }
  message.kind = (isOne && first !== undefined ? kinds[first] : undefined) ?? "unreadable";
  return message;
}

const noHeaders: HeaderList = { names: [], values: [] };
const empty: Buffer = Buffer.alloc(0);

function readHeaders(reader: WireReader): WireHeaders {
  const outer = reader.enter();
  let list = noHeaders;
  let isEnd = false;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    if (number === fields.HttpHeaders.headers) list = readHeaderMap(reader, 2);
    else if (number === fields.HttpHeaders.end_of_stream) isEnd = reader.varint() !== 0;
    else reader.skip(tag, 1);
  }
  reader.leave(outer);
  return { list, isEnd };
}

function readBody(reader: WireReader): WireBody {
  const outer = reader.enter();
  let bytes: Buffer = empty;
  let isEnd = false;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    if (number === fields.HttpBody.body) bytes = reader.view();
    else if (number === fields.HttpBody.end_of_stream) isEnd = reader.varint() !== 0;
    else reader.skip(tag, 1);
  }
  reader.leave(outer);
  return { bytes, isEnd };
}

/** Nothing of them is wanted but that they can be read. */
function readTrailers(reader: WireReader): void {
  const outer = reader.enter();
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag >>> 3 === fields.HttpTrailers.trailers) readHeaderMap(reader, 2);
    else reader.skip(tag, 1);
  }
  reader.leave(outer);
}

function readBodyMode(reader: WireReader): number {
  const outer = reader.enter();
  let mode = 0;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    if (number === fields.ProtocolConfiguration.request_body_mode) mode = reader.varint() | 0;
    else if (number === fields.ProtocolConfiguration.response_body_mode) reader.varint();
    else if (number === fields.ProtocolConfiguration.send_body_without_waiting_for_header_response)
      reader.varint();
    else reader.skip(tag, 1);
  }
  reader.leave(outer);
  return mode;
}
