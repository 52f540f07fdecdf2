// The wire of ext_proc: hand-written types of the fields that are read or written, and how they are decoded and encoded.
// A response that carries a body is put together here, so that the body's bytes are never copied.

import type { MethodDefinition } from "@grpc/grpc-js";
import {
  encodeCommonResponse,
  encodeMetadata,
  type WireCommonResponse,
  type WireProcessingResponse,
} from "../wire/process-response.ts";
import { processorService, type WireHeader, type WireStruct, wireService } from "../wire.ts";

export {
  bodyModeBuffered,
  type WireCommonResponse,
  type WireImmediateResponse,
  type WireProcessingResponse,
  type WireRawHeaderOption,
  writeProcessingResponse,
} from "../wire/process-response.ts";

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

const processMethod = wireService(processorService)["Process"] as MethodDefinition<
  WireProcessingRequest,
  WireProcessingResponse
>;

/** Where Envoy opens its streams. */
export const processPath = processMethod.path;

/** By the protobuf library, as the three below: what the hand-written ways are held against, and what clients use. */
export function decodeProcessingRequest(bytes: Buffer): WireProcessingRequest {
  return processMethod.requestDeserialize(bytes);
}

export function encodeProcessingResponse(response: WireProcessingResponse): Buffer {
  return processMethod.responseSerialize(response);
}

export function encodeProcessingRequest(request: WireProcessingRequest): Buffer {
  return processMethod.requestSerialize(request);
}

export function decodeProcessingResponse(bytes: Buffer): WireProcessingResponse {
  return processMethod.responseDeserialize(bytes);
}

/** Field numbers on the way from the response to the new body. */
const fields = { requestBody: 3, responseBody: 4, response: 1, bodyMutation: 3, body: 1 } as const;

export type BodyAnswer = {
  readonly common: Omit<WireCommonResponse, "body_mutation">;
  /** The new body in its pieces. */
  readonly body: readonly Uint8Array[];
  readonly metadata: WireStruct;
};

/** What `writeProcessingResponse` would give for a BodyResponse with this body, in pieces among which the body's own stand. */
export function encodeBodyAnswer({ common, body, metadata }: BodyAnswer): readonly Uint8Array[] {
  const head = bodyAnswerHead(fields.requestBody, encodeCommonResponse(common), totalBytes(body));
  return [head, ...body, encodeMetadata(metadata)];
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
