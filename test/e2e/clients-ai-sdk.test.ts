// Vercel's AI SDK with its providers for OpenAI and Anthropic, in their plain form, through the real Envoy in each mode.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { clientsFolder, skip } from "../support/client-packages.ts";
import {
  alias,
  forbidden,
  forbiddenMessage,
  lastRan,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { fileIn, fillBytes } from "../support/form-recorder.ts";
import { loadClient } from "../support/get-clients.ts";
import { alice, type Stack, target } from "../support/start-stack.ts";

/** Opaque: made by a provider, used by the SDK. */
type Model = { readonly modelId: string };
type Prompt = { readonly model: Model; readonly prompt: string; readonly maxOutputTokens: number };

/** What we use of ai. */
type Ai = {
  generateText(asked: Prompt): Promise<{ readonly text: string }>;
  streamText(asked: Prompt & { readonly onError?: (event: { error: unknown }) => void }): {
    readonly textStream: AsyncIterable<string>;
  };
  embed(asked: {
    readonly model: Model;
    readonly value: string;
  }): Promise<{ readonly embedding: readonly number[] }>;
  transcribe?: Transcribe;
  experimental_transcribe?: Transcribe;
  readonly APICallError: { isInstance(error: unknown): boolean };
};
type Transcribe = (asked: {
  readonly model: Model;
  readonly audio: Uint8Array;
}) => Promise<{ readonly text: string }>;
type ProviderOptions = { readonly apiKey: string; readonly baseURL: string };

/** What we use of @ai-sdk/openai and @ai-sdk/anthropic. */
type OpenaiProvider = {
  createOpenAI(options: ProviderOptions): {
    chat(model: string): Model;
    responses(model: string): Model;
    embedding(model: string): Model;
    transcription(model: string): Model;
  };
};
type AnthropicProvider = { createAnthropic(options: ProviderOptions): (model: string) => Model };

const hello = { prompt: "Say hi", maxOutputTokens: 16 };

const load = async (name: string): Promise<unknown> =>
  skip === false ? loadClient(clientsFolder, name) : {};
const ai = (await load("ai")) as Ai;
const { createOpenAI } = (await load("@ai-sdk/openai")) as OpenaiProvider;
const { createAnthropic } = (await load("@ai-sdk/anthropic")) as AnthropicProvider;

for (const mode of modes) {
  describe(`the AI SDK over ${mode}`, { skip }, () => {
    let stack: Stack;
    let openai: ReturnType<OpenaiProvider["createOpenAI"]>;
    let anthropic: ReturnType<AnthropicProvider["createAnthropic"]>;
    before(async () => {
      stack = await startClientStack(mode);
      const baseURL = `http://127.0.0.1:${stack.envoy.port}/v1`;
      openai = createOpenAI({ apiKey: alice.value, baseURL });
      anthropic = createAnthropic({ apiKey: alice.value, baseURL });
    });
    after(() => stack.stop());

    async function assertSpeaks(model: Model): Promise<void> {
      const before = stack.backend.ran.length;
      const made = await ai.generateText({ ...hello, model });
      assert.equal(made.text, `This is ${target}.`);
      let text = "";
      for await (const piece of ai.streamText({ ...hello, model }).textStream) text += piece;
      assert.equal(text, `This is ${target}.`);
      assert.deepEqual(stack.backend.ran.slice(before), [target, target]);
    }

    /** Its own error, at the first try although it may try three times. */
    function isForbidden(error: unknown): boolean {
      assert.ok(ai.APICallError.isInstance(error));
      const { statusCode, message, isRetryable } = error as Record<string, unknown>;
      assert.deepEqual([statusCode, isRetryable], [403, false]);
      assert.match(String(message), forbiddenMessage);
      return true;
    }

    async function assertForbidden(model: Model): Promise<void> {
      const before = stack.backend.received.length;
      await assert.rejects(ai.generateText({ ...hello, model }), isForbidden);
      const errors: unknown[] = [];
      const streamed = ai.streamText({
        ...hello,
        model,
        onError: ({ error }) => errors.push(error),
      });
      for await (const piece of streamed.textStream) assert.fail(piece);
      assert.equal(errors.length, 1);
      assert.ok(isForbidden(errors[0]));
      assert.equal(stack.backend.received.length, before);
    }

    it("speaks with OpenAI's chats", async () => {
      await assertSpeaks(openai.chat(alias));
      await assertForbidden(openai.chat(forbidden));
    });

    it("speaks with OpenAI's responses", async () => {
      await assertSpeaks(openai.responses(alias));
      await assertForbidden(openai.responses(forbidden));
    });

    it("speaks with Anthropic's messages", async () => {
      await assertSpeaks(anthropic(alias));
      await assertForbidden(anthropic(forbidden));
    });

    it("embeds and transcribes with OpenAI", async () => {
      const embedded = await ai.embed({ model: openai.embedding(alias), value: "a" });
      assert.deepEqual(embedded.embedding, [0, 1]);
      assert.equal(lastRan(stack), target);
      const transcribe = ai.transcribe ?? ai.experimental_transcribe;
      assert.ok(transcribe !== undefined);
      const audio = fillBytes(100_000, 1);
      const made = await transcribe({ model: openai.transcription(alias), audio });
      assert.equal(made.text, `This is ${target}.`);
      assert.ok((await fileIn(stack.last(), "file")).equals(audio));
      const model = openai.transcription(forbidden);
      await assert.rejects(transcribe({ model, audio }), isForbidden);
    });
  });
}
