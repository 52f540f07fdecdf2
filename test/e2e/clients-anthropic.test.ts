// The official Anthropic client, unchanged, through the real Envoy in each mode, with the key in either of the headers that
// it uses.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic, { type ClientOptions } from "@anthropic-ai/sdk";
import {
  alias,
  assertRefused,
  forbidden,
  forbiddenMessage,
  lastRan,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { fullMessage } from "../support/full-requests.ts";
import { alice, type Stack, skip, target } from "../support/start-stack.ts";

const hello = {
  model: alias,
  max_tokens: 10,
  messages: [{ role: "user" as const, content: "Say hi" }],
};

for (const mode of modes) {
  describe(`the @anthropic-ai/sdk client over ${mode}`, { skip }, () => {
    let stack: Stack;
    let create: (key: Pick<ClientOptions, "apiKey" | "authToken">) => Anthropic;
    before(async () => {
      stack = await startClientStack(mode);
      const baseURL = `http://127.0.0.1:${stack.envoy.port}`;
      create = (key) => new Anthropic({ ...key, baseURL, maxRetries: 0 });
    });
    after(() => stack.stop());

    function assertForbidden(asked: Promise<unknown>): Promise<void> {
      return assertRefused(stack, asked, (error) => {
        assert.ok(error instanceof Anthropic.PermissionDeniedError);
        assert.equal(error.type, "permission_error");
        assert.match(error.message, forbiddenMessage);
      });
    }

    it("creates a message, whole and as a stream, with its key in x-api-key or authorization", async () => {
      const keys = [
        { apiKey: alice.value, authToken: null },
        { apiKey: null, authToken: alice.value },
      ];
      for (const key of keys) {
        const { messages } = create(key);
        assert.equal((await messages.create(hello)).model, target);
        const streamed = await messages.stream(hello).finalMessage();
        assert.deepEqual([streamed.model, streamed.stop_reason], [target, "end_turn"]);
        assert.equal(lastRan(stack), target);
        const { headers } = stack.last();
        assert.deepEqual([headers["x-api-key"], headers["authorization"]], [undefined, undefined]);
      }
    });

    it("sends whatever its types allow, and all of it arrives as it was sent", async () => {
      const client = create({ apiKey: alice.value, authToken: null });
      await client.post("/v1/messages", { body: { ...fullMessage, model: alias } });
      const wanted = JSON.stringify({ ...fullMessage, model: target });
      assert.equal(stack.last().body.toString("utf8"), wanted);
    });

    it("counts tokens, plain and as its beta", async () => {
      const { messages, beta } = create({ apiKey: alice.value, authToken: null });
      const asked = { model: alias, messages: hello.messages };
      assert.equal((await messages.countTokens(asked)).input_tokens, 1);
      const betas = ["some-beta-2026-01-01"];
      assert.equal((await beta.messages.countTokens({ ...asked, betas })).input_tokens, 1);
      assert.match(String(stack.last().headers["anthropic-beta"]), /^some-beta-2026-01-01(,|$)/);
      assert.equal(lastRan(stack), target);
    });

    it("lists the models of its key and retrieves one", async () => {
      const { models } = create({ apiKey: alice.value, authToken: null });
      const ids: string[] = [];
      for await (const { id } of models.list({ limit: 1 })) ids.push(id);
      assert.deepEqual(ids.sort(), [alias, target].sort());
      assert.equal((await models.retrieve(target)).id, target);
    });

    it("raises PermissionDeniedError for a model that it may not use", async () => {
      const { messages } = create({ apiKey: alice.value, authToken: null });
      await assertForbidden(messages.create({ ...hello, model: forbidden }));
      await assertForbidden(messages.stream({ ...hello, model: forbidden }).finalMessage());
      const asked = { model: forbidden, messages: hello.messages };
      await assertForbidden(messages.countTokens(asked));
    });
  });
}
