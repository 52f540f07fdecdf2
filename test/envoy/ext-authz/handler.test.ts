// One check from bytes to bytes: whatever goes wrong on the way is a refusal that Envoy can read.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Decision } from "../../../src/core/decision.ts";
import type { CheckObservation } from "../../../src/core/observation.ts";
import { type CheckDeps, createCheckHandler } from "../../../src/envoy/ext-authz/handler.ts";
import {
  decodeCheckResponse,
  encodeCheckRequest,
  type WireCheckResponse,
} from "../../../src/envoy/wire.ts";

const facts = {
  dialect: "openai",
  operation: "health",
  key: undefined,
  team: undefined,
  requestedModel: undefined,
  revision: undefined,
} as const;
const probe: Decision = { ...facts, kind: "answer", operation: "health", status: 200, body: "" };

const check = encodeCheckRequest({
  attributes: { request: { http: { method: "GET", path: "/health" } } },
});

type Seen = { readonly observations: CheckObservation[]; readonly bugs: unknown[] };

function handlerWith(more: Partial<CheckDeps>): Seen & ReturnType<typeof createCheckHandler> {
  const observations: CheckObservation[] = [];
  const bugs: unknown[] = [];
  const handler = createCheckHandler({
    decide: () => probe,
    holder: { current: () => undefined },
    nowMs: () => 0,
    monotonicUs: () => 0,
    random: () => 0,
    observe: (one) => observations.push(one),
    reportBug: (error) => bugs.push(error),
    ...more,
  });
  return { ...handler, observations, bugs };
}

function reasonIn(response: WireCheckResponse): unknown {
  return response.dynamic_metadata.fields["reason"];
}

test("handle answers what decide decided and observes it once", () => {
  const handler = handlerWith({});
  const response = decodeCheckResponse(handler.handle(check));
  assert.ok("denied_response" in response);
  assert.equal(response.denied_response.status.code, 200);
  assert.deepEqual(
    handler.observations.map((one) => [one.decision.kind, one.status]),
    [["answer", 200]],
  );
  assert.deepEqual(handler.bugs, []);
});

test("handle refuses bytes that are no CheckRequest, cut or empty, without a bug", () => {
  const cut = check.subarray(0, check.length - 3);
  for (const bytes of [
    Buffer.from([0xff, 0xff, 0xff]),
    cut,
    Buffer.alloc(0),
    Buffer.alloc(4096, 7),
  ]) {
    const handler = handlerWith({});
    const response = decodeCheckResponse(handler.handle(bytes));
    assert.deepEqual(reasonIn(response), { stringValue: "request_unreadable" });
    assert.ok(response.status.code > 0);
    assert.equal(handler.observations.length, 1);
    assert.deepEqual(handler.bugs, []);
  }
});

test("handle makes an exception of each dependency an internal refusal, and reports it", () => {
  const fail = (): never => {
    throw new Error("bug");
  };
  for (const more of [{ decide: fail }, { holder: { current: fail } }, { random: fail }]) {
    const handler = handlerWith(more);
    const response = decodeCheckResponse(handler.handle(check));
    assert.deepEqual(reasonIn(response), { stringValue: "internal" });
    assert.ok(response.status.code > 0);
    assert.equal(handler.bugs.length, 1);
    assert.equal(handler.observations.length, 1);
  }
});

test("handle makes a header that could split a response an internal refusal", () => {
  const allow: Decision = {
    ...facts,
    kind: "allow",
    key: "k",
    requestedModel: "m",
    revision: "r",
    model: "m",
    upstreamModel: "m",
    hops: [],
    bodyBytes: 2,
    bodyEdits: [],
    path: undefined,
    upstreamCredential: undefined,
    setHeaders: [["x-model", "m\r\nx-evil: 1"]],
    removeHeaders: [],
  };
  const handler = handlerWith({ decide: () => allow });
  const response = decodeCheckResponse(handler.handle(check));
  assert.deepEqual(reasonIn(response), { stringValue: "internal" });
  assert.equal(handler.bugs.length, 1);
});

test("handle gives the same answer when observing fails, and reports it", () => {
  const handler = handlerWith({
    observe: () => {
      throw new Error("full disk");
    },
  });
  assert.deepEqual(handler.handle(check), handlerWith({}).handle(check));
  assert.equal(handler.bugs.length, 1);
});

test("refuse gives a refusal for a check that is never read, and observes it", () => {
  const handler = handlerWith({});
  const response = decodeCheckResponse(handler.refuse("overloaded"));
  assert.ok("denied_response" in response);
  assert.equal(response.denied_response.status.code, 503);
  assert.deepEqual(reasonIn(response), { stringValue: "overloaded" });
  assert.equal(handler.observations.length, 1);
});
