// The official openai client, unchanged, through the real Envoy in each mode: documents, streams and lists as they are
// read, forms with files byte for byte as they were sent but for the model.

import assert from "node:assert/strict";
import { createReadStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import OpenAI, { toFile } from "openai";
import {
  alias,
  assertRefused,
  forbidden,
  forbiddenMessage,
  lastRan,
  modes,
  startClientStack,
} from "../support/client-stack.ts";
import { createFormRecorder, fileIn, fillBytes } from "../support/form-recorder.ts";
import {
  fullChat,
  fullImageEdit,
  fullResponse,
  fullTranscription,
} from "../support/full-requests.ts";
import { alice, type Stack, skip, target } from "../support/start-stack.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const hello = [{ role: "user" as const, content: "Say hi" }];
/** The types want arrays that may be written to. */
const transcription = structuredClone(fullTranscription) as object;
const megabyte = 1024 * 1024;

for (const mode of modes) {
  describe(`the openai client over ${mode}`, { skip }, () => {
    let stack: Stack;
    let client: OpenAI;
    const recorder = createFormRecorder();
    before(async () => {
      stack = await startClientStack(mode);
      client = new OpenAI({
        apiKey: alice.value,
        baseURL: `http://127.0.0.1:${stack.envoy.port}/v1`,
        maxRetries: 0,
        fetch: recorder.fetch,
      });
    });
    after(() => stack.stop());

    /** The form arrived as it was sent, with the target where the alias stood. */
    function assertSplicedForm(): void {
      const sent = recorder.lastSent();
      const at = sent.indexOf(`\r\n\r\n${alias}\r\n`) + 4;
      assert.ok(at > 4, "the form that was sent names no alias");
      const wanted = [sent.subarray(0, at), Buffer.from(target), sent.subarray(at + alias.length)];
      assert.ok(stack.last().body.equals(Buffer.concat(wanted)), "the form is not the one sent");
      assert.equal(lastRan(stack), target);
    }

    /** Every refusal of a model looks alike to the client. */
    function assertForbidden(asked: Promise<unknown>): Promise<void> {
      return assertRefused(stack, asked, (error) => {
        assert.ok(error instanceof OpenAI.PermissionDeniedError);
        assert.equal(error.code, "model_forbidden");
        assert.match(error.message, forbiddenMessage);
      });
    }

    it("completes a chat, whole and as a stream", async () => {
      const made = await client.chat.completions.create({ model: alias, messages: hello });
      assert.equal(made.model, target);
      assert.equal(made.choices[0]?.message.content, `This is ${target}.`);
      const stream = await client.chat.completions.create({
        model: alias,
        messages: hello,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = "";
      let total: number | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        total = chunk.usage?.total_tokens ?? total;
      }
      assert.equal(text, `This is ${target}.`);
      assert.equal(total, 2);
      await assertForbidden(client.chat.completions.create({ model: forbidden, messages: hello }));
    });

    it("creates a response, whole, as events and through its stream helper", async () => {
      const made = await client.responses.create({ model: alias, input: "Say hi" });
      assert.deepEqual([made.model, made.output_text], [target, `This is ${target}.`]);
      const stream = await client.responses.create({ model: alias, input: "hi", stream: true });
      const models = new Set<string>();
      for await (const event of stream) if ("response" in event) models.add(event.response.model);
      assert.deepEqual([...models], [target]);
      const whole = await client.responses.stream({ model: alias, input: "hi" }).finalResponse();
      assert.equal(whole.output_text, `This is ${target}.`);
      await assertForbidden(client.responses.create({ model: forbidden, input: "Say hi" }));
    });

    it("makes embeddings, a completion, an image and speech", async () => {
      const embedded = await client.embeddings.create({ model: alias, input: ["a", "b"] });
      assert.deepEqual(
        [embedded.model, embedded.data.map(({ embedding }) => embedding)],
        [
          target,
          [
            [0, 1],
            [0, 1],
          ],
        ],
      );
      const completed = await client.completions.create({ model: alias, prompt: "Say" });
      assert.equal(completed.model, target);
      const drawn = await client.images.generate({ model: alias, prompt: "a cat" });
      assert.equal(drawn.data?.[0]?.revised_prompt, `This is ${target}.`);
      const spoken = await client.audio.speech.create({ model: alias, voice: "alloy", input: "a" });
      assert.equal(await spoken.text(), `This is ${target}.`);
      await assertForbidden(client.embeddings.create({ model: forbidden, input: "a" }));
      await assertForbidden(client.images.generate({ model: forbidden, prompt: "a cat" }));
    });

    it("sends whatever its types allow, and all of it arrives as it was sent", async () => {
      type Body = Readonly<Record<string, unknown>>;
      const json: readonly (readonly [path: string, body: Body])[] = [
        ["/chat/completions", fullChat],
        ["/responses", fullResponse],
      ];
      for (const [path, body] of json) {
        await client.post(path, { body: { ...body, model: alias } });
        const wanted = JSON.stringify({ ...body, model: target });
        assert.equal(stack.last().body.toString("utf8"), wanted);
      }
      const file = await toFile(fillBytes(3000, 8), "C:\\dir\\a.wav", { type: "audio/wav" });
      await client.audio.transcriptions.create({ ...transcription, file, model: alias });
      assertSplicedForm();
      const edit = { ...fullImageEdit, image: [file, file, file], mask: file };
      await client.images.edit({ ...edit, model: alias });
      assertSplicedForm();
    });

    it("lists the models of its key", async () => {
      const ids: string[] = [];
      for await (const { id } of client.models.list()) ids.push(id);
      assert.deepEqual(ids.sort(), [alias, target].sort());
    });

    it("transcribes a file that comes after the model, and before it", async () => {
      const file = await toFile(fillBytes(3000, 1), 'a "quoted" näme;.wav', { type: "audio/wav" });
      const first = await client.audio.transcriptions.create({
        model: alias,
        file,
        language: "en",
        prompt: "AgentX-LLM",
        temperature: 0,
        include: ["logprobs"],
        timestamp_granularities: ["word", "segment"],
      });
      assert.equal(first.text, `This is ${target}.`);
      assert.ok((await fileIn(stack.last(), "file")).equals(fillBytes(3000, 1)));
      const last = await client.audio.transcriptions.create({ file, model: alias });
      assert.equal(last.text, `This is ${target}.`);
      assertSplicedForm();
      await assertForbidden(client.audio.transcriptions.create({ file, model: forbidden }));
    });

    it("transcribes a file of 25 MB whose model comes last, every byte as it was", async () => {
      const bytes = fillBytes(25 * megabyte, 2);
      const file = await toFile(bytes, "long.wav", { type: "audio/wav" });
      const made = await client.audio.transcriptions.create({ file, model: alias });
      assert.equal(made.text, `This is ${target}.`);
      assertSplicedForm();
      assert.ok((await fileIn(stack.last(), "file")).equals(bytes));
      await assertForbidden(client.audio.transcriptions.create({ file, model: forbidden }));
    });

    it("transcribes a file of 25 MB that comes in chunks", async () => {
      const bytes = fillBytes(25 * megabyte, 3);
      const streaming = client.withOptions({ fetch: recorder.fetchInChunks });
      const file = await toFile(bytes, "long.wav", { type: "audio/wav" });
      const made = await streaming.audio.transcriptions.create({ file, model: alias });
      assert.equal(made.text, `This is ${target}.`);
      assertSplicedForm();
    });

    it("transcribes what a read stream brings", async () => {
      const folder = createTempFolder("audio");
      const path = join(folder.path, "speech.mp3");
      writeFileSync(path, fillBytes(200_000, 3));
      const made = await client.audio.transcriptions.create({
        file: createReadStream(path),
        model: alias,
        response_format: "verbose_json",
      });
      folder.remove();
      assert.equal(made.text, `This is ${target}.`);
      assert.ok((await fileIn(stack.last(), "file")).equals(fillBytes(200_000, 3)));
      assertSplicedForm();
    });

    it("streams a transcription and translates another", async () => {
      const file = await toFile(fillBytes(3000, 4), "a.wav");
      const stream = await client.audio.transcriptions.create({ file, model: alias, stream: true });
      let text = "";
      for await (const event of stream) {
        text += event.type === "transcript.text.delta" ? event.delta : "";
      }
      assert.equal(text, `This is ${target}.`);
      assertSplicedForm();
      const made = await client.audio.translations.create({ file, model: alias });
      assert.equal(made.text, `This is ${target}.`);
      assertSplicedForm();
      await assertForbidden(client.audio.translations.create({ file, model: forbidden }));
    });

    it("edits one image and several, with a mask, and streams an edit", async () => {
      const image = await toFile(fillBytes(5000, 5), "a.png", { type: "image/png" });
      const mask = await toFile(fillBytes(5000, 6), "mask.png", { type: "image/png" });
      const one = await client.images.edit({ model: alias, image, mask, prompt: "a cat", n: 1 });
      assert.equal(one.data?.[0]?.revised_prompt, `This is ${target}.`);
      assertSplicedForm();
      const several = await client.images.edit({
        image: [image, mask],
        prompt: "a cat",
        model: alias,
        size: "1024x1024",
        input_fidelity: "high",
        output_format: "webp",
      });
      assert.equal(several.data?.[0]?.revised_prompt, `This is ${target}.`);
      assertSplicedForm();
      assert.ok((await fileIn(stack.last(), "image[]")).equals(fillBytes(5000, 5)));
      const stream = await client.images.edit({
        image,
        prompt: "a cat",
        model: alias,
        stream: true,
        partial_images: 1,
      });
      const types: string[] = [];
      for await (const event of stream) types.push(event.type);
      assert.deepEqual(types, ["image_edit.completed"]);
      assertSplicedForm();
      await assertForbidden(client.images.edit({ model: forbidden, image, prompt: "a cat" }));
    });

    it("makes a variation of an image", async () => {
      const image = await toFile(fillBytes(5000, 7), "a.png", { type: "image/png" });
      const made = await client.images.createVariation({ image, model: alias });
      assert.equal(made.data?.[0]?.revised_prompt, `This is ${target}.`);
      assertSplicedForm();
      await assertForbidden(client.images.createVariation({ image, model: forbidden }));
    });
  });
}
