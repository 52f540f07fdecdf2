// What the protobuf library reads from the bytes of both requests, in the shape in which the hand-written readers give it:
// the oracle that they are held against.

import { decodeProcessingRequest } from "../../../src/envoy/ext-proc/wire.ts";
import { type HeaderList, sanitizeUtf8 } from "../../../src/envoy/header-values.ts";
import type { WireHttp } from "../../../src/envoy/wire/check-request.ts";
import type { MessageKind, WireProcessing } from "../../../src/envoy/wire/process-request.ts";
import { decodeCheckRequest, type WireHeader } from "../../../src/envoy/wire.ts";

function listOf(headers: readonly WireHeader[]): HeaderList {
  const values = headers.map(({ value = "", raw_value }) =>
    raw_value !== undefined && raw_value.length > 0 ? sanitizeUtf8(raw_value) : value,
  );
  return { names: headers.map(({ key = "" }) => key), values };
}

/** Throws what the library throws. */
export function libraryHttp(bytes: Buffer): WireHttp | undefined {
  const http = decodeCheckRequest(bytes).attributes?.request?.http;
  if (http === undefined) return undefined;
  const { method = "", path = "", size = 0, body = "", raw_body: rawBody, header_map } = http;
  const headers = new Map(Object.entries(http.headers ?? {}));
  const list = header_map === undefined ? undefined : listOf(header_map.headers ?? []);
  return { method, path, size, body, rawBody, headers, list };
}

const kinds: readonly MessageKind[] = [
  ...(["request_headers", "response_headers", "request_body", "response_body"] as const),
  ...(["request_trailers", "response_trailers"] as const),
];

export function libraryProcessing(bytes: Buffer): WireProcessing {
  const message = decodeProcessingRequest(bytes);
  const found = kinds.filter((kind) => message[kind] !== undefined);
  const [kind] = found;
  const common = {
    isObserving: message.observability_mode ?? false,
    requestBodyMode: message.protocol_config?.request_body_mode ?? 0,
  };
  if (kind === undefined || found.length > 1) {
    return { kind: "unreadable", headers: undefined, body: undefined, ...common };
  }
  const headers = message.request_headers ?? message.response_headers;
  const body = message.request_body ?? message.response_body;
  return {
    kind,
    headers: headers && {
      list: listOf(headers.headers?.headers ?? []),
      isEnd: headers.end_of_stream ?? false,
    },
    body: body && { bytes: body.body ?? Buffer.alloc(0), isEnd: body.end_of_stream ?? false },
    ...common,
  };
}

/** What a reader makes of the bytes; undefined stands for a refusal. */
export function reading<Message>(
  read: (bytes: Buffer) => Message,
  bytes: Buffer,
): { readonly message: Message } | undefined {
  try {
    return { message: read(bytes) };
  } catch {
    return undefined;
  }
}
