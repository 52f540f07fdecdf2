// Ollama's client, unchanged, through the real Envoy in each mode: documents, streams and the list of models, and refusals as
// the text that it shows.

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
import { fullOllamaChat } from "../support/full-requests.ts";
import { loadClient } from "../support/get-clients.ts";
import { alice, type Stack, stranger, target } from "../support/start-stack.ts";

type Asked = { readonly model: string; readonly stream?: false };
type Streamed = { readonly model: string; readonly stream: true };
type Message = { readonly role: string; readonly content: string; readonly images?: unknown[] };
type Chatted = { readonly model: string; readonly message: Message; readonly done: boolean };
type Generated = { readonly model: string; readonly response: string; readonly done: boolean };

/** What we use of ollama. */
type OllamaModule = {
  readonly Ollama: new (options: {
    readonly host: string;
    readonly headers: Readonly<Record<string, string>>;
  }) => {
    chat(asked: Asked & { readonly messages: readonly unknown[] }): Promise<Chatted>;
    chat(
      asked: Streamed & { readonly messages: readonly unknown[] },
    ): Promise<AsyncIterable<Chatted>>;
    generate(asked: Asked & { readonly prompt: string }): Promise<Generated>;
    generate(asked: Streamed & { readonly prompt: string }): Promise<AsyncIterable<Generated>>;
    embed(asked: {
      readonly model: string;
      readonly input: string | readonly string[];
    }): Promise<{ readonly model: string; readonly embeddings: readonly (readonly number[])[] }>;
    list(): Promise<{ readonly models: readonly { readonly name: string }[] }>;
  };
};

const { Ollama } = (
  skip === false ? await loadClient(clientsFolder, "ollama") : {}
) as OllamaModule;

const hello: readonly Message[] = [{ role: "user", content: "Say hi" }];

for (const mode of modes) {
  describe(`the ollama client over ${mode}`, { skip }, () => {
    let stack: Stack;
    let create: (key: string) => InstanceType<OllamaModule["Ollama"]>;
    before(async () => {
      stack = await startClientStack(mode);
      const host = `http://127.0.0.1:${stack.envoy.port}`;
      create = (key) => new Ollama({ host, headers: { Authorization: `Bearer ${key}` } });
    });
    after(() => stack.stop());

    async function assertRefused(
      asked: Promise<unknown>,
      status: number,
      message: RegExp,
    ): Promise<void> {
      const before = stack.backend.received.length;
      await assert.rejects(asked, { name: "ResponseError", status_code: status, message });
      assert.equal(stack.backend.received.length, before);
    }

    it("chats, whole and as a stream, with an image", async () => {
      const ollama = create(alice.value);
      const made = await ollama.chat({ model: alias, messages: hello });
      assert.deepEqual([made.model, made.message.content], [target, `This is ${target}.`]);
      const images = [new Uint8Array([1, 2, 3])];
      const messages = [{ role: "user", content: "What is this?", images }];
      let text = "";
      for await (const part of await ollama.chat({ model: alias, messages, stream: true })) {
        text += part.message.content;
        assert.equal(part.model, target);
      }
      assert.equal(text, `This is ${target}.`);
      assert.equal(lastRan(stack), target);
    });

    it("generates, whole and as a stream", async () => {
      const ollama = create(alice.value);
      const made = await ollama.generate({ model: alias, prompt: "Say hi" });
      assert.deepEqual([made.model, made.response], [target, `This is ${target}.`]);
      let text = "";
      const parts = await ollama.generate({ model: alias, prompt: "Say hi", stream: true });
      for await (const part of parts) text += part.response;
      assert.equal(text, `This is ${target}.`);
      assert.equal(lastRan(stack), target);
    });

    it("embeds one text and several", async () => {
      const ollama = create(alice.value);
      assert.equal((await ollama.embed({ model: alias, input: "a" })).model, target);
      const { embeddings } = await ollama.embed({ model: alias, input: ["a", "b"] });
      assert.deepEqual(embeddings, [
        [0, 1],
        [0, 1],
      ]);
    });

    it("sends whatever its types allow, and all of it arrives as it was sent", async () => {
      await create(alice.value).chat({ ...fullOllamaChat, model: alias });
      const wanted = { ...fullOllamaChat, model: target, stream: false };
      assert.deepEqual(JSON.parse(stack.last().body.toString("utf8")), wanted);
    });

    it("lists the models of its key", async () => {
      const { models } = await create(alice.value).list();
      assert.deepEqual(models.map(({ name }) => name).sort(), [alias, target].sort());
    });

    it("throws its ResponseError with the words of the refusal", async () => {
      const ollama = create(alice.value);
      const chat = ollama.chat({ model: forbidden, messages: hello });
      await assertRefused(chat, 403, forbiddenMessage);
      const streamed = ollama.chat({ model: forbidden, messages: hello, stream: true });
      await assertRefused(streamed, 403, forbiddenMessage);
      const generated = ollama.generate({ model: forbidden, prompt: "Say hi" });
      await assertRefused(generated, 403, forbiddenMessage);
      await assertRefused(ollama.embed({ model: forbidden, input: "a" }), 403, forbiddenMessage);
      const unknown = create(stranger.value).chat({ model: alias, messages: hello });
      await assertRefused(unknown, 401, /key/);
      await assertRefused(create(stranger.value).list(), 401, /key/);
    });
  });
}
