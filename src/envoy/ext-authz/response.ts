// Decision -> CheckResponse. Never an error_response, never a kind-less metadata value, never a header value that can
// split a response: each of these would leave the decision to Envoy's settings or take Envoy down.

import type {
  AllowDecision,
  AnswerDecision,
  Decision,
  DenyDecision,
  PassDecision,
} from "../../core/decision.ts";
import { denialEnvelope } from "../../core/envelope.ts";
import { decisionMetadata, sendable, struct, text } from "../decision-metadata.ts";
import type { WireCheckResponse, WireHeaderOption, WireValue } from "../wire.ts";

/** Put before the real path while body edits are pending: a request whose edits were skipped matches no route. */
export const rewritePendingPrefix = "/aliasguard-rewrite-pending";

/** Throws when the decision holds a header that must not be sent; the handler makes that an `internal` refusal. */
export function toCheckResponse(decision: Decision, requestPath: string): WireCheckResponse {
  switch (decision.kind) {
    case "allow":
      return allowed(decision, requestPath);
    case "pass":
      return passed(decision);
    case "answer":
      return answered(decision);
    case "deny":
      return denied(decision);
  }
}

/** HTTP status that the caller gets from us; undefined when the request goes on. */
export function httpStatus(response: WireCheckResponse): number | undefined {
  return "denied_response" in response ? response.denied_response.status.code : undefined;
}

function allowed(decision: AllowDecision, requestPath: string): WireCheckResponse {
  const isPending = decision.bodyEdits.length > 0;
  const realPath = decision.path ?? requestPath;
  const headers = decision.setHeaders.map(([name, value]) => overwrite(name, value));
  if (isPending) headers.push(overwrite(":path", `${rewritePendingPrefix}${realPath}`));
  else if (decision.path !== undefined) headers.push(overwrite(":path", decision.path));
  return {
    status: { code: 0 },
    ok_response: { headers, headers_to_remove: decision.removeHeaders },
    dynamic_metadata: decisionMetadata(
      decision,
      isPending ? { rewrite: rewrite(decision, realPath) } : undefined,
    ),
  };
}

/** Nothing but headers: no model, and no edit that could be pending. */
function passed(decision: PassDecision): WireCheckResponse {
  const headers = decision.setHeaders.map(([name, value]) => overwrite(name, value));
  if (decision.path !== undefined) headers.push(overwrite(":path", decision.path));
  return {
    status: { code: 0 },
    ok_response: { headers, headers_to_remove: decision.removeHeaders },
    dynamic_metadata: decisionMetadata(decision),
  };
}

function rewrite({ bodyBytes, bodyEdits }: AllowDecision, path: string): WireValue {
  const values = bodyEdits.map((edit) =>
    struct({ offset: { numberValue: edit.offset }, old: text(edit.old), new: text(edit.new) }),
  );
  return struct({
    length: { numberValue: bodyBytes },
    edits: { listValue: { values } },
    path: text(path),
  });
}

/** A direct answer travels as a denial with status 200: only a non-zero code makes Envoy send it. */
function answered(decision: AnswerDecision): WireCheckResponse {
  const headers = decision.body === "" ? [] : [overwrite("content-type", "application/json")];
  return {
    status: { code: grpcCode(decision.status) },
    denied_response: {
      status: { code: decision.status },
      headers,
      body: decision.body.toWellFormed(),
    },
    dynamic_metadata: decisionMetadata(decision),
  };
}

function denied(decision: DenyDecision): WireCheckResponse {
  const { status, headers, body } = denialEnvelope(decision);
  return {
    status: { code: grpcCode(status) },
    denied_response: {
      status: { code: status },
      headers: headers.map(([name, value]) => overwrite(name, value)),
      body: body.toWellFormed(),
    },
    dynamic_metadata: decisionMetadata(decision),
  };
}

function overwrite(key: string, value: string): WireHeaderOption {
  const header = { key, value: sendable(key, value) };
  return { header, append: { value: false }, append_action: 2 };
}

/** The canonical gRPC code nearest to an HTTP status; never 0, which would allow. */
export function grpcCode(status: number): number {
  switch (status) {
    case 401:
      return 16;
    case 404:
      return 5;
    case 405:
      return 12;
    case 413:
      return 8;
    case 503:
      return 14;
    case 500:
      return 13;
    case 400:
    case 415:
      return 3;
    default:
      return 7;
  }
}
