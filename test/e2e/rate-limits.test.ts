// The recipe of deploy/envoy/rate-limits.yaml through the real Envoy in both modes: a limit counts what runs, not what it is
// called, for each key by itself; 429 comes in the words of the caller's API.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { modes, rateLimits } from "../support/envoy-config.ts";
import { call, type HttpAnswer } from "../support/http-client.ts";
import { aliasOnly, alice, chat, namedOnly, Stack, skip, target } from "../support/start-stack.ts";

const limit = 2;

for (const mode of modes) {
  describe(`rate limits over ${mode}`, { skip }, () => {
    let stack: Stack;
    before(async () => {
      stack = await Stack.start([rateLimits(mode, limit)], mode);
    });
    after(() => stack.stop());

    function messages(secret: string): Promise<HttpAnswer> {
      const headers = [
        ["content-type", "application/json"],
        ["x-api-key", secret],
      ] as const;
      return call({
        port: stack.envoy.port,
        path: "/v1/messages",
        headers,
        body: chat("AgentX-LLM"),
      });
    }

    it("counts the model that runs, not its names, and answers 429 in OpenAI's words", async () => {
      const statuses: number[] = [];
      for (const name of ["AgentX-LLM", target]) {
        statuses.push((await stack.ask(alice.value, chat(name))).status);
      }
      assert.deepEqual(statuses, [200, 200]);
      const before = stack.backend.received.length;
      for (const name of [target, "AgentX-LLM"]) {
        const answer = await stack.ask(alice.value, chat(name));
        assert.equal(answer.status, 429, answer.body);
        const { error } = JSON.parse(answer.body);
        assert.equal(error.code, "rate_limit_exceeded");
        assert.equal(error.type, "rate_limit_error");
        assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
      }
      assert.equal(stack.backend.received.length, before);
    });

    it("answers 429 in Anthropic's words", async () => {
      const answer = await messages(alice.value);
      assert.equal(answer.status, 429, answer.body);
      const { type, error } = JSON.parse(answer.body);
      assert.deepEqual([type, error.type], ["error", "rate_limit_error"]);
    });

    it("counts each key by itself", async () => {
      assert.equal((await stack.ask(aliasOnly.value, chat("AgentX-LLM"))).status, 200);
    });

    it("does not count what is refused: that stays a refusal", async () => {
      for (let sent = 0; sent < limit + 2; sent += 1) {
        const answer = await stack.ask(namedOnly.value, chat("AgentX-LLM"));
        assert.equal(answer.status, 403, answer.body);
      }
      const listed = await call({
        port: stack.envoy.port,
        path: "/v1/models",
        headers: [["authorization", `Bearer ${alice.value}`]],
      });
      assert.equal(listed.status, 200, listed.body);
    });
  });
}
