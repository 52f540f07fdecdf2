// Decision -> the ProcessingResponse that tells it, the last that the request gets. Every refusal has a status, no header can split a message, and
// an allow goes out whole: headers, path and body in one message, so that Envoy applies all of it or nothing.

import type {
  AllowDecision,
  AnswerDecision,
  Decision,
  DenyDecision,
  PassDecision,
} from "../../core/decision.ts";
import { denials } from "../../core/denials.ts";
import { denialEnvelope } from "../../core/envelope.ts";
import type { RequestBody } from "../../core/request.ts";
import { spliceBody } from "../body-splice.ts";
import { decisionMetadata, sendable, struct } from "../decision-metadata.ts";
import type { WireStruct } from "../wire.ts";
import type { RequestHead } from "./request.ts";
import {
  bodyModeBuffered,
  encodeBodyAnswer,
  totalBytes,
  type WireCommonResponse,
  type WireImmediateResponse,
  type WireRawHeaderOption,
  writeProcessingResponse,
} from "./wire.ts";

/** The namespace of the metadata; Envoy takes it only where metadata_options names it. */
export const metadataNamespace = "aliasguard";

export type ProcessAnswer = {
  /** The bytes of one message, in pieces. Those of a body are views of the message that it came in. */
  readonly pieces: readonly Uint8Array[];
  /** HTTP status that the caller gets from us; undefined when the request goes on. */
  readonly status: number | undefined;
};

/** Which message of Envoy's is answered; `body` is what came with it. */
export type Asked =
  | { readonly kind: "headers" }
  | { readonly kind: "body"; readonly head: RequestHead; readonly body: RequestBody };

/** The answer that lets Envoy go on to the body. */
export const continueToBody = writeProcessingResponse({ request_headers: { response: {} } });

/**
 * The same, and then to the response. Envoy asks for none of what a stream that has ended would have been sent, so this is
 * said before it is known whether the request is allowed.
 */
export const continueToBodyAndResponse = writeProcessingResponse({
  request_headers: { response: {} },
  mode_override: {
    request_body_mode: bodyModeBuffered,
    response_header_mode: 1,
    response_body_mode: 1,
    // Without it the end of a response with trailers would not be told.
    response_trailer_mode: 1,
  },
});

/** The answer to a response that nothing is done with. */
export const passResponseHeaders = writeProcessingResponse({ response_headers: { response: {} } });

/** Throws when the decision cannot be sent as it is; the handler makes that an `internal` refusal. */
export function toProcessAnswer(decision: Decision, asked: Asked): ProcessAnswer {
  switch (decision.kind) {
    case "allow":
      return { pieces: allowed(decision, asked), status: undefined };
    case "pass":
      return { pieces: passed(decision, asked), status: undefined };
    case "answer":
      return immediate(decision, answered(decision));
    case "deny":
      return immediate(decision, denied(decision));
    default:
      return decision satisfies never;
  }
}

function allowed(decision: AllowDecision, asked: Asked): readonly Uint8Array[] {
  if (decision.bodyEdits.length === 0) return passed(decision, asked);
  if (asked.kind !== "body" || asked.body.kind !== "bytes") {
    throw new Error("edits of a body that is not there");
  }
  const body = spliceBody(decision, asked.body.bytes);
  // Envoy refuses another length than the header says; without the header it needs none (envoy-facts 2.1).
  const hasLength = asked.head.headers.has("content-length");
  const length = hasLength ? [overwrite("content-length", String(totalBytes(body)))] : [];
  const common = commonResponse(decision, length);
  return encodeBodyAnswer({ common, body, metadata: namespaced(decision) });
}

/** What goes on with its body as it is. */
function passed(decision: AllowDecision | PassDecision, asked: Asked): readonly Uint8Array[] {
  const response = commonResponse(decision);
  const dynamic_metadata = namespaced(decision);
  if (asked.kind === "body") {
    return [writeProcessingResponse({ request_body: { response }, dynamic_metadata })];
  }
  // What follows is not looked at, and need not be held: the body of an upgrade never ends.
  const mode_override = {};
  const request_headers = { response };
  return [writeProcessingResponse({ request_headers, dynamic_metadata, mode_override })];
}

/** With clear_route_cache, for the route is chosen by the headers that are set here. */
function commonResponse(
  { path, setHeaders, removeHeaders }: AllowDecision | PassDecision,
  more: readonly WireRawHeaderOption[] = [],
): WireCommonResponse {
  const headers = setHeaders.map(([name, value]) => overwrite(name, value));
  if (path !== undefined) headers.push(overwrite(":path", path));
  return {
    header_mutation: { set_headers: [...headers, ...more], remove_headers: removeHeaders },
    clear_route_cache: true,
  };
}

function answered({ status, body }: AnswerDecision): WireImmediateResponse {
  const headers = body === "" ? [] : [overwrite("content-type", "application/json")];
  return {
    status: { code: status },
    headers: { set_headers: headers },
    body: Buffer.from(body.toWellFormed()),
    details: "aliasguard_answer",
  };
}

function denied(decision: DenyDecision): WireImmediateResponse {
  const { status, headers, body } = denialEnvelope(decision);
  return {
    status: { code: status },
    headers: { set_headers: headers.map(([name, value]) => overwrite(name, value)) },
    body: Buffer.from(body.toWellFormed()),
    details: `aliasguard_${denials[decision.reason].code}`,
  };
}

function immediate(decision: Decision, response: WireImmediateResponse): ProcessAnswer {
  const message = { immediate_response: response, dynamic_metadata: namespaced(decision) };
  return { pieces: [writeProcessingResponse(message)], status: response.status.code };
}

function namespaced(decision: Decision): WireStruct {
  return { fields: { [metadataNamespace]: struct(decisionMetadata(decision).fields) } };
}

function overwrite(key: string, value: string): WireRawHeaderOption {
  const header = { key, raw_value: Buffer.from(sendable(key, value), "utf8") };
  return { header, append: { value: false }, append_action: 2 };
}
