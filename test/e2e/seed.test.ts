// The case the product exists for, through the real Envoy and the real authorizer: a caller asks for an alias, the
// resolved model is authorized, and the backend receives that model and every other byte as it was sent.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type ConfigChange,
  changes,
  luaBeforeSplice,
  luaScript,
  type Mode,
  modes,
} from "../support/envoy-config.ts";
import {
  aliasOnly,
  alice,
  assertExact,
  chat,
  namedOnly,
  path,
  Stack,
  skip,
  stranger,
  target,
} from "../support/start-stack.ts";

for (const mode of modes) {
  describe(`the seed over ${mode}`, { skip }, () => seed(mode));
}

function seed(mode: Mode): void {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([], mode);
  });
  after(() => stack.stop());

  it("runs the resolved model, in the header and in the body, every other byte as sent", async () => {
    const sent = chat("AgentX-LLM");
    const answer = await stack.ask(alice.value, sent);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(JSON.parse(answer.body).model, target);
    assertExact(stack, sent);
  });

  it("rewrites bodies of 300 KB, 1 MB and 8 MB exactly, also chunked", async () => {
    for (const size of [300_000, 1_000_000, 8_000_000]) {
      const sent = chat("AgentX-LLM", "x".repeat(size));
      const whole = await stack.ask(alice.value, sent);
      assert.equal(whole.status, 200, whole.body.slice(0, 500));
      assertExact(stack, sent);
      const chunked = await stack.ask(alice.value, sent, [], true);
      assert.equal(chunked.status, 200, chunked.body.slice(0, 500));
      assertExact(stack, sent);
    }
  });

  it("does not hand the caller's key to the backend", async () => {
    const answer = await stack.ask(alice.value, chat("AgentX-LLM"));
    assert.equal(answer.status, 200, answer.body);
    assert.ok(!JSON.stringify(stack.last().headers).includes(alice.value));
  });

  it("passes the target asked for by name through unchanged", async () => {
    const sent = chat(target);
    const answer = await stack.ask(alice.value, sent);
    assert.equal(answer.status, 200, answer.body);
    assertExact(stack, sent);
  });

  it("replaces an x-model of the caller", async () => {
    const sent = chat("AgentX-LLM");
    const spoof = [
      ["x-model", "gold"],
      ["x-model", "silver"],
    ] as const;
    const answer = await stack.ask(alice.value, sent, spoof);
    assert.equal(answer.status, 200, answer.body);
    assertExact(stack, sent);
  });

  it("refuses a key that was granted the alias name under models", async () => {
    const before = stack.backend.received.length;
    const answer = await stack.ask(namedOnly.value, chat("AgentX-LLM"));
    assert.equal(answer.status, 403, answer.body);
    assert.equal(JSON.parse(answer.body).error.code, "model_forbidden");
    assert.equal(stack.backend.received.length, before);
  });

  it("serves a key that was granted the alias under aliases", async () => {
    const sent = chat("AgentX-LLM");
    const answer = await stack.ask(aliasOnly.value, sent);
    assert.equal(answer.status, 200, answer.body);
    assertExact(stack, sent);
  });

  it("refuses that key the target asked for by name", async () => {
    const before = stack.backend.received.length;
    const answer = await stack.ask(aliasOnly.value, chat(target));
    assert.equal(answer.status, 403, answer.body);
    assert.equal(stack.backend.received.length, before);
  });

  it("refuses an unknown key with 401", async () => {
    const before = stack.backend.received.length;
    const answer = await stack.ask(stranger.value, chat("AgentX-LLM"));
    assert.equal(answer.status, 401, answer.body);
    assert.equal(stack.backend.received.length, before);
  });

  it("refuses a body with two models", async () => {
    const before = stack.backend.received.length;
    const body = `{"model":"${target}","model":"gold","messages":[]}`;
    const answer = await stack.ask(alice.value, body);
    assert.equal(answer.status, 400, answer.body);
    assert.equal(stack.backend.received.length, before);
  });

  it("answers 503 as JSON once the authorizer is killed", async () => {
    const before = stack.backend.received.length;
    stack.authorizer.signal("SIGKILL");
    await stack.authorizer.exited;
    const answer = await stack.ask(alice.value, chat(target));
    assert.equal(answer.status, 503, answer.body);
    assert.equal(JSON.parse(answer.body).error.code, "authorization_unavailable");
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.equal(stack.backend.received.length, before);
  });
}

/** A filter of somebody else between the check and the splice. */
function tampering(value: string): ConfigChange {
  return luaBeforeSplice(`
function envoy_on_request(handle)
  local data = handle:streamInfo():dynamicMetadata()
  data:set("envoy.filters.http.ext_authz", "rewrite", ${value})
end`);
}

const sabotages: readonly (readonly [string, readonly ConfigChange[]])[] = [
  ["the Lua filter is left out", [changes.luaLeftOut]],
  ["the script throws", [luaScript('function envoy_on_request(handle) error("on purpose") end')]],
  ["the edits are tampered into a string", [tampering('"none"')]],
  ["the edits are tampered into none", [tampering("{}")]],
  [
    "the edits are tampered to other bytes",
    [tampering(`{length=60, path="${path}", edits={{offset=1, old="x", new="y"}}}`)],
  ],
];

for (const [name, more] of sabotages) {
  describe(`the seed when ${name}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start(more);
    });
    after(() => stack.stop());

    it("ends at Envoy with 500 and never at the backend", async () => {
      const spoof = [["x-model", target]] as const;
      const answer = await stack.ask(alice.value, chat("AgentX-LLM"), spoof);
      assert.equal(answer.status, 500, answer.body);
      assert.equal(JSON.parse(answer.body).error.code, "rewrite_failed");
      assert.equal(stack.backend.received.length, 0);
    });
  });
}

for (const mode of modes) {
  describe(`the seed over ${mode} without the early removal of x-model`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([changes.earlyRemovalLeftOut], mode);
    });
    after(() => stack.stop());

    it("runs nothing but the authorized model", async () => {
      const answer = await stack.ask(alice.value, chat("AgentX-LLM"), [["x-model", "gold"]]);
      const models = stack.backend.received.map(({ headers }) => headers["x-model"]);
      assert.deepEqual([answer.status, models], [200, [target]]);
      assert.equal(JSON.parse(answer.body).model, target);
    });
  });
}
