// AzureOpenAI of the openai package, unchanged, through the real Envoy in each mode: the deployment in the path is the model,
// whatever the body says, and the key comes in `api-key`.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { AzureOpenAI, PermissionDeniedError, toFile } from "openai";
import {
  alias,
  forbidden,
  forbiddenMessage,
  lastRan,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { fileIn, fillBytes } from "../support/form-recorder.ts";
import { alice, type Stack, skip, stranger, target } from "../support/start-stack.ts";

const hello = [{ role: "user" as const, content: "Say hi" }];
const apiVersion = "2025-04-01-preview";

for (const mode of modes) {
  describe(`the AzureOpenAI client over ${mode}`, { skip }, () => {
    let stack: Stack;
    let create: (options?: {
      readonly deployment?: string;
      readonly apiKey?: string;
    }) => AzureOpenAI;
    before(async () => {
      stack = await startClientStack(mode);
      const endpoint = `http://127.0.0.1:${stack.envoy.port}`;
      create = (options = {}) =>
        new AzureOpenAI({ apiKey: alice.value, endpoint, apiVersion, maxRetries: 0, ...options });
    });
    after(() => stack.stop());

    /** The backend got the target in the path and in the body, and no key. */
    function assertTarget(rest: string): void {
      const { path, headers } = stack.last();
      // A backend that can choose gets audio by the path that it does not pass through.
      const deployment = `/openai/deployments/${encodeURIComponent(target)}`;
      const before = rest.startsWith("/audio/") ? "/v1" : deployment;
      assert.equal(path, `${before}${rest}?api-version=${apiVersion}`);
      assert.equal(lastRan(stack), target);
      assert.equal(headers["x-model"], target);
      assert.deepEqual([headers["api-key"], headers["authorization"]], [undefined, undefined]);
    }

    function bodyModel(): unknown {
      const body: unknown = JSON.parse(stack.last().body.toString("utf8"));
      return typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
    }

    async function assertForbidden(asked: Promise<unknown>): Promise<void> {
      const before = stack.backend.received.length;
      await assert.rejects(asked, (error: unknown) => {
        assert.ok(error instanceof PermissionDeniedError);
        assert.equal(error.code, "model_forbidden");
        assert.match(error.message, forbiddenMessage);
        return true;
      });
      assert.equal(stack.backend.received.length, before);
    }

    it("goes by the model where no deployment is given", async () => {
      const made = await create().chat.completions.create({ model: alias, messages: hello });
      assert.equal(made.model, target);
      assertTarget("/chat/completions");
      assert.equal(bodyModel(), target);
      const asked = create().chat.completions.create({ model: forbidden, messages: hello });
      await assertForbidden(asked);
    });

    it("goes by the deployment whatever model the body names", async () => {
      const client = create({ deployment: alias });
      for (const model of ["gpt-4o", alias, target, forbidden]) {
        const made = await client.chat.completions.create({ model, messages: hello });
        assert.equal(made.model, target);
        assertTarget("/chat/completions");
        assert.equal(bodyModel(), target);
      }
      const other = create({ deployment: forbidden });
      await assertForbidden(other.chat.completions.create({ model: alias, messages: hello }));
    });

    it("streams a chat", async () => {
      const stream = await create({ deployment: alias }).chat.completions.create({
        model: "gpt-4o",
        messages: hello,
        stream: true,
      });
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
      assert.equal(text, `This is ${target}.`);
      assertTarget("/chat/completions");
    });

    it("makes embeddings, a completion, an image and speech", async () => {
      const client = create();
      const embedded = await client.embeddings.create({ model: alias, input: "a" });
      assert.equal(embedded.model, target);
      assertTarget("/embeddings");
      assert.equal((await client.completions.create({ model: alias, prompt: "a" })).model, target);
      assertTarget("/completions");
      const drawn = await client.images.generate({ model: alias, prompt: "a cat" });
      assert.equal(drawn.data?.[0]?.revised_prompt, `This is ${target}.`);
      assertTarget("/images/generations");
      const spoken = await client.audio.speech.create({ model: alias, voice: "alloy", input: "a" });
      assert.equal(await spoken.text(), `This is ${target}.`);
      assertTarget("/audio/speech");
      await assertForbidden(client.embeddings.create({ model: forbidden, input: "a" }));
    });

    it("uploads audio and images", async () => {
      const bytes = fillBytes(300_000, 1);
      const file = await toFile(bytes, "a.wav", { type: "audio/wav" });
      const { audio, images } = create({ deployment: alias });
      const first = await audio.transcriptions.create({ model: "whisper-1", file });
      assert.equal(first.text, `This is ${target}.`);
      assertTarget("/audio/transcriptions");
      assert.ok((await fileIn(stack.last(), "file")).equals(bytes));
      const last = await audio.translations.create({ file, model: alias });
      assert.equal(last.text, `This is ${target}.`);
      assertTarget("/audio/translations");
      const edited = await images.edit({ image: file, prompt: "a cat", model: "gpt-image-1" });
      assert.equal(edited.data?.[0]?.revised_prompt, `This is ${target}.`);
      assertTarget("/images/edits");
      const bare = await images.edit({ image: file, prompt: "a cat" });
      assert.equal(bare.data?.[0]?.revised_prompt, `This is ${target}.`);
      const other = create({ deployment: forbidden });
      await assertForbidden(other.audio.transcriptions.create({ model: alias, file }));
    });

    it("creates a response, whose model stands in the body", async () => {
      const made = await create().responses.create({ model: alias, input: "Say hi" });
      assert.equal(made.model, target);
      assert.equal(stack.last().path, `/v1/responses?api-version=${apiVersion}`);
      await assertForbidden(create().responses.create({ model: forbidden, input: "Say hi" }));
    });

    it("takes the key as a bearer token too, and lists the models of the key", async () => {
      const client = new AzureOpenAI({
        azureADTokenProvider: async () => alice.value,
        endpoint: `http://127.0.0.1:${stack.envoy.port}`,
        apiVersion,
        maxRetries: 0,
      });
      const made = await client.chat.completions.create({ model: alias, messages: hello });
      assert.equal(made.model, target);
      assertTarget("/chat/completions");
      const ids: string[] = [];
      for await (const { id } of client.models.list()) ids.push(id);
      assert.deepEqual(ids.sort(), [alias, target].sort());
    });

    it("is refused an unknown key", async () => {
      const asked = create({ apiKey: stranger.value }).chat.completions.create({
        model: alias,
        messages: hello,
      });
      await assert.rejects(asked, { status: 401, code: "key_invalid" });
    });
  });
}
