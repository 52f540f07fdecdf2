// The authorizer hung, started again, and its policy edited, behind the real Envoy: requests are refused in the caller's
// dialect while it cannot answer, and served again afterwards.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checkTimeout } from "../support/envoy-config.ts";
import { call } from "../support/http-client.ts";
import { alice, chat, manifests, Stack, skip, stranger, target } from "../support/start-stack.ts";

const json = ["content-type", "application/json"] as const;

describe("a hung authorizer", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start([checkTimeout("0.5s")]);
  });
  after(() => stack.stop());

  it("means 503 in the caller's dialect, and service once it goes on", async () => {
    const headers = [json, ["x-api-key", alice.value]] as const;
    stack.authorizer.signal("SIGSTOP");
    const hung = await call({
      port: stack.envoy.port,
      path: "/v1/messages",
      headers,
      body: chat("AgentX-LLM"),
    });
    stack.authorizer.signal("SIGCONT");
    assert.equal(hung.status, 503, hung.body);
    assert.equal(JSON.parse(hung.body).type, "error");
    assert.equal(JSON.parse(hung.body).error.type, "overloaded_error");
    assert.equal(stack.backend.received.length, 0);
    const again = await stack.ask(alice.value, chat("AgentX-LLM"));
    assert.equal(again.status, 200, again.body);
    assert.equal(JSON.parse(again.body).model, target);
  });
});

describe("an edit of the policy", { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = await Stack.start();
  });
  after(() => stack.stop());

  /** The status of asking until it is `wanted`, or what it was after five seconds. */
  async function statusUntil(wanted: number, secret: string): Promise<number> {
    const deadline = Date.now() + 5000;
    let status = 0;
    while (status !== wanted && Date.now() < deadline) {
      status = (await stack.ask(secret, chat("AgentX-LLM"))).status;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return status;
  }

  it("is in force without a restart, for a key added and for a key removed", async () => {
    assert.equal((await stack.ask(stranger.value, chat("AgentX-LLM"))).status, 401);
    const spec = { keyHash: stranger.keyHash, team: "research" };
    stack.policy.write("more.yaml", [{ kind: "VirtualKey", name: "stranger", spec }]);
    assert.equal(await statusUntil(200, stranger.value), 200);
    stack.policy.remove("more.yaml");
    assert.equal(await statusUntil(401, stranger.value), 401);
    assert.equal((await stack.ask(alice.value, chat("AgentX-LLM"))).status, 200);
  });

  it("that is broken changes nothing", async () => {
    stack.policy.writeText("policy.yaml", "kind: [");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal((await stack.ask(alice.value, chat("AgentX-LLM"))).status, 200);
    stack.policy.write("policy.yaml", manifests);
    assert.equal(await statusUntil(200, alice.value), 200);
  });
});
