// Observations for the tests of telemetry.

import type { AllowDecision, AnswerDecision, DenyDecision } from "../../src/core/decision.ts";
import type { CheckObservation, ResponseObservation } from "../../src/core/observation.ts";

export const secret = "ag_secret00_0123456789abcdefghijklmnopqrstuv";

const facts = {
  dialect: "openai",
  operation: "chat.completions",
  key: "alice",
  team: "research",
  requestedModel: "AgentX-LLM",
  revision: "0123456789abcdef",
} as const;

export const allowed: AllowDecision = {
  ...facts,
  kind: "allow",
  model: "vendor/model",
  upstreamModel: "upstream",
  hops: ["AgentX-LLM"],
  bodyBytes: 22,
  bodyEdits: [{ offset: 9, old: '"AgentX-LLM"', new: '"upstream"' }],
  path: undefined,
  upstreamCredential: undefined,
  setHeaders: [["x-model", "vendor/model"]],
  removeHeaders: ["authorization"],
};

export const answered: AnswerDecision = {
  ...facts,
  kind: "answer",
  operation: "models.list",
  requestedModel: undefined,
  status: 200,
  body: '{"data":["in the body"]}',
};

export const denied: DenyDecision = {
  ...facts,
  kind: "deny",
  reason: "model_not_granted",
  detail: { name: "tools[].model" },
  trace: { model: "other/model", hops: ["AgentX-LLM"], refusedBy: "team" },
};

export const requestHeaders: ReadonlyMap<string, string> = new Map([
  ["authorization", `Bearer ${secret}`],
  ["x-request-id", "request-1"],
  ["traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"],
  ["cookie", "in the cookie"],
]);

export const otherServed: ResponseObservation = {
  served: "other",
  servedModels: ["vendor/model", "cheap/\u202e\n\u0000caf\u00e9"],
  operation: "chat.completions",
  key: "alice",
  team: "research",
  model: "vendor/model",
  headers: requestHeaders,
};

export function observationOf(
  decision: CheckObservation["decision"],
  more: Partial<CheckObservation> = {},
): CheckObservation {
  const status = decision.kind === "allow" ? undefined : 403;
  return { decision, status, headers: requestHeaders, bodyBytes: 22, durationUs: 41.7, ...more };
}
