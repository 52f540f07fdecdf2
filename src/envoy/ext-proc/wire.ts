// The wire of ext_proc: hand-written types of the fields that are read or written, and how they are decoded and encoded.
// A response that carries a body is put together here, so that the body's bytes are never copied.

import type { MethodDefinition } from "@grpc/grpc-js";
import {
  processorService,
  type WireHeader,
  type WireStruct,
  wireEncoder,
  wireService,
} from "../wire.ts";

export type WireHeaders = {
  readonly headers?: { readonly headers?: readonly WireHeader[] };
  /** No body follows. */
  readonly end_of_stream?: boolean;
};

/** `end_of_stream` is false on a whole body too, when trailers follow. */
export type WireBody = { readonly body?: Buffer; readonly end_of_stream?: boolean };

/** Exactly one of the first six is there in a message of Envoy's. */
export type WireProcessingRequest = {
  readonly request_headers?: WireHeaders;
  readonly response_headers?: WireHeaders;
  readonly request_body?: WireBody;
  readonly response_body?: WireBody;
  readonly request_trailers?: object;
  readonly response_trailers?: object;
  /** Envoy does not wait for answers. */
  readonly observability_mode?: boolean;
  /** In the first message, since Envoy 1.34. */
  readonly protocol_config?: { readonly request_body_mode?: number };
};

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

const processMethod = wireService(processorService)["Process"] as MethodDefinition<
  WireProcessingRequest,
  WireProcessingResponse
>;

/** Where Envoy opens its streams. */
export const processPath = processMethod.path;

/** Throws on bytes that are not the message. The body is a view of `bytes`, not a copy. */
export function decodeProcessingRequest(bytes: Buffer): WireProcessingRequest {
  return processMethod.requestDeserialize(bytes);
}

export function encodeProcessingResponse(response: WireProcessingResponse): Buffer {
  return processMethod.responseSerialize(response);
}

/** For clients in tests: the other directions. */
export function encodeProcessingRequest(request: WireProcessingRequest): Buffer {
  return processMethod.requestSerialize(request);
}

export function decodeProcessingResponse(bytes: Buffer): WireProcessingResponse {
  return processMethod.responseDeserialize(bytes);
}

const packageName = "envoy.service.ext_proc.v3";
const encodeCommon = wireEncoder<WireCommonResponse>(`${packageName}.CommonResponse`);
const encodeRest = wireEncoder<{ readonly dynamic_metadata: WireStruct }>(
  `${packageName}.ProcessingResponse`,
);

/** Field numbers on the way from the response to the new body. */
const fields = { requestBody: 3, responseBody: 4, response: 1, bodyMutation: 3, body: 1 } as const;

export type BodyAnswer = {
  readonly common: Omit<WireCommonResponse, "body_mutation">;
  /** The new body in its pieces. */
  readonly body: readonly Uint8Array[];
  readonly metadata: WireStruct;
};

/** What encodeProcessingResponse would give for a BodyResponse with this body, in pieces among which the body's own stand. */
export function encodeBodyAnswer({ common, body, metadata }: BodyAnswer): readonly Uint8Array[] {
  const head = bodyAnswerHead(fields.requestBody, encodeCommon(common), totalBytes(body));
  return [head, ...body, encodeRest({ dynamic_metadata: metadata })];
}

/** The same for a chunk of a response: these bytes, perhaps none, in its place. */
export function encodeChunkAnswer(chunk: Uint8Array): readonly Uint8Array[] {
  return [bodyAnswerHead(fields.responseBody, noBytes, chunk.length), chunk];
}

const noBytes = Buffer.alloc(0);

/** All that stands before the bytes of the body; `common` is what else CommonResponse holds. */
function bodyAnswerHead(outer: number, common: Buffer, bodyBytes: number): Buffer {
  const bodyHead = fieldHead(fields.body, bodyBytes);
  const mutationHead = fieldHead(fields.bodyMutation, bodyHead.length + bodyBytes);
  const commonBytes = common.length + mutationHead.length + bodyHead.length + bodyBytes;
  const responseHead = fieldHead(fields.response, commonBytes);
  const outerHead = fieldHead(outer, responseHead.length + commonBytes);
  return Buffer.concat([outerHead, responseHead, common, mutationHead, bodyHead]);
}

export function totalBytes(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** Tag and length of a length-delimited field. */
function fieldHead(number: number, length: number): Buffer {
  const bytes: number[] = [number * 8 + 2];
  let rest = length;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
