// Other Envoy configurations than the shipped one: those that people run must serve the honest caller, and those that
// take a guard away must never let a backend run another model than the authorized one.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type ConfigChange, changes } from "../support/envoy-config.ts";
import { alice, assertExact, chat, path, Stack, skip, target } from "../support/start-stack.ts";

type Variant = {
  readonly name: string;
  readonly changes: readonly ConfigChange[];
  readonly headers?: readonly (readonly [string, string])[];
  readonly bodyBytes?: number;
};

const serving: readonly Variant[] = [
  { name: "encode_raw_headers", changes: [changes.rawHeaders] },
  { name: "headers with underscores dropped", changes: [changes.dropUnderscores] },
  { name: "no health checks", changes: [changes.healthChecksLeftOut] },
  { name: "the header is replaced by Lua alone", changes: [changes.routeCacheKept] },
  {
    name: "the h2c upgrade header of Java clients",
    changes: [],
    headers: [
      ["connection", "Upgrade, HTTP2-Settings"],
      ["upgrade", "h2c"],
      ["http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"],
    ],
  },
];

for (const variant of serving) {
  describe(`with ${variant.name}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start(variant.changes);
    });
    after(() => stack.stop());

    it("the seed is served exactly", async () => {
      const sent = chat("AgentX-LLM");
      const answer = await stack.ask(alice.value, sent, variant.headers ?? []);
      assert.equal(answer.status, 200, answer.body);
      assertExact(stack, sent);
    });
  });
}

const websocket = [
  ["connection", "Upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["sec-websocket-version", "13"],
] as const;

const refusing: readonly (Variant & { readonly status: number })[] = [
  { name: "the body sent as text", changes: [changes.textBody], status: 500 },
  { name: "no body sent to the authorizer", changes: [changes.noBody], status: 400 },
  {
    name: "partial messages and a body that is cut",
    changes: [changes.partialMessages],
    bodyBytes: 5000,
    status: 413,
  },
  {
    name: "websocket upgrades allowed and one on a POST",
    changes: [changes.websocketUpgrades],
    headers: websocket,
    status: 400,
  },
  { name: "a websocket upgrade on a POST", changes: [], headers: websocket, status: 403 },
];

for (const variant of refusing) {
  describe(`with ${variant.name}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start(variant.changes);
    });
    after(() => stack.stop());

    it(`the seed is refused with ${variant.status} and never reaches the backend`, async () => {
      const body = chat("AgentX-LLM", "x".repeat(variant.bodyBytes ?? 0));
      const headers = [...(variant.headers ?? []), ["x-model", target]] as const;
      const answer = await stack.ask(alice.value, body, headers);
      assert.equal(answer.status, variant.status, answer.body);
      assert.equal(stack.backend.received.length, 0);
    });
  });
}

describe("with neither the splice nor the route that stops what waits for it", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([changes.luaLeftOut, changes.pendingRouteLeftOut]);
  });
  after(() => stack.stop());

  it("the backend gets a path that it does not serve", async () => {
    const answer = await stack.ask(alice.value, chat("AgentX-LLM"));
    assert.equal(answer.status, 404, answer.body);
    assert.equal(stack.last().path, `/aliasguard-rewrite-pending${path}`);
  });
});
