// The demo's policy, its requests, and what each must come to.

import type { ReceivedRequest } from "../../test/support/echo-backend.ts";
import type { Manifest, Secret } from "../../test/support/policy-files.ts";

/** The virtual keys: one that the policy knows, and one that it does not. */
export interface DemoKeys {
  readonly alice: Secret;
  readonly stranger: Secret;
}

/** One request. */
export interface DemoRequest {
  readonly secret: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | undefined;
}

/** What came of it. `received` is undefined when the backend cannot tell what it received. */
export interface DemoResult {
  readonly status: number;
  readonly body: string;
  readonly backend: readonly string[];
  readonly received: readonly ReceivedRequest[] | undefined;
}

/** A request, in words, with its check: what was not as expected. */
export interface DemoCase extends DemoRequest {
  readonly title: string;
  readonly keyName: string;
  /** Why the answer is right. */
  readonly why: string;
  readonly check: (result: DemoResult) => readonly string[];
}

const qwen = "openrouter/qwen/qwen3.5-flash-02-23";
const claude = "openrouter/anthropic/claude-sonnet-4.6";
const rest = '"messages":[{"role":"user","content":"Say hi"}]}';

/** alice, of the team research, may run one model; there is an alias for it and one for another model. */
export function policyOf(keys: DemoKeys, models: readonly string[] = [qwen]): readonly Manifest[] {
  return [
    { kind: "ModelAlias", name: "agentx-llm", spec: { alias: "AgentX-LLM", target: qwen } },
    { kind: "ModelAlias", name: "smart", spec: { alias: "smart", target: claude } },
    { kind: "Team", name: "research", spec: { grants: { models } } },
    { kind: "VirtualKey", name: "alice", spec: { keyHash: keys.alice.keyHash, team: "research" } },
  ];
}

function served(model: string): DemoCase["check"] {
  const body = `{"model":"${model}",${rest}`;
  return ({ status, received }) => {
    const problems = status === 200 ? [] : [`status ${status} instead of 200`];
    if (received === undefined) return problems;
    if (received.length !== 1) return [...problems, `the backend received ${received.length}`];
    const [only] = received;
    if (only?.headers["x-model"] !== model) problems.push("the backend got another x-model");
    if (only?.body.toString("utf8") !== body) problems.push("the backend got another body");
    return problems;
  };
}

function refused(wanted: number, code: string): DemoCase["check"] {
  return ({ status, body, received }) => {
    const problems = status === wanted ? [] : [`status ${status} instead of ${wanted}`];
    if (!body.includes(`"${code}"`)) problems.push(`the answer does not say ${code}`);
    if ((received?.length ?? 0) > 0) problems.push("the backend received the request");
    return problems;
  };
}

/** The list holds what alice can call, and nothing else. */
function listed({ status, body, received }: DemoResult): readonly string[] {
  const problems = status === 200 ? [] : [`status ${status} instead of 200`];
  if (!body.includes('"AgentX-LLM"')) problems.push("the list lacks AgentX-LLM");
  if (body.includes('"smart"') || body.includes(claude)) problems.push("the list has too much");
  if ((received?.length ?? 0) > 0) problems.push("the backend was asked");
  return problems;
}

function chat(keys: DemoKeys, model: string): Omit<DemoCase, "title" | "why" | "check"> {
  return {
    secret: keys.alice.value,
    keyName: "alice",
    method: "POST",
    path: "/v1/chat/completions",
    headers: [],
    body: `{"model":"${model}",${rest}`,
  };
}

/** The seven requests. */
export function cases(keys: DemoKeys): readonly DemoCase[] {
  return [
    {
      ...chat(keys, "AgentX-LLM"),
      title: "An alias, to a model the team may run",
      why: "the resolved model was authorized, and it is what the backend runs",
      check: served(qwen),
    },
    {
      ...chat(keys, claude),
      title: "A model the team may not run",
      why: "refused, and the backend never saw it",
      check: refused(403, "model_forbidden"),
    },
    {
      ...chat(keys, "smart"),
      title: "An alias, to a model the team may not run",
      why: "an alias gives no rights: what it leads to is what counts",
      check: refused(403, "model_forbidden"),
    },
    {
      ...chat(keys, "AgentX-LLM"),
      headers: [["x-model", claude]],
      title: "The same alias with a forged x-model header",
      why: "the caller's header is gone; the authorizer's stands there",
      check: served(qwen),
    },
    {
      ...chat(keys, qwen),
      body: `{"model":"${qwen}","model":"${claude}",${rest}`,
      title: "Two models in one body",
      why: "parsers disagree on which one counts, so neither runs",
      check: refused(400, "body_invalid"),
    },
    {
      ...chat(keys, "AgentX-LLM"),
      secret: keys.stranger.value,
      keyName: "nobody",
      title: "A key that the policy does not know",
      why: "refused",
      check: refused(401, "key_invalid"),
    },
    {
      ...chat(keys, ""),
      method: "GET",
      path: "/v1/models",
      body: undefined,
      title: "The models alice can call",
      why: "listed is what can be called, and nothing else",
      check: listed,
    },
  ];
}

/** An edit of the policy, and the request that it changes. */
export function liveEdit(keys: DemoKeys): {
  readonly what: string;
  readonly manifests: readonly Manifest[];
  readonly asked: DemoCase;
} {
  return {
    what: `research may also run ${claude}`,
    manifests: policyOf(keys, [qwen, claude]),
    asked: {
      ...chat(keys, "smart"),
      title: "The alias of request 3 again",
      why: "the edit is in force, without a restart",
      check: served(claude),
    },
  };
}
