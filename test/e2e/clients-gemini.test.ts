// Google's client, unchanged, through the real Envoy in each mode: the model stands in the path, the key in a header or in
// the query, and refusals arrive in Google's words.

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
import { fullGemini } from "../support/full-requests.ts";
import { loadClient } from "../support/get-clients.ts";
import { call } from "../support/http-client.ts";
import { alice, type Stack, stranger, target } from "../support/start-stack.ts";

type Content = { readonly model: string; readonly contents: unknown; readonly config?: unknown };
type Generated = { readonly text: string | undefined; readonly modelVersion: string | undefined };

/** What we use of @google/genai. */
type Genai = {
  readonly GoogleGenAI: new (options: {
    readonly apiKey: string;
    readonly httpOptions: { readonly baseUrl: string; readonly apiVersion?: string };
  }) => {
    readonly chats: {
      create(options: { readonly model: string }): {
        sendMessage(asked: { readonly message: string }): Promise<Generated>;
      };
    };
    readonly models: {
      generateContent(asked: Content): Promise<Generated>;
      generateContentStream(asked: Content): Promise<AsyncIterable<Generated>>;
      countTokens(asked: Content): Promise<{ readonly totalTokens?: number }>;
      embedContent(asked: {
        readonly model: string;
        readonly contents: string | readonly string[];
      }): Promise<{ readonly embeddings?: readonly { readonly values?: readonly number[] }[] }>;
      list(asked?: object): Promise<AsyncIterable<{ readonly name?: string }>>;
      get(asked: { readonly model: string }): Promise<{ readonly name?: string }>;
    };
  };
  readonly ApiError: new (options: object) => Error & { readonly status: number };
};

const { GoogleGenAI, ApiError } = (
  skip === false ? await loadClient(clientsFolder, "@google/genai") : {}
) as Genai;

for (const mode of modes) {
  describe(`the @google/genai client over ${mode}`, { skip }, () => {
    let stack: Stack;
    let create: (apiKey: string, apiVersion?: string) => InstanceType<Genai["GoogleGenAI"]>;
    before(async () => {
      stack = await startClientStack(mode);
      const baseUrl = `http://127.0.0.1:${stack.envoy.port}`;
      create = (apiKey, apiVersion = "v1beta") =>
        new GoogleGenAI({ apiKey, httpOptions: { baseUrl, apiVersion } });
    });
    after(() => stack.stop());

    function assertTarget(rest: string): void {
      const { path, headers } = stack.last();
      assert.equal(path, `/v1beta/models/${encodeURIComponent(target)}:${rest}`);
      assert.equal(lastRan(stack), target);
      assert.equal(headers["x-goog-api-key"], undefined);
    }

    async function assertRefused(
      asked: Promise<unknown>,
      status: number,
      code: string,
    ): Promise<void> {
      const before = stack.backend.received.length;
      await assert.rejects(asked, (error: unknown) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.status, status);
        assert.match(error.message, new RegExp(`"reason":"${code}"`));
        return true;
      });
      assert.equal(stack.backend.received.length, before);
    }

    it("generates content, whole and as a stream", async () => {
      const { models } = create(alice.value);
      const made = await models.generateContent({ model: alias, contents: "Say hi" });
      assert.deepEqual([made.text, made.modelVersion], [`This is ${target}.`, target]);
      assertTarget("generateContent");
      let text = "";
      const stream = await models.generateContentStream({ model: alias, contents: "Say hi" });
      for await (const chunk of stream) text += chunk.text ?? "";
      assert.equal(text, `This is ${target}.`);
      assertTarget("streamGenerateContent?alt=sse");
    });

    it("sends whatever its types allow, and chats", async () => {
      const { models, chats } = create(alice.value);
      const made = await models.generateContent({ ...fullGemini, model: alias });
      assert.equal(made.modelVersion, target);
      assertTarget("generateContent");
      const answered = await chats.create({ model: alias }).sendMessage({ message: "Say hi" });
      assert.equal(answered.text, `This is ${target}.`);
      assertTarget("generateContent");
    });

    it("counts tokens and embeds one text and several", async () => {
      const { models } = create(alice.value);
      const counted = await models.countTokens({ model: alias, contents: "Say hi" });
      assert.equal(counted.totalTokens, 1);
      assertTarget("countTokens");
      const one = await models.embedContent({ model: alias, contents: "a" });
      assert.deepEqual(
        one.embeddings?.map(({ values }) => values),
        [[0, 1]],
      );
      assertTarget("batchEmbedContents");
      const body: unknown = JSON.parse(stack.last().body.toString("utf8"));
      const requests = (body as { requests: { model: string }[] }).requests;
      assert.deepEqual(
        requests.map(({ model }) => model),
        [`models/${target}`],
      );
      const two = await models.embedContent({ model: alias, contents: ["a", "b"] });
      assert.equal(two.embeddings?.length, 2);
      assertTarget("batchEmbedContents");
    });

    it("is served the model by its own name, with and without the prefix of a resource", async () => {
      const { models } = create(alice.value);
      for (const model of [target, `models/${target}`, `models/${alias}`]) {
        await models.generateContent({ model, contents: "Say hi" });
        assert.equal(lastRan(stack), target);
      }
    });

    it("is served under v1 and v1alpha too", async () => {
      for (const apiVersion of ["v1", "v1alpha"]) {
        const { models } = create(alice.value, apiVersion);
        const made = await models.generateContent({ model: alias, contents: "Say hi" });
        assert.equal(made.modelVersion, target);
      }
    });

    it("lists the models of its key, and gets one of them", async () => {
      const { models } = create(alice.value);
      const names: (string | undefined)[] = [];
      for await (const { name } of await models.list()) names.push(name);
      assert.deepEqual(names.sort(), [`models/${alias}`, `models/${target}`].sort());
      const paged: (string | undefined)[] = [];
      const pages = await models.list({ config: { pageSize: 1 } });
      for await (const { name } of pages) paged.push(name);
      assert.deepEqual(paged.sort(), names);
      assert.equal((await models.get({ model: target })).name, `models/${target}`);
    });

    it("throws an ApiError in Google's words for a model it may not use and for an unknown key", async () => {
      const { models } = create(alice.value);
      const asked = { model: forbidden, contents: "Say hi" };
      await assert.rejects(models.generateContent(asked), forbiddenMessage);
      await assertRefused(models.generateContent(asked), 403, "model_forbidden");
      await assertRefused(models.generateContentStream(asked), 403, "model_forbidden");
      await assertRefused(models.countTokens(asked), 403, "model_forbidden");
      await assertRefused(models.embedContent(asked), 403, "model_forbidden");
      const unknown = create(stranger.value).models;
      const unknownAsked = unknown.generateContent({ model: alias, contents: "Say hi" });
      await assertRefused(unknownAsked, 401, "key_invalid");
    });

    it("is served with the key in the query, which the backend never sees", async () => {
      const body = JSON.stringify({ contents: [{ parts: [{ text: "hi" }] }] });
      const headers = [["content-type", "application/json"]] as const;
      const ask = (query: string, verb: string) =>
        call({
          port: stack.envoy.port,
          path: `/v1beta/models/${alias}:${verb}?${query}`,
          headers,
          body,
        });
      const made = await ask(`key=${alice.value}`, "generateContent");
      assert.equal(made.status, 200, made.body);
      assertTarget("generateContent");
      const streamed = await ask(`alt=sse&key=${alice.value}`, "streamGenerateContent");
      assert.match(streamed.body, /^data: /);
      assertTarget("streamGenerateContent?alt=sse");
      const grown = await ask(`key=${alice.value}`, "streamGenerateContent");
      const parts = JSON.parse(grown.body) as readonly { readonly modelVersion: string }[];
      assert.deepEqual(new Set(parts.map(({ modelVersion }) => modelVersion)), new Set([target]));
      const seen = stack.backend.received.map(({ path }) => path).join("\n");
      assert.ok(!seen.includes(alice.value));
      assert.equal((await ask(`key=${stranger.value}`, "generateContent")).status, 401);
    });
  });
}
