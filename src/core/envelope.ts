// A refusal in the words of the caller's API: status, headers and body (llm-apis.md section 5).

import type { DenyDecision } from "./decision.ts";
import { type Dialect, denialMessage, denials } from "./denials.ts";

export type Envelope = {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** JSON in the dialect's own shape. */
  readonly body: string;
};

/** Seconds after which a caller may try again when the gateway itself could not answer. */
const retryAfterSeconds = 1;

export function denialEnvelope({ reason, detail, dialect }: DenyDecision): Envelope {
  const { status, code } = denials[reason];
  const headers: (readonly [string, string])[] = [["content-type", "application/json"]];
  // The official SDKs obey it; without it Claude Code retries a final refusal for minutes.
  if (status < 500) headers.push(["x-should-retry", "false"]);
  if (status === 503) headers.push(["retry-after", String(retryAfterSeconds)]);
  if (detail.allow !== undefined) headers.push(["allow", detail.allow.join(", ")]);
  const message = denialMessage(reason, detail);
  return { status, headers, body: JSON.stringify(envelopeOf(dialect, { status, code, message })) };
}

type Refusal = { readonly status: number; readonly code: string; readonly message: string };

function envelopeOf(dialect: Dialect, { status, code, message }: Refusal): object {
  switch (dialect) {
    case "openai":
    case "azure":
      return { error: { message, type: openaiType(status), param: null, code } };
    case "anthropic":
      return { type: "error", error: { type: anthropicType(status), message, code } };
    case "gemini":
      return {
        error: { code: status, message, status: googleStatus(status), details: [{ reason: code }] },
      };
    case "ollama":
      return { error: message, code };
    default:
      return dialect satisfies never;
  }
}

function openaiType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 404) return "not_found_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

function anthropicType(status: number): string {
  if (status === 413) return "request_too_large";
  if (status === 503) return "overloaded_error";
  return openaiType(status);
}

function googleStatus(status: number): string {
  if (status === 401) return "UNAUTHENTICATED";
  if (status === 403) return "PERMISSION_DENIED";
  if (status === 404) return "NOT_FOUND";
  if (status === 503) return "UNAVAILABLE";
  return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
}
