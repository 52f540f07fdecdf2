// The official clients, unchanged, through the real Envoy: what they send is served, what they may not is raised as their
// own typed exceptions.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { alice, namedOnly, Stack, skip, stranger, target } from "../support/start-stack.ts";

const alias = "AgentX-LLM";
const hello = [{ role: "user" as const, content: "Say hi" }];

describe("the openai client", { skip }, () => {
  let stack: Stack;
  let client: (apiKey: string) => OpenAI;
  before(async () => {
    stack = await Stack.start();
    const baseURL = `http://127.0.0.1:${stack.envoy.port}/v1`;
    client = (apiKey) => new OpenAI({ apiKey, baseURL, maxRetries: 0 });
  });
  after(() => stack.stop());

  it("completes a chat", async () => {
    const made = await client(alice.value).chat.completions.create({
      model: alias,
      messages: hello,
    });
    assert.equal(made.model, target);
  });

  it("streams a chat to its end", async () => {
    const stream = await client(alice.value).chat.completions.create({
      model: alias,
      messages: hello,
      stream: true,
    });
    const models = new Set<string>();
    const reasons: (string | null | undefined)[] = [];
    for await (const chunk of stream) {
      models.add(chunk.model);
      reasons.push(chunk.choices[0]?.finish_reason);
    }
    assert.deepEqual([...models], [target]);
    assert.equal(reasons.at(-1), "stop");
  });

  it("sends tools and an image as a content part", async () => {
    const made = await client(alice.value).chat.completions.create({
      model: alias,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
          ],
        },
      ],
      tools: [
        {
          type: "function",
          function: { name: "look", parameters: { type: "object", properties: {} } },
        },
      ],
    });
    assert.equal(made.model, target);
  });

  it("makes an embedding", async () => {
    const made = await client(alice.value).embeddings.create({ model: alias, input: "hi" });
    assert.equal(made.model, target);
  });

  it("creates a response and a moderation", async () => {
    const made = await client(alice.value).responses.create({ model: alias, input: "Say hi" });
    assert.equal(made.model, target);
    const judged = await client(alice.value).moderations.create({ model: alias, input: "hi" });
    assert.equal(judged.model, target);
  });

  it("retrieves a model of its key by its id, and is refused another", async () => {
    assert.equal((await client(alice.value).models.retrieve(target)).id, target);
    const asked = client(alice.value).models.retrieve("vendor/other");
    await assert.rejects(asked, OpenAI.PermissionDeniedError);
  });

  it("raises an APIError of status 413, in its own words, for a body over the limit", async () => {
    const content = "x".repeat(33 * 1024 * 1024);
    const asked = client(alice.value).chat.completions.create({
      model: alias,
      messages: [{ role: "user", content }],
    });
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.deepEqual([error.status, error.code], [413, "request_too_large"]);
      return true;
    });
  });

  it("lists the models of its key", async () => {
    const page = await client(alice.value).models.list();
    assert.deepEqual(page.data.map(({ id }) => id).sort(), [alias, target].sort());
  });

  it("raises AuthenticationError for an unknown key", async () => {
    const asked = client(stranger.value).chat.completions.create({ model: alias, messages: hello });
    await assert.rejects(asked, OpenAI.AuthenticationError);
  });

  it("raises PermissionDeniedError for a model that is not granted", async () => {
    const asked = client(namedOnly.value).chat.completions.create({
      model: alias,
      messages: hello,
    });
    await assert.rejects(asked, OpenAI.PermissionDeniedError);
  });

  it("raises BadRequestError for a request without a model", async () => {
    const asked = client(alice.value).post("/chat/completions", { body: { messages: hello } });
    await assert.rejects(asked, OpenAI.BadRequestError);
  });

  it("raises NotFoundError for a path that is not served", async () => {
    const asked = client(alice.value).post("/no/such/path", { body: { model: alias } });
    await assert.rejects(asked, OpenAI.NotFoundError);
  });
});

describe("the @anthropic-ai/sdk client", { skip }, () => {
  let stack: Stack;
  let client: (apiKey: string) => Anthropic;
  before(async () => {
    stack = await Stack.start();
    const baseURL = `http://127.0.0.1:${stack.envoy.port}`;
    client = (apiKey) => new Anthropic({ apiKey, authToken: null, baseURL, maxRetries: 0 });
  });
  after(() => stack.stop());

  it("creates a message", async () => {
    const made = await client(alice.value).messages.create({
      model: alias,
      max_tokens: 10,
      messages: hello,
    });
    assert.equal(made.model, target);
  });

  it("streams a message to its end", async () => {
    const stream = client(alice.value).messages.stream({
      model: alias,
      max_tokens: 10,
      messages: hello,
    });
    const made = await stream.finalMessage();
    assert.equal(made.model, target);
    assert.equal(made.stop_reason, "end_turn");
  });

  it("sends tools and an image as a content block", async () => {
    const source = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } as const;
    const made = await client(alice.value).messages.create({
      model: alias,
      max_tokens: 10,
      messages: [{ role: "user", content: [{ type: "image", source }] }],
      tools: [{ name: "look", input_schema: { type: "object", properties: { model: {} } } }],
    });
    assert.equal(made.model, target);
  });

  it("raises an APIError of status 413, in Anthropic's words, for a body over the limit", async () => {
    const content = "x".repeat(33 * 1024 * 1024);
    const asked = client(alice.value).messages.create({
      model: alias,
      max_tokens: 10,
      messages: [{ role: "user", content }],
    });
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof Anthropic.APIError);
      assert.equal(error.status, 413);
      assert.match(JSON.stringify(error.error), /request_too_large/);
      return true;
    });
  });

  it("counts tokens", async () => {
    const counted = await client(alice.value).messages.countTokens({
      model: alias,
      messages: hello,
    });
    assert.equal(counted.input_tokens, 1);
  });

  it("lists the models of its key", async () => {
    const page = await client(alice.value).models.list();
    assert.deepEqual(page.data.map(({ id }) => id).sort(), [alias, target].sort());
  });

  it("raises AuthenticationError for an unknown key", async () => {
    const wanted = { model: alias, max_tokens: 10, messages: hello };
    const asked = client(stranger.value).messages.create(wanted);
    await assert.rejects(asked, Anthropic.AuthenticationError);
  });

  it("raises PermissionDeniedError for a model that is not granted", async () => {
    const wanted = { model: alias, max_tokens: 10, messages: hello };
    const asked = client(namedOnly.value).messages.create(wanted);
    await assert.rejects(asked, Anthropic.PermissionDeniedError);
  });
});
