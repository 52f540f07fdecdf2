// A ProcessingResponse to its bytes, the same that the protobuf library writes.

import type { WireStruct } from "../wire.ts";
import { fields } from "./fields.ts";
import { writeCode, writeHeaderOptions, writeStrings, writeStruct } from "./parts.ts";
import { WireWriter } from "./writer.ts";

/** BodySendMode BUFFERED: the whole body in one message, and the headers held until it is answered. */
export const bodyModeBuffered = 2;

/** ext_proc reads `raw_value` only, where ext_authz reads `value` only. */
export type WireRawHeaderOption = {
  readonly header: { readonly key: string; readonly raw_value: Buffer };
  readonly append: { readonly value: false };
  /** OVERWRITE_IF_EXISTS_OR_ADD. */
  readonly append_action: 2;
};

export type WireHeaderMutation = {
  readonly set_headers: readonly WireRawHeaderOption[];
  readonly remove_headers?: readonly string[];
};

/** Body modes are taken as they stand here, NONE where they are left out; a header mode that is left out stays as it is. */
export type WireModeOverride = {
  readonly request_body_mode?: typeof bodyModeBuffered;
  /** STREAMED: each chunk as it comes. */
  readonly response_body_mode?: 1;
  /** SEND, both. */
  readonly response_header_mode?: 1;
  readonly response_trailer_mode?: 1;
};

export type WireCommonResponse = {
  readonly header_mutation?: WireHeaderMutation;
  readonly body_mutation?: { readonly body: Buffer };
  readonly clear_route_cache?: true;
};

export type WireImmediateResponse = {
  /** Without it Envoy would send 200. */
  readonly status: { readonly code: number };
  readonly headers: WireHeaderMutation;
  readonly body: Buffer;
  readonly details: string;
};

export type WireProcessingResponse = (
  | { readonly request_headers: { readonly response: WireCommonResponse } }
  | { readonly request_body: { readonly response: WireCommonResponse } }
  | { readonly request_trailers: Readonly<Record<string, never>> }
  | { readonly response_headers: { readonly response: WireCommonResponse } }
  | { readonly response_body: { readonly response: WireCommonResponse } }
  | { readonly response_trailers: Readonly<Record<string, never>> }
  | { readonly immediate_response: WireImmediateResponse }
) & {
  /** Namespaces, each a struct. */
  readonly dynamic_metadata?: WireStruct;
  /** Honoured on the answer to headers only. */
  readonly mode_override?: WireModeOverride;
};

const writer = new WireWriter();
const numbers = fields.ProcessingResponse;

/** Throws on nothing that its type allows. */
export function writeProcessingResponse(response: WireProcessingResponse): Buffer {
  writer.reset();
  const { mode_override, dynamic_metadata } = response;
  if (mode_override !== undefined) writeModeOverride(mode_override);
  if (dynamic_metadata !== undefined) {
    writeStruct(writer, numbers.dynamic_metadata, dynamic_metadata);
  }
  if ("immediate_response" in response) writeImmediate(response.immediate_response);
  else if ("response_trailers" in response) {
    writer.head(numbers.response_trailers, writer.mark());
  } else if ("response_body" in response) {
    writeWithCommon(numbers.response_body, response.response_body.response);
  } else if ("response_headers" in response) {
    writeWithCommon(numbers.response_headers, response.response_headers.response);
  } else if ("request_trailers" in response) {
    writer.head(numbers.request_trailers, writer.mark());
  } else if ("request_body" in response) {
    writeWithCommon(numbers.request_body, response.request_body.response);
  } else writeWithCommon(numbers.request_headers, response.request_headers.response);
  return writer.take();
}

/** The fields of a CommonResponse alone, for an answer that is put together around a body. */
export function encodeCommonResponse(common: WireCommonResponse): Buffer {
  writer.reset();
  writeCommon(common);
  return writer.take();
}

export function encodeMetadata(metadata: WireStruct): Buffer {
  writer.reset();
  writeStruct(writer, numbers.dynamic_metadata, metadata);
  return writer.take();
}

/** HeadersResponse and BodyResponse are alike. */
function writeWithCommon(field: number, common: WireCommonResponse): void {
  const mark = writer.mark();
  writeCommon(common);
  writer.head(fields.BodyResponse.response, mark);
  writer.head(field, mark);
}

function writeCommon(common: WireCommonResponse): void {
  const { header_mutation, body_mutation, clear_route_cache } = common;
  if (clear_route_cache !== undefined) writer.number(fields.CommonResponse.clear_route_cache, 1);
  if (body_mutation !== undefined) {
    const mark = writer.mark();
    writer.raw(fields.BodyMutation.body, body_mutation.body);
    writer.head(fields.CommonResponse.body_mutation, mark);
  }
  if (header_mutation === undefined) return;
  writeMutation(fields.CommonResponse.header_mutation, header_mutation);
}

function writeMutation(field: number, mutation: WireHeaderMutation): void {
  const mark = writer.mark();
  const { set_headers, remove_headers } = mutation;
  writeStrings(writer, fields.HeaderMutation.remove_headers, remove_headers ?? []);
  writeHeaderOptions(writer, fields.HeaderMutation.set_headers, set_headers);
  writer.head(field, mark);
}

function writeImmediate({ status, headers, body, details }: WireImmediateResponse): void {
  const mark = writer.mark();
  writer.string(fields.ImmediateResponse.details, details);
  writer.raw(fields.ImmediateResponse.body, body);
  writeMutation(fields.ImmediateResponse.headers, headers);
  writeCode(writer, fields.ImmediateResponse.status, status.code);
  writer.head(numbers.immediate_response, mark);
}

function writeModeOverride(mode: WireModeOverride): void {
  const mark = writer.mark();
  const { ProcessingMode } = fields;
  for (const name of ["response_trailer_mode", "response_body_mode"] as const) {
    const value = mode[name];
    if (value !== undefined) writer.number(ProcessingMode[name], value);
  }
  for (const name of ["request_body_mode", "response_header_mode"] as const) {
    const value = mode[name];
    if (value !== undefined) writer.number(ProcessingMode[name], value);
  }
  writer.head(numbers.mode_override, mark);
}
