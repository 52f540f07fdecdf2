// One ext_proc stream from messages to answers: in which order they come, what is asked of the decision and when, and that
// whatever goes wrong is a refusal that Envoy can read.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AllowDecision, Decision, DenyDecision } from "../../../src/core/decision.ts";
import type { CheckObservation } from "../../../src/core/observation.ts";
import type { AuthzRequest } from "../../../src/core/request.ts";
import {
  createProcessHandler,
  type Process,
  type ProcessDeps,
  type ProcessStep,
} from "../../../src/envoy/ext-proc/handler.ts";
import {
  decodeProcessingResponse,
  encodeProcessingRequest,
  type WireProcessingRequest,
  type WireProcessingResponse,
} from "../../../src/envoy/ext-proc/wire.ts";
import type { WireValue } from "../../../src/envoy/wire.ts";
import { messagesOf } from "../../support/process-client.ts";

const body = Buffer.from('{"model":"fast"}');
const request: AuthzRequest = {
  method: "POST",
  path: "/v1/chat/completions?a=1",
  headers: new Map([
    ["content-length", "16"],
    ["authorization", "Bearer x"],
  ]),
  body: { kind: "bytes", bytes: body, declaredBytes: undefined },
};
const [headersMessage, bodyMessage] = messagesOf(request) as [
  WireProcessingRequest,
  WireProcessingRequest,
];

const facts = { dialect: "openai", key: "k", team: undefined, revision: "r" } as const;
const allow: AllowDecision = {
  ...facts,
  kind: "allow",
  operation: "chat.completions",
  requestedModel: "fast",
  model: "vendor/big",
  upstreamModel: "big-one",
  hops: ["fast"],
  bodyBytes: body.length,
  bodyEdits: [{ offset: 9, old: '"fast"', new: '"big-one"' }],
  path: undefined,
  upstreamCredential: undefined,
  setHeaders: [["x-model", "vendor/big"]],
  removeHeaders: ["authorization"],
};
const deny: DenyDecision = {
  ...facts,
  kind: "deny",
  reason: "key_unknown",
  operation: undefined,
  requestedModel: undefined,
  detail: {},
  trace: undefined,
};

type Made = {
  readonly process: Process;
  readonly observations: CheckObservation[];
  readonly bugs: unknown[];
  /** What the decision was asked, in order. */
  readonly asked: (readonly ["headers" | "all", AuthzRequest])[];
};

function make(decision: Decision, more: Partial<ProcessDeps> = {}): Made {
  const observations: CheckObservation[] = [];
  const bugs: unknown[] = [];
  const asked: (readonly ["headers" | "all", AuthzRequest])[] = [];
  const handler = createProcessHandler({
    decide: (_, given) => {
      asked.push(["all", given]);
      return decision;
    },
    decideHeaders: (_, given) => {
      asked.push(["headers", given]);
      return undefined;
    },
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: (one) => observations.push(one),
    reportBug: (error) => bugs.push(error),
    ...more,
  });
  return { process: handler.open(), observations, bugs, asked };
}

function sent({ pieces }: ProcessStep): WireProcessingResponse {
  return decodeProcessingResponse(Buffer.concat(pieces));
}

function metadataOf(response: WireProcessingResponse): ReadonlyMap<string, WireValue> {
  const namespace = response.dynamic_metadata?.fields["aliasguard"];
  assert.ok(namespace !== undefined && "structValue" in namespace);
  return new Map(Object.entries(namespace.structValue.fields));
}

/** The reason of a refusal, its status and its details; fails on anything else. */
function refusalIn(step: ProcessStep): readonly [unknown, number, string] {
  assert.equal(step.isLast, true);
  const response = sent(step);
  assert.ok("immediate_response" in response);
  const { status, details, headers } = response.immediate_response;
  const names = headers.set_headers.map(({ header }) => header.key);
  assert.ok(names.includes("content-type"));
  return [metadataOf(response).get("reason"), status.code, details];
}

const bytes = encodeProcessingRequest;

test("take goes on to the body and answers it with headers, length, body and route in one message", () => {
  const { process, asked, observations } = make(allow);
  const first = process.take(bytes(headersMessage));
  assert.equal(first.isLast, false);
  assert.deepEqual(Buffer.concat(first.pieces), Buffer.from([0x0a, 2, 0x0a, 0]));
  const last = process.take(bytes(bodyMessage));
  assert.equal(last.isLast, true);
  const response = sent(last);
  assert.ok("request_body" in response);
  const { header_mutation, body_mutation, clear_route_cache } = response.request_body.response;
  const set = header_mutation?.set_headers.map(({ header, append, append_action }) => {
    return [header.key, header.raw_value.toString(), append.value ?? false, String(append_action)];
  });
  assert.deepEqual(set, [
    ["x-model", "vendor/big", false, "2"],
    ["content-length", "19", false, "2"],
  ]);
  assert.deepEqual(header_mutation?.remove_headers, ["authorization"]);
  assert.equal(body_mutation?.body.toString(), '{"model":"big-one"}');
  assert.equal(clear_route_cache, true);
  assert.equal(metadataOf(response).has("rewrite"), false);
  assert.deepEqual(metadataOf(response).get("model"), { stringValue: "vendor/big" });
  assert.deepEqual(
    asked.map(([kind]) => kind),
    ["headers", "all"],
  );
  assert.deepEqual(asked[1]?.[1], request);
  assert.deepEqual(
    observations.map((one) => [one.decision.kind, one.status, one.bodyBytes]),
    [["allow", undefined, 16]],
  );
});

test("take says no content-length to a request that has none, and no body where nothing changes", () => {
  const chunked = { ...request, headers: new Map([["authorization", "Bearer x"]]) };
  const [head] = messagesOf(chunked);
  for (const [decision, hasBody] of [
    [allow, true],
    [{ ...allow, bodyEdits: [] }, false],
  ] as const) {
    const { process } = make(decision);
    process.take(bytes(head ?? {}));
    const response = sent(process.take(bytes(bodyMessage)));
    assert.ok("request_body" in response);
    const { header_mutation, body_mutation } = response.request_body.response;
    assert.equal(header_mutation?.set_headers.length, 1);
    assert.equal(body_mutation !== undefined, hasBody);
  }
});

test("take sets the path that the decision wants", () => {
  const { process } = make({ ...allow, path: "/v1/x?model=big" });
  process.take(bytes(headersMessage));
  const response = sent(process.take(bytes(bodyMessage)));
  assert.ok("request_body" in response);
  const set = response.request_body.response.header_mutation?.set_headers ?? [];
  const path = set.find(({ header }) => header.key === ":path");
  assert.equal(path?.header.raw_value.toString(), "/v1/x?model=big");
});

test("take answers at the headers what they decide, and never asks for the body", () => {
  const { process, observations } = make(allow, { decideHeaders: () => deny });
  const refusal = refusalIn(process.take(bytes(headersMessage)));
  assert.deepEqual(refusal, [{ stringValue: "key_unknown" }, 401, "aliasguard_key_invalid"]);
  assert.equal(observations.length, 1);
});

test("take decides without a body when the headers end the stream", () => {
  const { process, asked } = make(deny);
  const [head] = messagesOf({ ...request, body: { kind: "none" } });
  assert.equal(refusalIn(process.take(bytes(head ?? {})))[1], 401);
  assert.deepEqual(
    asked.map(([kind, { body: given }]) => [kind, given.kind]),
    [["all", "none"]],
  );
});

test("take lets an upgrade go by its headers, in a mode without a body", () => {
  const byHeaders: Decision = { ...allow, bodyEdits: [], path: "/v1/realtime?model=big-one" };
  const { process } = make(deny, { decideHeaders: () => byHeaders });
  const step = process.take(bytes(headersMessage));
  assert.equal(step.isLast, true);
  const response = sent(step);
  assert.ok("request_headers" in response);
  assert.deepEqual(response.mode_override, {});
  assert.equal(response.request_headers.response.clear_route_cache, true);
  assert.equal(response.request_headers.response.header_mutation?.set_headers.length, 2);
});

test("take refuses edits of a body that is not looked at, and reports them", () => {
  const { process, bugs } = make(deny, { decideHeaders: () => allow });
  assert.equal(refusalIn(process.take(bytes(headersMessage)))[1], 500);
  assert.equal(bugs.length, 1);
});

test("take answers a list of models with 200 and its body", () => {
  const answer: Decision = {
    ...facts,
    kind: "answer",
    operation: "models.list",
    requestedModel: undefined,
    status: 200,
    body: '{"data":[]}',
  };
  const { process, observations } = make(deny, { decideHeaders: () => answer });
  const response = sent(process.take(bytes(headersMessage)));
  assert.ok("immediate_response" in response);
  const { status, body: text, details } = response.immediate_response;
  assert.deepEqual(
    [status.code, text.toString(), details],
    [200, '{"data":[]}', "aliasguard_answer"],
  );
  assert.equal(observations[0]?.status, 200);
});

const unreadable = [{ stringValue: "request_unreadable" }, 400, "aliasguard_request_unreadable"];
const notBuffered = [{ stringValue: "body_not_buffered" }, 500, "aliasguard_body_not_buffered"];
const mapOf = (...headers: readonly (readonly [string, string])[]): WireProcessingRequest => ({
  ...headersMessage,
  request_headers: {
    headers: { headers: headers.map(([key, value]) => ({ key, raw_value: Buffer.from(value) })) },
  },
});

const path = [":path", "/"] as const;
const method = [":method", "GET"] as const;
const firsts: readonly (readonly [string, Buffer, readonly unknown[]])[] = [
  ["nothing", Buffer.alloc(0), unreadable],
  ["garbage", Buffer.alloc(30, 0xff), unreadable],
  ["a cut message", bytes(headersMessage).subarray(0, 40), unreadable],
  ["the body", bytes(bodyMessage), notBuffered],
  ["trailers", bytes({ request_trailers: {} }), notBuffered],
  ["response headers", bytes({ response_headers: {} }), unreadable],
  ["a response body", bytes({ response_body: {} }), unreadable],
  ["response trailers", bytes({ response_trailers: {} }), unreadable],
  ["headers and a body at once", bytes({ ...headersMessage, ...bodyMessage }), unreadable],
  ["headers without any", bytes({ ...headersMessage, request_headers: {} }), unreadable],
  ["no path", bytes(mapOf(method)), unreadable],
  ["no method", bytes(mapOf(path)), unreadable],
  ["two paths", bytes(mapOf(path, method, [":path", "/v1"])), unreadable],
  ["two methods", bytes(mapOf(path, method, [":METHOD", "GET"])), unreadable],
  [
    "headers that nobody waits for",
    bytes({ ...headersMessage, observability_mode: true }),
    unreadable,
  ],
  ...[undefined, 0, 1, 3, 4, 5, 99].map((bodyMode) => {
    const [head] = messagesOf(request, { bodyMode });
    return [`headers with body mode ${bodyMode}`, bytes(head ?? {}), notBuffered] as const;
  }),
];

for (const [name, message, wanted] of firsts) {
  test(`take refuses ${name} as the first message`, () => {
    const { process, observations, bugs } = make(allow);
    assert.deepEqual(refusalIn(process.take(message)), wanted);
    assert.equal(observations.length, 1);
    assert.deepEqual(bugs, []);
  });
}

const seconds: readonly (readonly [string, Buffer])[] = [
  ["the headers again", bytes(headersMessage)],
  ["nothing", Buffer.alloc(0)],
  ["garbage", Buffer.alloc(30, 0xff)],
  ["a cut message", bytes(bodyMessage).subarray(0, 10)],
  ["a response body", bytes({ response_body: { body } })],
  ["trailers", bytes({ request_trailers: {} })],
  ["headers and a body at once", bytes({ ...headersMessage, ...bodyMessage })],
  ["a body and trailers at once", bytes({ ...bodyMessage, request_trailers: {} })],
];

for (const [name, message] of seconds) {
  test(`take refuses ${name} where the body is due`, () => {
    const { process, observations, asked } = make(allow);
    process.take(bytes(headersMessage));
    assert.deepEqual(refusalIn(process.take(message)), unreadable);
    assert.equal(observations.length, 1);
    assert.equal(asked.length, 1);
  });
}

test("take makes an exception of each dependency an internal refusal, and reports it", () => {
  const fail = (): never => {
    throw new Error("bug");
  };
  for (const more of [{ decide: fail }, { holder: { current: fail } }, { random: fail }]) {
    const { process, bugs, observations } = make(allow, more);
    const first = process.take(bytes(headersMessage));
    const last = first.isLast ? first : process.take(bytes(bodyMessage));
    assert.deepEqual(refusalIn(last), [{ stringValue: "internal" }, 500, "aliasguard_internal"]);
    assert.equal(bugs.length, 1);
    assert.equal(observations.length, 1);
  }
});

const broken: readonly (readonly [string, Partial<AllowDecision>])[] = [
  ["a header that could split a request", { setHeaders: [["x-model", "a\r\nb: c"]] }],
  ["an edit of other bytes", { bodyEdits: [{ offset: 9, old: '"slow"', new: '"x"' }] }],
  ["an edit behind the body", { bodyEdits: [{ offset: 14, old: '"fast"', new: '"x"' }] }],
  ["an edit of nothing", { bodyEdits: [{ offset: 9, old: "", new: '"x"' }] }],
  ["an edit of another body", { bodyBytes: 17 }],
  [
    "edits that overlap",
    {
      bodyEdits: [
        { offset: 9, old: '"fast"', new: '"x"' },
        { offset: 9, old: '"fast"', new: '"x"' },
      ],
    },
  ],
];

for (const [name, wrong] of broken) {
  test(`take makes ${name} an internal refusal, and sends nothing of it`, () => {
    const { process, bugs } = make({ ...allow, ...wrong });
    process.take(bytes(headersMessage));
    const refusal = refusalIn(process.take(bytes(bodyMessage)));
    assert.deepEqual(refusal, [{ stringValue: "internal" }, 500, "aliasguard_internal"]);
    assert.equal(bugs.length, 1);
  });
}

test("take gives the same answer when observing fails, and reports it", () => {
  const { process, bugs } = make(deny, {
    decideHeaders: () => deny,
    observe: () => {
      throw new Error("full disk");
    },
  });
  assert.equal(refusalIn(process.take(bytes(headersMessage)))[1], 401);
  assert.equal(bugs.length, 1);
});

test("refuse speaks the caller's dialect by what has come of the headers, and once they are known", () => {
  const anthropic = { ...request, path: "/v1/messages" };
  const [head] = messagesOf(anthropic);
  const cut = bytes(head ?? {}).subarray(0, 70);
  const early = make(allow).process.refuse("overloaded", cut);
  const { process } = make(allow);
  process.take(bytes(head ?? {}));
  for (const step of [early, process.refuse("overloaded")]) {
    assert.equal(refusalIn(step)[1], 503);
    const response = sent(step);
    assert.ok("immediate_response" in response);
    assert.equal(JSON.parse(response.immediate_response.body.toString()).type, "error");
  }
});

test("abandon refuses a stream whose caller has gone, and observes nothing", () => {
  const { process, observations } = make(allow);
  process.take(bytes(headersMessage));
  assert.equal(refusalIn(process.abandon())[1], 400);
  assert.deepEqual(observations, []);
});

test("heldLength counts the headers and nothing of the message that they came in", () => {
  const { process } = make(allow);
  assert.equal(process.heldLength(), 0);
  process.take(bytes(headersMessage));
  const text = "/v1/chat/completions?a=1content-length16authorizationBearer x";
  assert.equal(process.heldLength(), text.length);
});
