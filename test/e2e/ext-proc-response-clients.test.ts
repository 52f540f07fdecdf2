// The official clients through the real Envoy with ext_proc and response-model requested: they read the name that they sent,
// in documents and streams, while the backend ran the resolved model.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { alias, lastRan } from "../support/client-stack.ts";
import { alice, Stack, skip, target } from "../support/start-stack.ts";

const messages = [{ role: "user" as const, content: "Say hi" }];
/** What the backend says of itself in the text, where nothing is changed. */
const said = `This is ${target}.`;

describe("clients of response-model requested", { skip }, () => {
  let stack: Stack;
  let openai: OpenAI;
  let anthropic: Anthropic;
  before(async () => {
    stack = await Stack.start([], "ext_proc", ["--response-model", "requested"]);
    const address = `http://127.0.0.1:${stack.envoy.port}`;
    openai = new OpenAI({ apiKey: alice.value, baseURL: `${address}/v1`, maxRetries: 0 });
    anthropic = new Anthropic({ apiKey: alice.value, baseURL: address, maxRetries: 0 });
  });
  after(() => stack.stop());

  it("are shown the alias in a chat, its stream, a response, its stream, and embeddings", async () => {
    const chat = await openai.chat.completions.create({ model: alias, messages });
    assert.deepEqual([chat.model, chat.choices[0]?.message.content], [alias, said]);

    const chunks: OpenAI.ChatCompletionChunk[] = [];
    const stream = await openai.chat.completions.create({ model: alias, messages, stream: true });
    for await (const chunk of stream) chunks.push(chunk);
    assert.ok(chunks.length > 2);
    assert.deepEqual(new Set(chunks.map(({ model }) => model)), new Set([alias]));
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    assert.equal(text, said);

    const response = await openai.responses.create({ model: alias, input: "hi" });
    assert.equal(response.model, alias);
    const models: string[] = [];
    const events = await openai.responses.create({ model: alias, input: "hi", stream: true });
    for await (const event of events) if ("response" in event) models.push(event.response.model);
    assert.ok(models.length > 0);
    assert.deepEqual(new Set(models), new Set([alias]));

    const embedding = await openai.embeddings.create({ model: alias, input: "hi" });
    assert.equal(embedding.model, alias);
    assert.equal(lastRan(stack), target);
  });

  it("are shown it in a message and its stream", async () => {
    const asked = { model: alias, messages, max_tokens: 10 };
    const message = await anthropic.messages.create(asked);
    assert.equal(message.model, alias);
    const final = await anthropic.messages.stream(asked).finalMessage();
    assert.equal(final.model, alias);
    assert.deepEqual(
      final.content.map((block) => (block.type === "text" ? block.text : "")),
      [said],
    );
    assert.equal(lastRan(stack), target);
  });

  it("get audio and counts without a response side, and everything is counted as it was", async () => {
    const { data } = await openai.images.generate({ model: alias, prompt: "x" });
    assert.equal(data?.length, 1);
    const audio = await openai.audio.speech.create({ model: alias, voice: "alloy", input: "x" });
    assert.equal(Buffer.from(await audio.arrayBuffer()).toString(), said);
    const metrics = await fetch(`http://127.0.0.1:${stack.authorizer.adminPort}/metrics`);
    const text = await metrics.text();
    assert.match(text, /^aliasguard_responses_total\{served="authorized"\} 7$/m);
    assert.match(text, /^aliasguard_responses_total\{served="other"\} 0$/m);
    assert.match(text, /^aliasguard_responses_total\{served="unknown"\} 0$/m);
  });
});
